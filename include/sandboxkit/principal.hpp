// SPDX-License-Identifier: Apache-2.0
// Who asks. Every call of the engine carries one; the host application has authenticated it.
#pragma once

#include <string>
#include <vector>

namespace sandboxkit {

struct Principal {
    std::string id{};                  // 1..256 bytes of UTF-8 without control characters, unique in the host application
    std::vector<std::string> roles{};  // names that access lists may contain
    std::vector<std::string> scopes{}; // e.g. "sandbox-profiles.manage"
};

} // namespace sandboxkit
