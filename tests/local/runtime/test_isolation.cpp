// SPDX-License-Identifier: Apache-2.0
// What a sandbox must not see or do, tried as root inside it.
#include "local/runtime/fixture.hpp"

#include "providers/local/cgroup.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

namespace {

std::string call(const fs::path& socket, const std::string& name) {
    auto said = exec(socket, {"/opt/probe", "call", name});
    return said.text.empty() ? "no answer" : said.text.substr(0, said.text.size() - 1);
}

pid_t guest_of(const LocalFixture& fixture, const std::string& id) {
    std::ifstream file(fixture.state() / "sandboxes" / id / "pid");
    pid_t pid = -1;
    file >> pid;
    return pid;
}

} // namespace

TEST_CASE("the kernel's doors are shut, and ordinary work goes on") {
    LocalFixture fixture;
    const auto id = fixture.start(fixture.request("kernel"));
    const auto socket = fixture.socket(id);
    for (const char* name :
         {"mount", "umount", "remount", "unshare_user", "unshare_mount", "clone_user", "setns", "keyctl", "add_key", "bpf",
          "userfaultfd", "perf", "open_by_handle", "reboot", "init_module", "raw", "packet", "personality", "mknod"}) {
        CAPTURE(name);
        CHECK(call(socket, name) == "EPERM");
    }
    for (const char* name : {"clone3", "io_uring", "newer"}) {
        CAPTURE(name);
        CHECK(call(socket, name) == "ENOSYS");
    }
    for (const char* name : {"vsock", "vsock_high_bits", "alg"}) {
        CAPTURE(name);
        CHECK(call(socket, name) == "EAFNOSUPPORT");
    }
    for (const char* name : {"inet", "ptrace", "chroot"}) {
        CAPTURE(name);
        CHECK(call(socket, name) == "ok");
    }
    auto status = shell(socket, "cat /proc/self/status");
    CHECK(status.text.find("NoNewPrivs:\t1") != std::string::npos);
    CHECK(status.text.find("Seccomp:\t2") != std::string::npos);
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT AUDIT_WRITE
    CHECK(status.text.find("CapEff:\t00000000200405fb") != std::string::npos);
    CHECK(status.text.find("CapBnd:\t00000000200405fb") != std::string::npos);
    CHECK(status.text.find("CapInh:\t0000000000000000") != std::string::npos);
}

TEST_CASE("compilers, git, python and node run under the filter") {
    LocalFixture fixture;
    auto request = fixture.request("tools");
    request.limits.memory_bytes = 1ULL << 30;
    const auto id = fixture.start(request);
    const auto socket = fixture.socket(id);
    const auto run = [&](const std::string& tool, const std::string& script, const std::string& expected) {
        if (shell(socket, "command -v " + tool).code != 0) {
            MESSAGE(tool << " is not on this host");
            return;
        }
        auto said = shell(socket, "cd /root && " + script);
        INFO(said.text);
        CHECK(said.code == 0);
        CHECK(said.text.find(expected) != std::string::npos);
    };
    run("g++",
        "printf '#include <cstdio>\\n#include <thread>\\nint main() { std::thread([] { std::puts(\"built\"); }).join(); }' > "
        "a.cpp && g++ -O1 -pthread a.cpp -o a && ./a",
        "built");
    run("git",
        "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && git log --oneline",
        "one");
    run("python3",
        "/usr/bin/python3 -c 'import subprocess, threading; print(subprocess.check_output([\"echo\", \"from "
        "python\"]).decode())'",
        "from python");
    run("node", "node -e 'console.log(\"from node\", require(\"child_process\").execSync(\"echo child\").toString())'", "child");
}

