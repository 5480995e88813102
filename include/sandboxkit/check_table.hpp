// SPDX-License-Identifier: Apache-2.0
// Every code of a problem with a profile: at which gate, how severe, and what it means.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sandboxkit {

enum class Gate : std::uint8_t {
    save,    // form, types, secrets
    publish, // meaning across fields; references exist
    start,   // resolution
};
enum class Severity : std::uint8_t { error, warning };

struct Check {
    std::string_view code; // as Problem::code
    Gate gate;
    Severity severity;
    std::string_view what; // Markdown, one line
};

[[nodiscard]] constexpr std::span<const Check> checks() noexcept;

// As a table in Markdown.
[[nodiscard]] std::string check_table();

} // namespace sandboxkit
