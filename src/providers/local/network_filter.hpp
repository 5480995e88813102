// SPDX-License-Identifier: Apache-2.0
// What a sandbox with outbound access may not reach, and the packet filter that holds it to that. Pure functions,
// except for host_addresses().
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <linux/filter.h>

namespace sandboxkit::local {

struct AddressRange {
    std::uint32_t network = 0; // host byte order
    unsigned bits = 32;        // length of the prefix, 1..32
    [[nodiscard]] constexpr std::uint32_t mask() const { return ~std::uint32_t{0} << (32 - bits); }
    [[nodiscard]] constexpr bool contains(const AddressRange& other) const {
        return other.bits >= bits && (other.network & mask()) == network;
    }
    friend constexpr bool operator==(const AddressRange&, const AddressRange&) = default;
};

constexpr std::uint32_t ipv4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return a << 24 | b << 16 | c << 8 | d;
}

// slirp4netns answers questions of the domain name system at this address and passes them on to the host's resolver.
inline constexpr std::uint32_t name_server = ipv4(10, 0, 2, 3);
inline constexpr const char* name_server_text = "10.0.2.3";

// Everything that is not the public internet (RFC 6890), loopback included.
std::vector<AddressRange> special_ranges();
// The IPv4 addresses of this host's own interfaces, in the network namespace of the caller.
Result<std::vector<AddressRange>> host_addresses();
// Both, without those that another one contains.
std::vector<AddressRange> refused_ranges(const std::vector<AddressRange>& host);

// A filter over Ethernet frames that leave a sandbox: address resolution, IPv4 to what is not refused, and port 53 of
// the name server. Nothing else: no IPv6, no IP options, no other port of the name server, which would be ports of
// the host's resolver. At most 4096 instructions: a host with more than about a thousand public addresses is an error.
Result<std::vector<sock_filter>> egress_filter(const std::vector<AddressRange>& refused);

} // namespace sandboxkit::local
