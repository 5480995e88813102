// SPDX-License-Identifier: Apache-2.0
// What a sandbox may reach. What each member means: profile_fields.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit {

enum class Egress : std::uint8_t {
    none,      // no network at all
    open,      // outbound to the public internet; never inbound, never the host or private networks
    allowlist, // outbound to what is listed, and to nothing else
};

// One destination: a domain or a range of addresses.
struct EgressRule {
    std::string domain;
    std::string cidr;
    std::vector<std::uint32_t> ports; // empty: any

    friend bool operator==(const EgressRule&, const EgressRule&) = default;
};

struct Network {
    Egress egress = Egress::open;
    std::vector<EgressRule> allow;
    std::optional<std::uint32_t> rate_limit_mbit;

    friend bool operator==(const Network&, const Network&) = default;
};

} // namespace sandboxkit
