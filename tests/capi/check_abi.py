#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C ABI's library compared with what is checked in of its types and functions.

    check_abi.py LIBRARY CAPI          fails on every difference, also on what is new: so that the file is kept current
    check_abi.py --renew LIBRARY CAPI  writes CAPI/sandboxkit_c.abi.xml
    check_abi.py --self-test CC            plants differences, and expects each to be found

CAPI: the folder capi/. A difference that breaks programs which were linked with the library is said to be one.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

# What depends on the machine and the compiler is left out: where the sources are, and what else is linked.
WRITE = ["abidw", "--drop-private-types", "--exported-interfaces-only", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
         "--no-elf-needed", "--no-architecture", "--type-id-style", "hash"]
COMPARE = ["abidiff", "--no-default-suppression", "--no-corpus-path", "--no-architecture", "--no-show-locs"]
CHANGED, INCOMPATIBLE = 4, 8  # in abidiff's exit code; the lower bits are its own failures


def write(library, headers, to):
    subprocess.run([*WRITE, "--headers-dir", str(headers), "--out-file", str(to), str(library)], check=True)


def compare(known, library, headers):
    """What is different, in words; empty: nothing."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as now:
        write(library, headers, now.name)
        ran = subprocess.run([*COMPARE, str(known), now.name], capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return ""
    if ran.returncode & ~(CHANGED | INCOMPATIBLE):
        return f"abidiff failed:\n{ran.stdout}{ran.stderr}"
    how = "programs break" if ran.returncode & INCOMPATIBLE else "something was added or renamed"
    return f"{how}:\n{ran.stdout}"


# A small library in place of the large one.
HEADER = """#include <stddef.h>
typedef enum sbk_status { SBK_OK = 0, SBK_INVALID = 1 } sbk_status;
typedef struct sbk_queue sbk_queue;
typedef struct sbk_options { size_t struct_size; const char *store; unsigned flags; } sbk_options;
sbk_status sbk_a(sbk_queue **queue, const sbk_options *options);
int sbk_b(sbk_queue *queue, int value);
"""
SOURCE = """#include "small.h"
struct sbk_queue { int private_member; };
sbk_status sbk_a(sbk_queue **queue, const sbk_options *options) { return queue && options ? SBK_OK : SBK_INVALID; }
int sbk_b(sbk_queue *queue, int value) { return queue->private_member + value; }
"""
# Each: what is replaced in the header and in the source, by what.
BAD = {
    "a function that is gone": [("int sbk_b(sbk_queue *queue, int value);\n", ""), ("int sbk_b(", "static int sbk_b(")],
    "a function that is new": [("int sbk_b(", "int sbk_c(void);\nint sbk_b("), ("int sbk_b(", "int sbk_c(void) { return 0; }\nint sbk_b(")],
    "another parameter": [("int value", "long value"), ("int value", "long value")],
    "a member that is new": [("unsigned flags;", "unsigned flags; unsigned more; void *most;"), ("", "")],
    "members that changed places": [("const char *store; unsigned flags;", "unsigned flags; const char *store;"), ("", "")],
    "an enumerator of another value": [("SBK_INVALID = 1", "SBK_INVALID = 2"), ("", "")],
}
PRIVATE = [("", ""), ("int private_member;", "long more; int private_member;")]
NOTHING = [("", ""), ("", "")]


def self_test(compiler):
    def build(place, edits):
        place.mkdir()
        header, source = (text.replace(*edit) if edit[0] else text for text, edit in zip((HEADER, SOURCE), edits))
        (place / "small.h").write_text(header)
        (place / "small.c").write_text(source)
        subprocess.run([compiler, "-g", "-shared", "-fPIC", "-Wno-unused-function", "-o", "small.so", "small.c"], cwd=place,
                       check=True)
        return place / "small.so"

    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        good = build(place / "good", NOTHING)
        known = place / "known.xml"
        write(good, good.parent, known)
        assert compare(known, good, good.parent) == "", compare(known, good, good.parent)
        private = build(place / "private", PRIVATE)
        assert compare(known, private, private.parent) == "", compare(known, private, private.parent)
        for number, (what, edits) in enumerate(BAD.items()):
            bad = build(place / str(number), edits)
            assert compare(known, bad, bad.parent), f"{what} was not found"
    print(f"the check found each of {len(BAD)} planted differences, and nothing in what is private")


def main(arguments):
    if not shutil.which("abidw"):
        print("SKIPPED: abigail-tools is not installed")
        return 77
    if len(arguments) == 2 and arguments[0] == "--self-test":
        self_test(arguments[1])
        return 0
    renew = arguments[:1] == ["--renew"]
    if len(arguments) != (3 if renew else 2):
        print(__doc__, file=sys.stderr)
        return 2
    library, capi = arguments[-2:]
    headers, known = pathlib.Path(capi, "include"), pathlib.Path(capi, "sandboxkit_c.abi.xml")
    if renew:
        write(library, headers, known)
        return 0
    difference = compare(known, library, headers)
    if difference:
        print(f"{difference}\nWhen that is meant: tests/capi/check_abi.py --renew {library} {capi}")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
