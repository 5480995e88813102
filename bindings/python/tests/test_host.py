# SPDX-License-Identifier: Apache-2.0
"""What an engine asks its host application, and what it logs."""
import asyncio
import logging
import threading
import unittest

import sandboxkit
import sandboxkit.aio
from support import WithDirectory

BOUND = {"name": "hello", "environment_binding": "staging"}
ABSENT = {"name": "hello", "image": "directory:/none/such"}
UNKNOWN = "environment_unknown"


class References:
    """Knows one environment."""

    def __init__(self):
        self.asked = []
        self.threads = set()

    def connection(self, id):
        self.asked.append(("connection", id))
        return None

    def environment(self, id):
        self.asked.append(("environment", id))
        self.threads.add(threading.current_thread())
        return sandboxkit.Environment(name="Staging") if id == "staging" else None

    def host(self, id):
        self.asked.append(("host", id))
        return sandboxkit.Host("local")


def codes(validation):
    return {problem.code for problem in validation.errors}


class InAThread(WithDirectory):
    def open(self, **options):
        engine = sandboxkit.Engine(self.store, run_jobs=False, **options).open()
        self.addCleanup(engine.close)
        return engine

    def test_references(self):
        references = References()
        engine = self.open(references=references)
        unknown = engine.validate({**BOUND, "environment_binding": "moon"}, gate="publish")
        known = engine.validate(BOUND, gate="publish")
        self.assertEqual(codes(unknown) - codes(known), {UNKNOWN})
        self.assertIn(("environment", "staging"), references.asked)
        self.assertIn(("environment", "moon"), references.asked)
        (thread,) = references.threads
        self.assertEqual(thread.name, "sandboxkit host")
        engine.close()
        self.assertFalse(thread.is_alive())

    def test_no_thread_that_is_not_needed(self):
        self.open()
        self.assertNotIn("sandboxkit host", [thread.name for thread in threading.enumerate()])

    def test_what_a_function_raises_is_the_error_of_who_asked(self):
        references = References()
        engine = self.open(references=references)

        def environment(_):
            raise sandboxkit.QuotaError("enough", "not so often")

        references.environment = environment
        with self.assertRaises(sandboxkit.QuotaError) as caught:
            engine.validate(BOUND, gate="publish")
        self.assertEqual((caught.exception.code, caught.exception.message), ("host_refused", "not so often"))

        def environment(_):
            raise KeyError("broken")

        references.environment = environment
        with self.assertLogs("sandboxkit") as logs, self.assertRaises(sandboxkit.UnavailableError) as caught:
            engine.validate(BOUND, gate="publish")
        self.assertIn("KeyError: 'broken'", str(caught.exception))
        self.assertIn("Traceback", logs.output[0])

    def test_an_answer_that_is_none(self):
        references = References()
        engine = self.open(references=references)
        references.environment = lambda _: sandboxkit.Host("local")
        with self.assertRaises(sandboxkit.Error) as caught:
            engine.validate(BOUND, gate="publish")
        self.assertEqual(caught.exception.code, "host_answer_invalid")
        references.environment = lambda _: "staging"
        with self.assertLogs("sandboxkit"), self.assertRaises(sandboxkit.UnavailableError):
            engine.validate(BOUND, gate="publish")

    def test_an_answer_that_takes_too_long(self):
        references, release = References(), threading.Event()
        self.addCleanup(release.set)
        engine = self.open(references=references, answer_timeout_ms=50)
        references.environment = lambda _: release.wait() and None
        with self.assertRaises(sandboxkit.UnavailableError) as caught:
            engine.validate(BOUND, gate="publish")
        self.assertEqual(caught.exception.code, "host_did_not_answer")

    def test_what_cannot_be_called(self):
        async def coroutine(_):
            return None

        for wrong in (7, coroutine):
            with self.assertRaises(TypeError):
                sandboxkit.Engine(self.store, credentials=wrong)
        with self.assertRaisesRegex(TypeError, "references.connection"):
            sandboxkit.Engine(self.store, references=object())


class InALoop(unittest.IsolatedAsyncioTestCase, WithDirectory):
    async def test_functions_and_coroutine_functions(self):
        references, loop = References(), asyncio.get_running_loop()

        class Awaited(References):
            async def environment(self, id):
                assert asyncio.get_running_loop() is loop
                await asyncio.sleep(0)
                return References.environment(self, id)

        for references in (References(), Awaited()):
            async with sandboxkit.aio.Engine(self.store, run_jobs=False, references=references) as engine:
                known, unknown = await asyncio.gather(
                    engine.validate(BOUND, gate="publish"),
                    engine.validate({**BOUND, "environment_binding": "moon"}, gate="publish"),
                )
                self.assertEqual(codes(unknown) - codes(known), {UNKNOWN})
            self.assertEqual(references.threads, {threading.main_thread()})

    async def test_closing_while_an_answer_is_awaited(self):
        entered, cancelled = asyncio.Event(), asyncio.Event()
        references = References()

        async def environment(_):
            entered.set()
            try:
                await asyncio.sleep(1000)
            finally:
                cancelled.set()

        references.environment = environment
        async with sandboxkit.aio.Engine(self.store, run_jobs=False, references=references) as engine:
            task = asyncio.create_task(engine.validate(BOUND, gate="publish"))
            await entered.wait()
        with self.assertRaises(sandboxkit.Error):
            await task
        await asyncio.wait_for(cancelled.wait(), 10)


class Log(unittest.IsolatedAsyncioTestCase, WithDirectory):
    """The job fails, since its image is not there: an event that operators want to know of."""

    def check_records(self, records):
        self.assertTrue(records)
        for record in records:
            self.assertTrue(record.event and record.getMessage() and record.at)
            self.assertIsInstance(record.fields, dict)
        (failed,) = [record for record in records if record.event == "job.failed"]
        self.assertGreaterEqual(failed.levelno, logging.WARNING)

    def test_lines_go_to_logging(self):
        with self.assertLogs("sandboxkit", logging.DEBUG) as logs:
            with sandboxkit.Engine(self.store, log_level="debug") as engine:
                version = engine.create_profile(ABSENT).publish()
                with self.assertRaises(sandboxkit.Error):
                    version.snapshot.wait()
        self.check_records(logs.records)

    async def test_lines_go_to_logging_in_a_loop(self):
        with self.assertLogs("sandboxkit", logging.DEBUG) as logs:
            async with sandboxkit.aio.Engine(self.store, log_level="debug") as engine:
                version = await (await engine.create_profile(ABSENT)).publish()
                with self.assertRaises(sandboxkit.Error):
                    await version.snapshot.wait()
        self.check_records(logs.records)
