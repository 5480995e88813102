// SPDX-License-Identifier: Apache-2.0
// Persistence policy: which paths outlive the compute, and whether a session gets them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxkit {

// What a second start finds while the workspace volume is in use.
enum class SecondStart : std::uint8_t { refuse, clean_workspace };

// The working volume that is kept between runs, owned by profile and principal.
struct WorkspaceVolume {
    bool enabled = false;
    SecondStart second_start = SecondStart::refuse;

    friend bool operator==(const WorkspaceVolume&, const WorkspaceVolume&) = default;
};

// The profile's opt-in. What each member means: profile_fields.hpp.
struct Persistence {
    bool enabled = false;
    std::vector<std::string> paths = {"/root", "/etc/codex"}; // absolute, normalized, none inside another
    WorkspaceVolume workspace{};

    friend bool operator==(const Persistence&, const Persistence&) = default;
};

enum class PersistenceDecision : std::uint8_t {
    ephemeral,          // the profile did not ask
    persistent,         // asked, allowed, and a storage backend exists
    ephemeral_by_org,   // asked, but the organization's switch is off: runs non-persistent and says so
    refused_no_backend, // asked and allowed, but the host has no storage backend: publish refuses
};

[[nodiscard]] constexpr PersistenceDecision decide_persistence(const Persistence& p, bool organization_allows,
                                                               bool host_has_backend) noexcept {
    if (!p.enabled) return PersistenceDecision::ephemeral;
    if (!organization_allows) return PersistenceDecision::ephemeral_by_org;
    return host_has_backend ? PersistenceDecision::persistent : PersistenceDecision::refused_no_backend;
}

} // namespace sandboxkit
