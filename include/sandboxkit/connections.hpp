// SPDX-License-Identifier: Apache-2.0
// What profiles refer to by id and the host application owns: connections, environments and registered hosts. The library
// looks them up when a profile is published and again when a session starts, and keeps no copy in between. None holds a secret.
#pragma once

#include <sandboxkit/agent.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class ConnectionKind : std::uint8_t { model_provider, git, connector, sandbox_provider };

[[nodiscard]] constexpr std::string_view to_string(ConnectionKind kind) noexcept {
    switch (kind) {
    case ConnectionKind::model_provider: return "model provider";
    case ConnectionKind::git: return "Git";
    case ConnectionKind::connector: return "connector";
    case ConnectionKind::sandbox_provider: return "sandbox provider";
    }
    return "unknown";
}

// What a model provider speaks. A host application may have other names; only these mean something to the library.
namespace protocols {
inline constexpr std::string_view openai_responses = "openai-responses";     // POST /responses
inline constexpr std::string_view openai_chat = "openai-chat";               // POST /chat/completions
inline constexpr std::string_view anthropic_messages = "anthropic-messages"; // POST /v1/messages
inline constexpr std::string_view opencode = "opencode"; // whatever it speaks, OpenCode has a provider of its own for it
} // namespace protocols

namespace detail {
inline constexpr std::array codex_protocols{protocols::openai_responses};
inline constexpr std::array claude_code_protocols{protocols::anthropic_messages};
inline constexpr std::array opencode_protocols{protocols::anthropic_messages, protocols::openai_chat, protocols::openai_responses,
                                               protocols::opencode};
} // namespace detail

// What an agent runtime can speak; empty: whatever it brings. Codex refuses any wire but "responses", Claude Code
// has Anthropic's alone, and OpenCode's own providers take all of these.
[[nodiscard]] constexpr std::span<const std::string_view> protocols_of(AgentRuntime runtime) noexcept {
    switch (runtime) {
    case AgentRuntime::codex: return detail::codex_protocols;
    case AgentRuntime::claude_code: return detail::claude_code_protocols;
    case AgentRuntime::opencode: return detail::opencode_protocols;
    case AgentRuntime::custom: return {};
    }
    return {};
}

struct Connection {
    std::string id; // as profiles name it
    ConnectionKind kind = ConnectionKind::connector;
    std::string name; // for people
    // Of a model provider: what it speaks, of `protocols`; at least one. Of a sandbox provider: the names of the providers, as
    // Recipe::provider has them, that its credentials are for; at least one. Of others: nothing.
    std::vector<std::string> protocols;
    std::string provider; // of a Git connection: who serves it, "github", "gitlab", ...; for people
    // Of a Git connection: the URLs of repositories by their identifiers; and for all others a template, in which "{identifier}"
    // stands for the identifier: "https://git.example/team/{identifier}.git". An empty template: there are no others.
    std::map<std::string, std::string> repositories;
    std::string url_template;

    // Nothing when the connection does not know the repository, or what it says is no URL that a profile could have
    // (check_repository_url): one with credentials in it, say.
    [[nodiscard]] std::optional<std::string> url_for(std::string_view identifier) const {
        constexpr std::string_view place = "{identifier}";
        std::string url;
        if (const auto known = repositories.find(std::string(identifier)); known != repositories.end()) {
            url = known->second;
        } else {
            // A template without the place would give every repository the same URL.
            if (url_template.find(place) == std::string::npos) return {};
            url = url_template;
            for (std::size_t at = url.find(place); at != std::string::npos; at = url.find(place, at + identifier.size()))
                url.replace(at, place.size(), identifier);
        }
        if (check_repository_url(url)) return {};
        return url;
    }

    friend bool operator==(const Connection&, const Connection&) = default;
};

// An environment of the host application, which lends credentials and decides about changes.
struct EnvironmentBinding {
    std::string id;            // as profiles name it
    std::string name;          // for people
    std::string change_policy; // the host application's own name of its policy; handed on, never read

    friend bool operator==(const EnvironmentBinding&, const EnvironmentBinding&) = default;
};

// A host that sandboxes can run on.
struct HostRecord {
    std::string name;                           // as Recipe::host has it; of the default host possibly empty
    std::string provider;                       // as Recipe::provider has it
    bool registered = false;                    // by a user, who operates it; else it is managed by the host application
    bool reachable = true;                      // as far as is known now; looked at when a session starts
    std::optional<std::string> storage_backend; // where persistent paths are kept: "directory", "volume", ...; absent: nowhere
    bool workspace_volumes = false;             // whether a working volume can be kept between runs

    friend bool operator==(const HostRecord&, const HostRecord&) = default;
};

// Implemented by the host application. Every function may be called from any of the engine's worker threads, several at once,
// and may block there. Nothing: there is no such record. An error: it cannot be said now, which is no fault of a profile; the
// operation that asked ends with it. The engine never calls it while it holds a lock.
class ReferenceSource {
public:
    virtual ~ReferenceSource() = default;

    virtual Result<std::optional<Connection>> connection(std::string_view id) = 0;
    virtual Result<std::optional<EnvironmentBinding>> environment(std::string_view id) = 0;
    virtual Result<std::optional<HostRecord>> host(std::string_view name) = 0;
};

} // namespace sandboxkit
