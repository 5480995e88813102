// SPDX-License-Identifier: Apache-2.0
// What a profile refers to, and what was found there. Looking it up is for the caller; the checks are pure.
#pragma once

#include <sandboxkit/connections.hpp>
#include <sandboxkit/profile.hpp>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace sandboxkit {

// What there is to look up.
struct ReferencedIds {
    std::set<std::string> connections;
    std::set<std::string> environments;
    std::set<std::string> hosts;

    friend bool operator==(const ReferencedIds&, const ReferencedIds&) = default;
};

// What was found. What is not in a map, or is there without a record, counts as not existing.
struct References {
    template <class T>
    using Found = std::map<std::string, std::optional<T>, std::less<>>;
    Found<Connection> connections;
    Found<EnvironmentBinding> environments;
    Found<HostRecord> hosts;
    // For a profile that names no host: where its sandboxes run for who asks; at a start its absence is an error. At publish it
    // belongs here only if it is the same for everybody who may launch; else what depends on it is left to the start.
    std::optional<HostRecord> default_host{};
    bool organization_allows_persistence = true;
};

[[nodiscard]] inline ReferencedIds referenced_ids(const Recipe& recipe) {
    ReferencedIds ids;
    const auto add = [](std::set<std::string>& to, const std::optional<std::string>& id) {
        if (id) to.insert(*id);
    };
    const Connections& connections = recipe.connections;
    add(ids.connections, connections.model_provider);
    add(ids.connections, connections.git);
    add(ids.connections, connections.sandbox_provider);
    ids.connections.insert(connections.connectors.begin(), connections.connectors.end());
    for (const McpServer& server : recipe.mcp_servers) add(ids.connections, server.connection);
    add(ids.environments, recipe.environment_binding);
    add(ids.hosts, recipe.host);
    return ids;
}

[[nodiscard]] inline ReferencedIds referenced_ids(const Profile& profile) {
    ReferencedIds ids = referenced_ids(profile.recipe);
    for (const Trigger& trigger : profile.record.triggers)
        if (trigger.event) ids.connections.insert(trigger.event->connection);
    return ids;
}

} // namespace sandboxkit
