# SPDX-License-Identifier: Apache-2.0
"""The provider of examples/python/own_provider.py: what a session does with it, and the cases that every provider has to pass."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import sandboxkit
from support import SOURCE, needs_root

sys.path.insert(0, str(SOURCE.parent.parent / "examples" / "python"))
from own_provider import DirectoryProvider  # noqa: E402

GUEST = os.environ.get("SANDBOXKIT_GUEST")
PROBE = os.environ.get("SANDBOXKIT_PROBE")


def make_base(root):
    """A small system of busybox."""
    for name in ("bin", "sbin", "etc", "root", "tmp", "var/tmp", "run", "proc", "sys", "dev", "srv", "usr/bin"):
        (root / name).mkdir(parents=True)
    busybox = shutil.copy(shutil.which("busybox"), root / "bin")
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)):
        (root / name).chmod(mode)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")


@needs_root
@unittest.skipUnless(shutil.which("busybox"), "there is no busybox")
@unittest.skipUnless(shutil.which("runc") or shutil.which("crun"), "there is no OCI runtime")
@unittest.skipUnless(GUEST, "SANDBOXKIT_GUEST does not name the guest program")
class OwnProvider(unittest.TestCase):
    def setUp(self):
        # Not in /tmp: that may be on an overlay.
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-", dir="/var/tmp")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        make_base(self.directory / "base")
        self.image = f"directory:{self.directory}/base"
        self.provider = self.new_provider()

    def new_provider(self):
        return DirectoryProvider(self.directory / "provider", GUEST)

    def tearDown(self):
        for sandbox in self.provider.list({}):
            self.provider.destroy(sandbox.id)

    def test_another_process_finds_its_sandboxes(self):
        document = {"name": "own", "provider": "directory", "image": self.image, "network": {"egress": "none"}}
        store = self.directory / "sandboxes.db"
        with sandboxkit.Engine(store, providers=[self.provider]) as engine:
            profile = engine.create_profile(document)
            profile.publish().snapshot.wait()
            session = profile.start_session()
            session.exec(["sh", "-c", "echo kept > /root/kept"], check=True)
            identity = session.id
        with sandboxkit.Engine(store, providers=[self.new_provider()]) as engine:
            (session,) = engine.sessions()
            self.assertEqual(session.id, identity)
            self.assertEqual(session.exec(["cat", "/root/kept"]).text, "kept\n")
            session.stop()
            session.resume()
            self.assertEqual(session.exec(["cat", "/root/kept"]).text, "kept\n")
            session.remove()
            self.assertEqual(self.provider.list({}), [])

    def test_the_example(self):
        example = SOURCE.parent.parent / "examples" / "python" / "own_provider.py"
        done = subprocess.run(
            [sys.executable, example, self.directory / "base", GUEST], cwd=self.directory, capture_output=True, text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "hello")

    def test_conformance(self):
        scratch = self.directory / "scratch"
        scratch.mkdir()
        with sandboxkit.Engine(self.directory / "sandboxes.db", providers=[self.provider]) as engine:
            only = os.environ.get("SANDBOXKIT_CASES", "").split()
            results = engine.check_provider("directory", image=self.image, scratch=scratch, probe=PROBE, only=only)
        for case in results:
            print(f"{case.verdict:14} {case.taken_ms:6} ms  {case.group}/{case.name}  {case.message}")
        self.assertEqual([case for case in results if case.verdict == "failed"], [])
        self.assertGreater(sum(case.verdict == "passed" for case in results), 0 if only else 60)
