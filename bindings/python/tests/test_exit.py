# SPDX-License-Identifier: Apache-2.0
"""The interpreter ends cleanly at every stage of an engine's life: with code 0, in time, and without a word."""
import signal
import subprocess
import sys
import time

from support import WithDirectory, run_program

BEGIN = """
import asyncio, gc, os, signal, sys, threading, time
import sandboxkit, sandboxkit.aio
def published(engine):
    return engine.create_profile({"name": "hello"}).publish().snapshot.job()
async def apublished(engine):
    return await (await (await engine.create_profile({"name": "hello"})).publish()).snapshot.job()
class References:
    def __init__(self, environment): self.environment = environment
    def connection(self, id): return None
    def host(self, id): return None
BOUND = {"name": "hello", "environment_binding": "staging"}
def stuck_at(operation):
    entered = threading.Event()
    def stuck(self, *about):
        entered.set()
        time.sleep(1000)
    functions = {name: lambda self, *about: [] for name in sandboxkit.Provider.__abstractmethods__}
    return type("Stuck", (sandboxkit.Provider,), {**functions, operation: stuck, "name": "stuck"})(), entered
"""

STAGES = {
    "imported": "",
    "not opened": "engine = sandboxkit.Engine('x.db')",
    "opened and closed": "with sandboxkit.Engine('x.db') as engine: engine.ping()",
    "never closed": "engine = sandboxkit.Engine('x.db').open(); engine.ping()",
    "never closed, in a function": "(lambda: sandboxkit.Engine('x.db').open().ping())(); gc.collect()",
    "never closed, in a cycle": "engine = sandboxkit.Engine('x.db').open(); cycle = [engine]; cycle.append(cycle)",
    "never closed, with log": "engine = sandboxkit.Engine('x.db', log_level='debug').open(); engine.ping()",
    "jobs at work": "engine = sandboxkit.Engine('x.db').open(); published(engine)",
    "failed to open": """
try:
    sandboxkit.Engine('x.db', workers=65).open()
except sandboxkit.InvalidError:
    pass
""",
    "a daemon thread opens": """
threading.Thread(target=lambda: sandboxkit.Engine('x.db').open(), daemon=True).start()
""",
    "a daemon thread waits": """
engine = sandboxkit.Engine('x.db', run_jobs=False).open()
job = published(engine)
def wait():
    try:
        job.wait()
    except sandboxkit.Error:
        pass
threading.Thread(target=wait, daemon=True).start()
time.sleep(0.2)
""",
    "a daemon thread is busy": """
engine = sandboxkit.Engine('x.db').open()
def work():
    try:
        while True:
            engine.ping()
    except sandboxkit.Error:
        pass
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
""",
    "an iterator is open": """
engine = sandboxkit.Engine('x.db', run_jobs=False).open()
steps = iter(published(engine))
""",
    "a thread closes": """
engine = sandboxkit.Engine('x.db').open()
threading.Thread(target=lambda: (time.sleep(0.2), engine.close())).start()
""",
    "a provider is at work": """
provider, entered = stuck_at("capabilities")
engine = sandboxkit.Engine('x.db', providers=[provider]).open()
def validate():
    try:
        engine.validate({"name": "hello", "provider": "stuck"}, gate="publish")
    except sandboxkit.Error:
        pass
threading.Thread(target=validate, daemon=True).start()
entered.wait()
""",
    "a provider is at work, and the engine opens": """
provider, entered = stuck_at("capabilities")
engine = sandboxkit.Engine('x.db', providers=[provider])
threading.Thread(target=engine.open, daemon=True).start()
entered.wait()
""",
    "a host thread answers": """
entered = threading.Event()
def environment(id):
    entered.set()
    time.sleep(1000)
engine = sandboxkit.Engine('x.db', references=References(environment)).open()
profile = engine.create_profile(BOUND)
def publish():
    try:
        profile.publish()
    except sandboxkit.Error:
        pass
threading.Thread(target=publish, daemon=True).start()
entered.wait()
""",
    "sys.exit in a block": """
with sandboxkit.Engine('x.db') as engine:
    engine.ping()
    sys.exit(0)
""",
    "asyncio, closed": """
async def main():
    async with sandboxkit.aio.Engine('x.db') as engine:
        await engine.ping()
asyncio.run(main())
""",
    "asyncio, never closed": """
async def main():
    global engine
    engine = await sandboxkit.aio.Engine('x.db').open()
    await engine.ping()
asyncio.run(main())
""",
    "asyncio, in flight": """
async def main():
    engine = await sandboxkit.aio.Engine('x.db', run_jobs=False).open()
    job = await apublished(engine)
    global task
    task = asyncio.create_task(job.wait())
    await asyncio.sleep(0.2)
asyncio.run(main())
""",
    "asyncio, in flight in a loop that nobody runs any more": """
loop = asyncio.new_event_loop()
engine = loop.run_until_complete(sandboxkit.aio.Engine('x.db', run_jobs=False).open())
job = loop.run_until_complete(apublished(engine))
task = loop.create_task(job.wait())
task._log_destroy_pending = False
loop.run_until_complete(asyncio.sleep(0.2))
""",
    "asyncio, the host answers": """
async def main():
    entered = asyncio.Event()
    async def environment(id):
        entered.set()
        await asyncio.sleep(1000)
    engine = await sandboxkit.aio.Engine('x.db', references=References(environment)).open()
    profile = await engine.create_profile(BOUND)
    task = asyncio.create_task(profile.publish())
    await entered.wait()
asyncio.run(main())
""",
    "in a child": """
engine = sandboxkit.Engine('x.db', log_level='debug').open()
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of fork() in a process with threads
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
""",
}


class Exit(WithDirectory):
    def test_every_stage(self):
        for name, program in STAGES.items():
            with self.subTest(name):
                done = run_program(BEGIN + program, directory=self.directory)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_what_was_never_closed_is_told_on_request(self):
        for name in ("never closed", "never closed, in a function", "asyncio, never closed"):
            done = run_program("import warnings\nwarnings.simplefilter('always', ResourceWarning)\n" + BEGIN + STAGES[name],
                               directory=self.directory)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(done.stderr.count("ResourceWarning: unclosed engine"), 1, done.stderr)

    def test_interrupted_by_its_user(self):
        program = """
with sandboxkit.Engine('x.db', run_jobs=False) as engine:
    job = published(engine)
    print("waiting", flush=True)
    job.wait()
"""
        with subprocess.Popen([sys.executable, "-c", BEGIN + program], cwd=self.directory, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as child:
            self.assertEqual(child.stdout.readline(), "waiting\n")
            time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=30)
        self.assertEqual(child.returncode, -signal.SIGINT)
        self.assertEqual(errors.splitlines()[-1], "KeyboardInterrupt")


