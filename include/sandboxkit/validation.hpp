// SPDX-License-Identifier: Apache-2.0
// The gates that a profile passes, and what is found there. check_table.hpp has every code; docs/profile.md, too.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class Gate : std::uint8_t {
    save,    // form, types, secrets
    publish, // meaning across fields; references exist
    start,   // resolution
};
enum class Severity : std::uint8_t { error, warning };

[[nodiscard]] constexpr std::string_view to_string(Gate gate) noexcept {
    switch (gate) {
    case Gate::save: return "save";
    case Gate::publish: return "publish";
    case Gate::start: return "start";
    }
    return "unknown";
}
[[nodiscard]] constexpr std::string_view to_string(Severity severity) noexcept {
    return severity == Severity::error ? "error" : "warning";
}

// Errors close the gate; warnings are for people to read. Both in the order of the checks, which is always the same, each at most
// ProblemList::capacity and then "more_problems". A pointer names a member of the document, or the place of one that is missing.
struct Validation {
    std::vector<Problem> errors, warnings;
};

} // namespace sandboxkit
