# SPDX-License-Identifier: Apache-2.0
"""The package held to its own rules."""
import inspect
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import sandboxkit
import sandboxkit.aio
from sandboxkit._errors import error_from
from sandboxkit._sandboxkit import lib
from support import SOURCE

PACKAGE = SOURCE / "src" / "sandboxkit"
HEADER = SOURCE.parent.parent / "capi" / "include" / "sandboxkit.h"

# Functions that the package does without, and why.
NOT_USED = {
    "sbk_event_text": "for programs without a reader of JSON",
    "sbk_event_integer": "for programs without a reader of JSON",
}
CLASSES = [
    "Client", "Engine", "Job", "Process", "Profile", "Proposal", "Provider", "References", "Session", "Snapshot", "Version",
    "Watch",
]


class Package(unittest.TestCase):
    def test_every_function_of_the_header_is_used(self):
        functions = set(re.findall(r"^SBK_API [^;]*?\b(sbk_\w+)\(", HEADER.read_text(), re.MULTILINE))
        self.assertGreater(len(functions), 80)
        used = set()
        for path in PACKAGE.rglob("*.py"):
            used.update(re.findall(r"\b_?lib\.(sbk_\w+)", path.read_text()))
        self.assertEqual(functions - used, set(NOT_USED))
        for name in functions:
            self.assertTrue(callable(getattr(lib, name)), name)

    def test_every_constant_of_the_header_is_there(self):
        names = re.findall(r"\b(SBK_[A-Z_]+) = \d", HEADER.read_text())
        self.assertGreater(len(names), 30)
        for name in names:
            self.assertIsInstance(getattr(lib, name), int, name)

    def test_the_sync_form_is_current(self):
        subprocess.run([sys.executable, SOURCE / "make_sync.py", "--check"], check=True)

    def test_the_check_of_the_sync_form_can_fail(self):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy(SOURCE / "make_sync.py", directory)
            shutil.copytree(PACKAGE, pathlib.Path(directory, "src", "sandboxkit"))
            with open(pathlib.Path(directory, "src", "sandboxkit", "_async", "job.py"), "a") as file:
                file.write("# new\n")
            check = [sys.executable, pathlib.Path(directory, "make_sync.py"), "--check"]
            self.assertEqual(subprocess.run(check, capture_output=True).returncode, 1)
            subprocess.run(check[:2], check=True)
            subprocess.run(check, check=True)

    def test_types(self):
        mypy = shutil.which("mypy")
        if mypy is None:
            self.skipTest("there is no mypy")
        example = SOURCE.parent.parent / "examples" / "python" / "own_provider.py"
        for source in (["-p", "sandboxkit"], [str(SOURCE / "tests" / "typed_program.py")], [str(example)]):
            subprocess.run(
                [mypy, "--strict", "--cache-dir=/dev/null", "--python-version", "3.9", *source],
                env={"MYPYPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"}, cwd=SOURCE, check=True,
            )

    def test_the_version_is_that_of_the_library(self):
        project = (SOURCE / "pyproject.toml").read_text()
        self.assertIn(f'\nversion = "{sandboxkit.__version__}"\n', project)

    def test_features(self):
        self.assertTrue(sandboxkit.has_feature("provider.local"))
        self.assertFalse(sandboxkit.has_feature("teleportation"))

    def test_both_forms_have_the_same_names(self):
        for name in CLASSES:
            sync, aio = getattr(sandboxkit, name), getattr(sandboxkit.aio, name)
            self.assertIsNot(sync, aio)
            public = {member for member in dir(sync) if not member.startswith("_")}
            self.assertEqual(public, {member for member in dir(aio) if not member.startswith("_")}, name)

    def test_everything_public_is_documented(self):
        self.assertTrue(sandboxkit.__doc__ and sandboxkit.aio.__doc__)
        for module in (sandboxkit, sandboxkit.aio):
            for name in module.__all__:
                value = getattr(module, name)
                if not inspect.isclass(value):
                    continue
                self.assertTrue(value.__doc__, name)
                for member, function in vars(value).items():
                    if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                        self.assertTrue(inspect.getdoc(function), f"{name}.{member}")

    def test_what_takes_no_event_loop_does_not_import_asyncio(self):
        program = "import sandboxkit, sys; sys.exit('asyncio' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_house_style(self):
        for path in SOURCE.rglob("*.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                self.assertLessEqual(len(line), 130, f"{path}:{number}")


class Errors(unittest.TestCase):
    def test_classes(self):
        for name in ("invalid", "not_found", "conflict", "permission", "unavailable", "quota", "timeout", "cancelled",
                     "data_loss", "unsupported", "internal", "no_memory", "misuse", "forked"):
            error = error_from(None, name)
            self.assertIsNot(type(error), sandboxkit.Error)
            self.assertEqual((error.name, error.code), (name, name))
        self.assertIs(type(error_from({"class": "of_tomorrow", "code": "c", "message": "m"}, "unknown")), sandboxkit.Error)

    def test_what_python_has_too(self):
        self.assertTrue(issubclass(sandboxkit.TimeoutError, TimeoutError))
        self.assertTrue(issubclass(sandboxkit.MisuseError, ValueError))
        self.assertTrue(issubclass(sandboxkit.OutOfMemoryError, MemoryError))

    def test_an_error_says_all(self):
        problem = {"pointer": "/image", "code": "unknown_image", "message": "there is none such", "remedy": "name another"}
        error = error_from(
            {"class": "invalid", "code": "profile_invalid", "message": "the document has faults", "remedy": "mend them",
             "detail": "from afar", "problems": [problem]},
            "invalid",
        )
        self.assertIsInstance(error, sandboxkit.InvalidError)
        self.assertEqual(str(error), "the document has faults; mend them\n  /image: there is none such; name another")
        self.assertEqual(error.problems, (sandboxkit.Problem("/image", "unknown_image", "there is none such", "name another"),))
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy), copy.code, copy.detail), (type(error), str(error), error.code, "from afar"))

    def test_a_secret_is_not_shown(self):
        self.assertNotIn("hush", repr(sandboxkit.Credential("git", "hush")))
