// SPDX-License-Identifier: Apache-2.0
// The sandboxes of one state directory: the local provider's operations, blocking.
#pragma once

#include <sandboxkit/provider.hpp>

#include "providers/local/cgroup.hpp"
#include "providers/local/image_store.hpp"
#include "providers/local/runtime_probe.hpp"
#include "providers/local/sandbox_directory.hpp"
#include "providers/local/seccomp_filter.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace sandboxkit::local {

// What this host has, found once.
struct Host {
    std::filesystem::path guest;
    CgroupLayout cgroups;
    SeccompFilter seccomp;
    RuntimeChoice runtime;
    std::filesystem::path slirp; // empty: no open egress
    std::string slirp_missing;   // why
    Capabilities capabilities;
};

// Thread-safe. Each sandbox is worked on by one operation at a time, of all processes.
class Sandboxes {
public:
    Sandboxes(StateDirectory state, std::unique_ptr<ImageStore> images, Host host)
        : state_(std::move(state)), images_(std::move(images)), host_(std::move(host)) {}

    [[nodiscard]] const Capabilities& capabilities() const { return host_.capabilities; }
    [[nodiscard]] ImageStore& images() const { return *images_; }

    Result<SandboxInfo> create(const CreateRequest& request) const;
    Result<void> start(const std::string& id, std::stop_token stop) const;
    Result<void> stop(const std::string& id, std::stop_token stop) const;
    Result<void> destroy(const std::string& id, std::stop_token stop) const;
    Result<SandboxInfo> inspect(const std::string& id) const;
    Result<std::vector<SandboxInfo>> list(const std::map<std::string, std::string>& labels, std::stop_token stop) const;
    Result<Endpoint> endpoint(const std::string& id) const;
    Result<CaptureResult> capture(const std::string& id, const std::map<std::string, std::string>& labels,
                                  std::stop_token stop) const;
    Result<void> remove_image(const std::string& image_id) const;

    // Removes what dead processes left: half-made directories, containers and control groups without a sandbox.
    Result<void> remove_leftovers(std::stop_token stop) const;

private:
    [[nodiscard]] SandboxInfo info(const SandboxRecord& record, const std::optional<RunRecord>& run) const;
    [[nodiscard]] Result<StartedContainer> run(const LockedSandbox& sandbox, const SandboxRecord& record,
                                               std::stop_token stop) const;
    // Kills the guest and waits for its end; afterwards nothing is mounted on the writable layer.
    [[nodiscard]] Result<void> end_compute(const LockedSandbox& sandbox) const;
    // Removes what an ended compute leaves on the host: the runtime's record, control groups, the network, the socket.
    [[nodiscard]] Result<void> clear_compute(const LockedSandbox& sandbox) const;
    [[nodiscard]] Result<void> remove_containers(const std::string& id) const;
    [[nodiscard]] bool abandoned(const std::string& id) const;

    StateDirectory state_;
    std::unique_ptr<ImageStore> images_;
    Host host_;
};

} // namespace sandboxkit::local
