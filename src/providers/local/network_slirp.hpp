// SPDX-License-Identifier: Apache-2.0
// Outbound-only networking for one sandbox: slirp4netns as its gateway, and a packet filter on what leaves.
#pragma once

#include "providers/local/file_handle.hpp"

#include <chrono>
#include <filesystem>
#include <string>

#include <sys/types.h>

namespace sandboxkit::local {

// The absolute path of slirp4netns; empty when it is not installed.
std::filesystem::path find_slirp();

struct SlirpPlan {
    std::filesystem::path program;
    pid_t sandbox = -1;                         // process 1 of the sandbox, on the host
    const FileHandle* sandbox_handle = nullptr; // its pidfd
    int exit_descriptor = -1;                   // the reading end of a pipe that the sandbox holds open: slirp4netns ends with it
    int log = -1;                               // for its messages
    int stop = -1;                              // can be read once the start is cancelled
};

// Returns when the network is up and everything but the public internet is shut off. slirp4netns belongs to init then,
// and ends when the sandbox does, whatever becomes of this process. Its process id is returned.
Result<pid_t> start_slirp(const SlirpPlan& plan, std::chrono::milliseconds limit);

} // namespace sandboxkit::local
