// SPDX-License-Identifier: Apache-2.0
// The rules between the agent, what it uses, and the commands that it is held to.
#pragma once

#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/profile.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

// What is known of closing an agent runtime's own shell, which the mode "strict-command" needs.
enum class ShellClosing : std::uint8_t {
    seen,       // it was tried, and the tool was gone
    documented, // its makers say how; not tried by us
    unknown,    // nothing is known, and so it is not relied on
};

[[nodiscard]] constexpr ShellClosing shell_closing(AgentRuntime runtime) noexcept {
    switch (runtime) {
    case AgentRuntime::claude_code: return ShellClosing::seen;    // deny rules of /etc/claude-code/managed-settings.json
    case AgentRuntime::codex: return ShellClosing::documented;    // the feature "shell_tool", openai/codex pull request 6481
    case AgentRuntime::opencode: return ShellClosing::documented; // permission "bash": "deny", opencode.ai/v1/docs/permissions
    case AgentRuntime::custom: return ShellClosing::unknown;
    }
    return ShellClosing::unknown;
}

namespace checking {

[[nodiscard]] inline bool is_command(const std::vector<std::string>& command) {
    return !command.empty() && !command.front().empty();
}

inline void check_agent(const Profile& profile, Findings& findings) {
    const Recipe& recipe = profile.recipe;
    if (!recipe.agent) {
        const auto nobody = [&](const char* pointer, const char* what) {
            findings.error(pointer, "no_agent", std::string(what) + " are for an agent, and the profile has none",
                           "add \"agent\", or leave them out");
        };
        if (!recipe.mcp_servers.empty()) nobody("/mcp_servers", "MCP servers");
        if (!recipe.skills.empty()) nobody("/skills", "skills");
        const char* const remedy = "add \"agent\", or leave it out";
        if (recipe.connections.model_provider)
            findings.no_effect("/connections/model_provider", "the profile has no agent", remedy);
        if (!profile.record.agent_instructions.empty())
            findings.no_effect("/agent_instructions", "the profile has no agent", remedy);
        for (std::size_t i = 0; i < profile.record.triggers.size(); ++i)
            if (!profile.record.triggers[i].prompt.empty())
                findings.no_effect(member_of("/triggers", i, "prompt"), "the profile has no agent", remedy);
        return;
    }
    const Agent& agent = *recipe.agent;
    if (agent.runtime == AgentRuntime::custom) {
        // It may have no use for a model provider of ours.
        if (!is_command(agent.command))
            findings.error("/agent/command", "missing_command", "a custom runtime needs the command that starts it",
                           "add \"command\": a program and its arguments");
        return;
    }
    if (!recipe.connections.model_provider)
        findings.error("/connections/model_provider", "no_model_provider", "this agent runtime needs a model provider",
                       "add \"model_provider\" to \"connections\"");
    const auto only_custom = [&](const char* pointer) {
        findings.error(pointer, "not_custom", "only a custom runtime has this; the others are installed and started as they are",
                       "leave it out, or set \"runtime\" to \"custom\"");
    };
    if (!agent.install.empty()) only_custom("/agent/install");
    if (!agent.command.empty()) only_custom("/agent/command");
    if (!agent.version)
        findings.warning("/agent/version", "not_pinned", "each build installs the newest version of the agent runtime",
                         "add \"version\"");
}

inline void check_mcp_servers(const Recipe& recipe, Findings& findings) {
    for (std::size_t i = 0; i < recipe.mcp_servers.size(); ++i) {
        const McpServer& server = recipe.mcp_servers[i];
        if (server.url.empty() && !is_command(server.command))
            findings.error(member_of("/mcp_servers", i, "command"), "missing_command", "this command names no program",
                           "write the program and its arguments");
        if (!server.environment.empty() && server.command.empty())
            findings.error(member_of("/mcp_servers", i, "environment"), "environment_without_command",
                           "these variables are for a command, and the server has none", "leave them out");
        if (server.tools.empty())
            findings.no_effect(member_of("/mcp_servers", i, "tools"), "the agent may use none of the server's tools",
                               "name the tools, or leave the server out");
    }
}

// C4. Also a refusal at start.
inline void check_tools_are_named(const Recipe& recipe, Findings& findings) {
    if (recipe.commands.mode != CommandMode::strict_command) return;
    for (std::size_t i = 0; i < recipe.mcp_servers.size(); ++i)
        if (recipe.mcp_servers[i].any_tool())
            findings.error(member_of("/mcp_servers", i, "tools"), "wildcard_tool",
                           "with \"strict-command\" the agent gets no tool that the profile does not name, and \"*\" names none",
                           "name each tool, or choose another mode of \"commands\"");
}

inline void check_arguments(const std::vector<ArgumentRule>& rules, const std::string& pointer, Findings& findings) {
    std::map<std::string_view, std::size_t> flags;
    bool optional = false, repeated = false; // among the positional ones so far
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const ArgumentRule& rule = rules[i];
        if (!rule.choices.empty() && !rule.pattern.empty())
            findings.error(member_of(pointer, i, "pattern"), "choices_and_pattern",
                           "the argument has both a list of values and a pattern", "leave one of them out");
        if (!rule.flag.empty()) {
            const auto [first, fresh] = flags.emplace(rule.flag, i);
            if (!fresh)
                findings.error(member_of(pointer, i, "flag"), "duplicate_flag",
                               "this flag is also that of " + element(pointer, first->second),
                               "make one rule of both; \"repeated\" allows it more than once");
            continue;
        }
        if (repeated)
            findings.error(element(pointer, i), "after_repeated", "the positional argument before it takes all that follow",
                           "put the repeated one last, or give one of them a flag");
        else if (optional && rule.required)
            findings.error(member_of(pointer, i, "required"), "required_after_optional",
                           "a positional argument before it may be left out, so that it cannot be told which one is meant",
                           "put the required ones first, or give one of them a flag");
        repeated = repeated || rule.repeated;
        optional = optional || !rule.required;
    }
}

