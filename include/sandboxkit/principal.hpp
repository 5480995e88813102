// SPDX-License-Identifier: Apache-2.0
// Who asks. Every call of the engine carries one; the host application has authenticated it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// The way by which a call came; for the activity log. It gives no right and takes none (requirement A3).
enum class Channel : std::uint8_t { api, form, assistant, command_line };

constexpr std::string_view to_string(Channel c) noexcept {
    constexpr std::string_view names[] = {"api", "form", "assistant", "command_line"};
    return names[static_cast<std::size_t>(c)];
}

// What a principal may do at all. permission.hpp says which operation needs which; none implies another.
namespace scopes {
inline constexpr std::string_view read_profiles = "sandbox-profiles.read";
inline constexpr std::string_view manage_profiles = "sandbox-profiles.manage";
inline constexpr std::string_view use_profile = "sandbox-profile.use";
inline constexpr std::string_view manage_access = "sandbox-profile.acl.manage";
inline constexpr std::string_view administer = "sandboxes.administer"; // hosts, and the organization's switches
} // namespace scopes

struct Principal {
    std::string id{};                  // 1..256 bytes of UTF-8 without control characters, unique in the host application
    std::vector<std::string> roles{};  // names that access lists may contain
    std::vector<std::string> scopes{}; // of namespace scopes; others mean nothing here
    Channel channel = Channel::api;
};

// One who may do everything: the user of a store of one's own, an administrator, a test.
[[nodiscard]] inline Principal with_every_scope(std::string id) {
    Principal who;
    who.id = std::move(id);
    for (const std::string_view scope :
         {scopes::read_profiles, scopes::manage_profiles, scopes::use_profile, scopes::manage_access, scopes::administer})
        who.scopes.emplace_back(scope);
    return who;
}

} // namespace sandboxkit