TEST_CASE("a sandbox sees nothing of the host") {
    LocalFixture fixture;
    const fs::path secret = fixture.state().parent_path() / "secret";
    std::ofstream(secret) << "canary-of-the-host";
    const auto id = fixture.start(fixture.request("blind"));
    const auto other = fixture.start(fixture.request("neighbour"));
    const auto socket = fixture.socket(id);

    CHECK(shell(socket, "cat " + secret.string()).code != 0);
    CHECK(shell(socket, "ls " + fixture.state().string()).code != 0);
    // Its own processes only: the guest is 1.
    auto processes = shell(socket, "ls /proc | grep -c '^[0-9]'; cat /proc/1/comm");
    std::istringstream words(processes.text);
    int count = 0;
    std::string name;
    words >> count >> name;
    CHECK(count < 8);
    CHECK(name == "guest");
    // The socket and the filter cannot be reached through the guest's descriptors.
    CHECK(shell(socket, "cat /proc/1/fd/4 > /dev/null").code != 0);
    CHECK(shell(socket, "echo x > /proc/1/exe").code != 0);
    CHECK(shell(socket, "echo x > /dev/.sandboxkit/guest").code != 0);
    CHECK(shell(socket, "rm -f /dev/.sandboxkit/guest").code != 0);
    // Masked and read-only parts of the kernel's file systems.
    CHECK(shell(socket, "cat /proc/kcore /proc/keys /proc/timer_list 2> /dev/null | head -c 100 | wc -c").text == "0\n");
    CHECK(shell(socket, "ls /sys/firmware | wc -l").text == "0\n");
    CHECK(shell(socket, "echo 1 > /proc/sys/kernel/panic").code != 0);
    CHECK(shell(socket, "echo b > /proc/sysrq-trigger").code != 0);
    CHECK(shell(socket, "mkdir /sys/fs/cgroup/mine").code != 0);
    // No devices but the harmless.
    CHECK(shell(socket, "ls /dev | sort | tr '\\n' ' '").text.find("vda") == std::string::npos);
    CHECK(shell(socket, "find /dev -type b | wc -l").text == "0\n");
    // With no network there is loopback alone.
    CHECK(shell(socket, "cut -d: -f1 -s /proc/net/dev | tr -d ' \\n'").text == "lo");
    CHECK(shell(socket, "/opt/probe tcp 192.0.2.1 80").text == "ENETUNREACH\n");

    // The host does not see the sandbox's mounts.
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) CHECK(line.find(id) == std::string::npos);
    // A neighbour's files, processes and kernel objects are others.
    REQUIRE(shell(socket, "echo mine > /root/mine; echo mine > /dev/shm/mine").code == 0);
    CHECK(shell(fixture.socket(other), "cat /root/mine").code != 0);
    CHECK(shell(fixture.socket(other), "cat /dev/shm/mine").code != 0);
}

TEST_CASE("read-only paths hold against root inside") {
    LocalFixture fixture;
    auto request = fixture.request("locked");
    request.read_only_paths = {"/opt/locked"};
    const auto id = fixture.start(request);
    const auto check = [&](const fs::path& socket) {
        const auto before = shell(socket, "cksum /opt/locked/file").text;
        for (const char* attempt :
             {"echo x > /opt/locked/new", "echo x >> /opt/locked/file", "rm -f /opt/locked/file", "rm -rf /opt/locked",
              "mv /opt/locked /opt/open", "mv /opt /opt2", "chmod 777 /opt/locked", "touch /opt/locked/file",
              "mount -o remount,rw /opt/locked", "umount /opt/locked", "mount --bind /tmp /opt/locked",
              "ln /opt/locked/file /opt/hard && echo x >> /opt/hard", "cp /opt/probe /opt/locked/probe"}) {
            CAPTURE(attempt);
            CHECK(shell(socket, attempt).code != 0);
        }
        CHECK(shell(socket, "cksum /opt/locked/file").text == before);
        CHECK(shell(socket, "echo fine > /opt/beside").code == 0);
    };
    check(fixture.socket(id));
    REQUIRE(succeeded(wait_for(fixture.provider().stop(id))));
    REQUIRE(succeeded(wait_for(fixture.provider().start(id))));
    check(fixture.socket(id));
}

TEST_CASE("limits hold") {
    LocalFixture fixture;
    auto can = wait_for(fixture.provider().capabilities());
    REQUIRE(succeeded(can));
    auto request = fixture.request("limits");
    request.limits = {0.5, 64ULL << 20, 32, {}};
    const auto id = fixture.start(request);
    const auto socket = fixture.socket(id);
    const pid_t guest = guest_of(fixture, id);
    const auto groups = local::CgroupLayout::detect();
    const auto in_force = groups.in_force(guest, request.limits);
    CHECK(in_force.cpu == can->cpu_limit);
    CHECK(in_force.memory == can->memory_limit);
    CHECK(in_force.processes == can->process_limit);
    CHECK(shell(socket, "/opt/probe memory 16").text == "used 16\n");
    if (can->memory_limit) {
        auto hog = exec(socket, {"/opt/probe", "memory", "200"});
        CHECK(hog.code != 0);
        CHECK(hog.text.empty());
    } else {
        MESSAGE("SKIPPED: no memory limit on this host");
    }
    if (can->process_limit) {
        auto forks = exec(socket, {"/opt/probe", "fork", "200"});
        std::istringstream words(forks.text);
        int count = 0;
        std::string error;
        words >> count >> error;
        CHECK(count > 0);
        CHECK(count < 32);
        CHECK(error == "EAGAIN");
    } else {
        MESSAGE("SKIPPED: no process limit on this host");
    }
    // The guest outlives both.
    CHECK(shell(socket, "echo alive").text == "alive\n");
    if (can->cpu_limit && groups.kind() != "v2") CHECK(groups.read(guest, "cpu", "cpu.cfs_quota_us") == "50000");
    if (can->cpu_limit && groups.kind() == "v2") CHECK(groups.read(guest, "cpu", "cpu.max") == "50000 100000");
}
