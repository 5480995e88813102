#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""capi/reference.py holds the header and docs/c-abi.md together: each fault that is planted in a copy must be found."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEADER = (ROOT / "capi/include/sandboxkit.h").read_text(encoding="utf-8")


def run(header, *arguments, page=None, payloads=None):
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        for name, text in {"h": header, "md": page or "", "payloads": payloads or ""}.items():
            (directory / name).write_text(text, encoding="utf-8")
        if payloads is not None:
            arguments = (*arguments, directory / "payloads")
        result = subprocess.run([sys.executable, ROOT / "capi/reference.py", *arguments, "--header", directory / "h",
                                 "--page", directory / "md"], capture_output=True, text=True)
        assert not result.stderr, result.stderr
        return result.returncode, result.stdout


def checked(header):
    """What --check says of a header whose page is current."""
    return run(header, "--check", page=run(header)[1])


def without(name, key):
    """The header without a part of a function's comment."""
    declared = re.search(rf"^SBK_API [^;\n]*\b{name}\(", HEADER, re.MULTILINE).start()
    begin = HEADER.rindex("/*", 0, declared)
    comment = HEADER[begin:declared]
    changed = re.sub(rf" \* {key}.*?\n(?= \* [A-Z]\w+:| \*/)", "", comment, count=1, flags=re.DOTALL)
    assert changed != comment, (name, key)
    return HEADER[:begin] + changed + HEADER[declared:]


code, said = checked(HEADER)
assert code == 0, said
for header, problem in [
    (without("sbk_job_get", "Example:"), "sbk_job_get: has no 'Example:' that calls it"),
    (without("sbk_job_get", "Completes with:"), "sbk_job_get: submits, and has no 'Completes with:'"),
    (HEADER.replace("Completes with: Tree", "Completes with: Forest"),
     "sbk_tree_upload: completes with Forest, which is under no result"),
    (HEADER.replace("\n\n/* A job as it is now.", "\n\nSBK_API int sbk_bare(void);\n\n/* A job as it is now."),
     "sbk_bare has no comment of its own"),
]:
    code, said = checked(header)
    assert code == 1 and problem in said.splitlines(), (problem, said)
code, said = run(HEADER, "--check", page="old")
assert code == 1 and "docs/c-abi.md is not what the header says" in said, said

TREE, ERROR = {"entries": 1, "bytes": 2}, {"class": "c", "code": "", "message": "", "remedy": "", "detail": "", "problems": []}
for status, shape, value, problem in [
    (0, "Tree", TREE, None),
    (0, "Tree", {"entries": 1}, "event 1 Tree(Tree): the member bytes of the header is missing"),
    (0, "[Tree]", [TREE, {**TREE, "holes": 1}], "event 1 [Tree]/1(Tree): the member holes is not in the header"),
    (0, "Tree", {**TREE, "bytes": "2"}, 'event 1 Tree(Tree)/bytes: "2" is of another type than 10'),
    (0, "Tree", [], "event 1 Tree(Tree): [] is no object"),
    (0, '{"end": End}', {"end": TREE}, "event 1 {\"end\": End}/end(End): the member exit_code of the header is missing"),
    (2, "Tree", ERROR, None),
    (2, "Tree", TREE, "event 1 Tree(Error): the member class of the header is missing"),
]:
    code, said = run(HEADER, "--shapes", payloads=f"1\t{status}\t{shape}\t{json.dumps(value)}\n")
    found = [line for line in said.splitlines() if line.startswith("event ")]
    assert code == 1 and (problem in found if problem else not found), (problem, said)
    assert "no result had a Profile in it: nothing holds its shape to what is true" in said, said
print("each planted fault was found")
