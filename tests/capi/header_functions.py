# SPDX-License-Identifier: Apache-2.0
"""What the C ABI's header declares, for the checks beside this file."""
import re

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DECLARATION = re.compile(r"\bSBK_API\b([^;]*?)\b(sbk_\w+)\s*\(([^;]*)\)\s*;", re.DOTALL)


def functions(header):
    """{name: declaration on one line}"""
    text = COMMENT.sub(" ", header)
    return {name: " ".join(f"{kind} {name}({parameters})".split()) for kind, name, parameters in DECLARATION.findall(text)}
