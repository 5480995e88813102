// SPDX-License-Identifier: Apache-2.0
// The commands that an agent is meant to use, and how strictly. What each member means: profile_fields.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit {

enum class CommandMode : std::uint8_t { advisory, redirect_known, strict_command };

struct ArgumentRule {
    std::string name;
    std::string flag;                 // empty: positional
    std::vector<std::string> choices; // empty: any
    std::string pattern;              // empty: any
    bool required = false;
    bool repeated = false;

    friend bool operator==(const ArgumentRule&, const ArgumentRule&) = default;
};

struct ManagedCommand {
    std::string name;
    std::string description;
    std::vector<std::string> command;
    std::vector<ArgumentRule> arguments;
    std::vector<std::string> working_directories; // empty: any
    std::vector<std::string> credentials;         // ids of connections
    std::uint32_t timeout_seconds = 600;

    friend bool operator==(const ManagedCommand&, const ManagedCommand&) = default;
};

struct ManagedCommands {
    CommandMode mode = CommandMode::advisory;
    std::vector<ManagedCommand> catalog;

    friend bool operator==(const ManagedCommands&, const ManagedCommands&) = default;
};

} // namespace sandboxkit
