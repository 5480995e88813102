// SPDX-License-Identifier: Apache-2.0
// Why a tree could not be packed or unpacked.
#pragma once

#include <cstring>
#include <string>

namespace sandboxkit::tree {

// An errno value, and what for people; 0 is success.
struct TreeFailure {
    int error = 0;
    std::string message;
};

[[nodiscard]] inline std::string describe(int error) {
    const char* text = ::strerrordesc_np(error);
    return text != nullptr ? text : "error " + std::to_string(error);
}

} // namespace sandboxkit::tree
