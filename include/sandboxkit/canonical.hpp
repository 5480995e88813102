// SPDX-License-Identifier: Apache-2.0
// The canonical form of JSON, RFC 8785 (JCS): one text for one value, on every platform, so that it can be digested.
#pragma once

#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

namespace detail {

// Whether UTF-8 `a` comes before `b` in the order of their UTF-16 code units (RFC 8785, 3.2.3). That is byte order,
// except that the surrogates of U+10000.. (lead bytes F0..F4) come before U+E000..U+FFFF (lead bytes EE, EF).
[[nodiscard]] inline bool utf16_less(std::string_view a, std::string_view b) noexcept {
    const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at_b == b.end()) return false;
    if (at_a == a.end()) return true;
    const auto x = static_cast<unsigned char>(*at_a), y = static_cast<unsigned char>(*at_b);
    if (x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0)) return x >= 0xF0;
    return x < y;
}

inline void append_canonical_string(std::string& out, std::string_view text) {
    static constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    std::size_t plain = 0; // where the characters begin that stand for themselves and were not taken yet
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, plain, i - plain);
        plain = i + 1;
        switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
            out += "\\u00";
            out += digits[static_cast<unsigned char>(c) >> 4];
            out += digits[static_cast<unsigned char>(c) & 15];
        }
    }
    out.append(text, plain);
    out += '"';
}

// ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20): the shortest digits that read back as the same double.
inline void append_canonical_number(std::string& out, double number) {
    if (!std::isfinite(number)) throw std::domain_error("JSON has no form for NaN and infinity");
    if (number == 0) {
        out += '0'; // of -0, too
        return;
    }
    std::array<char, 40> buffer{};
    const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific);
    std::string_view text(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));
    if (text.front() == '-') {
        out += '-';
        text.remove_prefix(1);
    }
    const std::size_t e = text.find('e');
    std::string digits(text.substr(0, e));
    std::erase(digits, '.');
    int exponent = 0;
    const std::size_t exponent_at = e + (text[e + 1] == '+' ? 2 : 1); // from_chars takes no plus sign
    std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);

    const int count = static_cast<int>(digits.size()), point = exponent + 1; // value = 0.digits * 10^point
    if (count <= point && point <= 21) {
        out += digits;
        out.append(static_cast<std::size_t>(point - count), '0');
    } else if (0 < point && point <= 21) {
        out.append(digits, 0, static_cast<std::size_t>(point));
        out += '.';
        out.append(digits, static_cast<std::size_t>(point));
    } else if (-6 < point && point <= 0) {
        out += "0.";
        out.append(static_cast<std::size_t>(-point), '0');
        out += digits;
    } else {
        out += digits.front();
        if (count > 1) out.append(".").append(digits, 1);
        out += 'e';
        out += exponent < 0 ? '-' : '+';
        out += std::to_string(std::abs(exponent));
    }
}

inline void append_canonical(std::string& out, const boost::json::value& value) {
    switch (value.kind()) {
    case boost::json::kind::null: out += "null"; break;
    case boost::json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
    case boost::json::kind::int64: append_canonical_number(out, static_cast<double>(value.get_int64())); break;
    case boost::json::kind::uint64: append_canonical_number(out, static_cast<double>(value.get_uint64())); break;
    case boost::json::kind::double_: append_canonical_number(out, value.get_double()); break;
    case boost::json::kind::string: append_canonical_string(out, value.get_string()); break;
    case boost::json::kind::array: {
        out += '[';
        bool first = true;
        for (const auto& element : value.get_array()) {
            if (!first) out += ',';
            first = false;
            append_canonical(out, element);
        }
        out += ']';
        break;
    }
    case boost::json::kind::object: {
        std::vector<const boost::json::key_value_pair*> members;
        members.reserve(value.get_object().size());
        for (const auto& member : value.get_object()) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); });
        out += '{';
        bool first = true;
        for (const auto* member : members) {
            if (!first) out += ',';
            first = false;
            append_canonical_string(out, member->key());
            out += ':';
            append_canonical(out, member->value());
        }
        out += '}';
        break;
    }
    }
}

} // namespace detail

// Numbers are IEEE doubles, as the RFC has it: an integer beyond 2^53 takes the form of the double nearest to it.
// Strings are taken to be UTF-8, which parse_strict has made sure of. Throws std::domain_error on NaN and infinity,
// which no JSON text holds.
[[nodiscard]] inline std::string canonical_json(const boost::json::value& value) {
    std::string out;
    detail::append_canonical(out, value);
    return out;
}

} // namespace sandboxkit
