// SPDX-License-Identifier: Apache-2.0
// What the checks of a profile write their findings into.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/strict_json.hpp>
#include <sandboxkit/validation.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// Names of its own: `detail` is shared by all headers, and has checks of form.
namespace checking {

class Findings {
public:
    void error(std::string pointer, std::string code, std::string message, std::string remedy) {
        errors_.add(std::move(pointer), std::move(code), std::move(message), std::move(remedy));
    }
    void warning(std::string pointer, std::string code, std::string message, std::string remedy) {
        warnings_.add(std::move(pointer), std::move(code), std::move(message), std::move(remedy));
    }
    // What stands in the document and does nothing there.
    void no_effect(std::string pointer, std::string why, std::string remedy) {
        warning(std::move(pointer), "no_effect", "this has no effect: " + std::move(why), std::move(remedy));
    }
    [[nodiscard]] Validation take() { return {errors_.take(), warnings_.take()}; }

private:
    ProblemList errors_, warnings_;
};

[[nodiscard]] inline std::string element(std::string_view list, std::size_t index) {
    return pointer_to(list, index);
}
[[nodiscard]] inline std::string member_of(std::string_view list, std::size_t index, std::string_view member) {
    return pointer_to(pointer_to(list, index), member);
}

} // namespace checking

} // namespace sandboxkit
