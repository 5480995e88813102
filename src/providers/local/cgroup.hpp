// SPDX-License-Identifier: Apache-2.0
// Control groups of sandboxes, v1, hybrid or v2: what this host can limit, whether a limit took hold, and their removal.
// The OCI runtime makes them; they are flat under the root of each hierarchy, so nothing stays when a sandbox goes.
#pragma once

#include <sandboxkit/resources.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace sandboxkit::local {

// Which limits are asked of the runtime, or hold.
struct CgroupControls {
    bool cpu = false;
    bool memory = false;
    bool swap = false;
    bool processes = false;
    bool devices = false;
    friend bool operator==(const CgroupControls&, const CgroupControls&) = default;
};

class CgroupLayout {
public:
    // Reads /proc/self/mountinfo. No hierarchy at all is a valid layout.
    static CgroupLayout detect();

    // "v1", "hybrid", "v2" or "none".
    [[nodiscard]] std::string kind() const;
    // Changes when something is mounted or a controller comes or goes; part of cache keys.
    [[nodiscard]] std::string fingerprint() const;
    // The controllers that exist here; whether they can be used is found out by a trial.
    [[nodiscard]] CgroupControls available() const;
    // Reads back the limits on the group of a running process.
    [[nodiscard]] CgroupControls in_force(pid_t pid, const Limits& limits) const;
    // The file `name` of the controller in the group of a process; empty when there is none.
    [[nodiscard]] std::optional<std::string> read(pid_t pid, std::string_view controller, const std::string& name) const;

    // The directories of a group, in every hierarchy.
    [[nodiscard]] std::vector<std::filesystem::path> directories(const std::string& group) const;
    // Names of groups that begin with `prefix`, each once.
    [[nodiscard]] std::vector<std::string> groups(const std::string& prefix) const;
    // Kills what runs in the group and removes it everywhere. False: it is still there after `limit`.
    bool remove(const std::string& group, std::chrono::milliseconds limit) const;

private:
    std::map<std::string, std::filesystem::path> controllers_; // v1: "memory" -> where it is mounted
    std::filesystem::path unified_;                            // where cgroup2 is mounted, or empty
    std::vector<std::string> unified_controllers_;
    std::vector<std::filesystem::path> roots_;
};

} // namespace sandboxkit::local
