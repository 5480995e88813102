// SPDX-License-Identifier: Apache-2.0
// Which OCI runtime to use here: found out by starting an empty sandbox with limits and reading them back.
#pragma once

#include "providers/local/cgroup.hpp"
#include "providers/local/container.hpp"
#include "providers/local/sandbox_directory.hpp"
#include "providers/local/seccomp_filter.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace sandboxkit::local {

// One runtime that was tried.
struct ProbeResult {
    Runtime runtime;
    bool works = false;
    CgroupControls in_force; // limits that took hold
    Error failure;           // why it does not work, or not fully
};

struct ProbeRequest {
    const StateDirectory* state = nullptr;
    const CgroupLayout* cgroups = nullptr;
    const SeccompFilter* seccomp = nullptr;
    std::filesystem::path guest;
    std::string wanted; // "", a name or a path
};

struct RuntimeChoice {
    ProbeResult chosen;
    std::vector<ProbeResult> tried; // the chosen one included
};

// Prefers crun where it enforces every limit that this host has, else the one that enforces most. The verdict is kept
// in the cache directory for as long as the programs, the kernel's boot and its control groups stay the same.
// Errors: unsupported "no_runtime", "runtime_not_found", "runtime_does_not_run".
Result<RuntimeChoice> choose_runtime(const ProbeRequest& request);

} // namespace sandboxkit::local
