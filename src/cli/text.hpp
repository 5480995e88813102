// SPDX-License-Identifier: Apache-2.0
// What others wrote, made fit for a terminal: no control character of it gets there. And colours.
#pragma once

#include <string>
#include <string_view>

namespace sandboxkit::cli {

// Control characters as spaces, line feeds too.
[[nodiscard]] std::string one_line(std::string_view text);

// The same of every line; line feeds and tabs stay.
[[nodiscard]] std::string cleaned(std::string_view text);

// JSON that means the same and holds no control character that JSON allows unescaped: U+007F to U+009F.
[[nodiscard]] std::string escaped_json(std::string_view text);

enum class Colour { bold, red, green, cyan };

// Whether what is written there may be coloured: a terminal that can, and NO_COLOR (no-color.org) is not set.
[[nodiscard]] bool colours(int fd);

// `text` as it is unless `on`.
[[nodiscard]] std::string painted(std::string_view text, Colour colour, bool on);

} // namespace sandboxkit::cli
