#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The list of cases in docs/conformance.md: cases_page.py TEST_CONFORMANCE PAGE [--write]

Without --write it fails when the page does not have just the cases that the program lists.
"""
import pathlib
import subprocess
import sys

HEADING = "## The cases\n\n"


def table(program):
    lines, group = [], None
    for line in subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.splitlines():
        of, name, about = line.split("\t")
        if of != group:
            lines += ([""] if group else []) + [f"### {of}", "", "| case | what holds |", "|---|---|"]
            group = of
        lines.append(f"| `{name}` | {about} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    if len(arguments) not in (2, 3) or arguments[2:] not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    page = pathlib.Path(arguments[1])
    now = page.read_text()
    before, heading, _ = now.partition(HEADING)
    if not heading:
        print(f"{page} has no heading of the cases")
        return 1
    right = before + HEADING + table(arguments[0])
    if len(arguments) == 3:
        page.write_text(right)
    elif now != right:
        print(f"{page} does not list the cases as they are: run {sys.argv[0]} {arguments[0]} {page} --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
