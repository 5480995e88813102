// SPDX-License-Identifier: Apache-2.0
#include "local/runtime/network_stage.hpp"

#include "providers/local/file_handle.hpp"
#include "providers/local/program_path.hpp"
#include "providers/local/spawn.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxkit::test {
namespace {

bool ip(const std::string& arguments) {
    std::vector<std::string> command{local::find_program("ip").string()};
    std::size_t begin = 0;
    while (begin < arguments.size()) {
        const auto end = std::min(arguments.find(' ', begin), arguments.size());
        command.push_back(arguments.substr(begin, end - begin));
        begin = end + 1;
    }
    auto ran = local::run_program(command, std::chrono::seconds(10));
    if (ran.has_value() && ran->status.success()) return true;
    std::fprintf(stderr, "ip %s: %s\n", arguments.c_str(), ran.has_value() ? ran->output.c_str() : ran.error().message.c_str());
    return false;
}

int listening(int type, std::uint16_t port) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    if (type == SOCK_STREAM && ::listen(fd, 64) != 0) return -1;
    return fd;
}

// Answers everybody with its name, on TCP and UDP, ports 53, 54 and 80, for ever.
[[noreturn]] void serve(const char* name, int ready) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::vector<pollfd> all;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM})
        for (const std::uint16_t port : {53, 54, 80}) all.push_back({listening(type, port), POLLIN, 0});
    char byte = 1;
    if (::write(ready, &byte, 1) != 1) ::_exit(1);
    for (;;) {
        ::poll(all.data(), all.size(), -1);
        for (std::size_t i = 0; i < all.size(); ++i) {
            if ((all[i].revents & POLLIN) == 0) continue;
            if (i < 3) {
                const int fd = ::accept4(all[i].fd, nullptr, nullptr, SOCK_CLOEXEC);
                if (fd >= 0 && ::write(fd, name, std::strlen(name)) >= 0) ::close(fd);
            } else {
                sockaddr_in from{};
                socklen_t size = sizeof from;
                std::array<char, 512> buffer{};
                ::recvfrom(all[i].fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
                ::sendto(all[i].fd, name, std::strlen(name), 0, reinterpret_cast<const sockaddr*>(&from), size);
            }
        }
    }
}

struct Server {
    pid_t pid = -1;
    local::FileHandle said; // one byte a step
};

bool heard(const Server& server) {
    char byte = 0;
    return ::read(server.said.get(), &byte, 1) == 1;
}

// A child that says when it serves. With `go`, it first makes a network namespace, says so, and waits for a byte from there.
Server start_server(const char* name, const std::vector<std::string>& setup, int go) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {};
    const pid_t pid = ::fork();
    if (pid == 0) {
        char byte = 0;
        if (go >= 0 && (::unshare(CLONE_NEWNET) != 0 || ::write(ends[1], "n", 1) != 1 || ::read(go, &byte, 1) != 1)) ::_exit(1);
        for (const auto& each : setup)
            if (!ip(each)) ::_exit(1);
        serve(name, ends[1]);
    }
    ::close(ends[1]);
    return {pid, local::FileHandle(ends[0])};
}

} // namespace

const std::vector<std::string>& forbidden_servers() {
    static const std::vector<std::string> list{"169.254.169.254", "10.1.2.3",     "172.16.5.5",  "192.168.7.7",
                                               "100.64.1.1",      "198.18.0.9",   "192.0.0.8",   "192.0.2.7",
                                               "192.88.99.1",     "198.51.100.7", "203.0.113.7", "168.63.129.16"};
    return list;
}

std::string NetworkStage::enter() {
    if (local::find_program("ip").empty()) return "ip (iproute2) is not installed";
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return "no network namespaces here";
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    // The name server of this host is on the stage, too.
    std::array<char, 32> name{"/tmp/resolv-XXXXXX"};
    const int file = ::mkstemp(name.data());
    const std::string text = std::string("nameserver ") + resolver_of_host + "\n";
    const bool written =
        file >= 0 && ::fchmod(file, 0644) == 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (!written || ::mount(name.data(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0)
        return "cannot replace /etc/resolv.conf";
    ::close(file);
    ::unlink(name.data());

    std::vector<std::string> setup{"link set lo up", "link set cable1 up", "addr add 20.30.40.2/24 dev cable1"};
    for (const char* each : {public_server, resolver_of_host}) setup.push_back("addr add " + std::string(each) + "/32 dev lo");
    for (const auto& each : forbidden_servers()) setup.push_back("addr add " + each + "/32 dev lo");
    setup.push_back("route add default via 20.30.40.1");
    int go[2];
    if (::pipe2(go, O_CLOEXEC) != 0) return "no pipe";
    const local::FileHandle waiting(go[0]), going(go[1]);
    const Server internet = start_server("internet", setup, waiting.get());
    internet_ = internet.pid;
    if (!heard(internet)) return "the stage's internet did not start";
    const bool plugged = ip("link set lo up") &&
                         ip("link add cable0 type veth peer name cable1 netns " + std::to_string(internet_)) &&
                         ip("link set cable0 up") && ip("addr add 20.30.40.1/24 dev cable0") &&
                         ip("addr add " + std::string(host_public) + "/32 dev lo") &&
                         ip("addr add " + std::string(host_private) + "/32 dev lo") && ip("route add default via 20.30.40.2");
    if (!plugged) return "no veth devices here";
    const char byte = 1;
    if (::write(going.get(), &byte, 1) != 1 || !heard(internet)) return "the stage's internet did not come up";
    const Server services = start_server("host", {}, -1);
    services_ = services.pid;
    return heard(services) ? "" : "the stage's host did not start";
}

NetworkStage::~NetworkStage() {
    for (const pid_t pid : {internet_, services_}) {
        if (pid <= 0) continue;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
}

std::string ask_tcp(const std::string& address, std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    const timeval limit{5, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string answer;
    std::array<char, 64> buffer{};
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
        for (ssize_t count = 0; (count = ::read(fd, buffer.data(), buffer.size())) > 0;)
            answer.append(buffer.data(), static_cast<std::size_t>(count));
    ::close(fd);
    return answer;
}

} // namespace sandboxkit::test
