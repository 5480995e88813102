#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every #include of include/ and src/ and fails on an arrow that points up or sideways.

    check_includes.py ROOT        checks the tree at ROOT
    check_includes.py --self-test plants one bad include at a time in a small tree and expects each to be found

The house is drawn in ARCHITECTURE.md; this file is its rules.
"""
import pathlib
import re
import sys
import tempfile

# Rooms from the ground up. A room may include itself and what is lower; two rooms of one floor do not see each other.
FLOORS = [
    ["include/sandboxkit"],
    ["src/async"],
    ["src/net", "src/tree", "src/sandbox"],
    ["src/guest", "src/envd"],
    ["src/providers/*"],
    ["src/store", "src/git", "src/image", "src/secrets", "src/credentials"],
    ["src/engine", "src/conformance"],
    ["src/cli", "capi", "bindings"],
]

# What a room may see of the project at most, where that is less than everything below it.
NARROW = {
    # The program in the sandbox is static and small, and hostile hands are beside it.
    "src/guest": {"include/sandboxkit/error.hpp", "src/net/connect_envelope.hpp", "src/tree/*"},
    # A rule about values: an ingredient, that needs nothing but facts.
    "src/secrets": {f"include/sandboxkit/{name}.hpp" for name in ("error", "export", "secrets", "strict_json")},
    # Sources of credentials: they know what is asked for, and HTTP.
    "src/credentials": {"include/sandboxkit/*", "src/net/*"},
    # Faces: no rule of the domain lives in them, so that they need nothing but the public headers.
    "src/cli": {"include/sandboxkit/*"},
    "capi": {"include/sandboxkit/*"},
    "bindings": {"include/sandboxkit/*"},
}

# Public headers above the core. The others are the core: facts and pure functions, no I/O.
WAIST = "include/sandboxkit/provider.hpp"
FACES = {f"include/sandboxkit/{name}.hpp" for name in ("engine", "answers_json", "asio", "conformance")}

# Headers of others, by prefix, and who may include them.
FOREIGN = [
    ("boost/beast", ["src/net", "src/guest"]),
    ("openssl/ssl.h", ["src/net"]),
    ("soci", ["src/store"]),
    ("sqlite3.h", ["src/store"]),
    ("git2", ["src/git"]),
    ("archive", ["src/providers/*"]),
    ("seccomp.h", ["src/providers/*"]),
    ("re2/", ["src/secrets"]),
    ("CLI/", ["src/cli"]),
    ("boost/asio", ["src/*", "capi", WAIST, "include/sandboxkit/asio.hpp"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".hpp", ".cpp", ".h", ".c", ".ipp"}


def matches(path, pattern):
    """`pattern` is a path, or a folder whose last part may be `*`, which stands for any one name."""
    if pattern.endswith("/*"):
        return path.startswith(pattern[:-1])
    return path == pattern or path.startswith(pattern + "/")


def room_of(path):
    for height, floor in enumerate(FLOORS):
        for room in floor:
            if not matches(path, room):
                continue
            if room.endswith("/*"):  # each folder is a room of its own
                depth = room.count("/") + 1
                room = "/".join(path.split("/")[:depth])
            return room, height
    return None, None


def resolve(root, source, kind, name):
    """The file of the project that an #include means, as a path from the root, or None for one of others."""
    places = [root / "include", root / "src", root / "capi/include"]
    if kind == '"':
        places.insert(0, (root / source).parent)
    for place in places:
        if (place / name).is_file():
            return (place / name).resolve().relative_to(root.resolve()).as_posix()
    return None


