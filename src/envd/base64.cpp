// SPDX-License-Identifier: Apache-2.0
#include "envd/base64.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sandboxkit::envd {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t none = 0xff;
constexpr std::uint32_t not_a_digit = 0xc0; // bits that only `none` has

constexpr std::array<std::uint8_t, 256> make_values() {
    std::array<std::uint8_t, 256> values{};
    values.fill(none);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}
constexpr auto values = make_values();

} // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = bytes.size() - i < 3 ? bytes.size() - i : 3;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k) text += k <= n ? alphabet[group >> (18 - 6 * k) & 0x3f] : '=';
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return {};
    std::string bytes;
    if (text.empty()) return bytes;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    bytes.resize(text.size() / 4 * 3 - padding);
    const auto value = [text](std::size_t i) -> std::uint32_t { return values[static_cast<unsigned char>(text[i])]; };
    char* out = bytes.data();
    // All output comes this way where the server has no raw frames.
    const std::size_t whole = padding == 0 ? text.size() : text.size() - 4;
    for (std::size_t i = 0; i < whole; i += 4) {
        const std::uint32_t a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
        if (((a | b | c | d) & not_a_digit) != 0) return {};
        *out++ = static_cast<char>(a << 2 | b >> 4);
        *out++ = static_cast<char>(b << 4 | c >> 2);
        *out++ = static_cast<char>(c << 6 | d);
    }
    if (padding == 0) return bytes;
    const std::uint32_t a = value(whole), b = value(whole + 1), c = padding == 1 ? value(whole + 2) : 0;
    if (((a | b | c) & not_a_digit) != 0) return {};
    // The bits that are left over have one form only.
    if (((padding == 1 ? c << 6 : b << 4) & 0xff) != 0) return {};
    *out++ = static_cast<char>(a << 2 | b >> 4);
    if (padding == 1) *out++ = static_cast<char>(b << 4 | c >> 2);
    return bytes;
}

} // namespace sandboxkit::envd
