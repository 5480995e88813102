// SPDX-License-Identifier: Apache-2.0
// What a daemon says of a container, and what that means for a sandbox. Pure functions.
#pragma once

#include "providers/docker/daemon.hpp"
#include "providers/docker/labels.hpp"

#include <sandboxkit/provider.hpp>

#include <string>
#include <vector>

namespace sandboxkit::docker {

struct ContainerStatus {
    std::string id;   // 64 hexadecimal digits
    std::string name; // without the slash
    std::string image;
    Labels labels;
    std::string status; // "created", "running", "exited", ...
    std::int64_t exit_code = 0;
    bool out_of_memory = false;
    std::string failure; // the daemon's own words
};

[[nodiscard]] ContainerStatus read_inspected(const json::value& document);
// Without what a list does not tell: exit code, memory and failure.
[[nodiscard]] std::vector<ContainerStatus> read_listed(const json::value& document);

// SIGKILL without lack of memory is how stop() ends a guest, and a guest cannot be killed from within.
[[nodiscard]] SandboxState state_of(const ContainerStatus& container);
// Whether the state is known without exit code and memory.
[[nodiscard]] bool needs_inspection(const ContainerStatus& listed);

[[nodiscard]] SandboxInfo info_of(const ContainerStatus& container, const DaemonControls& controls);

// Why a guest that was started is not there: unavailable "guest_died", or what else is known.
[[nodiscard]] Error death_of(const ContainerStatus& container);

} // namespace sandboxkit::docker
