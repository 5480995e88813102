// SPDX-License-Identifier: Apache-2.0
// What a shared library shows of itself. Everything else of the library's own is hidden.
#pragma once

#define SANDBOXKIT_API [[gnu::visibility("default")]]
