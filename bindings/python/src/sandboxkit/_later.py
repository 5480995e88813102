# SPDX-License-Identifier: Apache-2.0
"""The values of _types and _provider_types, whose classes are made when one is needed.

That takes as long as all the rest of an import.
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["provider_types", "types"]

if TYPE_CHECKING:
    from sandboxkit import _provider_types as provider_types, _types as types
else:

    class _Types:
        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self._module), name)
            setattr(self, name, value)
            return value

    types = _Types("sandboxkit._types")
    provider_types = _Types("sandboxkit._provider_types")
