// SPDX-License-Identifier: Apache-2.0
// A command in a session with this process's standard streams, signals and exit code.
#pragma once

#include "cli/settings.hpp"

#include <boost/json/object.hpp>

namespace sandboxkit::cli {

struct CommandEnd {
    int code = 0;               // what this process ends with: the command's own, or 128 and the signal's number
    boost::json::object answer; // with --json: how it ended and what it wrote, at most 16 MiB a stream
};

// Runs the request to its end; its output is passed through, or collected with --json. `pass_input`: standard input is
// streamed to the command, to its end.
[[nodiscard]] Result<CommandEnd> run_command(const Settings& settings, Engine& engine, const std::string& session,
                                             ExecRequest request, bool pass_input);

} // namespace sandboxkit::cli
