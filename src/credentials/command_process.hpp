// SPDX-License-Identifier: Apache-2.0
// One run of a program, without a shell, with bounds on its time and its output.
#pragma once

#include <sandboxkit/error.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace sandboxkit::credentials {

struct CommandRun {
    std::vector<std::string> argv;        // its program is an absolute path
    std::vector<std::string> environment; // "NAME=value", all of it
    std::string input;                    // what it may read, at most 128 KiB
    std::chrono::milliseconds limit{};
};

// Blocks until the program has ended. It runs in a session and process group of its own, which is killed when it has ended, at
// the limit, and when it writes more than 128 KiB. What it writes to its standard error is not kept: it may hold anything.
// Returns its standard output, which the caller overwrites; errors of CredentialCommand else.
[[nodiscard]] Result<std::string> run_command(const CommandRun& run);

} // namespace sandboxkit::credentials
