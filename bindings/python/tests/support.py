# SPDX-License-Identifier: Apache-2.0
"""What tests of several modules need."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import sandboxkit

SOURCE = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = {"name": "hello", "setup_script": "echo hello > /root/greeting"}


def needs_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "sandboxes need root privileges")(test)


class WithDirectory(unittest.TestCase):
    """A test with an empty directory of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.store = self.directory / "sandboxes.db"


class WithEngine(WithDirectory):
    """A test with an engine that builds no snapshots."""

    def setUp(self):
        super().setUp()
        self.engine = sandboxkit.Engine(self.store, run_jobs=False).open()
        self.addCleanup(self.engine.close)


def run_program(program: str, *arguments: str, directory: pathlib.Path, **named):
    """Runs a program in an interpreter of its own, which must say nothing but what the program prints."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=directory, capture_output=True, text=True, timeout=60, **named
    )
