// SPDX-License-Identifier: Apache-2.0
// One container of an OCI runtime: started with its overlays mounted in a private namespace, and ended.
#pragma once

#include "providers/local/cgroup.hpp"
#include "providers/local/file_handle.hpp"
#include "providers/local/oci_bundle.hpp"
#include "providers/local/process_identity.hpp"
#include "providers/local/spawn.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::local {

// An OCI runtime, and how it is used on this host.
struct Runtime {
    std::string name; // "crun", "runc", ...
    std::filesystem::path program;
    std::string version;          // what it says of itself, one line
    CgroupControls controls;      // limits that are put into the bundle
    bool without_cgroups = false; // crun only: told to leave control groups alone
};

struct ContainerPlan {
    const Runtime* runtime = nullptr;
    std::filesystem::path runtime_root;
    std::string id;
    std::filesystem::path path;         // of the sandbox's directory; bundle/ and rootfs/ are in it
    int directory = -1;                 // the same, open and locked; the runtime inherits the lock
    std::vector<OverlayMount> overlays; // their targets in rootfs/
    BundleDescription bundle;           // its root, arguments and open_files_hard are filled in
    int seccomp = -1;                   // the compiled filter, at the beginning
    std::filesystem::path slirp;        // not empty: open egress through it
    int stop = -1;                      // can be read once the start is cancelled: every wait ends then
};

struct StartedContainer {
    ProcessIdentity process;
    FileHandle pidfd;
    std::optional<ProcessIdentity> slirp;
};

// Returns when the guest answers. On an error nothing of the container is left running; delete_container() removes the rest.
Result<StartedContainer> start_container(const ContainerPlan& plan);

// Ends what runs and removes the runtime's record, whatever state it is in. Without a record nothing is run.
Result<void> delete_container(const Runtime& runtime, const std::filesystem::path& runtime_root, const std::string& id);

// The end of the guest's and the runtime's messages, 4 KiB at most, for the detail of an error. Untrusted.
std::string tail_of_log(int directory);

} // namespace sandboxkit::local
