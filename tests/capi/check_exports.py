#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the C ABI's library shows: the functions of the header, which are also listed, and nothing else.

    check_exports.py LIBRARY HEADER LIST [--largest BYTES]   LIST: capi/exports.txt, one name a line, sorted
    check_exports.py --self-test                             plants faults, and expects each to be found

Names are only ever added to the list: a program that was linked with an older library finds all of its functions in a newer one.
`--largest`: the library's size at most, without what `strip` takes out.
"""
import pathlib
import subprocess
import sys
import tempfile

from header_functions import functions


def exports(library):
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in listed.splitlines()]


def stripped_size(library):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, library], check=True)
        return pathlib.Path(copy.name).stat().st_size


def judge(shown, declared, listed):
    problems = []
    if listed != sorted(set(listed)):
        problems.append("the list is not sorted, or names something twice")
    for name in sorted(set(shown) | set(declared) | set(listed)):
        where = [place for place, names in (("library", shown), ("header", declared), ("list", listed)) if name in names]
        if len(where) != 3:
            problems.append(f"{name} is only in the {' and the '.join(where)}")
    return problems


def self_test():
    header = "/* SBK_API int sbk_not(void); */\nSBK_API sbk_status sbk_a(int **x,\n  size_t y);\nSBK_API const char *sbk_b(void);\n"
    declared = functions(header)
    assert declared == {"sbk_a": "sbk_status sbk_a(int **x, size_t y)", "sbk_b": "const char * sbk_b(void)"}, declared
    names = ["sbk_a", "sbk_b"]
    assert judge(names, declared, names) == []
    bad = [(names[1:], declared, names), (names + ["_ZN5boost"], declared, names), (names, {"sbk_a": ""}, names),
           (names, {**declared, "sbk_c": ""}, names), (names, declared, names[:1]), (names, declared, names[::-1])]
    for case in bad:
        assert judge(*case), case
    print(f"the check found each of {len(bad)} planted faults")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) not in (3, 5) or (len(arguments) == 5 and arguments[3] != "--largest"):
        print(__doc__, file=sys.stderr)
        return 2
    library, header, listed = arguments[:3]
    shown = exports(library)
    declared = functions(pathlib.Path(header).read_text(encoding="utf-8"))
    problems = judge(shown, declared, pathlib.Path(listed).read_text(encoding="utf-8").split())
    if len(arguments) == 5:
        size, largest = stripped_size(library), int(arguments[4])
        print(f"{size} bytes without what strip takes out")
        if size > largest:
            problems.append(f"that is more than {largest}")
    for problem in problems:
        print(problem)
    print(f"{len(shown)} functions, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