def judge(source, target):
    """Why `source` may not include `target`, both paths from the root; None when it may."""
    room, height = room_of(source)
    other, other_height = room_of(target)
    if room is None:
        return "this folder is not in the house: name its room in tests/house/check_includes.py"
    if other is None:
        return f"{target} is in no room"
    if room == other:
        if room == "include/sandboxkit" and source not in FACES:
            if target in FACES:
                return "the core does not know the engine"
            if target == WAIST:
                return "the core does not know the waist"
        if source in FACES and target == WAIST:
            return "a host application that brings no provider of its own does not need to compile the waist"
        return None
    if other_height > height:
        return f"an arrow up, to {other}"
    if other_height == height:
        return f"an arrow sideways, to {other}"
    if other.startswith("src/providers/") and room != "src/engine":
        return "only the engine knows the providers"
    allowed = NARROW.get(room)
    if allowed is not None and not any(matches(target, pattern) for pattern in allowed):
        return f"{room} sees only {', '.join(sorted(allowed))}"
    return None


def judge_foreign(source, name):
    for prefix, rooms in FOREIGN:
        if name.startswith(prefix) and not any(matches(source, room) for room in rooms):
            return f"<{name}> belongs to {', '.join(rooms)}"
    if name.startswith("boost/beast") and source.endswith(".hpp"):
        return "Beast stays in .cpp files: it is what makes builds slow"
    return None


def check(root):
    """(problems, number of files, number of arrows between files of the project)"""
    root = pathlib.Path(root)
    problems, files, arrows = [], 0, 0
    for top in ("include", "src", "capi", "bindings"):
        for path in sorted((root / top).rglob("*")) if (root / top).is_dir() else []:
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            files += 1
            source = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                kind, name = found.groups()
                target = resolve(root, source, kind, name)
                if target:
                    arrows += 1
                    problem = judge(source, target)
                elif kind == '"' or name.startswith("sandboxkit/"):
                    problem = f'"{name}" is not a file of the project'
                else:
                    problem = judge_foreign(source, name)
                if problem:
                    problems.append(f"{source}:{number}: {line.strip()}: {problem}")
    return problems, files, arrows


