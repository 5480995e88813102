# SPDX-License-Identifier: Apache-2.0
"""What touches the store only: profiles, edits, proposals, permissions, in both forms."""
import asyncio
import datetime
import unittest

import sandboxkit
import sandboxkit.aio
from support import DOCUMENT, WithDirectory, WithEngine


class Hosts(WithEngine):
    DEFINITION = {"name": "build", "provider": "docker", "endpoint": "unix:///nonexistent/docker.sock", "labels": {"a": "b"}}

    def test_one_life(self):
        managed = {host.name for host in self.engine.hosts()}
        self.assertLessEqual({"docker", "local"}, managed)
        host = self.engine.add_host(self.DEFINITION)
        self.assertEqual(self.engine.host("build"), host)
        self.assertEqual((host.registered, host.is_default, host.labels, host.created_by), (True, False, {"a": "b"}, "local"))
        self.assertEqual({each.name for each in self.engine.hosts()}, managed | {"build"})
        self.engine.set_default_host("build")
        self.assertTrue(self.engine.host("build").is_default)
        self.engine.set_default_host(None)
        self.assertFalse(self.engine.host("build").is_default)
        status = self.engine.test_host("build")
        self.assertEqual((status.state, status.facts), ("down", {}))
        self.assertTrue(status.message and status.remedy)
        with self.assertRaises(sandboxkit.ConflictError) as caught:
            self.engine.accept_host("build")
        self.assertEqual(caught.exception.code, "host_not_replaced")
        self.engine.remove_host("build")
        with self.assertRaises(sandboxkit.NotFoundError):
            self.engine.host("build")

    def test_what_is_refused(self):
        with self.assertRaises(sandboxkit.InvalidError) as caught:
            self.engine.add_host({"name": "a b", "provider": "docker", "endpoint": "tcp://me:secret@h:1", "colour": 1})
        self.assertEqual([problem.pointer for problem in caught.exception.problems], ["/colour"])
        with self.assertRaises(sandboxkit.InvalidError) as caught:
            self.engine.add_host({"name": "a b", "provider": "docker", "endpoint": "tcp://me:secret@h:1"})
        self.assertEqual({problem.pointer for problem in caught.exception.problems}, {"/name", "/endpoint"})
        with self.assertRaises(sandboxkit.ConflictError):
            self.engine.add_host({**self.DEFINITION, "name": "local"})
        with self.assertRaises(sandboxkit.ConflictError):
            self.engine.remove_host("local")

    def test_in_the_other_form(self):
        async def run():
            async with sandboxkit.aio.Engine(self.directory / "other.db") as engine:
                await engine.add_host(self.DEFINITION)
                return [host.name for host in await engine.hosts() if host.registered]

        self.assertEqual(asyncio.run(run()), ["build"])


