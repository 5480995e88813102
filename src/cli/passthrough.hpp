// SPDX-License-Identifier: Apache-2.0
// A command in a session with this process's standard streams, signals and exit code.
#pragma once

#include "cli/settings.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace sandboxkit::cli {

struct CommandEnd {
    int code = 0;               // what this process ends with: the command's own, or 128 and the signal's number
    boost::json::object answer; // with --json: how it ended and what it wrote, at most 16 MiB a stream
};

// What of this process a command gets.
struct Passing {
    bool input = false;    // standard input, to its end
    bool terminal = false; // the terminal: its keys and its size
};

// Runs the request to its end; its output is passed through, or collected with --json. Signals are passed on.
[[nodiscard]] Result<CommandEnd> run_command(const Settings& settings, Engine& engine, const std::string& session,
                                             ExecRequest request, const Passing& passing);

// The same with a process that runs, from an offset of its output on. Signals are passed on when input is; else they end the
// reading, and the process runs on.
[[nodiscard]] Result<CommandEnd> attach_command(const Settings& settings, Engine& engine, const std::string& session,
                                                const std::string& process, std::optional<std::uint64_t> offset,
                                                const Passing& passing);

} // namespace sandboxkit::cli
