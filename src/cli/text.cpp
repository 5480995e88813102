// SPDX-License-Identifier: Apache-2.0
#include "cli/text.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace sandboxkit::cli {

namespace {

// U+0080 to U+009F, c2 80 to c2 9f in UTF-8, are control characters too.
bool ends_a_control_character(std::string_view before, char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 && byte < 0xa0 && before.ends_with('\xc2');
}

std::string without_controls(std::string_view text, std::string_view but) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (ends_a_control_character(out, c))
            out.back() = ' ';
        else
            out += (byte < 0x20 || byte == 0x7f) && but.find(c) == std::string_view::npos ? ' ' : c;
    }
    return out;
}

} // namespace

std::string one_line(std::string_view text) {
    return without_controls(text, "");
}

std::string cleaned(std::string_view text) {
    return without_controls(text, "\n\t");
}

std::string escaped_json(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool second = ends_a_control_character(out, c);
        if (second) out.pop_back();
        if (second || byte == 0x7f)
            out.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        else
            out += c;
    }
    return out;
}

bool colours(int fd) {
    const char* none = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(fd) == 1 && !(none && *none) && !(terminal && std::string_view(terminal) == "dumb");
}

std::string painted(std::string_view text, Colour colour, bool on) {
    constexpr std::array<std::string_view, 4> begin{"\033[1m", "\033[31m", "\033[32m", "\033[36m"};
    if (!on || text.empty()) return std::string(text);
    return std::string(begin[static_cast<std::size_t>(colour)]).append(text).append("\033[0m");
}

} // namespace sandboxkit::cli
