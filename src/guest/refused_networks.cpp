// SPDX-License-Identifier: Apache-2.0
#include "guest/refused_networks.hpp"

#include "guest/capabilities.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/rpc_error.hpp"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace sandboxkit::guest {
namespace {

constexpr unsigned char name_server_table = 53;
constexpr std::uint32_t name_server_priority = 100;
constexpr std::uint16_t name_server_port = 53;

// A netlink request with what it says in attributes.
class Request {
public:
    template <class Header>
    Request(std::uint16_t type, std::uint16_t flags, const Header& header) {
        auto& head = *reinterpret_cast<nlmsghdr*>(bytes_.data());
        head.nlmsg_len = NLMSG_LENGTH(sizeof header);
        head.nlmsg_type = type;
        head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        std::memcpy(bytes_.data() + NLMSG_HDRLEN, &header, sizeof header);
    }
    template <class Value>
    void add(std::uint16_t type, const Value& value) {
        auto& head = *reinterpret_cast<nlmsghdr*>(bytes_.data());
        const std::size_t at = NLMSG_ALIGN(head.nlmsg_len);
        const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(sizeof value)), type};
        std::memcpy(bytes_.data() + at, &attribute, sizeof attribute);
        std::memcpy(bytes_.data() + at + RTA_LENGTH(0), &value, sizeof value);
        head.nlmsg_len = static_cast<std::uint32_t>(at + RTA_LENGTH(sizeof value));
    }
    [[nodiscard]] std::string_view bytes() const {
        return {bytes_.data(), reinterpret_cast<const nlmsghdr*>(bytes_.data())->nlmsg_len};
    }

private:
    alignas(nlmsghdr) std::array<char, 256> bytes_{};
};

struct Route {
    std::uint32_t destination = 0, gateway = 0, interface = 0;
    unsigned char bits = 0;
};

// The kernel's routing tables, through one socket. Every step is 0 or errno.
class Routing {
public:
    int open() {
        socket_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (!socket_) return errno;
        const timeval limit{5, 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        return 0;
    }

    // Those of the main table that lead out of this sandbox.
    int read(std::vector<Route>& routes) {
        rtmsg wanted{};
        wanted.rtm_family = AF_INET;
        const Request request(RTM_GETROUTE, NLM_F_DUMP, wanted);
        if (const int error = send(request)) return error;
        for (;;) {
            ssize_t size = ::recv(socket_.get(), answer_.data(), answer_.size(), 0);
            if (size < 0) return errno;
            for (auto* head = reinterpret_cast<nlmsghdr*>(answer_.data()); NLMSG_OK(head, static_cast<std::size_t>(size));
                 head = NLMSG_NEXT(head, size)) {
                if (head->nlmsg_type == NLMSG_DONE) return 0;
                if (head->nlmsg_type == NLMSG_ERROR) return EPROTO;
                if (head->nlmsg_type == RTM_NEWROUTE) keep(*head, routes);
            }
        }
    }

    int set_default(unsigned char table, const Route& by) {
        // "onlink": the gateway stays a neighbour when no route leads to it any more.
        Request request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, route(RTN_UNICAST, 0, table, RTNH_F_ONLINK));
        request.add(RTA_GATEWAY, by.gateway);
        request.add(RTA_OIF, by.interface);
        return change(request);
    }
    int prohibit(std::uint32_t address, unsigned char bits) {
        Request request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, route(RTN_PROHIBIT, bits, RT_TABLE_MAIN, 0));
        request.add(RTA_DST, address);
        return change(request);
    }
    int permit_name_server(std::uint32_t address, std::uint8_t protocol) {
        fib_rule_hdr rule{};
        rule.family = AF_INET;
        rule.dst_len = 32;
        rule.table = name_server_table;
        rule.action = FR_ACT_TO_TBL;
        Request request(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE, rule);
        request.add(FRA_DST, address);
        request.add(FRA_IP_PROTO, protocol);
        request.add(FRA_DPORT_RANGE, fib_rule_port_range{name_server_port, name_server_port});
        request.add(FRA_PRIORITY, name_server_priority);
        return change(request);
    }

