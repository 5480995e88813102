// SPDX-License-Identifier: Apache-2.0
// The parts of a profile that are edited one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sandboxkit {

enum class Section : std::uint8_t {
    general,
    access,
    runtime,
    image,
    repositories,
    environment,
    resources,
    network,
    persistence,
    identity,
    commands,
    connections,
    probes,
    warm_pool,
    triggers,
    agent_instructions,
};

inline constexpr std::array<std::string_view, 16> section_names = {
    "general",     "access",   "runtime",  "image",       "repositories", "environment", "resources", "network",
    "persistence", "identity", "commands", "connections", "probes",       "warm_pool",   "triggers",  "agent_instructions"};
static_assert(section_names.size() == static_cast<std::size_t>(Section::agent_instructions) + 1);

constexpr std::string_view to_string(Section s) noexcept {
    return section_names[static_cast<std::size_t>(s)];
}

[[nodiscard]] constexpr std::optional<Section> section_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < section_names.size(); ++i)
        if (section_names[i] == name) return static_cast<Section>(i);
    return {};
}

} // namespace sandboxkit
