// SPDX-License-Identifier: Apache-2.0
// The agent that works in a sandbox, and what it can reach there. What each member means: profile_fields.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit {

enum class AgentRuntime : std::uint8_t { codex, opencode, claude_code, custom };

struct Agent {
    AgentRuntime runtime = AgentRuntime::codex;
    std::optional<std::string> version;
    std::optional<std::string> model;
    std::string install;              // of a custom one
    std::vector<std::string> command; // of a custom one

    friend bool operator==(const Agent&, const Agent&) = default;
};

// A server of the Model Context Protocol: a command in the sandbox, or an address.
struct McpServer {
    std::string name;
    std::vector<std::string> command;
    std::map<std::string, std::string> environment; // of the command
    std::string url;
    std::optional<std::string> connection;
    std::vector<std::string> tools = {"*"};
    bool required = false;

    [[nodiscard]] bool any_tool() const noexcept {
        for (const std::string& tool : tools)
            if (tool.find('*') != std::string::npos) return true;
        return false;
    }
    friend bool operator==(const McpServer&, const McpServer&) = default;
};

struct Skill {
    std::string name;
    std::string url;
    std::optional<std::string> revision;
    std::string path; // in the repository

    friend bool operator==(const Skill&, const Skill&) = default;
};

} // namespace sandboxkit
