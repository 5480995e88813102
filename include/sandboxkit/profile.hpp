// SPDX-License-Identifier: Apache-2.0
// What a profile *is*: a versioned recipe, and the unversioned record around it. What each member means, its limits, its
// default in a document and what becomes of it is said once, in profile_fields.hpp. Reading and writing the JSON document:
// profile_document.hpp.
#pragma once

#include <sandboxkit/access_list.hpp>
#include <sandboxkit/agent.hpp>
#include <sandboxkit/image_recipe.hpp>
#include <sandboxkit/managed_commands.hpp>
#include <sandboxkit/network.hpp>
#include <sandboxkit/persistence.hpp>
#include <sandboxkit/resources.hpp>
#include <sandboxkit/trigger.hpp>
#include <sandboxkit/warm_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

// What a repository is in the sandbox for.
enum class RepositoryRole : std::uint8_t {
    primary,   // worked in and written to; at most one a profile
    context,   // read while working
    reference, // consulted; read-only unless the profile says otherwise
};

constexpr std::string_view to_string(RepositoryRole r) noexcept {
    constexpr std::string_view names[] = {"primary", "context", "reference"};
    return names[static_cast<std::size_t>(r)];
}

struct Repository {
    std::string identifier; // unique in the profile
    std::string url;        // empty: the Git connection says
    std::optional<std::string> branch;
    std::optional<std::string> revision; // instead of a branch
    std::optional<std::uint32_t> depth;
    bool submodules = false;
    std::string mount_path;
    RepositoryRole role = RepositoryRole::primary;
    bool read_only = false; // default in a document: true for a reference, false otherwise

    friend bool operator==(const Repository&, const Repository&) = default;
};

// References to records of the host application, by their ids.
struct Connections {
    std::optional<std::string> model_provider;
    std::optional<std::string> git;
    std::vector<std::string> connectors;
    std::optional<std::string> sandbox_provider; // absent: credentials that the host application manages

    friend bool operator==(const Connections&, const Connections&) = default;
};

struct Identity {
    std::string azure_managed_identity; // resource id of a user-assigned one

    friend bool operator==(const Identity&, const Identity&) = default;
};

struct Probe {
    std::string name;
    std::string script;
    std::uint32_t timeout_seconds = 60;

    friend bool operator==(const Probe&, const Probe&) = default;
};

// One value that looks like a credential and is none.
struct SecretException {
    std::string pointer;
    std::string rule;
    std::string reason;

    friend bool operator==(const SecretException&, const SecretException&) = default;
};

// The versioned part: digested, and immutable once published.
struct Recipe {
    std::string provider = "local";
    std::optional<std::string> host;
    std::optional<std::string> environment_binding;
    Connections connections;
    std::optional<Agent> agent;
    std::vector<McpServer> mcp_servers;
    std::vector<Skill> skills;
    std::string image = "host";
    std::optional<std::string> image_digest;
    std::vector<Feature> features;
    std::vector<std::string> feature_order;
    std::vector<FeatureLock> feature_lock;
    Hooks hooks;
    std::string setup_script; // empty: none
    std::uint32_t setup_timeout_seconds = 1800;
    std::vector<Repository> repositories;
    std::map<std::string, std::string> environment; // plain, non-secret values
    std::vector<SecretException> secret_exceptions;
    Resources resources;
    Network network;
    Persistence persistence;
    std::optional<Identity> identity;
    ManagedCommands commands;
    std::vector<Probe> probes;

    friend bool operator==(const Recipe&, const Recipe&) = default;
};

// The unversioned part: a change acts at once.
struct Record {
    std::string name{};
    std::string description{};
    AccessList access{};
    WarmPool warm_pool{};
    std::vector<Trigger> triggers{};
    RefreshSchedule refresh{};
    std::string maintenance_script{}; // of a scheduled refresh; empty: it builds anew
    std::string agent_instructions{}; // empty: none

    friend bool operator==(const Record&, const Record&) = default;
};

// A whole profile document.
struct Profile {
    Record record;
    Recipe recipe;
    friend bool operator==(const Profile&, const Profile&) = default;
};

} // namespace sandboxkit
