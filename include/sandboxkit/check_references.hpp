// SPDX-License-Identifier: Apache-2.0
// The rules between a profile and what it refers to, at publish and at start: connections, the environment, the host.
#pragma once

#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/persistence.hpp>
#include <sandboxkit/references.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::checking {

template <class T>
[[nodiscard]] const T* found(const References::Found<T>& records, std::string_view id) {
    const auto at = records.find(id);
    return at == records.end() || !at->second ? nullptr : &*at->second;
}

// The connection, when it exists and is of one of the kinds.
[[nodiscard]] inline const Connection* check_connection(const References& references, std::string_view id, std::string pointer,
                                                        std::initializer_list<ConnectionKind> kinds, Findings& findings) {
    const Connection* connection = found(references.connections, id);
    if (!connection) {
        findings.error(std::move(pointer), "connection_unknown", "there is no connection of this id",
                       "make it in the host application, or name another");
        return nullptr;
    }
    if (std::find(kinds.begin(), kinds.end(), connection->kind) != kinds.end()) return connection;
    std::string wanted;
    for (const ConnectionKind kind : kinds)
        wanted += (wanted.empty() ? "a " : " or a ") + std::string(to_string(kind)) +
                  (kind == ConnectionKind::git ? " connection" : "");
    findings.error(std::move(pointer), "wrong_connection_kind",
                   "this has to be " + wanted + ", and it is a connection of the kind \"" +
                       std::string(to_string(connection->kind)) + "\"",
                   "name another connection");
    return nullptr;
}

[[nodiscard]] inline std::string joined(const auto& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out.empty() ? "nothing" : out;
}

[[nodiscard]] constexpr std::string_view agent_name(AgentRuntime runtime) noexcept {
    switch (runtime) {
    case AgentRuntime::codex: return "Codex";
    case AgentRuntime::opencode: return "OpenCode";
    case AgentRuntime::claude_code: return "Claude Code";
    case AgentRuntime::custom: return "a custom runtime";
    }
    return "the agent";
}

inline void check_model_provider(const Agent& agent, const Connection& connection, Findings& findings) {
    const auto can = protocols_of(agent.runtime);
    if (can.empty() || std::any_of(can.begin(), can.end(), [&](std::string_view protocol) {
            return std::find(connection.protocols.begin(), connection.protocols.end(), protocol) != connection.protocols.end();
        }))
        return;
    findings.error("/connections/model_provider", "unfit_connection",
                   std::string(agent_name(agent.runtime)) + " speaks " + joined(can) + "; this connection speaks " +
                       joined(connection.protocols),
                   "name another connection, or choose another \"runtime\"");
}

inline void check_connections(const Recipe& recipe, const References& references, Findings& findings) {
    using enum ConnectionKind;
    const Connections& connections = recipe.connections;
    if (connections.model_provider) {
        const Connection* connection =
            check_connection(references, *connections.model_provider, "/connections/model_provider", {model_provider}, findings);
        if (connection && recipe.agent) check_model_provider(*recipe.agent, *connection, findings);
    }
    if (connections.git) (void)check_connection(references, *connections.git, "/connections/git", {git}, findings);
    for (std::size_t i = 0; i < connections.connectors.size(); ++i)
        (void)check_connection(references, connections.connectors[i], element("/connections/connectors", i), {connector},
                               findings);
    if (connections.sandbox_provider) {
        const Connection* connection = check_connection(references, *connections.sandbox_provider,
                                                        "/connections/sandbox_provider", {sandbox_provider}, findings);
        if (connection &&
            std::find(connection->protocols.begin(), connection->protocols.end(), recipe.provider) == connection->protocols.end())
            findings.error("/connections/sandbox_provider", "unfit_connection",
                           "its credentials are for " + joined(connection->protocols) +
                               ", and not for the provider of this profile",
                           "name another connection, or another \"provider\"");
    }
    for (std::size_t i = 0; i < recipe.mcp_servers.size(); ++i)
        if (recipe.mcp_servers[i].connection)
            (void)check_connection(references, *recipe.mcp_servers[i].connection, member_of("/mcp_servers", i, "connection"),
                                   {connector}, findings);
    if (recipe.environment_binding && !found(references.environments, *recipe.environment_binding))
        findings.error("/environment_binding", "environment_unknown", "there is no environment of this id",
                       "make it in the host application, or name another");
}

