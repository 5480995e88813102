// SPDX-License-Identifier: Apache-2.0
// A process that is known across restarts of this one: its number alone may have been given to another.
#pragma once

#include "providers/local/file_handle.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace sandboxkit::local {

struct ProcessIdentity {
    pid_t pid = -1;
    std::uint64_t start_time = 0; // in clock ticks since boot, as /proc/<pid>/stat has it
    std::string boot_id;          // of the kernel
};

// Of this boot of the kernel; empty when it cannot be read.
std::string kernel_boot_id();
// Nothing when there is no such process, or it has ended.
std::optional<ProcessIdentity> identify(pid_t pid);
// A pidfd of exactly that process; empty when it has ended (and then it is collected).
FileHandle open_process(const ProcessIdentity& identity);
// Takes an ended process off the kernel's table. Orphans of a sandbox are children of this process when it is init of a
// container or a subreaper; for anybody else this does nothing.
void collect(const FileHandle& pidfd);
// SIGKILL, and waits for the end. True when it has ended. A child of this process is collected.
bool end_process(const FileHandle& pidfd);

} // namespace sandboxkit::local
