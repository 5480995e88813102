#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on a source file whose first line (after a #! line) is not the SPDX line: check_licence.py ROOT | --self-test"""
import pathlib
import sys
import tempfile

LINE = "SPDX-License-Identifier: Apache-2.0"
TOPS = ("include", "src", "capi", "bindings", "examples", "tests", "cmake", ".ci")
COMMENT = {".cpp": "// ", ".hpp": "// ", ".h": "// ", ".c": "// ", ".go": "// ", ".rs": "// ", ".js": "// ", ".py": "# ", ".sh": "# "}


def check(root):
    missing, files = [], 0
    for top in TOPS:
        for path in sorted(pathlib.Path(root, top).rglob("*")):
            if path.suffix not in COMMENT or "corpus" in path.parts or not path.is_file():
                continue
            files += 1
            lines = path.read_text(encoding="utf-8").splitlines()
            if lines and lines[0].startswith("#!"):
                del lines[0]
            if not lines or lines[0] != COMMENT[path.suffix] + LINE:
                missing.append(path.relative_to(root).as_posix())
    return missing, files


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for name, text in {
            "src/good.cpp": f"// {LINE}\n", "tests/good.sh": f"#!/bin/sh\n# {LINE}\n", "tests/a/corpus/x.c": "data",
            "src/bad.hpp": "#pragma once\n", "include/empty.hpp": "", "examples/late.cpp": f"\n// {LINE}\n",
        }.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert check(root) == (["include/empty.hpp", "src/bad.hpp", "examples/late.cpp"], 5), check(root)
    print("the check found the planted faults")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    missing, files = check(arguments[0])
    for name in missing:
        print(f"{name}: the first line is not '{LINE}'")
    if files < 20:
        print(f"only {files} files found: is this the tree?")
        return 1
    print(f"{files} files, {len(missing)} without the line")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
