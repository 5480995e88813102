#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the form of the package without an event loop, src/sandboxkit/_sync, from that for asyncio, src/sandboxkit/_async.

    make_sync.py          writes the files
    make_sync.py --check  fails when one is not current

waiting.py and hosting.py are written by hand, in both: they are what differs.
"""
import pathlib
import re
import sys

BY_HAND = {"__init__.py", "hosting.py", "waiting.py"}
HEADING = "# Made from {source} by make_sync.py: change that one.\n"
RULES = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(Generator|Iterator)\b", r"\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\baclose\b", "close"),
    (r"\b_async\b", "_sync"),
    (r"\bsandboxkit\.aio\b", "sandboxkit"),
    (r"\btask\b", "thread"),
]
# A coroutine function and what it returns are two things there and one here.
LEFT_OVER = re.compile(r"\b(async|await|asyncio|Awaitable|Coroutine)\b")


def converted(text: str, source: str) -> str:
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    found = LEFT_OVER.search(text)
    if found:
        raise SystemExit(f"{source}: what is the other form of {found[0]!r}? Line {text[: found.start()].count(chr(10)) + 1}")
    licence, rest = text.split("\n", 1)
    return f"{licence}\n{HEADING.format(source=source)}{rest}"


def main() -> int:
    package = pathlib.Path(__file__).resolve().parent / "src" / "sandboxkit"
    wanted = {
        path.name: converted(path.read_text(encoding="utf-8"), f"_async/{path.name}")
        for path in sorted((package / "_async").glob("*.py"))
        if path.name not in BY_HAND
    }
    present = {
        path.name: path.read_text(encoding="utf-8") for path in (package / "_sync").glob("*.py") if path.name not in BY_HAND
    }
    if sys.argv[1:] == ["--check"]:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        if stale:
            print(f"not current: {', '.join(stale)}; run {sys.argv[0]}", file=sys.stderr)
        return 1 if stale else 0
    for name in present.keys() - wanted.keys():
        (package / "_sync" / name).unlink()
    for name, text in wanted.items():
        if present.get(name) != text:
            (package / "_sync" / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