// The host that the profile names, or the default one. Nothing: none is known, or the one that is named does not exist.
[[nodiscard]] inline const HostRecord* host_of(const Recipe& recipe, const References& references) {
    if (recipe.host) return found(references.hosts, *recipe.host);
    return references.default_host ? &*references.default_host : nullptr;
}

// In a message. The host application need not have a name for the machine that it runs on.
[[nodiscard]] inline std::string called(const HostRecord& host) {
    return host.name.empty() ? "this host" : "the host \"" + host.name + "\"";
}

inline void check_host(const Recipe& recipe, const References& references, Findings& findings) {
    const HostRecord* host = host_of(recipe, references);
    if (recipe.host && !host)
        findings.error("/host", "host_unknown", "there is no host of this name", "register it, or name another");
    if (host && host->provider != recipe.provider)
        findings.error(recipe.host ? "/host" : "/provider", "host_mismatch",
                       called(*host) + " belongs to the provider \"" + host->provider + "\"",
                       "name another host, or that provider");
    if (recipe.identity && (!recipe.host || (host && !host->registered)))
        findings.error("/identity", "host_not_registered",
                       recipe.host ? "sessions have an identity on registered hosts only, and this one is managed"
                                   : "sessions have an identity on registered hosts only, and the profile names none",
                       "name a registered \"host\", or leave the identity out");

    const bool backend = host && host->storage_backend.has_value();
    switch (decide_persistence(recipe.persistence, references.organization_allows_persistence, backend)) {
    case PersistenceDecision::ephemeral:
    case PersistenceDecision::persistent: break;
    case PersistenceDecision::ephemeral_by_org:
        findings.warning("/persistence/enabled", "not_persistent",
                         "the organization does not allow persistence: sessions run without it",
                         "ask an administrator to allow it");
        break;
    case PersistenceDecision::refused_no_backend:
        if (host)
            findings.error("/persistence/enabled", "no_storage_backend", called(*host) + " has nowhere to keep persistent paths",
                           "name another host, or set up a storage backend there");
        break;
    }
    if (recipe.persistence.workspace.enabled && host && !host->workspace_volumes)
        findings.error("/persistence/workspace/enabled", "no_workspace_volumes",
                       called(*host) + " cannot keep a working volume between runs", "name another host, or leave it out");
}

inline void check_repositories(const Recipe& recipe, const References& references, Findings& findings) {
    const Connection* git = recipe.connections.git ? found(references.connections, *recipe.connections.git) : nullptr;
    bool primary = false;
    for (std::size_t i = 0; i < recipe.repositories.size(); ++i) {
        const Repository& repository = recipe.repositories[i];
        primary = primary || repository.role == RepositoryRole::primary;
        if (!repository.url.empty()) continue;
        if (!recipe.connections.git)
            findings.error(member_of("/repositories", i, "url"), "repository_without_url",
                           "the repository has no URL, and there is no Git connection to ask",
                           "add \"url\", or \"git\" to \"connections\"");
        else if (git && git->kind == ConnectionKind::git && !git->url_for(repository.identifier))
            findings.error(member_of("/repositories", i, "identifier"), "repository_unknown",
                           "the Git connection knows no repository of this identifier", "correct it, or add \"url\"");
    }
    if (!primary && recipe.repositories.size() > 1)
        findings.warning("/repositories", "no_primary", "none of the repositories is the one that is worked in",
                         "set the \"role\" of one to \"primary\"");
}

inline void check_triggers(const Record& record, const References& references, Findings& findings) {
    for (std::size_t i = 0; i < record.triggers.size(); ++i)
        if (const auto& event = record.triggers[i].event)
            (void)check_connection(references, event->connection, pointer_to(member_of("/triggers", i, "event"), "connection"),
                                   {ConnectionKind::connector, ConnectionKind::git}, findings);
}

} // namespace sandboxkit::checking
