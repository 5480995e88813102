// SPDX-License-Identifier: Apache-2.0
// Networks that the guest refuses before it listens, in a network namespace with a gateway that nobody answers for.
#include "guest/refused_networks.hpp"

#include "live_guest.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace sandboxkit::guest;
using namespace sandboxkit::guest::test;

namespace {

std::vector<std::string> texts(const std::vector<std::uint32_t>& addresses) {
    std::vector<std::string> all;
    for (const std::uint32_t address : addresses) {
        char text[INET_ADDRSTRLEN];
        all.emplace_back(::inet_ntop(AF_INET, &address, text, sizeof text));
    }
    return all;
}

// A program that makes the namespace and becomes the guest in it.
std::string launcher(const TemporaryDirectory& directory) {
    const std::string path = directory.path("launch");
    std::ofstream(path) << "#!/bin/sh\n"
                           "exec unshare --net sh -ec '\n"
                           "  ip link set lo up\n"
                           "  ip link add eth0 type veth peer name other\n"
                           "  ip link set other up\n"
                           "  ip address add 172.17.0.2/16 dev eth0\n"
                           "  ip link set eth0 up\n"
                           "  ip route add default via 172.17.0.1\n"
                           "  exec \"$@\"' sh "
                        << std::filesystem::read_symlink("/proc/self/exe").string() << " --guest \"$@\"\n";
    ::chmod(path.c_str(), 0700);
    return path;
}

} // namespace

TEST_CASE("the name servers of a resolv.conf, and those that Docker's resolver asks") {
    using Texts = std::vector<std::string>;
    CHECK(texts(name_servers_in("")) == Texts{});
    CHECK(texts(name_servers_in("search x\nnameserver 10.1.2.3\nnameserver\t192.0.2.7\noptions ndots:0")) ==
          Texts{"10.1.2.3", "192.0.2.7"});
    CHECK(texts(name_servers_in("nameserver 127.0.0.11\nnameserver ::1\nnameserver nonsense\n")) == Texts{});
    CHECK(texts(name_servers_in("nameserver 127.0.0.11\n# ExtServers: [192.0.2.1 host(10.0.0.2) host(127.0.0.53)]\n")) ==
          Texts{"192.0.2.1", "10.0.0.2"});
    CHECK(texts(name_servers_in("# ExtServers [192.0.2.1]\nnameserver 10.1.2.3\nnameserver 10.1.2.3\n")) == Texts{"10.1.2.3"});
}

TEST_CASE("a network or name server that is none is refused") {
    const auto said = [](const std::string& option, const std::string& value) {
        const auto result = run_guest({"--listen-unix", "/x", option, value});
        CHECK(result.first == 64);
        return result.second;
    };
    for (const char* wrong : {"10.0.0.0/0", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/128", "x", "10.0.0.0/8 "})
        CHECK_MESSAGE(said("--refuse", wrong).find("--refuse needs an IPv4 network") != std::string::npos, wrong);
    CHECK(said("--name-server", "10.0.0.0/8").find("--name-server needs an IPv4 address") != std::string::npos);
}

TEST_CASE("refused networks, the sandbox's own and its gateway are not reached, everything else is, and nobody undoes it") {
    if (::geteuid() != 0) {
        MESSAGE("not root: no network namespace");
        return;
    }
    const TemporaryDirectory directory;
    LaunchOptions options;
    options.program = launcher(directory);
    options.arguments = {"--refuse", "10.0.0.0/8", "--refuse", "198.51.100.7", "--name-server", "10.0.0.53"};
    const LiveGuest guest(options);
    const auto way = [&](const std::string& to) {
        const auto result = guest.shell("ip route get " + to + " 2>&1");
        return result.out.substr(0, result.out.find('\n'));
    };
    const std::string refused = "RTNETLINK answers: Permission denied";
    CHECK(way("10.1.2.3") == refused);
    CHECK(way("198.51.100.7") == refused);
    CHECK(way("172.17.0.1") == refused);
    CHECK(way("172.17.0.9") == refused);
    CHECK(way("198.51.100.8").starts_with("198.51.100.8 via 172.17.0.1 dev eth0"));
    CHECK(way("172.17.0.2").starts_with("local 172.17.0.2"));
    // The name server, and nothing else there.
    CHECK(way("10.0.0.53 ipproto udp dport 53").starts_with("10.0.0.53 via 172.17.0.1 dev eth0"));
    CHECK(way("10.0.0.53 ipproto tcp dport 53").starts_with("10.0.0.53 via 172.17.0.1 dev eth0"));
    CHECK(way("10.0.0.53 ipproto tcp dport 22") == refused);
    CHECK(way("10.0.0.53 ipproto icmp") == refused);

    for (const char* undo : {"ip route del prohibit 10.0.0.0/8", "ip link set eth0 down", "ip rule add from all lookup 53"})
        CHECK_MESSAGE(guest.shell(std::string(undo) + " 2>&1").out.find("Operation not permitted") != std::string::npos, undo);
}

TEST_CASE("a guest that cannot refuse networks does not listen") {
    if (::geteuid() != 0) {
        MESSAGE("not root: nothing to give up");
        return;
    }
    const TemporaryDirectory directory;
    const std::string path = directory.path("launch");
    std::ofstream(path) << "#!/bin/sh\nexec setpriv --bounding-set -net_admin --inh-caps -all sh -c 'exec \"$@\"' sh "
                        << std::filesystem::read_symlink("/proc/self/exe").string() << " --guest \"$@\"\n";
    ::chmod(path.c_str(), 0700);
    LaunchOptions options;
    options.program = path;
    options.arguments = {"--refuse", "10.0.0.0/8"};
    CHECK_THROWS_WITH(LiveGuest{options}, "the guest did not start");
}
