# SPDX-License-Identifier: Apache-2.0
"""Every example of the documentation does what it says."""
import doctest
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import sandboxkit
import sandboxkit.aio
from support import DOCUMENT, SOURCE, needs_root


@needs_root
class Documentation(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="sandboxkit-python-")
        self.addCleanup(directory.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory.name)

    def test_docstrings(self):
        engine = sandboxkit.Engine("other.db").open()
        self.addCleanup(engine.close)
        published = engine.create_profile(DOCUMENT)
        self.addCleanup(published.delete, force=True)
        version = published.publish()
        version.snapshot.wait()
        session = published.start_session()
        session.exec(["mkdir", "-p", "/workspace"], check=True)
        examples = 0
        finder = doctest.DocTestFinder(exclude_empty=True)
        names = [name for name in sandboxkit.__all__ if callable(getattr(sandboxkit, name))]
        for test in (test for name in names for test in finder.find(getattr(sandboxkit, name), name, module=False)):
            # Each begins where a reader would think that it does.
            drafted = engine.create_profile({"name": "web", "setup_script": "make dependencies"})
            profile = published if test.name.endswith(".start_session") else drafted
            test.globs.clear()
            test.globs.update(sandboxkit=sandboxkit, engine=engine, profile=profile, version=version, session=session)
            with self.subTest(test.name):
                report = []
                runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
                failed, tried = runner.run(test, out=report.append)
                self.assertEqual(failed, 0, "".join(report))
                examples += tried
            drafted.delete()
        self.assertGreater(examples, 25)

    def test_both_forms_have_the_same_examples(self):
        def examples(module):
            return sum(text.count(">>> ") for text in re.findall(r'""".*?"""', source(module), re.DOTALL))

        def source(folder):
            return "".join(path.read_text() for path in sorted((SOURCE / "src" / "sandboxkit" / folder).glob("*.py")))

        self.assertEqual(examples("_async"), examples("_sync"))

    def test_readme(self):
        programs = re.findall(r"^```python\n(.*?)^```", (SOURCE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        outputs = [
            "stdout b'hello, world\\n'", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]", "/colour unknown_field", "",
            "/network/egress not_supported",
        ]
        self.assertEqual(len(programs), len(outputs))
        for program, output in zip(programs, outputs):
            with self.subTest(program):
                pathlib.Path("program.py").write_text(program)
                done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.splitlines()[-1:], [output] if output else [])
                self.assertNotIn("Traceback", done.stderr)

    def tearDown(self):
        # What README's programs left in their store.
        if pathlib.Path("sandboxes.db").exists():
            with sandboxkit.Engine("sandboxes.db") as engine:
                for profile in engine.profiles():
                    profile.delete(force=True)
