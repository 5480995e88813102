# SPDX-License-Identifier: Apache-2.0
# The extension module: what cffi makes of sandboxkit.h. Its types are C's, which mypy does not know.
from typing import Any

ffi: Any
lib: Any