private:
    static rtmsg route(unsigned char type, unsigned char bits, unsigned char table, unsigned flags) {
        rtmsg message{};
        message.rtm_family = AF_INET;
        message.rtm_dst_len = bits;
        message.rtm_table = table;
        message.rtm_protocol = RTPROT_STATIC;
        message.rtm_scope = RT_SCOPE_UNIVERSE;
        message.rtm_type = type;
        message.rtm_flags = flags;
        return message;
    }

    static void keep(const nlmsghdr& head, std::vector<Route>& routes) {
        rtmsg message{};
        std::memcpy(&message, NLMSG_DATA(&head), sizeof message);
        if (message.rtm_table != RT_TABLE_MAIN || message.rtm_type != RTN_UNICAST) return;
        Route found;
        found.bits = message.rtm_dst_len;
        std::size_t left = head.nlmsg_len - NLMSG_LENGTH(sizeof message);
        for (auto* each =
                 reinterpret_cast<const rtattr*>(static_cast<const char*>(NLMSG_DATA(&head)) + NLMSG_ALIGN(sizeof message));
             RTA_OK(each, left); each = RTA_NEXT(each, left)) {
            std::uint32_t value = 0;
            if (RTA_PAYLOAD(each) != sizeof value) continue;
            std::memcpy(&value, RTA_DATA(each), sizeof value);
            if (each->rta_type == RTA_DST) found.destination = value;
            if (each->rta_type == RTA_GATEWAY) found.gateway = value;
            if (each->rta_type == RTA_OIF) found.interface = value;
        }
        routes.push_back(found);
    }

    int send(const Request& request) const {
        const auto bytes = request.bytes();
        return ::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0 ? errno : 0;
    }
    int change(const Request& request) {
        if (const int error = send(request)) return error;
        const ssize_t size = ::recv(socket_.get(), answer_.data(), answer_.size(), 0);
        if (size < 0) return errno;
        nlmsghdr head{};
        nlmsgerr result{};
        if (static_cast<std::size_t>(size) < NLMSG_LENGTH(sizeof result)) return EPROTO;
        std::memcpy(&head, answer_.data(), sizeof head);
        std::memcpy(&result, answer_.data() + NLMSG_HDRLEN, sizeof result);
        if (head.nlmsg_type != NLMSG_ERROR) return EPROTO;
        return result.error == -EEXIST ? 0 : -result.error; // a rule that is there since an earlier start
    }

    FileDescriptor socket_;
    alignas(nlmsghdr) std::array<char, 32 << 10> answer_{};
};

int refuse(const std::vector<RefusedNetwork>& networks, const std::vector<std::uint32_t>& name_servers) {
    Routing routing;
    if (const int error = routing.open()) return error;
    std::vector<Route> routes;
    if (const int error = routing.read(routes)) return error;
    const auto way_out = std::find_if(routes.begin(), routes.end(), [](const Route& r) { return r.bits == 0 && r.gateway != 0; });
    if (way_out != routes.end()) {
        for (const unsigned char table : {name_server_table, static_cast<unsigned char>(RT_TABLE_MAIN)})
            if (const int error = routing.set_default(table, *way_out)) return error;
        for (const std::uint32_t server : name_servers)
            for (const std::uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP})
                if (const int error = routing.permit_name_server(server, protocol)) return error;
    }
    for (const Route& route : routes)
        if (route.bits != 0)
            if (const int error = routing.prohibit(route.destination, route.bits)) return error;
    for (const RefusedNetwork& network : networks) {
        const std::uint32_t mask = htonl(~std::uint32_t{0} << (32 - network.bits));
        if (const int error = routing.prohibit(network.address & mask, network.bits)) return error;
    }
    return 0;
}

} // namespace

std::string refuse_networks(const std::vector<RefusedNetwork>& networks, const std::vector<std::uint32_t>& name_servers) {
    if (const int error = refuse(networks, name_servers)) return "cannot refuse networks: " + std::string(describe(error));
    if (const int error = drop_capability(CAP_NET_ADMIN))
        return "cannot give up the right to change routes: " + std::string(describe(error));
    return {};
}

std::vector<std::uint32_t> name_servers_in(std::string_view resolv_conf) {
    constexpr std::string_view asked_by_docker = "# ExtServers: [", listed = "nameserver";
    constexpr std::string_view separators = " \t[]()";
    std::vector<std::uint32_t> found;
    while (!resolv_conf.empty()) {
        std::string_view line = resolv_conf.substr(0, resolv_conf.find('\n'));
        resolv_conf.remove_prefix(std::min(line.size() + 1, resolv_conf.size()));
        // "nameserver 192.0.2.1", or "# ExtServers: [192.0.2.1 host(127.0.0.53)]"
        if (!line.starts_with(listed) && !line.starts_with(asked_by_docker)) continue;
        while (!line.empty()) {
            const std::size_t end = std::min(line.find_first_of(separators), line.size());
            in_addr address{};
            const bool is_address = ::inet_pton(AF_INET, std::string(line.substr(0, end)).c_str(), &address) == 1;
            line.remove_prefix(std::min(end + 1, line.size()));
            // Docker's own resolver is in the sandbox.
            if (!is_address || ntohl(address.s_addr) >> 24 == 127) continue;
            if (std::find(found.begin(), found.end(), address.s_addr) == found.end()) found.push_back(address.s_addr);
        }
    }
    return found;
}

} // namespace sandboxkit::guest
