// SPDX-License-Identifier: Apache-2.0
#include "guest/file_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace sandboxkit::guest {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

} // namespace

RangeAnswer parse_range(std::string_view field, std::uint64_t size) {
    constexpr std::string_view unit = "bytes=";
    using Kind = RangeAnswer::Kind;
    if (!field.starts_with(unit)) return {};
    field.remove_prefix(unit.size());
    const std::size_t dash = field.find('-');
    if (dash == std::string_view::npos) return {};
    const std::string_view from = field.substr(0, dash);
    const std::string_view to = field.substr(dash + 1);
    if (from.empty()) {
        const auto last = number(to);
        if (!last) return {};
        if (*last == 0 || size == 0) return {Kind::unsatisfiable, 0, 0};
        const std::uint64_t length = std::min(*last, size);
        return {Kind::part, size - length, length};
    }
    const auto first = number(from);
    if (!first) return {};
    std::uint64_t end = UINT64_MAX;
    if (!to.empty()) {
        const auto last = number(to);
        if (!last || *last < *first) return {};
        end = *last;
    }
    if (*first >= size) return {Kind::unsatisfiable, 0, 0};
    return {Kind::part, *first, std::min(end, size - 1) - *first + 1};
}

} // namespace sandboxkit::guest
