// SPDX-License-Identifier: Apache-2.0
// Outbound access: one bridge network of the daemon for all sandboxes, on which they do not see each other, and what each of them
// may not reach from there.
#pragma once

#include "providers/docker/daemon.hpp"

namespace sandboxkit::docker {

struct OutboundNetwork {
    std::string id;
    std::vector<std::string> refused;      // "192.0.2.0/24": everything that is not the public internet, and the hosts themselves
    std::vector<std::string> name_servers; // that the sandbox may ask all the same; none: the daemon's own way
};

// Makes the network where it is missing. Errors: conflict "docker_network_foreign" when the name is somebody else's.
Task<OutboundNetwork> outbound_network(DaemonPtr daemon);

// The IPv4 name servers of a resolv.conf that other machines can be asked as well: none on this one's loopback.
[[nodiscard]] std::vector<std::string> name_servers_in(std::string_view resolv_conf);

// "192.0.2.1/32" of every IPv4 address of this host's own interfaces.
[[nodiscard]] std::vector<std::string> own_addresses();

} // namespace sandboxkit::docker
