# SPDX-License-Identifier: Apache-2.0
"""Waiting: cancelling, signals, threads, processes, event loops. A job that nobody runs is what is waited for."""
import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import unittest

import sandboxkit
import sandboxkit.aio
from sandboxkit._async.waiting import Queue as LoopQueue
from sandboxkit._sandboxkit import lib
from sandboxkit._sync.waiting import Queue as ThreadQueue
from support import DOCUMENT, WithDirectory, WithEngine


class Interrupted(Exception):
    pass


@contextlib.contextmanager
def interrupted_soon():
    """A signal whose handler raises, as that of Ctrl-C does."""

    def handler(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Signals(WithEngine):
    def test_a_wait_is_interrupted(self):
        job = self.engine.create_profile(DOCUMENT).publish().snapshot.job()
        with interrupted_soon(), self.assertRaises(Interrupted):
            job.wait()
        # The operation was cancelled and has completed: nothing is left of it.
        self.assertEqual(ThreadQueue.current()._operations, {})
        self.assertEqual(job.reload().state, "queued")

    def test_a_handler_that_returns_does_not(self):
        seen = []
        before = signal.signal(signal.SIGALRM, lambda *_: seen.append(True))
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        job = self.engine.create_profile(DOCUMENT).publish().snapshot.job()
        canceller = threading.Thread(target=lambda: (self.wait_until(lambda: seen), job.cancel()))
        canceller.start()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with self.assertRaises(sandboxkit.OperationCancelledError):
            job.wait()
        canceller.join()

    def wait_until(self, ready):
        while not ready():
            time.sleep(0.01)

    def test_an_iterator_that_is_left(self):
        job = self.engine.create_profile(DOCUMENT).publish().snapshot.job()
        steps = iter(job)
        with interrupted_soon(), self.assertRaises(Interrupted):
            for _ in steps:
                pass
        for _ in job:
            break
        self.assertEqual(ThreadQueue.current()._operations, {})


class Threads(WithEngine):
    def test_each_has_a_queue(self):
        queues, failures = set(), []

        def work(number):
            try:
                for n in range(20):
                    profile = self.engine.create_profile({"name": f"{number}.{n}"})
                    self.assertEqual(profile.reload().name, f"{number}.{n}")
                queues.add(ThreadQueue.current())
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual((len(queues), len(self.engine.profiles())), (8, 160))

    def test_many_wait_in_one_queue(self):
        queue, handle = ThreadQueue(), self.engine._opened()
        done = []

        def work():
            for _ in range(300):
                queue.call(lib.sbk_engine_ping, queue.handle, handle)
            done.append(True)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(done), queue._operations, queue._leader), (8, {}, 0))

    def test_closing_ends_the_waiting_of_others(self):
        job = self.engine.create_profile(DOCUMENT).publish().snapshot.job()
        errors = []
        waiting = threading.Event()

        def work():
            waiting.set()
            try:
                job.wait()
            except sandboxkit.Error as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        waiting.wait()
        self.engine.close()
        thread.join()
        self.assertIn(errors[0].code, ("cancelled", "engine_closed"))


