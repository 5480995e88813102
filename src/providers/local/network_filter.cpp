// SPDX-License-Identifier: Apache-2.0
#include "providers/local/network_filter.hpp"

#include "providers/local/file_handle.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

namespace sandboxkit::local {
namespace {

constexpr std::uint32_t pass = 0xffffffff; // as many bytes of the frame as there are
constexpr std::uint32_t drop = 0;

// Offsets in an Ethernet frame with an IPv4 header of 20 bytes.
constexpr std::uint32_t ether_type = 12, version_and_length = 14, fragment = 20, protocol = 23, destination = 30,
                        destination_port = 36;
constexpr std::uint32_t version_4_without_options = 0x45;
constexpr std::uint32_t more_fragments_or_offset = 0x3fff;

sock_filter load(std::uint16_t size, std::uint32_t offset) {
    return {static_cast<std::uint16_t>(BPF_LD | size | BPF_ABS), 0, 0, offset};
}
sock_filter jump(std::uint16_t test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return {static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), yes, no, value};
}
sock_filter finish(std::uint32_t verdict) {
    return {BPF_RET | BPF_K, 0, 0, verdict};
}

} // namespace

std::vector<AddressRange> special_ranges() {
    return {
        {ipv4(0, 0, 0, 0), 8},        // this network
        {ipv4(10, 0, 0, 0), 8},       // private
        {ipv4(100, 64, 0, 0), 10},    // shared by carriers
        {ipv4(127, 0, 0, 0), 8},      // loopback
        {ipv4(168, 63, 129, 16), 32}, // Azure's host agent: public by number, private by nature
        {ipv4(169, 254, 0, 0), 16},   // link-local, and the metadata services of clouds
        {ipv4(172, 16, 0, 0), 12},    // private
        {ipv4(192, 0, 0, 0), 24},     // protocol assignments
        {ipv4(192, 0, 2, 0), 24},     // for documentation
        {ipv4(192, 88, 99, 0), 24},   // relays to IPv6, withdrawn
        {ipv4(192, 168, 0, 0), 16},   // private
        {ipv4(198, 18, 0, 0), 15},    // benchmarks
        {ipv4(198, 51, 100, 0), 24},  // for documentation
        {ipv4(203, 0, 113, 0), 24},   // for documentation
        {ipv4(224, 0, 0, 0), 4},      // multicast
        {ipv4(240, 0, 0, 0), 4},      // reserved, and broadcast
    };
}

Result<std::vector<AddressRange>> host_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return system_error(errno, "cannot list the addresses of this host");
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
    std::vector<AddressRange> result;
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
        const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
        result.push_back({ntohl(address->sin_addr.s_addr), 32});
    }
    return result;
}

std::vector<AddressRange> refused_ranges(const std::vector<AddressRange>& host) {
    std::vector<AddressRange> result = special_ranges();
    for (const auto& each : host) {
        if (std::ranges::none_of(result, [&](const AddressRange& range) { return range.contains(each); })) result.push_back(each);
    }
    return result;
}

Result<std::vector<sock_filter>> egress_filter(const std::vector<AddressRange>& refused) {
    std::vector<sock_filter> program{
        load(BPF_H, ether_type),
        jump(BPF_JEQ, ETH_P_ARP, 0, 1),
        finish(pass),
        jump(BPF_JEQ, ETH_P_IP, 1, 0),
        finish(drop),
        load(BPF_B, version_and_length),
        jump(BPF_JEQ, version_4_without_options, 1, 0),
        finish(drop),
        load(BPF_W, destination),
        jump(BPF_JEQ, name_server, 0, 9),
        // To the name server: whole datagrams and segments to port 53.
        load(BPF_H, fragment),
        jump(BPF_JSET, more_fragments_or_offset, 6, 0),
        load(BPF_B, protocol),
        jump(BPF_JEQ, IPPROTO_UDP, 1, 0),
        jump(BPF_JEQ, IPPROTO_TCP, 0, 3),
        load(BPF_H, destination_port),
        jump(BPF_JEQ, 53, 0, 1),
        finish(pass),
        finish(drop),
    };
    for (const auto& range : refused) {
        program.push_back(load(BPF_W, destination));
        program.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, range.mask()});
        program.push_back(jump(BPF_JEQ, range.network, 0, 1));
        program.push_back(finish(drop));
    }
    program.push_back(finish(pass));
    if (program.size() > BPF_MAXINSNS)
        return Error{ErrorClass::unsupported,
                     "too_many_addresses",
                     "this host has more addresses than a packet filter can hold",
                     "use egress \"none\"",
                     "",
                     {}};
    return program;
}

} // namespace sandboxkit::local
