// SPDX-License-Identifier: Apache-2.0
// Starting a process, as fast as the kernel allows: the child borrows this program's memory until it executes,
// and everything it needs is made before.
#pragma once

#include "guest/accounts.hpp"
#include "guest/messages.hpp"
#include "guest/rpc_error.hpp"

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace sandboxkit::guest {

struct SpawnRequest {
    std::string cmd;               // without a slash: looked up on PATH of `environment`
    std::vector<std::string> args; // without argv[0]
    Environment environment;
    std::string cwd;
    Identity user;
    int standard_input = -1, standard_output = -1, standard_error = -1; // borrowed; each at least 3
};

// What every child gets, found out once.
struct SpawnSettings {
    rlimit open_files{};             // this program raises its own
    std::string out_of_memory_score; // for oom_score_adj: children go before PID 1
};

// The child leads a new session and process group. That its program cannot be executed is said on its standard
// error, and it exits with 127 (not found) or 126, as a shell does. Errors: resource_exhausted when the kernel has no
// process to give, invalid_argument for a working directory that the user cannot enter.
[[nodiscard]] Answer<pid_t> spawn(const SpawnRequest& request, const SpawnSettings& settings);

} // namespace sandboxkit::guest
