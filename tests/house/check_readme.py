#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the papers to the tree: check_readme.py ROOT [PROGRAM]

The README's C++ example is examples/readme.cpp, its C example a part of examples/c/event_loop.c, its Python example
examples/python/hello.py, its JSON examples are JSON, its commands and the files that the papers link to exist, continuous
integration runs what it prints, and with PROGRAM (the built command line) each command of `sandboxkit` that it shows is one that
the program has.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

PAPERS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """Each command of the sh blocks as words; what is after a # is a comment."""
    for block in blocks(text, "sh"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            for part in re.split(r"&&|\|", re.sub(r"(^|\s)#.*", "", line)):
                words = part.removeprefix("sudo ").split()
                if words and words[0] == "sudo":
                    del words[0]
                if words:
                    yield words


def check_example(root, readme):
    found = blocks(readme, "cpp")
    source = (root / "examples/readme.cpp").read_text()
    source = source.removeprefix("// SPDX-License-Identifier: Apache-2.0\n")
    if not found:
        yield "README.md has no C++ example"
    elif found[0].strip() != source.strip():
        yield "README.md: the first C++ block is not examples/readme.cpp"


def check_c_example(root, readme):
    found = blocks(readme, "c")
    if not found:
        yield "README.md has no C example"
    for block in found:
        if block not in (root / "examples/c/event_loop.c").read_text():
            yield "README.md: a C block is not a part of examples/c/event_loop.c"


def check_python_example(root, readme):
    found = blocks(readme, "python")
    if not found:
        yield "README.md has no Python example"
    for block in found:
        if not (root / "examples/python/hello.py").read_text().endswith(block):
            yield "README.md: a Python block is not examples/python/hello.py"


def check_json(readme):
    for block in blocks(readme, "json"):
        try:
            json.loads(block)
        except ValueError as error:
            yield f"README.md: a JSON block is not JSON: {error}"


def check_commands(root, papers, program):
    presets = json.loads((root / "CMakePresets.json").read_text())
    presets = {preset["name"] for preset in presets["configurePresets"] if not preset.get("hidden")}
    shown = set()
    for name, text in papers.items():
        for words in commands(text):
            if words[0].startswith("./") and "/" in words[0][2:] and not words[0].startswith("./build"):
                if not os.access(root / words[0], os.X_OK):
                    yield f"{name}: {words[0]} is not a program of the tree"
            for flag, value in zip(words, words[1:]):
                if flag == "--preset" and value not in presets:
                    yield f"{name}: there is no preset {value}"
            if words[0].rsplit("/", 1)[-1] == "sandboxkit":
                shown.add((name, tuple(verb_of(words[1:]))))
    if not program:
        return
    for name, verb in sorted(shown):
        result = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            yield f"{name}: `sandboxkit {' '.join(verb)}` is not a command: {result.stderr.strip()}"
    if not shown:
        yield "README.md shows no command of sandboxkit"


def verb_of(words):
    """The command's own words: without options before it, and without arguments."""
    words = list(words)
    while words and words[0].startswith("-"):
        del words[: 1 if words[0] == "--json" or "=" in words[0] else 2]
    groups = {"profile", "snapshot", "session"}
    return words[: 2 if words and words[0] in groups else 1]


def check_links(root, papers):
    for name, text in papers.items():
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
            if "://" not in target and not (root / target).exists():
                yield f"{name}: links to {target}, which does not exist"


def check_ci(root, readme):
    ran = (root / ".ci/run").read_text()
    for command in ("./tests/run.sh", "./examples/quickstart.sh"):
        if [command] not in list(commands(readme)):
            yield f"README.md does not print {command}"
    if "exec ./tests/run.sh\n" not in ran:
        yield ".ci/run does not run ./tests/run.sh as README.md prints it"


def main(arguments):
    root = pathlib.Path(arguments[0])
    program = arguments[1] if len(arguments) > 1 else None
    papers = {name: (root / name).read_text(encoding="utf-8") for name in PAPERS}
    readme = papers["README.md"]
    problems = [*check_example(root, readme), *check_c_example(root, readme),
                *check_python_example(root, readme), *check_json(readme), *check_commands(root, papers, program),
                *check_links(root, papers), *check_ci(root, readme)]
    for problem in problems:
        print(problem)
    print(f"{len(list(commands(readme)))} commands read, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