class EventLoops(unittest.IsolatedAsyncioTestCase, WithDirectory):
    async def test_cancelling_a_task(self):
        async with sandboxkit.aio.Engine(self.store, run_jobs=False) as engine:
            version = await (await engine.create_profile(DOCUMENT)).publish()
            job = await version.snapshot.job()
            tasks = [asyncio.create_task(job.wait()) for _ in range(50)]
            await asyncio.sleep(0.05)
            self.assertEqual(len(LoopQueue.current()._operations), 50)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.assertEqual({type(result) for result in results}, {asyncio.CancelledError})
            self.assertEqual(LoopQueue.current()._operations, {})
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(job.wait(), 0.05)
            self.assertEqual((await job.reload()).state, "queued")

    async def test_a_task_that_is_cancelled_twice(self):
        async with sandboxkit.aio.Engine(self.store, run_jobs=False) as engine:
            job = await (await (await engine.create_profile(DOCUMENT)).publish()).snapshot.job()
            task = asyncio.create_task(job.wait())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual(LoopQueue.current()._operations, {})

    async def test_closing_ends_the_waiting_of_others(self):
        async with sandboxkit.aio.Engine(self.store, run_jobs=False) as engine:
            job = await (await (await engine.create_profile(DOCUMENT)).publish()).snapshot.job()
            task = asyncio.create_task(job.wait())
            await asyncio.sleep(0.05)
        with self.assertRaises(sandboxkit.Error) as caught:
            await task
        self.assertIn(caught.exception.code, ("cancelled", "engine_closed"))

    async def test_many_in_flight(self):
        asyncio.get_running_loop().set_debug(False)
        async with sandboxkit.aio.Engine(self.store) as engine:
            await asyncio.gather(*(engine.ping() for _ in range(10_000)))

    async def test_the_other_form_in_a_running_loop(self):
        # As in a cell of a notebook.
        with sandboxkit.Engine(self.store, run_jobs=False) as engine:
            self.assertEqual(engine.create_profile(DOCUMENT).publish().number, 1)

    async def test_what_waits_is_not_lost_to_the_collector(self):
        async with sandboxkit.aio.Engine(self.store) as engine:
            ping = asyncio.create_task(engine.ping())
            await asyncio.sleep(0)
            gc.collect()
            await ping


def profiles_of(store):
    with sandboxkit.Engine(store) as engine:
        return [profile.name for profile in engine.profiles()]


def in_a_fork(engine):
    try:
        engine.ping()
    except sandboxkit.ForkedError:
        return "forked"


_engine = None


def in_a_worker(_):
    return in_a_fork(_engine)


class Processes(WithEngine):
    def test_fork(self):
        profile = self.engine.create_profile(DOCUMENT)
        job = profile.publish().snapshot.job()
        asyncio_engine = sandboxkit.aio.Engine(self.directory / "other.db")
        asyncio.run(asyncio_engine.open())
        self.addCleanup(lambda: asyncio.run(asyncio_engine.close()))
        client = self.engine.as_principal("ada", every_scope=True)
        client.profiles()
        calls = [
            self.engine.ping, self.engine.profiles, self.engine.close, client.profiles, job.wait, lambda: profile.edit(DOCUMENT),
            profile.publish, lambda: next(iter(job)), lambda: asyncio.run(asyncio_engine.ping()),
            lambda: asyncio.run(asyncio_engine.profiles()),
        ]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for call in calls:
                    with self.assertRaises(sandboxkit.ForkedError):
                        call()
                # One of its own: not on what the parent has open.
                with self.assertRaises(sandboxkit.ConflictError) as caught:
                    profiles_of(self.store)
                self.assertEqual(caught.exception.code, "store_open_at_fork")
                self.assertEqual(profiles_of(self.directory / "child.db"), [])
                del calls, profile, job, client, asyncio_engine, self.engine
                gc.collect()
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.engine.ping()

    def test_multiprocessing(self):
        global _engine
        self.engine.create_profile(DOCUMENT)
        for method in ("spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                self.assertEqual(pool.apply(profiles_of, (self.store,)), ["hello"], method)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            with self.assertRaises(sandboxkit.ConflictError):
                pool.apply(profiles_of, (self.store,))
        _engine = self.engine
        self.addCleanup(lambda: globals().update(_engine=None))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(in_a_worker, range(4)), ["forked"] * 4)
        self.engine.ping()

    def test_errors_go_from_one_process_to_another(self):
        with multiprocessing.get_context("spawn").Pool(1) as pool, self.assertRaises(sandboxkit.InvalidError) as caught:
            pool.apply(open_wrongly, (self.store,))
        self.assertTrue(caught.exception.problems)


def open_wrongly(store):
    sandboxkit.Engine(store, workers=65).open()
