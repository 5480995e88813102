// SPDX-License-Identifier: Apache-2.0
// A command in a session with this process's standard streams, signals and exit code.
#pragma once

#include "cli/settings.hpp"

namespace sandboxkit::cli {

// Runs the request and returns the exit code that this process ends with. With --json its output is collected and
// answered as one document instead. `pass_input`: standard input is streamed to the command, to its end.
[[nodiscard]] int run_command(const Settings& settings, Engine& engine, const std::string& session, ExecRequest request,
                              bool pass_input);

} // namespace sandboxkit::cli
