# SPDX-License-Identifier: Apache-2.0
"""What makes sandboxes: snapshots, sessions, commands, processes, files, in both forms."""
import asyncio
import os
import pathlib
import signal
import tempfile
import threading
import unittest

import sandboxkit
import sandboxkit.aio
from support import DOCUMENT, needs_root, run_program
from test_waiting import Interrupted, interrupted_soon


def gone(text):
    """Whether no process of this machine has the text in its command line any more."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                return False
        except OSError:
            pass
    return True


@needs_root
class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.engine = sandboxkit.Engine(cls.directory / "sandboxes.db").open()
        cls.addClassCleanup(cls.engine.close)
        cls.profile = cls.engine.create_profile(DOCUMENT)
        cls.version = cls.profile.publish()
        cls.progress = []
        cls.version.snapshot.wait(progress=cls.progress.append)
        cls.session = cls.profile.start_session()
        cls.addClassCleanup(cls.profile.delete, force=True)

    def test_snapshots(self):
        self.assertEqual(self.version.snapshot.state, "ready")
        self.assertEqual(self.version.snapshot.image.provider, "local")
        self.assertTrue(self.version.info.ingredients)
        self.assertTrue(self.progress)
        self.assertTrue(all(str(each) for each in self.progress))
        self.assertEqual(self.profile.overview().in_use.version, 1)

    def test_a_build_that_fails(self):
        profile = self.engine.create_profile({"name": "bad", "setup_script": "echo oh; echo dear >&2; exit 7"})
        self.addCleanup(profile.delete, force=True)
        version = profile.publish()
        printed = []
        with self.assertRaises(sandboxkit.Error) as caught:
            version.snapshot.wait(progress=lambda progress: printed.append(progress.output))
        job = version.snapshot.job()
        self.assertEqual((job.info.state, job.info.error.code), ("failed", caught.exception.code))
        self.assertIn(b"oh\n", job.log())
        self.assertIn(b"dear\n", b"".join(printed))
        for _ in job:
            pass
        self.assertEqual(job.info.state, "failed")

    def test_a_life(self):
        with self.profile.start_session(idle_limit=3600, time_limit=7200) as session:
            info = session.info
            self.assertEqual((info.state, info.version, info.owner, info.error), ("running", 1, "local", None))
            self.assertIsNotNone(info.deadline)
            self.assertEqual(session.exec(["cat", "/root/greeting"]).stdout, b"hello\n")
            self.assertEqual(session.stop().state, "stopped")
            self.assertEqual(session.resume().state, "running")
            self.assertIn(session.id, [each.id for each in self.engine.sessions()])
        self.assertEqual(session.info.state, "removed")
        self.assertIn(session.id, [each.id for each in self.engine.sessions(ended=True)])
        with self.assertRaises(ZeroDivisionError):
            with self.profile.start_session() as session:
                1 / 0
        self.assertEqual(session.info.state, "removed")

    def test_a_token_starts_one_session(self):
        first, second = (self.profile.start_session(client_token="token", version=1) for _ in range(2))
        self.assertEqual(first.id, second.id)
        first.remove()

    def test_commands(self):
        session = self.session
        result = session.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertEqual((result.stdout, result.stderr, result.exit_code), (b"out\n", b"err\n", 3))
        self.assertEqual((result.text, result.error_text), ("out\n", "err\n"))
        result = session.exec(["sh", "-c", "echo $A; pwd; id -un"], env={"A": "b c"}, cwd="/tmp", user="nobody")
        self.assertEqual(result.text, "b c\n/tmp\nnobody\n")
        self.assertEqual(session.exec(["printf", r"\377\376"]).stdout, b"\xff\xfe")
        self.assertEqual(session.exec(["printf", r"\377"]).text, "\ufffd")
        self.assertEqual(session.exec(["printf", pathlib.PurePosixPath("/häh")]).text, "/häh")
        self.assertEqual(session.exec(["/none/such"]).exit_code, 127)
        with self.assertRaises(TypeError):
            session.exec("echo hello")
        with self.assertRaises(sandboxkit.Error):
            session.exec([])
        self.assertEqual(session.exec(["head", "-c", "100", "/dev/zero"], output_limit=10).dropped_bytes, 90)

    def test_check(self):
        self.session.exec(["true"], check=True)
        with self.assertRaises(sandboxkit.CommandError) as caught:
            self.session.exec(["sh", "-c", "echo no >&2; exit 3"], check=True)
        self.assertEqual(caught.exception.result.exit_code, 3)
        self.assertEqual(str(caught.exception), "'sh' ended with exit code 3: no")

    def test_time_limits(self):
        result = self.session.exec(["sleep", "1000"], timeout=0.1)
        self.assertTrue(result.end.timed_out)
        with self.assertRaisesRegex(sandboxkit.CommandError, "ran out of time"):
            self.session.exec(["sleep", "1000"], timeout=0.1, check=True)
        with self.assertRaises(ValueError):
            self.session.exec(["true"], timeout=0)

    def test_input(self):
        self.assertEqual(self.session.exec(["cat"], input="hello").text, "hello")
        self.assertEqual(self.session.exec(["cat"], input=b"").stdout, b"")
        self.assertEqual(self.session.exec(["cat"]).stdout, b"")
        # More than every buffer on the way, both ways at once.
        data = os.urandom(20 << 20)
        self.assertEqual(self.session.exec(["cat"], input=data, output_limit=len(data)).stdout, data)
        self.assertEqual(self.session.exec(["cat"], input=data, output_limit=1000).dropped_bytes, len(data) - 1000)
        self.assertEqual(self.session.exec(["true"], input=data).exit_code, 0)
        self.assertEqual(self.session.exec(["sh", "-c", "exec <&-; sleep 0.1; echo done"], input=data).text, "done\n")
        with self.session.start_process(["wc", "-c"], stdin=True) as process:
            process.write(data)
            process.close_input()
            self.assertEqual(int(next(process).data), len(data))

    def test_an_interrupted_command_is_killed(self):
        for input in (None, "hello"):
            with interrupted_soon(), self.assertRaises(Interrupted):
                self.session.exec(["sleep", "73737"], input=input)
            while not gone("73737"):
                os.sched_yield()

    def test_an_interrupted_start_leaves_no_session(self):
        before = {session.id for session in self.engine.sessions()}

        def handler(*_):
            raise Interrupted

        signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, signal.SIG_DFL)
        for milliseconds in range(1, 60, 6):
            try:
                signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
                session = self.profile.start_session()
                signal.setitimer(signal.ITIMER_REAL, 0)
                session.remove()
            except Interrupted:
                pass
        self.assertEqual({session.id for session in self.engine.sessions()}, before)

    def test_processes(self):
        with self.session.start_process(["sh", "-c", "echo one; echo two >&2; read a; echo got $a"], stdin=True) as process:
            self.assertRegex(process.id, "^cmd_")
            self.assertGreater(process.pid, 0)
            self.assertIn(process.id, [each.id for each in self.session.processes()])
            chunks = [next(process), next(process)]
            self.assertEqual({(each.stream, each.data) for each in chunks}, {("stdout", b"one\n"), ("stderr", b"two\n")})
            process.write("three\n")
            self.assertEqual([each.data for each in process], [b"got three\n"])
            self.assertEqual((process.end.exit_code, process.wait()), (0, process.end))
            self.assertEqual(list(process), [])
        with self.assertRaises(ValueError):
            process.write("more")

    def test_iterating_goes_on(self):
        with self.session.start_process(["sh", "-c", "for i in 1 2 3 4 5; do echo $i; read a; done"], stdin=True) as process:
            got = b""
            for chunk in process:
                got += chunk.data
                break
            with interrupted_soon(), self.assertRaises(Interrupted):
                next(process)
            process.write("\n")
            got += next(process).data
            process.write("\n\n\n\n")
            for chunk in process:
                got += chunk.data
            self.assertEqual((got, process.end.exit_code), (b"1\n2\n3\n4\n5\n", 0))

    def test_a_process_is_attached_to(self):
        process = self.session.start_process(["sh", "-c", "echo hello; sleep 73738"])
        self.assertEqual(next(process).data, b"hello\n")
        process.close()
        with self.session.attach(process.id, offset=0) as again:
            chunk = next(again)
            self.assertEqual((chunk.data, chunk.offset), (b"hello\n", 0))
            self.session.signal(process.id, signal.SIGTERM)
            end = again.wait()
        self.assertEqual((end.signal, end.exit_code, end.shell_code), (signal.SIGTERM, -1, 128 + signal.SIGTERM))
        with self.assertRaises(sandboxkit.NotFoundError):
            self.session.attach("cmd_none")

    def test_a_window_holds_a_process_back(self):
        size = 64 << 20
        with self.session.start_process(["head", "-c", str(size), "/dev/zero"], window=65536) as process:
            next(process)
            total = sum(len(chunk.data) for chunk in process)
            self.assertLess(total, size)
            self.assertEqual(process.end.exit_code, 0)

    def test_terminals(self):
        with self.session.start_process(["sh", "-c", "stty size; read a; stty size"], terminal=(80, 24)) as process:
            self.assertIn(b"24 80", next(process).data)
            process.resize(100, 40)
            process.write("\n")
            self.assertIn(b"40 100", b"".join(chunk.data for chunk in process))

    def test_a_process_in_two_threads(self):
        with self.session.start_process(["cat"], stdin=True) as process:
            got = []
            reader = threading.Thread(target=lambda: got.extend(chunk.data for chunk in process))
            reader.start()
            for number in range(200):
                process.write(f"{number}\n")
            process.close_input()
            reader.join()
        self.assertEqual(b"".join(got).split(), [str(number).encode() for number in range(200)])

    def test_what_is_left_open_is_told(self):
        with self.assertWarns(ResourceWarning):
            process = self.session.start_process(["sleep", "73739"])
            id = process.id
            del process
        self.session.signal(id, signal.SIGKILL)

    def test_files(self):
        session = self.session
        session.write_file("/workspace/deep/file", "häh")
        self.assertEqual(session.read_file("/workspace/deep/file").decode(), "häh")
        session.write_file(pathlib.PurePosixPath("/workspace/deep/empty"), b"")
        self.assertEqual(session.read_file(b"/workspace/deep/empty"), b"")
        info = session.stat("/workspace/deep/file")
        self.assertEqual((info.name, info.type, info.size, info.owner), ("file", "file", 4, "root"))
        self.assertEqual({each.name for each in session.list_directory("/workspace/deep")}, {"file", "empty"})
        self.assertIn("deep/file", {each.path[len("/workspace/"):] for each in session.list_directory("/workspace", depth=2)})
        self.assertEqual(session.make_directory("/workspace/other").type, "directory")
        with self.assertRaises(sandboxkit.ConflictError):
            session.make_directory("/workspace/other")
        self.assertEqual(session.move("/workspace/deep/file", "/workspace/other/file").path, "/workspace/other/file")
        session.remove_file("/workspace/deep")
        session.remove_file("/workspace/deep")
        with self.assertRaises(sandboxkit.NotFoundError):
            session.stat("/workspace/deep")

    def test_trees(self):
        there = self.directory / "there"
        (there / "sub").mkdir(parents=True)
        (there / "sub" / "file").write_bytes(b"x" * 1000)
        tree = self.session.upload(there, "/workspace/tree")
        self.assertEqual((tree.entries > 0, tree.bytes), (True, 1000))
        self.session.download("/workspace/tree", self.directory / "back")
        self.assertEqual((self.directory / "back" / "sub" / "file").read_bytes(), b"x" * 1000)
        with self.assertRaises(sandboxkit.QuotaError):
            self.session.download("/workspace/tree", self.directory / "less", bytes=10)

    def test_watching(self):
        self.session.make_directory("/workspace/watched/below")
        with self.session.watch("/workspace/watched", recursive=True) as changes:
            self.session.write_file("/workspace/watched/below/new", "x")
            self.assertEqual(next(changes), sandboxkit.FileChange("created", "below/new"))
        self.assertEqual(list(changes), [])
        with self.assertRaises(sandboxkit.NotFoundError):
            self.session.watch("/none/such")

    def test_the_interpreter_ends_while_a_process_is_iterated(self):
        program = """