class Profiles(WithEngine):
    def setUp(self):
        super().setUp()
        self.profile = self.engine.create_profile(DOCUMENT)

    def test_what_is_told_of_one(self):
        info = self.profile.info
        self.assertRegex(info.id, "^prf_")
        self.assertEqual((info.name, info.created_by, info.has_draft, info.latest_version), ("hello", "local", True, None))
        age = datetime.datetime.now(datetime.timezone.utc) - info.created
        self.assertLess(abs(age), datetime.timedelta(minutes=10))
        self.assertEqual([each.id for each in self.engine.profiles()], [self.profile.id])
        self.assertEqual(self.engine.profile(self.profile.id).info, info)
        self.assertEqual(self.profile.draft()["setup_script"], DOCUMENT["setup_script"])
        overview = self.profile.overview()
        self.assertEqual((overview.profile, overview.in_use, overview.proposals), (info, None, ()))
        self.assertEqual(overview.test, "not_yet_tested")

    def test_a_token_makes_one_profile(self):
        first, second = (self.engine.create_profile(DOCUMENT, client_token="token") for _ in range(2))
        self.assertEqual(first.id, second.id)

    def test_documents_as_text(self):
        self.assertEqual(self.engine.create_profile('{"name": "Zoë"}').name, "Zoë")
        self.assertEqual(self.engine.create_profile('{"name": "Zoë"}'.encode()).name, "Zoë")
        with self.assertRaises(sandboxkit.InvalidError):
            self.engine.create_profile("{")
        with self.assertRaises(TypeError):
            self.engine.create_profile(7)

    def test_every_problem_at_once(self):
        with self.assertRaises(sandboxkit.InvalidError) as caught:
            self.engine.create_profile({"name": "", "colour": "red", "setup_timeout": -1})
        error = caught.exception
        self.assertEqual(error.code, "profile_invalid")
        self.assertEqual({problem.pointer for problem in error.problems}, {"/name", "/colour", "/setup_timeout"})
        for problem in error.problems:
            self.assertIn(problem.message, str(error))

    def test_validation(self):
        validation = self.engine.validate({"name": "web", "colour": "red"})
        self.assertEqual([problem.pointer for problem in validation.errors], ["/colour"])
        self.assertEqual(self.engine.validate(DOCUMENT, gate="publish").errors, ())
        with self.assertRaisesRegex(ValueError, "there are: save, publish, start"):
            self.engine.validate(DOCUMENT, gate="garden")

    def test_edits(self):
        before = self.profile.info.revision
        kept = self.profile.edit({**DOCUMENT, "setup_script": "true"}, expected_revision=before)
        self.assertEqual([change.pointer for change in kept.changes], ["/setup_script"])
        self.assertEqual(kept.changes[0].after, "true")
        self.assertEqual(self.profile.info.revision, before + 1)
        with self.assertRaises(sandboxkit.ConflictError) as caught:
            self.profile.edit(DOCUMENT, expected_revision=before)
        self.assertEqual(caught.exception.code, "stale_revision")
        self.profile.edit_section("network", {"network": {"egress": "none"}})
        self.assertEqual(self.profile.draft()["network"], {"egress": "none"})

    def test_proposals(self):
        kept = self.profile.propose("network", {"network": {"egress": "none"}})
        discarded = self.profile.propose("network", {"network": {"egress": "open"}}, expected_revision=self.profile.info.revision)
        self.assertEqual([each.id for each in self.profile.proposals()], [kept.id, discarded.id])
        self.assertEqual(discarded.discard().state, "discarded")
        kept.keep()
        self.assertEqual(self.profile.draft()["network"], {"egress": "none"})
        self.assertEqual(self.profile.proposals(), [])
        with self.assertRaises(sandboxkit.ConflictError):
            kept.keep()

    def test_instructions(self):
        self.profile.edit({**DOCUMENT, "agent_instructions": "be brief"})
        self.profile.edit({**DOCUMENT, "agent_instructions": "be polite"})
        self.assertEqual([each.revision for each in self.profile.instructions()], [2, 1])
        self.assertEqual(self.profile.instructions_text(1), "be brief")
        self.profile.restore_instructions(1)
        self.assertEqual(self.profile.info.instructions_revision, 3)
        self.assertEqual(self.profile.instructions_text(3), "be brief")

    def test_activity(self):
        self.profile.duplicate(name="twin").delete()
        self.profile.edit_section("network", {"network": {"egress": "none"}})
        newest, oldest = self.profile.activity()
        self.assertEqual(oldest.action, "profile.create")
        self.assertEqual((newest.principal, newest.channel), ("local", "api"))
        self.assertEqual(self.profile.activity(before=newest.sequence), [oldest])
        self.assertEqual(self.profile.activity(limit=1), [newest])

    def test_versions(self):
        version = self.profile.publish()
        self.assertEqual((version.number, version.snapshot.state, version.info.decision.reuse), (1, "pending", False))
        self.profile.edit({**DOCUMENT, "setup_script": "true"})
        self.profile.publish()
        self.assertEqual([each.number for each in self.profile.versions()], [1, 2])
        self.assertEqual([change.pointer for change in self.profile.diff(1, 2)], ["/setup_script"])
        imported = self.engine.import_version(version.export(), name="again")
        self.assertEqual(imported.name, "again")
        self.assertEqual(imported.draft()["setup_script"], DOCUMENT["setup_script"])
        with self.assertRaises(sandboxkit.InvalidError):
            self.engine.import_version(b"none")
        with self.assertRaises(sandboxkit.ConflictError) as caught:
            self.profile.publish()
        self.assertEqual(caught.exception.code, "no_change")

    def test_jobs(self):
        version = self.profile.publish()
        job = version.snapshot.job()
        self.assertEqual((job.info.state, job.info.version), ("queued", 1))
        self.assertEqual([each.id for each in self.profile.jobs()], [job.id])
        self.assertEqual(self.engine.job(job.id).info, job.info)
        self.assertEqual(job.log(), b"")
        self.assertEqual(job.cancel().state, "cancelled")
        with self.assertRaises(sandboxkit.OperationCancelledError):
            job.wait()
        with self.assertRaises(sandboxkit.ConflictError):
            job.cancel()
        self.assertEqual(version.snapshot.refresh().info.trigger, "manual_refresh")

    def test_deletion(self):
        self.profile.delete()
        with self.assertRaises(sandboxkit.NotFoundError) as caught:
            self.profile.reload()
        self.assertEqual(caught.exception.code, "profile_deleted")

    def test_sessions_that_are_not_there(self):
        self.assertEqual(self.engine.sessions(), [])
        self.assertEqual(self.engine.sessions(ended=True), [])
        with self.assertRaises(sandboxkit.NotFoundError):
            self.engine.session("ses_none")
        with self.assertRaises(sandboxkit.ConflictError):
            self.profile.start_session()


