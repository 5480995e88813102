# SPDX-License-Identifier: Apache-2.0
"""Providers that the host application brings: asked and answered, without sandboxes."""
import asyncio
import threading
import unittest

import sandboxkit
import sandboxkit.aio
from support import WithDirectory

DOCUMENT = {"name": "hello", "provider": "mine", "image": "directory:/base", "network": {"egress": "none"}}


class Idle(sandboxkit.Provider):
    """Has nothing, and makes nothing."""

    name = "mine"

    def __init__(self):
        self.asked = []
        self.threads = set()

    def seen(self, operation):
        self.asked.append(operation)
        self.threads.add(threading.current_thread())

    def capabilities(self):
        self.seen("capabilities")
        return sandboxkit.Capabilities(capture=True, egress_none=True, image_kinds=("directory",), facts={"kind": "idle"})

    def prepare_image(self, request):
        self.seen("prepare_image")
        self.request = request
        raise sandboxkit.QuotaError("disk_full", "there is no space", remedy="make some", detail="ENOSPC")

    def inspect_image(self, image_id):
        raise sandboxkit.NotFoundError("image_not_found", "no such image")

    def list_images(self):
        self.seen("list_images")
        return []

    def remove_image(self, image_id):
        pass

    def create(self, request):
        raise sandboxkit.UnsupportedError("idle", "this provider makes nothing")

    def start(self, sandbox_id):
        raise sandboxkit.NotFoundError("sandbox_not_found", "no such sandbox")

    stop = inspect = endpoint = start

    def destroy(self, sandbox_id):
        pass

    def list(self, labels):
        self.seen("list")
        return []

    def capture(self, sandbox_id, labels):
        raise sandboxkit.NotFoundError("sandbox_not_found", "no such sandbox")


def awaited(provider):
    """The same, of coroutine functions."""

    class Awaited(sandboxkit.aio.Provider):
        name = provider.name

    def coroutine(operation):
        async def call(self, *arguments):
            await asyncio.sleep(0)
            return getattr(provider, operation)(*arguments)

        return call

    operations = sandboxkit.aio.Provider.__abstractmethods__
    return type("Awaited", (Awaited,), {operation: coroutine(operation) for operation in operations})()


class InThreads(WithDirectory):
    def open(self, *providers, **options):
        engine = sandboxkit.Engine(self.store, providers=providers, **options).open()
        self.addCleanup(engine.close)
        return engine

    def test_opening_and_checking_ask(self):
        provider = Idle()
        engine = self.open(provider, answer_timeout_ms=1)
        self.assertEqual(set(provider.asked), {"capabilities", "list", "list_images"})
        before = provider.asked.count("capabilities")
        engine.validate(DOCUMENT, gate="publish")
        self.assertEqual(provider.asked.count("capabilities"), before + 1)
        problems = engine.validate({**DOCUMENT, "network": {"egress": "open"}}, gate="publish").errors
        self.assertIn("/network/egress", [problem.pointer for problem in problems])
        self.assertEqual({thread.name for thread in provider.threads}, {"sandboxkit provider"})

    def test_an_error_says_all(self):
        provider = Idle()
        engine = self.open(provider)
        version = engine.create_profile(DOCUMENT).publish()
        with self.assertRaises(sandboxkit.QuotaError) as caught:
            version.snapshot.wait()
        error = caught.exception
        self.assertEqual((error.code, error.message, error.remedy), ("disk_full", "there is no space", "make some"))
        self.assertEqual((provider.request.image, provider.request.digest), ("directory:/base", None))
        self.assertTrue(provider.request.labels)

    def test_answers_that_are_none(self):
        provider = Idle()
        engine = self.open(provider)
        provider.capabilities = lambda: sandboxkit.VolumeInfo("id", {})
        with self.assertRaises(sandboxkit.InternalError) as caught:
            engine.validate(DOCUMENT, gate="publish")
        self.assertEqual(caught.exception.code, "provider_answer")
        self.assertIn("/id", [problem.pointer for problem in caught.exception.problems])
        provider.capabilities = lambda: "many"
        with self.assertLogs("sandboxkit"), self.assertRaises(sandboxkit.UnavailableError) as caught:
            engine.validate(DOCUMENT, gate="publish")
        self.assertEqual(caught.exception.code, "host_refused")

    def test_one_that_takes_its_time_holds_up_no_other(self):
        provider, entered, release = Idle(), threading.Event(), threading.Event()
        self.addCleanup(release.set)
        engine = self.open(provider)

        def prepare_image(request):
            entered.set()
            release.wait()
            raise sandboxkit.UnavailableError("late", "too late")

        provider.prepare_image = prepare_image
        version = engine.create_profile(DOCUMENT).publish()
        self.assertTrue(entered.wait(30))
        engine.validate(DOCUMENT, gate="publish")
        engine.close()  # nor the end
        self.assertEqual(version.number, 1)

    def test_what_is_no_provider(self):
        class Nameless(Idle):
            name = None

        coroutine = awaited(Idle())
        for wrong in ([object()], [Nameless()], [coroutine]):
            with self.assertRaises(TypeError):
                sandboxkit.Engine(self.store, providers=wrong)
        with self.assertRaises(ValueError):
            sandboxkit.Engine(self.store, providers=[Idle(), Idle()])
        with self.assertRaises(TypeError):
            sandboxkit.Provider()

    def test_what_cannot_be_checked(self):
        engine = self.open(Idle())
        scratch = self.directory / "scratch"
        scratch.mkdir()
        for error, provider, only in (
            (sandboxkit.NotFoundError, "yours", ()),
            (sandboxkit.NotFoundError, "mine", ["lifecycle/no_such_case"]),
        ):
            with self.assertRaises(error):
                engine.check_provider(provider, image="directory:/base", scratch=scratch, only=only)
        with self.assertRaises(sandboxkit.InvalidError):
            engine.check_provider("mine", image="directory:/base", scratch=self.directory / "none")
        with self.assertRaises(sandboxkit.PermissionDeniedError):
            engine.as_principal("ada").check_provider("mine", image="directory:/base", scratch=scratch)

    def test_a_secret_is_not_shown(self):
        self.assertNotIn("hush", repr(sandboxkit.Endpoint(unix_socket="/s", access_token="hush")))


class InALoop(unittest.IsolatedAsyncioTestCase, WithDirectory):
    async def test_functions_and_coroutine_functions(self):
        for provider, shown, threads in (
            (idle := Idle(), idle, {"sandboxkit provider"}),
            (awaited(coroutines := Idle()), coroutines, {threading.main_thread().name}),
        ):
            async with sandboxkit.aio.Engine(self.store, run_jobs=False, providers=[provider]) as engine:
                await engine.validate(DOCUMENT, gate="publish")
            self.assertEqual(set(shown.asked), {"list", "list_images", "capabilities"})
            self.assertEqual({thread.name for thread in shown.threads}, threads)

    async def test_closing_while_an_answer_is_awaited(self):
        entered, cancelled = asyncio.Event(), asyncio.Event()
        provider = awaited(Idle())

        async def capabilities():
            entered.set()
            try:
                await asyncio.sleep(1000)
            finally:
                cancelled.set()

        provider.capabilities = capabilities
        async with sandboxkit.aio.Engine(self.store, run_jobs=False, providers=[provider]) as engine:
            task = asyncio.create_task(engine.validate(DOCUMENT, gate="publish"))
            await entered.wait()
        with self.assertRaises(sandboxkit.Error):
            await task
        await asyncio.wait_for(cancelled.wait(), 10)
