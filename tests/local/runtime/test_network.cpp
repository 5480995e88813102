// SPDX-License-Identifier: Apache-2.0
// What a sandbox with outbound access reaches and what not, on a stage of its own (network_stage.hpp).
#include "local/runtime/fixture.hpp"
#include "local/runtime/network_stage.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include <sys/mount.h>
#include <sys/stat.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

namespace {

std::string probe(const fs::path& socket, const std::string& protocol, const std::string& address, const std::string& port,
                  const std::string& device = {}) {
    std::vector<std::string> command{"/opt/probe", protocol, address, port};
    if (!device.empty()) command.push_back(device);
    return exec(socket, command).text;
}

// Whatever the failure is called, no byte came back.
bool got_through(const std::string& said) {
    return said.empty() || said.find("internet") != std::string::npos || said.find("host") != std::string::npos;
}

std::set<std::string> listening_sockets() {
    std::set<std::string> result;
    for (const char* name : {"/proc/self/net/tcp", "/proc/self/net/tcp6", "/proc/self/net/udp"}) {
        std::ifstream file(name);
        for (std::string line; std::getline(file, line);)
            if (line.find(" 0A ") != std::string::npos || line.find(" 07 ") != std::string::npos)
                result.insert(std::string(name) + line.substr(0, line.find(" 0")));
    }
    return result;
}

} // namespace

TEST_CASE("with open egress the internet is there, and nothing else") {
    // From the host, everything on the stage answers: what the sandbox does not get is kept from it.
    for (const char* each : {public_server, resolver_of_host}) REQUIRE(ask_tcp(each, 80) == "internet");
    for (const auto& each : forbidden_servers()) REQUIRE(ask_tcp(each, 80) == "internet");
    for (const char* each : {"127.0.0.1", host_public, host_private, "20.30.40.1"}) REQUIRE(ask_tcp(each, 80) == "host");

    LocalFixture fixture;
    const auto before = listening_sockets();
    auto request = fixture.request("open", Egress::open);
    request.limits.processes = 1024;
    const auto id = fixture.start(request);
    const auto socket = fixture.socket(id);
    CHECK(listening_sockets() == before);

    CHECK(probe(socket, "tcp", public_server, "80") == "connected internet\n");
    CHECK(probe(socket, "udp", public_server, "80") == "answered internet\n");
    CHECK(probe(socket, "tcp", public_server, "80", "tap0") == "connected internet\n");
    // Names: the host's resolver, port 53 only.
    CHECK(shell(socket, "cat /etc/resolv.conf").text == "nameserver 10.0.2.3\n");
    CHECK(probe(socket, "udp", "10.0.2.3", "53") == "answered internet\n");

    std::vector<std::pair<std::string, std::string>> targets;
    for (const auto& each : forbidden_servers()) targets.emplace_back(each, "80");
    for (const char* each :
         {host_public, host_private, "20.30.40.1", "10.0.2.2", "10.0.2.15", "127.0.0.1", "0.0.0.0", "255.255.255.255"})
        targets.emplace_back(each, "80");
    targets.emplace_back("10.0.2.3", "80");
    targets.emplace_back("10.0.2.3", "54");
    // By way of the device, the kernel does not ask its routes. All at once: what is dropped takes its time-out.
    std::string script;
    for (const auto& [address, port] : targets)
        for (const char* protocol : {"tcp", "udp"})
            for (const char* device : {"", " tap0"}) {
                const std::string what = std::string(protocol) + " " + address + " " + port + device;
                script += "(echo \"" + what + ": $(/opt/probe " + what + ")\") &\n";
            }
    const auto said = shell(socket, script + "wait");
    std::istringstream lines(said.text);
    std::size_t answers = 0;
    for (std::string line; std::getline(lines, line); ++answers) {
        CAPTURE(line);
        CHECK(!got_through(line));
    }
    CHECK(answers == targets.size() * 4);
    CHECK(shell(socket, "cat /proc/net/if_inet6 | grep tap0").code != 0);
    // Refused at once, not after a time-out.
    CHECK(probe(socket, "tcp", "10.1.2.3", "80") == "EACCES\n");
    // The routes and the device cannot be changed from inside.
    CHECK(shell(socket, "ip route del 10.0.0.0/8 || ip link set tap0 down").code != 0);

    REQUIRE(succeeded(wait_for(fixture.provider().stop(id))));
    CHECK(fixture.leftovers().after(false).empty());
    REQUIRE(succeeded(wait_for(fixture.provider().start(id))));
    CHECK(probe(fixture.socket(id), "tcp", public_server, "80") == "connected internet\n");
    CHECK(got_through(probe(fixture.socket(id), "tcp", "169.254.169.254", "80", "tap0")) == false);
}

TEST_CASE("without egress there is nothing") {
    LocalFixture fixture;
    const auto id = fixture.start(fixture.request("none", Egress::none));
    for (const char* each : {public_server, "10.0.2.3", "169.254.169.254", host_public}) {
        CHECK(probe(fixture.socket(id), "tcp", each, "80") == "ENETUNREACH\n");
        CHECK(probe(fixture.socket(id), "udp", each, "53") == "ENETUNREACH\n");
    }
    CHECK(probe(fixture.socket(id), "tcp", "127.0.0.1", "80") == "ECONNREFUSED\n");
}

TEST_CASE("what is mounted below a shared mount of the host stays mounted") {
    // As a Docker daemon has its data directory, with the roots of its containers below.
    std::string shared = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(shared.data()) != nullptr);
    const std::string below = shared + "/below";
    REQUIRE(::mount(shared.c_str(), shared.c_str(), nullptr, MS_BIND, nullptr) == 0);
    REQUIRE(::mount("none", shared.c_str(), nullptr, MS_SHARED, nullptr) == 0);
    REQUIRE(::mkdir(below.c_str(), 0700) == 0);
    REQUIRE(::mount("tmpfs", below.c_str(), "tmpfs", 0, nullptr) == 0);
    {
        LocalFixture fixture;
        fixture.start(fixture.request("mounts", Egress::open));
        CHECK(::umount(below.c_str()) == 0);
    }
    ::umount2(shared.c_str(), MNT_DETACH);
    fs::remove_all(shared);
}

TEST_CASE("slirp4netns ends with the sandbox, whoever ends it") {
    LocalFixture fixture;
    const auto id = fixture.start(fixture.request("end", Egress::open));
    std::ifstream file(fixture.state() / "sandboxes" / id / "pid");
    pid_t pid = 0;
    file >> pid;
    REQUIRE(pid > 1);
    REQUIRE(::kill(pid, SIGKILL) == 0);
    const auto left = fixture.leftovers();
    bool gone = false;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!gone && std::chrono::steady_clock::now() < end) {
        gone = true;
        for (const auto& each : left.now(false)) gone = gone && each.find("slirp4netns") == std::string::npos;
    }
    CHECK(gone);
}