GOOD = {
    "include/sandboxkit/error.hpp": "#include <string>",
    "include/sandboxkit/plan.hpp": "#include <sandboxkit/error.hpp>\n#include <boost/json.hpp>",
    "include/sandboxkit/provider.hpp": "#include <sandboxkit/plan.hpp>\n#include <boost/asio/awaitable.hpp>",
    "include/sandboxkit/engine.hpp": "#include <sandboxkit/plan.hpp>",
    "src/async/blocking.hpp": "#include <sandboxkit/error.hpp>\n#include <boost/asio/post.hpp>",
    "src/net/connect_envelope.hpp": "#include <sandboxkit/error.hpp>",
    "src/net/http.hpp": '#include "async/blocking.hpp"',
    "src/net/http.cpp": '#include "http.hpp"\n#include <boost/beast/http.hpp>',
    "src/guest/main.cpp": '#include "net/connect_envelope.hpp"\n#include <sandboxkit/error.hpp>',
    "src/envd/client.hpp": '#include "net/http.hpp"',
    "src/providers/local/local.hpp": "#include <sandboxkit/provider.hpp>",
    "src/providers/docker/docker.hpp": "#include <sandboxkit/provider.hpp>",
    "src/store/store.hpp": "#include <sandboxkit/plan.hpp>",
    "src/store/sql.cpp": '#include "store/store.hpp"\n#include <soci/soci.h>',
    "src/git/clone.cpp": "#include <git2.h>",
    "src/secrets/scanner.cpp": "#include <sandboxkit/error.hpp>\n#include <re2/re2.h>",
    "src/engine/engine.cpp": '#include "store/store.hpp"\n#include "providers/local/local.hpp"\n#include "envd/client.hpp"',
    "include/sandboxkit/conformance.hpp": "#include <sandboxkit/error.hpp>",
    "src/conformance/conformance.cpp": '#include <sandboxkit/conformance.hpp>\n#include "envd/client.hpp"',
    "src/cli/main.cpp": "#include <sandboxkit/engine.hpp>\n#include <CLI/CLI.hpp>",
}
# Each of these, added to the good tree, must be found.
BAD = [
    ("include/sandboxkit/error.hpp", "#include <boost/asio/awaitable.hpp>"),
    ("include/sandboxkit/plan.hpp", "#include <soci/soci.h>"),
    ("include/sandboxkit/plan.hpp", "#include <git2.h>"),
    ("include/sandboxkit/plan.hpp", "#include <archive.h>"),
    ("include/sandboxkit/plan.hpp", "#include <sandboxkit/engine.hpp>"),
    ("include/sandboxkit/plan.hpp", "#include <sandboxkit/provider.hpp>"),
    ("include/sandboxkit/engine.hpp", "#include <sandboxkit/provider.hpp>"),
    ("include/sandboxkit/error.hpp", '#include "../../src/net/http.hpp"'),
    ("src/async/blocking.hpp", '#include "net/http.hpp"'),
    ("src/net/http.hpp", '#include "store/store.hpp"'),
    ("src/net/http.hpp", "#include <boost/beast/http.hpp>"),
    ("src/net/http.cpp", '  #  include "envd/client.hpp"'),
    ("src/guest/main.cpp", '#include "net/http.hpp"'),
    ("src/guest/main.cpp", '#include "envd/client.hpp"'),
    ("src/guest/main.cpp", "#include <sandboxkit/plan.hpp>"),
    ("src/envd/client.hpp", '#include "../guest/main.cpp"'),
    ("src/envd/client.hpp", '#include "providers/local/local.hpp"'),
    ("src/providers/local/local.hpp", '#include "providers/docker/docker.hpp"'),
    ("src/providers/local/local.hpp", '#include "store/store.hpp"'),
    ("src/store/store.hpp", '#include "git/clone.cpp"'),
    ("src/store/store.hpp", '#include "providers/local/local.hpp"'),
    ("src/store/store.hpp", '#include "engine/engine.cpp"'),
    ("src/store/sql.cpp", "#include <re2/set.h>"),
    ("src/secrets/scanner.cpp", '#include "net/http.hpp"'),
    ("src/secrets/scanner.cpp", "#include <sandboxkit/provider.hpp>"),
    ("src/secrets/scanner.cpp", '#include "store/store.hpp"'),
    ("src/engine/engine.cpp", '#include "cli/main.cpp"'),
    ("src/conformance/conformance.cpp", '#include "providers/local/local.hpp"'),
    ("src/conformance/conformance.cpp", '#include "engine/engine.cpp"'),
    ("include/sandboxkit/error.hpp", "#include <sandboxkit/conformance.hpp>"),
    ("src/engine/engine.cpp", "#include <soci/soci.h>"),
    ("src/engine/engine.cpp", "#include <boost/beast/http.hpp>"),
    ("src/engine/engine.cpp", '#include "store/no_such_file.hpp"'),
    ("src/cli/main.cpp", '#include "providers/local/local.hpp"'),
    ("src/cli/main.cpp", '#include "store/store.hpp"'),
    ("src/newroom/a.cpp", "#include <sandboxkit/error.hpp>"),
]


def plant(directory, extra=None):
    for name, text in GOOD.items():
        path = pathlib.Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    if extra:
        path = pathlib.Path(directory, extra[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD.get(extra[0], "") + "\n" + extra[1] + "\n")


def self_test():
    with tempfile.TemporaryDirectory() as directory:
        plant(directory)
        problems, files, _ = check(directory)
        assert problems == [] and files == len(GOOD), (problems, files)
    for extra in BAD:
        with tempfile.TemporaryDirectory() as directory:
            plant(directory, extra)
            problems, _, _ = check(directory)
            assert len(problems) == 1 and problems[0].startswith(extra[0] + ":"), f"{extra} gave {problems}"
    print(f"the check found each of {len(BAD)} planted faults and nothing in a good tree")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    problems, files, arrows = check(arguments[0])
    for problem in problems:
        print(problem)
    if files < 20 or arrows < 20:
        print(f"only {files} files and {arrows} includes found in {arguments[0]}: is this the tree?")
        return 1
    print(f"{files} files, {arrows} arrows, {len(problems)} in the wrong direction")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