class Principals(WithEngine):
    def test_scopes(self):
        profile = self.engine.create_profile(DOCUMENT)
        reader = self.engine.as_principal("ada", scopes=["sandbox-profiles.read"], channel="assistant")
        self.assertEqual([each.id for each in reader.profiles()], [profile.id])
        with self.assertRaises(sandboxkit.PermissionDeniedError) as caught:
            reader.create_profile(DOCUMENT)
        self.assertEqual(caught.exception.code, "not_permitted")
        manager = self.engine.as_principal("ada", scopes=["sandbox-profiles.read", "sandbox-profiles.manage"])
        self.assertEqual(manager.create_profile(DOCUMENT).info.created_by, "ada")
        with self.assertRaises(sandboxkit.PermissionDeniedError):
            self.engine.as_principal("nobody").profiles()

    def test_the_channel_is_in_the_log(self):
        client = self.engine.as_principal("ada", every_scope=True, channel="assistant")
        self.assertEqual(client.create_profile(DOCUMENT).activity()[0].channel, "assistant")

    def test_what_is_no_principal(self):
        for arguments in ({"id": "ada", "channel": "pigeon"}, {"id": "ada", "scopes": ["everything"]}, {"id": "a\n"}):
            with self.assertRaises((ValueError, sandboxkit.InvalidError)):
                self.engine.as_principal(**arguments).profiles()


class Engines(WithDirectory):
    def test_a_life(self):
        engine = sandboxkit.Engine(self.store)
        for early in (engine.ping, engine.profiles):
            with self.assertRaisesRegex(ValueError, "is not open"):
                early()
        engine.close()
        with engine:
            engine.ping()
            engine.reconcile()
            with self.assertRaises(ValueError):
                engine.open()
        engine.close()
        with sandboxkit.Engine(self.store).open() as opened:
            opened.ping()
        for late in (engine.ping, engine.profiles):
            with self.assertRaises(sandboxkit.ConflictError) as caught:
                late()
            self.assertEqual(caught.exception.code, "engine_closed")

    def test_two_at_one_store(self):
        with sandboxkit.Engine(self.store) as first, sandboxkit.Engine(self.store) as second:
            profile = first.create_profile(DOCUMENT)
            self.assertEqual(second.profiles()[0].id, profile.id)

    def test_options(self):
        with self.assertRaises(sandboxkit.InvalidError):
            sandboxkit.Engine(self.store, workers=65).open()
        with self.assertRaises(OverflowError):
            sandboxkit.Engine(self.store, workers=-1)
        with self.assertRaisesRegex(ValueError, "there are: nothing, error"):
            sandboxkit.Engine(self.store, log_level="loud")
        with self.assertRaises(TypeError):
            sandboxkit.Engine(None)

    def test_doctor(self):
        checks = sandboxkit.Engine(self.store).doctor()
        self.assertIn("runtime", [check.name for check in checks])
        self.assertFalse(self.store.exists())


class Asyncio(unittest.IsolatedAsyncioTestCase, WithDirectory):
    async def test_the_same(self):
        async with sandboxkit.aio.Engine(self.store, run_jobs=False) as engine:
            profile = await engine.create_profile(DOCUMENT)
            profiles = await asyncio.gather(*(engine.create_profile({"name": str(n)}) for n in range(20)))
            self.assertEqual({each.name for each in profiles}, {str(n) for n in range(20)})
            version = await profile.publish()
            self.assertEqual((await profile.version(1)).info, version.info)
            with self.assertRaises(sandboxkit.InvalidError):
                await engine.create_profile({})
            with self.assertRaises(sandboxkit.ConflictError):
                async with profile.start_session():
                    self.fail("there is no snapshot")
            await engine.ping()

    def test_one_engine_and_many_loops(self):
        engine = sandboxkit.aio.Engine(self.store)

        async def use():
            return await engine.create_profile(DOCUMENT)

        asyncio.run(engine.open())
        names = [asyncio.run(use()).name for _ in range(3)]
        self.assertEqual(names, ["hello"] * 3)
        asyncio.run(engine.close())
