#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/profile.md and docs/profile.schema.json to what the program prints: check_profile_papers.py ROOT PROGRAM"""
import pathlib
import subprocess
import sys

PAPERS = {"reference": "docs/profile.md", "schema": "docs/profile.schema.json"}


def main(arguments):
    root, program = pathlib.Path(arguments[0]), arguments[1]
    old = []
    for verb, name in PAPERS.items():
        result = subprocess.run([program, "profile", verb], capture_output=True, stdin=subprocess.DEVNULL, check=True)
        if result.stdout != (root / name).read_bytes():
            old.append(f"{name} is not what the definition says; make it anew: sandboxkit profile {verb} > {name}")
    print("\n".join(old) if old else f"{len(PAPERS)} papers are as the program prints them")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
