// SPDX-License-Identifier: Apache-2.0
// Why something could not be done with files.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace sandboxkit::tree {

// An errno value, and what for people; 0 is success.
struct TreeFailure {
    int error = 0;
    std::string message;
};

[[nodiscard]] inline std::string_view describe(int error) noexcept {
    const char* text = ::strerrordesc_np(error); // a constant of the C library: no locale, no allocation
    return text != nullptr ? std::string_view(text) : std::string_view("unknown error");
}

} // namespace sandboxkit::tree
