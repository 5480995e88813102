// SPDX-License-Identifier: Apache-2.0
// Who may launch from a profile.
#pragma once

#include <string>
#include <vector>

namespace sandboxkit {

// Empty: anyone with the scope may. Else only a principal whose id or one of whose roles is on it.
struct AccessList {
    std::vector<std::string> users; // principal ids
    std::vector<std::string> roles;

    [[nodiscard]] bool empty() const noexcept { return users.empty() && roles.empty(); }
    friend bool operator==(const AccessList&, const AccessList&) = default;
};

} // namespace sandboxkit
