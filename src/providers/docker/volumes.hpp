// SPDX-License-Identifier: Apache-2.0
// The volumes of a daemon: the provider's operations on what outlives sandboxes. Each runs on the daemon's executor.
#pragma once

#include "providers/docker/daemon.hpp"
#include "providers/docker/labels.hpp"

namespace sandboxkit::docker {

struct VolumeStatus {
    std::string name;
    Labels labels;
};

// One that is there already comes back with the labels that it was made with.
Task<VolumeStatus> create_volume(DaemonPtr daemon, std::string name, Labels labels);

// Of one of ours. Errors: not_found "volume_not_found".
Task<VolumeStatus> inspect_volume(DaemonPtr daemon, std::string id);

Task<VolumeInfo> ensure_volume(DaemonPtr daemon, std::string token, Labels labels);
Task<void> remove_volume(DaemonPtr daemon, std::string id);
Task<std::vector<VolumeInfo>> list_volumes(DaemonPtr daemon, Labels labels);

} // namespace sandboxkit::docker
