# SPDX-License-Identifier: Apache-2.0
"""The values of _types, whose classes are made when one is needed: that takes as long as all the rest of an import."""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["types"]

if TYPE_CHECKING:
    from sandboxkit import _types as types
else:

    class _Types:
        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module("sandboxkit._types"), name)
            setattr(self, name, value)
            return value

    types = _Types()
