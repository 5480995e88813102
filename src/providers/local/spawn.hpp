// SPDX-License-Identifier: Apache-2.0
// Starts a program, with overlays mounted for it in a mount namespace of its own. The child shares the parent's memory until
// it executes (as vfork does), so the cost does not grow with the host process, and it is safe in a threaded one:
// everything is prepared before, and the child makes system calls only.
#pragma once

#include <sandboxkit/error.hpp>

#include "providers/local/file_handle.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

namespace sandboxkit::local {

// One overlay; all paths are absolute, of any length, and may hold any character.
struct OverlayMount {
    std::string target;
    std::vector<std::string> lowers; // topmost first, at least one
    std::string upper;
    std::string work;
};

struct SpawnPlan {
    std::vector<OverlayMount> overlays; // not empty: the program runs in a private mount namespace that has them
    bool private_mounts = false;        // the same without overlays: what it mounts or unmounts is never seen on the host
    std::string root;                   // where `required` is looked up, after the overlays are mounted
    std::vector<std::string> required;  // relative paths that must exist in root, without symbolic links on the way
    std::vector<std::string> arguments; // [0] is the absolute path of the program; empty: mounts are tried, nothing runs
    std::vector<std::string> environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    std::vector<int> descriptors; // become 0, 1, 2, ... of the program; everything else is closed
    bool orphan = false;          // a grandchild: init adopts and reaps it, whatever becomes of this process
};

// How a process ended.
struct ExitStatus {
    bool known = false; // false: somebody else in this process collected it
    int code = 0;       // 0..255
    int signal = 0;     // not 0: killed by it
    [[nodiscard]] bool success() const noexcept { return known && code == 0 && signal == 0; }
};

// A started process. Dropping it does not end the process.
struct Spawned {
    pid_t pid = -1;
    FileHandle pidfd;
};

// Errors name the step that failed. unsupported "read_only_path_missing": a path of `required` is not there.
Result<Spawned> spawn(const SpawnPlan& plan);

// Waits until the process has ended, at most `limit`, and no longer once the descriptor `stop` can be read (-1: none).
// False: it still runs.
bool wait_for_exit(const FileHandle& pidfd, std::chrono::milliseconds limit, int stop = -1);

// Collects the status of an ended child.
ExitStatus reap(const Spawned& child);

// Runs a program to its end with /dev/null as input, and returns its two outputs together, 64 KiB at most. After
// `limit` it is killed: timeout "program_timeout".
struct ProgramResult {
    ExitStatus status;
    std::string output;
};
Result<ProgramResult> run_program(std::vector<std::string> arguments, std::chrono::milliseconds limit);

} // namespace sandboxkit::local
