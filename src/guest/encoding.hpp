// SPDX-License-Identifier: Apache-2.0
// The text encodings of the wire: base64, percent-encoding and JSON strings.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

// RFC 4648 base64 with padding.
void append_base64(std::string& out, std::string_view bytes);

// With or without padding; nothing when the text is not base64.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

// A component of a query: %XX, and '+' as a space. Nothing when an escape is broken.
[[nodiscard]] std::optional<std::string> decode_query_component(std::string_view text);

// With the quotes. Bytes that are not UTF-8 become U+FFFD: file names may be any bytes, JSON may not.
void append_json_string(std::string& out, std::string_view text);

[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

} // namespace sandboxkit::guest
