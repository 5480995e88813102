#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C source of the extension module sandboxkit._sandboxkit: make_native.py sandboxkit.h OUTPUT.c

What Python sees is the header itself, so that the two cannot drift apart: the compiler checks every struct, and a
function that the header has is there.
"""
import re
import sys

MACRO = re.compile(r"#\s*define\s+(SBK_\w+)\s+\S")


def declarations(header: str) -> str:
    """The header as cffi reads it: without comments and conditions, and constants as `#define NAME ...`."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    lines, skipping = [], []
    for line in header.splitlines():
        stripped = line.strip()
        if not stripped.startswith("#"):
            if not any(skipping):
                lines.append(line.replace("SBK_API ", ""))
        elif re.match(r"#\s*if", stripped):
            # Of the header's conditions none holds for cffi: not C++, and no attributes of compilers.
            skipping.append(not re.match(r"#\s*ifndef\s+SANDBOXKIT_H\b", stripped))
        elif re.match(r"#\s*endif", stripped):
            skipping.pop()
        elif not any(skipping):
            macro = MACRO.match(stripped)
            if macro:
                lines.append(f"#define {macro[1]} ...")
    return "\n".join(lines)


def main() -> None:
    import cffi

    source, output = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        header = file.read()
    builder = cffi.FFI()
    builder.cdef(declarations(header))
    builder.set_source("sandboxkit._sandboxkit", "#include <sandboxkit.h>", py_limited_api=True)
    builder.emit_c_code(output)


if __name__ == "__main__":
    main()
