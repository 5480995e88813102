// SPDX-License-Identifier: Apache-2.0
// Starting a process. This program does not wait for it: whoever is root in the sandbox can stop the child before it has
// begun its program, or delay that. So the child is a copy, which shares no memory, and says by a pipe how it went.
#pragma once

#include "guest/accounts.hpp"
#include "guest/file_descriptor.hpp"
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
    bool terminal = false; // standard input is one, which becomes the controlling terminal
};

// What every child gets, found out once.
struct SpawnSettings {
    rlimit open_files{};             // this program raises its own
    std::string out_of_memory_score; // for oom_score_adj: children go before PID 1
};

struct Spawned {
    pid_t pid = -1;
    FileDescriptor report; // does not block; readable when the child has begun its program, or will not
};

// The child leads a new session and process group. That its program cannot be executed is said on its standard
// error, and it exits with 127 (not found) or 126, as a shell does. Errors: resource_exhausted when the kernel has no
// process or no descriptor to give.
[[nodiscard]] Answer<Spawned> spawn(const SpawnRequest& request, const SpawnSettings& settings);

// What the child has said: true when it has begun its program, false when that is not known yet. Errors, after which it ends
// by itself: invalid_argument for a working directory that the user cannot enter, permission_denied for a user that this
// program cannot become.
[[nodiscard]] Answer<bool> read_report(int report, const std::string& cwd, const std::string& user);

} // namespace sandboxkit::guest