inline void check_commands(const Recipe& recipe, Findings& findings) {
    const ManagedCommands& commands = recipe.commands;
    const bool strict = commands.mode == CommandMode::strict_command;
    if (strict && recipe.agent && shell_closing(recipe.agent->runtime) == ShellClosing::unknown)
        findings.error("/commands/mode", "shell_not_closable",
                       "\"strict-command\" closes the agent's own shell, and it is not known how to do so with a custom runtime",
                       "choose another mode, or another agent runtime");
    if (strict && commands.catalog.empty())
        findings.error("/commands/catalog", "empty_catalog", "with \"strict-command\" only the catalog may run, and it is empty",
                       "add the commands that the agent needs, or choose another mode");
    if (commands.mode == CommandMode::redirect_known && commands.catalog.empty())
        findings.no_effect("/commands/mode", "there are no managed commands", "add \"catalog\", or leave it out");
    else if (commands.mode != CommandMode::advisory && !recipe.agent)
        findings.no_effect("/commands/mode", "the profile has no agent", "add \"agent\", or leave it out");

    std::set<std::string_view> listed(recipe.connections.connectors.begin(), recipe.connections.connectors.end());
    if (recipe.connections.git) listed.insert(*recipe.connections.git);
    if (recipe.connections.model_provider) listed.insert(*recipe.connections.model_provider);
    for (std::size_t i = 0; i < commands.catalog.size(); ++i) {
        const ManagedCommand& command = commands.catalog[i];
        if (!is_command(command.command))
            findings.error(member_of("/commands/catalog", i, "command"), "missing_command", "this command names no program",
                           "write the program and its fixed arguments");
        check_arguments(command.arguments, member_of("/commands/catalog", i, "arguments"), findings);
        for (std::size_t k = 0; k < command.credentials.size(); ++k)
            if (!listed.contains(command.credentials[k]))
                findings.error(element(member_of("/commands/catalog", i, "credentials"), k), "credential_not_listed",
                               "this is not the model provider, the Git connection or a connector of \"connections\"",
                               "add it to \"connectors\" of \"connections\", or leave it out");
    }
}

} // namespace checking

} // namespace sandboxkit
