// SPDX-License-Identifier: Apache-2.0
#include "providers/local/network_routes.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sandboxkit::local {
namespace {

struct RouteMessage {
    nlmsghdr header;
    rtmsg route;
    rtattr attribute;
    std::uint32_t destination;
};
static_assert(sizeof(RouteMessage) == NLMSG_LENGTH(sizeof(rtmsg)) + RTA_LENGTH(sizeof(std::uint32_t)));

RouteMessage prohibit(const AddressRange& range, std::uint32_t sequence) {
    RouteMessage message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = RTM_NEWROUTE;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    message.header.nlmsg_seq = sequence;
    message.route.rtm_family = AF_INET;
    message.route.rtm_dst_len = static_cast<unsigned char>(range.bits);
    message.route.rtm_table = RT_TABLE_MAIN;
    message.route.rtm_protocol = RTPROT_STATIC;
    message.route.rtm_scope = RT_SCOPE_UNIVERSE;
    message.route.rtm_type = RTN_PROHIBIT;
    message.attribute.rta_len = RTA_LENGTH(sizeof(std::uint32_t));
    message.attribute.rta_type = RTA_DST;
    message.destination = htonl(range.network);
    return message;
}

// A routing socket belongs to the namespace in which it was made. Only a thread of its own may visit another one:
// a pool thread that could not return would go on in the sandbox's.
Result<FileHandle> socket_in(const FileHandle& process) {
    FileHandle socket;
    int error = 0;
    std::thread visitor([&] {
        if (::setns(process.get(), CLONE_NEWNET) != 0) {
            error = errno;
            return;
        }
        socket.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (!socket) error = errno;
    });
    visitor.join();
    if (!socket) return system_error(error, "cannot enter the network namespace of the sandbox");
    return socket;
}

} // namespace

Result<void> refuse_routes(const FileHandle& process, const std::vector<AddressRange>& ranges) {
    auto socket = socket_in(process);
    if (!socket) return socket.error();
    const timeval limit{5, 0};
    ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);

    constexpr AddressRange loopback{ipv4(127, 0, 0, 0), 8};
    std::uint32_t sequence = 0;
    for (const auto& range : ranges) {
        if (loopback.contains(range)) continue;
        const RouteMessage message = prohibit(range, ++sequence);
        if (::send(socket->get(), &message, sizeof message, 0) < 0)
            return system_error(errno, "cannot add a route to the sandbox");
        std::array<char, 512> answer{};
        const ssize_t size = ::recv(socket->get(), answer.data(), answer.size(), 0);
        if (size < 0) return system_error(errno, "cannot add a route to the sandbox");
        nlmsghdr header{};
        nlmsgerr result{};
        if (static_cast<std::size_t>(size) < sizeof header + sizeof result)
            return system_error(EPROTO, "cannot add a route to the sandbox");
        std::memcpy(&header, answer.data(), sizeof header);
        std::memcpy(&result, answer.data() + NLMSG_HDRLEN, sizeof result);
        if (header.nlmsg_type != NLMSG_ERROR || result.error != 0)
            return system_error(-result.error, "cannot add a route to the sandbox");
    }
    return {};
}

} // namespace sandboxkit::local
