#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/summary.py decides whether continuous integration is green: it must not miss a failure."""
import os
import pathlib
import subprocess
import sys
import tempfile

SUMMARY = pathlib.Path(__file__).resolve().parent.parent / "summary.py"
GOOD = '<testcase name="a" time="1" status="run"><system-out>fine</system-out></testcase>'
BAD = '<testcase name="b" time="1" status="fail"><failure message="Failed"/><system-out>no</system-out></testcase>'
SKIP = '<testcase name="c" time="0" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/><system-out>SKIPPED: needs a moon</system-out></testcase>'
LOST = '<testcase name="d" time="0" status="notrun"><skipped message="Unable to find executable"/></testcase>'
PART = '<testcase name="e" time="1" status="run"><system-out>x\nSKIPPED: half a moon\n</system-out></testcase>'


def run(*cases, strict=False, text=None):
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory, "report.xml")
        report.write_text(text if text is not None else f"<testsuite>{''.join(cases)}</testsuite>")
        environment = {**os.environ, "CI": "true" if strict else ""}
        result = subprocess.run([sys.executable, SUMMARY, f"p={report}"], capture_output=True, text=True, env=environment)
        assert not result.stderr, result.stderr
        return result.returncode, result.stdout.splitlines()[-1], result.stdout


def expect(code, line, *cases, **options):
    got = run(*cases, **options)
    assert got[:2] == (code, line), f"expected {code} and {line!r}, got {got}"
    return got[2]


expect(0, "2 passed, 0 failed, 0 skipped", GOOD, GOOD)
expect(1, "1 passed, 1 failed, 0 skipped", GOOD, BAD)
assert "needs a moon" in expect(0, "1 passed, 0 failed, 1 skipped", GOOD, SKIP)
expect(1, "1 passed, 1 failed, 0 skipped", GOOD, SKIP, strict=True)
assert "half a moon" in expect(0, "1 passed, 0 failed, 0 skipped", PART)
expect(1, "0 passed, 1 failed, 0 skipped", PART, strict=True)
expect(1, "1 passed, 1 failed, 0 skipped", GOOD, LOST)
expect(1, "0 passed, 1 failed, 0 skipped")
expect(1, "0 passed, 1 failed, 0 skipped", text="<testsuite><testcase")
print("the summary counts as it should")
