#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function of the C ABI's header is defined once in capi/src, and its body is one call of a guard: no exception gets out,
and a result is NULL when the function fails.

    check_guards.py ROOT         checks the tree at ROOT
    check_guards.py --self-test  plants one bad function at a time and expects each to be found
"""
import pathlib
import re
import sys

from header_functions import COMMENT, functions

# Functions without a guard, and why they need none.
BARE = {
    "sbk_version": "gives a constant",
    "sbk_status_name": "gives constants",
}
GUARDS = ("guarded", "guarded_or", "release")
# What may stand before the guard: emptying a result, so that it is empty also when the guard catches something.
BEFORE = re.compile(r"\s*if \((\w+)\) \*\1 = (?:0|nullptr);")
# What comes back through a pointer is NULL when the function fails: the guard sees to it.
RESULT = re.compile(r"\*\s*\*\s*(\w+)")
DEFINITION = re.compile(r"^\w[\w ]*[ *&]+(sbk_\w+)\(([^;{}]*)\)\s*(?:noexcept\s*)?\{", re.MULTILINE)
STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*')


def blanked(source):
    """Without comments, and with strings emptied, so that braces can be counted."""
    return STRING_OR_COMMENT.sub(lambda m: "" if m.group().startswith("//") else '""', COMMENT.sub(" ", source))


def closing(text, begin, pair):
    """Where the bracket that opens at `begin` is closed."""
    depth = 0
    for at in range(begin, len(text)):
        depth += {pair[0]: 1, pair[1]: -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)


def judge_body(name, parameters, body):
    """Why this body lets an exception out, or a result undefined; None when it does not."""
    while found := BEFORE.match(body):
        body = body[found.end():]
    body = body.strip()
    call = re.match(r"(?:return )?(?:sandboxkit::)?(?:capi::)?(\w+)\(__func__,", body)
    if not call or call.group(1) not in GUARDS:
        return f"its body is not one call of {', '.join(GUARDS)} with __func__"
    result = RESULT.search(parameters)
    if result and not re.match(rf"\s*{result.group(1)},\s", body[call.end():]):
        return f"its guard does not empty the result: {call.group(1)}(__func__, {result.group(1)}, ..."
    end = closing(body, body.index("("), "()")
    if body[end + 1:].strip() != ";":
        return "there is something beside the call of its guard"
    if (call.group(1) == "release") != name.endswith("_free"):
        return "`release` is what every free is, and nothing else"
    return None


def check(header, sources):
    """`sources`: {file name: text}"""
    problems, defined = [], {}
    for file, source in sources.items():
        text = blanked(source)
        for found in DEFINITION.finditer(text):
            name = found.group(1)
            if name in defined:
                problems.append(f"{file}: {name} is also in {defined[name]}")
            defined[name] = file
            if name in BARE:
                continue
            begin = found.end() - 1
            why = judge_body(name, found.group(2), text[begin + 1 : closing(text, begin, "{}")])
            if why:
                problems.append(f"{file}: {name}: {why}")
    declared = functions(header)
    problems += [f"{name} is not defined" for name in declared if name not in defined]
    problems += [f"{defined[name]}: {name} is not in the header" for name in defined if name not in declared]
    problems += [f"{name} needs no guard and does not exist" for name in BARE if name not in declared]
    return problems, len(defined)


HEADER = """SBK_API const char *sbk_version(void);
SBK_API const char *sbk_status_name(sbk_status status);
SBK_API sbk_status sbk_a(sbk_queue **queue);
SBK_API int sbk_b(const char *name, size_t *size);
SBK_API void sbk_c_free(sbk_c *c);
"""
GOOD = {
    "sbk_version": "const char* sbk_version(void) {\n    return VERSION;\n}\n",
    "sbk_status_name": "const char* sbk_status_name(sbk_status status) {\n    switch (status) {}\n    return 0;\n}\n",
    "sbk_a": 'sbk_status sbk_a(sbk_queue** queue) {\n    return guarded(__func__, queue, [&] { return f("}") ? SBK_OK : SBK_INVALID; });\n}\n',
    "sbk_b": "int sbk_b(const char* name, size_t* size) {\n    if (size) *size = 0;\n"
             "    return capi::guarded_or(__func__, 0, [&] {\n        return 1;\n    });\n}\n",
    "sbk_c_free": "void sbk_c_free(sbk_c* c) {\n    capi::release(__func__, c);\n}\n",
}
BAD = [
    ("sbk_a", "sbk_status sbk_a(sbk_queue** queue) {\n    *queue = new sbk_queue;\n    return SBK_OK;\n}\n"),
    ("sbk_a", "sbk_status sbk_a(sbk_queue** queue) {\n    f(queue);\n    return guarded(__func__, queue, [&] { return SBK_OK; });\n}\n"),
    ("sbk_a", "sbk_status sbk_a(sbk_queue** queue) {\n    return f(guarded(__func__, queue, [&] { return SBK_OK; }));\n}\n"),
    ("sbk_a", "sbk_status sbk_a(sbk_queue** queue) {\n    return guarded(__func__, queue, [&] { return SBK_OK; }), f(queue);\n}\n"),
    ("sbk_a", "sbk_status sbk_a(sbk_queue** queue) {\n    return guarded(__func__, [&] { return SBK_OK; });\n}\n"),
    ("sbk_a", 'sbk_status sbk_a(sbk_queue** queue) {\n    return guarded("sbk_b", queue, [&] { return SBK_OK; });\n}\n'),
    ("sbk_a", "// sbk_status sbk_a(sbk_queue** queue) { return guarded(__func__, queue, [&] { return SBK_OK; }); }\n"),
    ("sbk_b", "int sbk_b(const char* name, size_t* size) {\n    if (size) *size = f(name);\n"
              "    return guarded_or(__func__, 0, [] { return 1; });\n}\n"),
    ("sbk_c_free", "void sbk_c_free(sbk_c* c) {\n    delete c;\n}\n"),
    ("sbk_c_free", "void sbk_c_free(sbk_c* c) {\n    guarded(__func__, [&] { delete c; return SBK_OK; });\n}\n"),
    ("sbk_d", "sbk_status sbk_d(void) {\n    return guarded(__func__, [] { return SBK_OK; });\n}\n"),
    ("sbk_version", ""),
]


def self_test():
    problems, count = check(HEADER, {"good.cpp": "".join(GOOD.values())})
    assert problems == [] and count == len(GOOD), (problems, count)
    for name, text in BAD:
        problems, _ = check(HEADER, {"bad.cpp": "".join({**GOOD, name: text}.values())})
        assert len(problems) == 1 and name in problems[0], f"{text} gave {problems}"
    twice, _ = check(HEADER, {"a.cpp": "".join(GOOD.values()), "b.cpp": GOOD["sbk_a"]})
    assert len(twice) == 1, twice
    print(f"the check found each of {len(BAD) + 1} planted faults and nothing in good code")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    capi = pathlib.Path(arguments[0], "capi")
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted((capi / "src").glob("*.[ch]pp"))}
    problems, count = check((capi / "include/sandboxkit.h").read_text(encoding="utf-8"), sources)
    for problem in problems:
        print(problem)
    print(f"{count} functions, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
