// SPDX-License-Identifier: Apache-2.0
// Text at the border to an untrusted peer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandboxkit::envd {

[[nodiscard]] bool is_utf8(std::string_view bytes); // RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF

// What a peer said, for Error::detail: at most `limit` bytes, valid UTF-8, without control characters (a terminal
// may show it) but newline and tab. What is not allowed becomes '?'.
[[nodiscard]] std::string bounded_text(std::string_view bytes, std::size_t limit = 4096);

} // namespace sandboxkit::envd
