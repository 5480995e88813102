// SPDX-License-Identifier: Apache-2.0
// One Docker daemon and what is known of it: what all the rooms of the provider share.
#pragma once

#include "providers/docker/container_config.hpp"
#include "providers/docker/engine_client.hpp"
#include "providers/docker/state_directory.hpp"

#include "async/blocking.hpp"

#include <sandboxkit/provider.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::docker {

// What /info says.
struct DaemonInfo {
    std::string id, version, storage_driver, cgroup_version, os, architecture, root_directory;
    std::vector<std::string> security;
    DaemonControls controls;
    bool bridge = false;          // networks of the kind that sandboxes with outbound access are given
    std::optional<unsigned> root; // whom root in a container is outside, where the daemon remaps it; of this host
    [[nodiscard]] bool has_security(std::string_view name) const;
};

[[nodiscard]] DaemonInfo read_info(const json::value& document);

// "amd64" for "x86_64", and so on: as images name it.
[[nodiscard]] std::string image_architecture(std::string_view of_kernel);

[[nodiscard]] Capabilities capabilities_of(const DaemonInfo& info, const DaemonEndpoint& endpoint);

struct Daemon {
    boost::asio::any_io_executor executor;
    async::Pool* pool;
    DaemonEndpoint endpoint;
    std::filesystem::path guest;
    StateDirectory state;
    EngineClient client;
    // Found out, and forgotten with the provider.
    std::optional<DaemonInfo> info{};
    bool shares_nothing = false; // the daemon does not see this host's files
    std::string guest_volume{};  // which was seen with the guest in it; empty: not yet
    std::string network{};       // the id of the one for outbound access; empty: not yet
    bool swept = false;          // of what dead processes left
};
using DaemonPtr = std::shared_ptr<Daemon>;

// Asks the daemon; `known`: what was found out before will do.
Task<DaemonInfo> daemon_info(DaemonPtr daemon, bool known);

// Removes a container with its anonymous volumes, running or not, and returns when it is gone. One that does not exist is gone.
Task<void> remove_container(DaemonPtr daemon, std::string name);

// A container that is never started, with the label of this provider's own helpers. Its id.
Task<std::string> create_helper(DaemonPtr daemon, std::string image, std::string volume, std::string volume_path);

// Removes the helpers that dead processes with this state directory left.
Task<void> sweep_helpers(DaemonPtr daemon);

// What is at a path of a container; nothing: there is nothing.
struct PathStatus {
    bool directory = false, link = false; // a link is followed only by `directory`
};
Task<std::optional<PathStatus>> path_status(DaemonPtr daemon, std::string container, std::string path);

} // namespace sandboxkit::docker
