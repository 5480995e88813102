// SPDX-License-Identifier: Apache-2.0
// Networks that a sandbox with outbound access does not reach, refused by its own routing, before anything of others runs in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

// Of IPv4, in network byte order.
struct RefusedNetwork {
    std::uint32_t address = 0;
    unsigned char bits = 32; // length of the prefix, 1..32
};

// Refuses the networks, and those that this sandbox is itself in, its gateway with them, which from then on only passes packets
// on; who calls from there gets no answer. Of the name servers, wherever they are, port 53 stays open. Then the right to change
// that is given up: it takes CAP_NET_ADMIN, which this process has no more afterwards. Empty, or what is wrong.
[[nodiscard]] std::string refuse_networks(const std::vector<RefusedNetwork>& networks,
                                          const std::vector<std::uint32_t>& name_servers);

// Those of a resolv.conf that are reached by way of the gateway, and those that Docker's resolver of this sandbox asks.
[[nodiscard]] std::vector<std::uint32_t> name_servers_in(std::string_view resolv_conf);

} // namespace sandboxkit::guest
