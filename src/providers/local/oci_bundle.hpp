// SPDX-License-Identifier: Apache-2.0
// The OCI runtime configuration of a sandbox, from a plain description. A pure function.
#pragma once

#include <sandboxkit/resources.hpp>

#include "providers/local/cgroup.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxkit::local {

// Where the guest program is inside: on the /dev tmpfs, so that nothing of it is left in a captured layer.
inline constexpr const char* guest_path_inside = "/dev/.sandboxkit/guest";

struct BundleDescription {
    std::string root; // absolute, on the host
    std::string hostname;
    std::string guest;                  // absolute, on the host
    std::vector<std::string> arguments; // of the guest, after its own name
    std::vector<std::string> read_only_paths;
    std::string cgroup_path; // absolute in every hierarchy
    Limits limits;
    CgroupControls controls;           // which of the limits are put in
    bool no_ipv6 = false;              // on interfaces that are added later
    std::uint64_t open_files_hard = 0; // this process's own hard limit: more cannot be given
};

// The JSON of config.json.
std::string oci_config(const BundleDescription& description);

} // namespace sandboxkit::local
