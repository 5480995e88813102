// SPDX-License-Identifier: Apache-2.0
// The sandboxes of a daemon: the provider's operations on compute. Each runs on the daemon's executor.
#pragma once

#include "providers/docker/container_state.hpp"
#include "providers/docker/daemon.hpp"

namespace sandboxkit::docker {

Task<SandboxInfo> create_sandbox(DaemonPtr daemon, CreateRequest request);
Task<void> start_sandbox(DaemonPtr daemon, std::string id);
Task<void> stop_sandbox(DaemonPtr daemon, std::string id);
Task<void> destroy_sandbox(DaemonPtr daemon, std::string id);
Task<SandboxInfo> inspect_sandbox(DaemonPtr daemon, std::string id);
Task<std::vector<SandboxInfo>> list_sandboxes(DaemonPtr daemon, Labels labels);
Task<Endpoint> sandbox_endpoint(DaemonPtr daemon, std::string id);

// Of a container of ours. Errors: not_found "sandbox_not_found".
Task<ContainerStatus> inspect_container(DaemonPtr daemon, std::string id);

} // namespace sandboxkit::docker
