// SPDX-License-Identifier: Apache-2.0
// Ranges of internet addresses, and those that no sandbox reaches, whatever its profile says: they are not the public internet
// (RFC 6890), and so may be the host's own network, its loopback, or a cloud's metadata service.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit {

struct AddressRange {
    std::array<unsigned char, 16> network{}; // network byte order; of IPv4, the first four
    unsigned bits = 0;                       // length of the prefix
    bool v6 = false;

    // Whether all of `other` lies in it.
    [[nodiscard]] constexpr bool contains(const AddressRange& other) const noexcept {
        if (v6 != other.v6 || other.bits < bits) return false;
        for (std::size_t byte = 0; byte * 8 < bits; ++byte) {
            const unsigned rest = bits - static_cast<unsigned>(byte) * 8;
            const unsigned mask = rest >= 8 ? 0xFFU : 0xFFU << (8 - rest) & 0xFFU;
            if ((static_cast<unsigned>(network[byte] ^ other.network[byte]) & mask) != 0) return false;
        }
        return true;
    }
    friend constexpr bool operator==(const AddressRange&, const AddressRange&) = default;
};

// "192.0.2.0/24", "2001:db8::/32", or one address without a prefix; else nothing.
[[nodiscard]] inline std::optional<AddressRange> parse_address_range(std::string_view text) {
    AddressRange range;
    const std::size_t slash = text.find('/');
    const std::string address(text.substr(0, slash));
    range.v6 = address.find(':') != std::string::npos;
    if (::inet_pton(range.v6 ? AF_INET6 : AF_INET, address.c_str(), range.network.data()) != 1) return {};
    const unsigned width = range.v6 ? 128 : 32;
    range.bits = width;
    if (slash == std::string_view::npos) return range;
    const std::string_view bits = text.substr(slash + 1);
    if (bits.empty() || bits.size() > 3) return {};
    range.bits = 0;
    for (const char c : bits) {
        if (c < '0' || c > '9') return {};
        range.bits = range.bits * 10 + static_cast<unsigned>(c - '0');
    }
    if (range.bits > width) return {};
    return range;
}

namespace detail {

// By its name alone: what a resolver says is not believed. "localhost", 127.0.0.0/8 and ::1, without brackets.
[[nodiscard]] inline bool is_this_machine(std::string_view host) {
    if (host == "localhost") return true;
    const auto address = parse_address_range(host);
    const auto loopback = parse_address_range(address && address->v6 ? "::1/128" : "127.0.0.0/8");
    return address && loopback->contains(*address);
}

// Of IPv4 the same as the local provider's filter has.
inline constexpr std::array<std::pair<const char*, const char*>, 16> special_ranges_v4 = {{
    {"0.0.0.0/8", "addresses of this network"},
    {"10.0.0.0/8", "private addresses"},
    {"100.64.0.0/10", "addresses shared by carriers"},
    {"127.0.0.0/8", "loopback addresses"},
    {"168.63.129.16/32", "the address of Azure's host agent"},
    {"169.254.0.0/16", "link-local addresses"},
    {"172.16.0.0/12", "private addresses"},
    {"192.0.0.0/24", "addresses of protocols"},
    {"192.0.2.0/24", "addresses for documentation"},
    {"192.88.99.0/24", "withdrawn addresses"},
    {"192.168.0.0/16", "private addresses"},
    {"198.18.0.0/15", "addresses for benchmarks"},
    {"198.51.100.0/24", "addresses for documentation"},
    {"203.0.113.0/24", "addresses for documentation"},
    {"224.0.0.0/4", "multicast addresses"},
    {"240.0.0.0/4", "reserved addresses"},
}};
inline constexpr std::array<std::pair<const char*, const char*>, 9> special_ranges_v6 = {{
    {"::1/128", "the loopback address"},
    {"fc00::/7", "private addresses"},
    {"fe80::/10", "link-local addresses"},
    {"ff00::/8", "multicast addresses"},
    {"2001::/32", "addresses of tunnels"},
    {"2001:2::/48", "addresses for benchmarks"},
    {"2001:db8::/32", "addresses for documentation"},
    {"2002::/16", "addresses of tunnels"},
    {"3fff::/20", "addresses for documentation"},
}};

} // namespace detail

// What a range is, all of it, if no sandbox can reach it; else empty. A range that only includes such addresses is fine: the rest
// of it can be reached.
[[nodiscard]] inline std::string_view unreachable_kind(const AddressRange& range) {
    const auto within = [&](const char* outer) {
        const auto parsed = parse_address_range(outer);
        return parsed && parsed->contains(range);
    };
    if (!range.v6) {
        for (const auto& [special, name] : detail::special_ranges_v4)
            if (within(special)) return name;
        return {};
    }
    for (const auto& [special, name] : detail::special_ranges_v6)
        if (within(special)) return name;
    const auto translated = parse_address_range("64:ff9b::/96"); // IPv4 behind a translator: the last four bytes
    if (translated->contains(range)) {
        AddressRange inner;
        for (std::size_t i = 0; i < 4; ++i) inner.network[i] = range.network[12 + i];
        inner.bits = range.bits - 96;
        return unreachable_kind(inner);
    }
    const auto global = parse_address_range("2000::/3");
    if (global->contains(range) || range.contains(*global) || range.contains(*translated)) return {};
    return "reserved addresses";
}

} // namespace sandboxkit
