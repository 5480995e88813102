// SPDX-License-Identifier: Apache-2.0
// Base64 with padding (RFC 4648, section 4), as protobuf's JSON form writes bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::envd {

[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Strict: padding required, no other characters, no stray bits. Nothing for anything else.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

} // namespace sandboxkit::envd
