// SPDX-License-Identifier: Apache-2.0
// JSON pointers that are followed, RFC 6901. (Those that only name a fault are made by pointer_to, strict_json.hpp.)
#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace sandboxkit {

// The pointer of the member or element `token` of what `parent` points to. However long: see pointer_to for reports.
[[nodiscard]] inline std::string exact_pointer_to(std::string_view parent, std::string_view token) {
    std::string pointer(parent);
    pointer += '/';
    for (const char c : token) {
        if (c == '~')
            pointer += "~0";
        else if (c == '/')
            pointer += "~1";
        else
            pointer += c;
    }
    return pointer;
}

// The tokens of a pointer, unescaped; none for "", the whole document. Nothing when it is no pointer: neither empty nor
// begun with '/', or with a '~' that neither 0 nor 1 follows.
[[nodiscard]] inline std::optional<std::vector<std::string>> pointer_tokens(std::string_view pointer) {
    std::vector<std::string> tokens;
    if (!pointer.empty() && pointer.front() != '/') return {};
    for (std::size_t i = 0; i < pointer.size(); ++i) {
        if (pointer[i] == '/') {
            tokens.emplace_back();
        } else if (pointer[i] == '~') {
            ++i;
            if (i == pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) return {};
            tokens.back() += pointer[i] == '0' ? '~' : '/';
        } else {
            tokens.back() += pointer[i];
        }
    }
    return tokens;
}

// A token as an index: digits without a leading zero. Nothing for everything else, "-" included.
[[nodiscard]] inline std::optional<std::size_t> array_index(std::string_view token) {
    std::size_t index = 0;
    if (token.empty() || (token.size() > 1 && token.front() == '0')) return {};
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
    if (error != std::errc{} || end != token.data() + token.size()) return {};
    return index;
}

} // namespace sandboxkit
