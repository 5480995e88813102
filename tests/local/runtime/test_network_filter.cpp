// SPDX-License-Identifier: Apache-2.0
// The packet filter, run by the kernel itself over frames made here.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "providers/local/network_filter.hpp"

#include <sandboxkit/address_range.hpp>

#include <array>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

using namespace sandboxkit::local;

namespace {

// A pair of sockets with the filter on the receiving one.
class Filtered {
public:
    explicit Filtered(const std::vector<sock_filter>& program) {
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends_.data()) == 0);
        const sock_fprog filter{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
        REQUIRE(::setsockopt(ends_[0], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0);
    }
    Filtered(const Filtered&) = delete;
    Filtered& operator=(const Filtered&) = delete;
    ~Filtered() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    [[nodiscard]] bool passes(const std::string& frame) const {
        REQUIRE(::send(ends_[1], frame.data(), frame.size(), 0) >= 0);
        std::array<char, 256> buffer{};
        return ::recv(ends_[0], buffer.data(), buffer.size(), 0) == static_cast<ssize_t>(frame.size());
    }

private:
    std::array<int, 2> ends_{};
};

std::string frame(std::uint32_t destination, std::uint8_t protocol = 6, std::uint16_t port = 80, std::uint16_t fragment = 0,
                  std::uint8_t version = 0x45, std::uint16_t type = 0x0800) {
    std::string bytes(64, '\0');
    const auto put = [&](std::size_t at, std::uint32_t value, int size) {
        for (int i = 0; i < size; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> 8 * (size - 1 - i));
    };
    put(12, type, 2);
    put(14, version, 1);
    put(20, fragment, 2);
    put(23, protocol, 1);
    put(30, destination, 4);
    put(36, port, 2);
    return bytes;
}

} // namespace

TEST_CASE("public addresses pass, special ones and the host's own do not") {
    auto program = egress_filter(refused_ranges({{ipv4(20, 30, 40, 7), 32}}));
    REQUIRE(program.has_value());
    const Filtered filter(*program);
    for (const auto address :
         {ipv4(1, 1, 1, 1), ipv4(20, 30, 40, 8), ipv4(168, 63, 129, 17), ipv4(172, 32, 0, 1), ipv4(11, 0, 0, 1),
          ipv4(169, 253, 1, 1), ipv4(100, 128, 0, 1), ipv4(100, 63, 255, 255), ipv4(192, 167, 1, 1), ipv4(223, 255, 255, 255)})
        CHECK(filter.passes(frame(address)));
    for (const auto address :
         {ipv4(20, 30, 40, 7),      ipv4(10, 0, 2, 2),        ipv4(10, 255, 255, 255), ipv4(127, 0, 0, 1),
          ipv4(169, 254, 169, 254), ipv4(172, 16, 0, 1),      ipv4(172, 31, 255, 255), ipv4(192, 168, 0, 1),
          ipv4(100, 64, 0, 1),      ipv4(100, 127, 255, 255), ipv4(0, 0, 0, 0),        ipv4(224, 0, 0, 1),
          ipv4(239, 1, 1, 1),       ipv4(255, 255, 255, 255), ipv4(198, 19, 0, 1),     ipv4(192, 0, 0, 1),
          ipv4(192, 0, 2, 1),       ipv4(198, 51, 100, 1),    ipv4(203, 0, 113, 1),    ipv4(168, 63, 129, 16)}) {
        CHECK(!filter.passes(frame(address)));
        CHECK(!filter.passes(frame(address, 17, 53)));
    }
}

TEST_CASE("of the name server port 53 alone passes, in whole packets") {
    auto program = egress_filter(refused_ranges({}));
    REQUIRE(program.has_value());
    const Filtered filter(*program);
    CHECK(filter.passes(frame(name_server, 17, 53)));
    CHECK(filter.passes(frame(name_server, 6, 53)));
    CHECK(!filter.passes(frame(name_server, 6, 22)));
    CHECK(!filter.passes(frame(name_server, 17, 5353)));
    CHECK(!filter.passes(frame(name_server, 1, 53)));          // ICMP
    CHECK(!filter.passes(frame(name_server, 17, 53, 0x2000))); // more fragments follow
    CHECK(!filter.passes(frame(name_server, 17, 53, 0x0005))); // a later fragment, whose bytes are no ports
    CHECK(filter.passes(frame(name_server, 17, 53, 0x4000)));  // don't fragment
}

TEST_CASE("address resolution passes; IPv6, options, tags and stumps do not") {
    auto program = egress_filter(refused_ranges({}));
    REQUIRE(program.has_value());
    const Filtered filter(*program);
    CHECK(filter.passes(frame(0, 0, 0, 0, 0, 0x0806)));
    CHECK(!filter.passes(frame(ipv4(1, 1, 1, 1), 6, 80, 0, 0x45, 0x86dd)));
    CHECK(!filter.passes(frame(ipv4(1, 1, 1, 1), 6, 80, 0, 0x45, 0x8100)));
    CHECK(!filter.passes(frame(ipv4(1, 1, 1, 1), 6, 80, 0, 0x46)));
    CHECK(!filter.passes(frame(ipv4(1, 1, 1, 1), 6, 80, 0, 0x65)));
    CHECK(!filter.passes(frame(ipv4(1, 1, 1, 1)).substr(0, 20)));
    CHECK(!filter.passes("x"));
}

TEST_CASE("ranges that others contain are left out, and too many are refused") {
    const auto special = special_ranges();
    CHECK(refused_ranges({{ipv4(10, 1, 2, 3), 32}, {ipv4(127, 0, 0, 1), 32}}) == special);
    const std::vector<AddressRange> twice{{ipv4(8, 8, 8, 8), 32}, {ipv4(8, 8, 8, 8), 32}};
    CHECK(refused_ranges(twice).size() == special.size() + 1);
    std::vector<AddressRange> many;
    for (std::uint32_t i = 0; i < 900; ++i) many.push_back({ipv4(8, 0, 0, 0) + i, 32});
    CHECK(egress_filter(refused_ranges(many)).has_value());
    for (std::uint32_t i = 900; i < 1100; ++i) many.push_back({ipv4(8, 0, 0, 0) + i, 32});
    CHECK(egress_filter(refused_ranges(many)).error().code == "too_many_addresses");
}

TEST_CASE("what no sandbox reaches is known where profiles are checked, too") {
    const auto as_text = [](const AddressRange& range) {
        const std::uint32_t n = range.network;
        return std::to_string(n >> 24) + '.' + std::to_string(n >> 16 & 255) + '.' + std::to_string(n >> 8 & 255) + '.' +
               std::to_string(n & 255) + '/' + std::to_string(range.bits);
    };
    const auto ranges = special_ranges();
    REQUIRE(ranges.size() == sandboxkit::detail::special_ranges_v4.size());
    for (const auto& range : ranges) {
        CAPTURE(as_text(range));
        const auto parsed = sandboxkit::parse_address_range(as_text(range));
        REQUIRE(parsed.has_value());
        CHECK_FALSE(sandboxkit::unreachable_kind(*parsed).empty());
    }
}
