#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles a copy of the C ABI's header, alone in an empty directory, in every language that it promises, warnings as errors.

    check_header.py HEADER       checks it with every compiler of this machine: gcc, clang and their C++
    check_header.py --self-test  plants one fault at a time in a small header and expects each to be found
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
C = WARNINGS + ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wc++-compat"]
CXX = WARNINGS + ["-Wshadow"]
C_STANDARDS = ["c99", "c11", "c17", "c2x"]
CXX_STANDARDS = ["c++98", "c++03", "c++11", "c++14", "c++17", "c++20", "c++2b"]
COMPILERS = {"gcc": ("c", C_STANDARDS, C), "clang": ("c", C_STANDARDS, C),
             "g++": ("cpp", CXX_STANDARDS, CXX), "clang++": ("cpp", CXX_STANDARDS, CXX)}

# Twice, since a header is; and nothing before it, so that it has to bring what it needs.
USER = """#include "sandboxkit.h"
#include "sandboxkit.h"
int main(void);
int main(void) {
    const sbk_status status = SBK_OK;
    return SBK_NUL == (size_t)0 || status != SBK_OK;
}
"""


def compile_one(header, compiler, standard):
    """What the compiler says: empty when it has nothing to say."""
    language, _, options = COMPILERS[compiler]
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        (place / "sandboxkit.h").write_text(header, encoding="utf-8")
        source = place / f"user.{language}"
        source.write_text(USER)
        ran = subprocess.run([compiler, f"-std={standard}", *options, "-c", source.name, "-o", "user.o"], cwd=place,
                             capture_output=True, text=True, check=False)
        return ran.stdout + ran.stderr or ("" if ran.returncode == 0 else f"exit code {ran.returncode}")


def check(header, compilers):
    tasks = [(compiler, standard) for compiler in compilers for standard in COMPILERS[compiler][1]]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda task: compile_one(header, *task), tasks))
    return [f"{compiler} -std={standard}:\n{answer}" for (compiler, standard), answer in zip(tasks, answers) if answer], len(tasks)


GOOD = """#ifndef SANDBOXKIT_H
#define SANDBOXKIT_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
#define SBK_NUL ((size_t)-1)
typedef enum sbk_status { SBK_OK = 0 } sbk_status;
%s
#ifdef __cplusplus
}
#endif
#endif
"""
BAD = {
    "no prototype": "sbk_status sbk_a();",
    "a type that nothing brings": "uint64_t sbk_a(void);",
    "a name that C++ has for itself": "void sbk_a(int new);",
    "bool without its header": "bool sbk_a(void);",
    "a comma at the end of an enumeration": "typedef enum sbk_b { SBK_B = 1, } sbk_b;",
    "an array of no length": "struct sbk_c { int n; char bytes[]; };",
    "an extension": "typedef struct sbk_d { struct { int a; }; } sbk_d;\nstatic const int sbk_e = ({ 1; });",
    "an enumerator that is no int": "typedef enum sbk_f { SBK_F = 0xffffffffff } sbk_f;",
}


def self_test(compilers):
    problems, _ = check(GOOD % "", compilers)
    assert not problems, problems
    for what, text in BAD.items():
        problems, _ = check(GOOD % text, compilers)
        assert problems, f"{what} was not found"
    print(f"the check found each of {len(BAD)} planted faults and nothing in a good header")


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    missing = [compiler for compiler in COMPILERS if not shutil.which(compiler)]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not installed")
        return 77
    if arguments == ["--self-test"]:
        self_test(COMPILERS)
        return 0
    problems, count = check(pathlib.Path(arguments[0]).read_text(encoding="utf-8"), COMPILERS)
    for problem in problems:
        print(problem)
    print(f"{count} languages, {len(problems)} that the header is not good for")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
