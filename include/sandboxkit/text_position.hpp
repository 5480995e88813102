// SPDX-License-Identifier: Apache-2.0
// Where a byte of a text stands, as editors count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sandboxkit {

struct TextPosition {
    std::size_t offset = 0; // bytes before it
    std::size_t line = 1;   // from 1; lines end with '\n'
    std::size_t column = 1; // from 1, in characters (code points)

    friend bool operator==(const TextPosition&, const TextPosition&) = default;
};

// Of the byte at `offset`, or of the end for one beyond it. In text that is not UTF-8, every byte but 0x80..0xBF begins a
// character.
[[nodiscard]] inline TextPosition text_position(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const std::size_t line_end = before.rfind('\n');
    const std::string_view on_line = line_end == std::string_view::npos ? before : before.substr(line_end + 1);
    const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    return {before.size(), static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1,
            static_cast<std::size_t>(std::count_if(on_line.begin(), on_line.end(), begins)) + 1};
}

} // namespace sandboxkit