import sys, threading, sandboxkit
engine = sandboxkit.Engine("sandboxes.db").open()
process = engine.session(sys.argv[1]).start_process(["sh", "-c", "echo hello; sleep 73740"])
started = threading.Event()
def work():
    try:
        for chunk in process:
            started.set()
    except sandboxkit.Error:
        pass
threading.Thread(target=work, daemon=True).start()
started.wait()
"""
        done = run_program(program, self.session.id, directory=self.directory)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        (left,) = [each for each in self.session.processes() if "sleep 73740" in each.argv[-1]]
        self.session.signal(left.id, signal.SIGKILL)


@needs_root
class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-")
        self.addCleanup(directory.cleanup)
        self.engine = await sandboxkit.aio.Engine(pathlib.Path(directory.name, "sandboxes.db")).open()
        self.addAsyncCleanup(self.engine.close)
        self.profile = await self.engine.create_profile(DOCUMENT)
        version = await self.profile.publish()
        steps = [step async for step in await version.snapshot.job()]
        self.assertTrue(steps)
        await version.snapshot.wait()

    async def test_the_same(self):
        async with self.profile.start_session() as session:
            results = await asyncio.gather(*(session.exec(["echo", str(n)]) for n in range(20)))
            self.assertEqual([int(result.text) for result in results], list(range(20)))
            async with session.start_process(["cat"], stdin=True) as process:
                reader = asyncio.create_task(self.collect(process))
                for n in range(10):
                    await process.write(f"{n}\n")
                await process.close_input()
                self.assertEqual((await reader).split(), [b"%d" % n for n in range(10)])
            self.assertEqual((await session.exec(["cat"], input="hello")).text, "hello")
            async with session.watch("/workspace") as changes:
                await session.write_file("/workspace/new", "")
                self.assertEqual((await changes.__anext__()).name, "new")
        self.assertEqual(session.info.state, "removed")

    async def collect(self, process):
        return b"".join([chunk.data async for chunk in process])

    async def test_cancelling(self):
        async with self.profile.start_session() as session:
            for input in (None, "hello"):
                task = asyncio.create_task(session.exec(["sleep", "73741"], input=input))
                while gone("73741"):
                    await asyncio.sleep(0.01)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                while not gone("73741"):
                    await asyncio.sleep(0.01)
            async with session.start_process(["sh", "-c", "echo 1; read a; echo 2"], stdin=True) as process:
                self.assertEqual((await process.__anext__()).data, b"1\n")
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(process.__anext__(), 0.05)
                await process.write("\n")
                self.assertEqual([chunk.data async for chunk in process], [b"2\n"])

    async def test_a_cancelled_start_leaves_no_session(self):
        for milliseconds in range(0, 60, 6):
            task = asyncio.create_task(self.start())
            await asyncio.sleep(milliseconds / 1000)
            task.cancel()
            try:
                await (await task).remove()
            except asyncio.CancelledError:
                pass
        self.assertEqual(await self.engine.sessions(), [])

    async def start(self):
        return await self.profile.start_session()
