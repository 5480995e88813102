// SPDX-License-Identifier: Apache-2.0
// What a daemon is asked to make of a sandbox: the body of /containers/create, from a plain description. A pure function.
#pragma once

#include <sandboxkit/resources.hpp>

#include "providers/docker/labels.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace sandboxkit::docker {

// In the sandbox, all on its /dev, a tmpfs: nothing of it is in a captured image.
inline constexpr const char* guest_directory_inside = "/dev/.sandboxkit";
inline constexpr const char* guest_path_inside = "/dev/.sandboxkit/guest";
inline constexpr const char* socket_directory_inside = "/dev/.sandboxkit/run"; // shared with the host
inline constexpr const char* socket_path_inside = "/dev/.sandboxkit/run/guest.sock";
inline constexpr const char* unshared_socket_inside = "/dev/.sandboxkit.sock"; // where the host shares nothing

// Which limits the daemon can hold a container to.
struct DaemonControls {
    bool cpu = false, memory = false, swap = false, processes = false;
};

struct ContainerDescription {
    std::string image;
    std::string hostname;
    Labels labels; // all of them, as the daemon keeps them
    Limits limits;
    DaemonControls controls;
    std::vector<std::string> read_only_paths;
    // The host's files that the sandbox gets; or, without a shared directory, the volume with the guest program.
    std::string guest, socket_directory; // absolute, as the daemon sees them
    std::string guest_volume;
    struct Volume {
        std::string name, path;
        bool read_only = false;
    };
    std::vector<Volume> volumes;
    std::string network;              // "none", or the id of one
    std::vector<std::string> refused; // networks "192.0.2.0/24"; not empty: the guest is given the right to refuse them
    std::vector<std::string> name_servers;
};

[[nodiscard]] boost::json::object container_config(const ContainerDescription& description);

// A container that is never started: what files are put into, to make an image or to fill a volume.
[[nodiscard]] boost::json::object helper_config(const std::string& image, const Labels& labels, const std::string& volume = {},
                                                const std::string& volume_path = {});

} // namespace sandboxkit::docker
