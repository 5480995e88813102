// SPDX-License-Identifier: Apache-2.0
// How many sandboxes are kept ready. What each member means: profile_fields.hpp.
#pragma once

#include <cstdint>

namespace sandboxkit {

enum class WarmPoolStrategy : std::uint8_t {
    fixed,  // the floor is kept ready, whatever happens
    demand, // between floor and ceiling, by how many were claimed lately
};

struct WarmPool {
    bool enabled = false;
    std::uint32_t floor = 1;
    std::uint32_t ceiling = 4;
    WarmPoolStrategy strategy = WarmPoolStrategy::fixed;

    friend bool operator==(const WarmPool&, const WarmPool&) = default;
};

} // namespace sandboxkit
