// SPDX-License-Identifier: Apache-2.0
// What a sandbox may do, is held to, and reaches.
#include <doctest/doctest.h>

#include "docker/fixture.hpp"

#include <stdexcept>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// A service of this host, on all of its addresses.
class HttpService {
public:
    HttpService() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("listen");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] {
            for (int fd = -1; (fd = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(fd)) {
                PeerConnection client(fd, 0);
                client.read_request();
                client.send("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nhost");
            }
        });
    }
    ~HttpService() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    HttpService(const HttpService&) = delete;
    HttpService& operator=(const HttpService&) = delete;
    [[nodiscard]] unsigned port() const { return port_; }

private:
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned port_ = 0;
    std::thread thread_;
};

} // namespace

TEST_CASE("what a sandbox may do and is held to") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    auto request = fixture.request("held");
    request.read_only_paths = {"/etc"};
    request.limits.disk_bytes = 1 << 30;
    auto made = fixture.wait(provider.create(request));
    REQUIRE(succeeded(made));
    CHECK(made->unenforced == std::vector<std::string>{"disk"});
    REQUIRE(succeeded(fixture.wait(provider.start(made->id))));
    const auto says = [&](const std::string& script) { return fixture.shell(made->id, script).text; };
    CHECK(says("grep CapEff /proc/self/status") ==
          "CapEff:\t00000000200405fb\n"); // without NET_RAW, MKNOD, SETFCAP and NET_ADMIN
    CHECK(says("grep NoNewPrivs /proc/self/status") == "NoNewPrivs:\t1\n");
    CHECK(says("grep '^Seccomp:' /proc/self/status") == "Seccomp:\t2\n");
    CHECK(says("ls /sys/class/net") == "lo\n");
    CHECK(says("echo x > /etc/new && echo written").find("written") == std::string::npos);
    CHECK(says("umount /etc 2>/dev/null; echo x > /etc/new && echo written").find("written") == std::string::npos);
    CHECK(says("mknod /tmp/null c 1 3 && echo made").find("made") == std::string::npos);
    CHECK(says("cat /proc/kcore 2>/dev/null | head -c 1 | wc -c") == "0\n");
    CHECK(says("cp /bin/busybox /dev/.sandboxkit/guest && echo replaced").find("replaced") == std::string::npos);
    CHECK(says("ulimit -c") == "0\n");
    // The limits: of processes, and of memory.
    CHECK(says("i=0; while [ $i -lt 100 ]; do sleep 1 & i=$((i+1)); done 2>&1; wait").find("fork") != std::string::npos);
    CHECK(fixture.shell(made->id, "head -c 400000000 /dev/zero | tail -c 399999999 | wc -c").text != "399999999\n");
    auto missing = fixture.request("missing path");
    missing.read_only_paths = {"/none"};
    CHECK(fixture.wait(provider.create(missing)).error().code == "read_only_path_missing");
    CHECK(fixture.wait(provider.list(fixture.labels()))->size() == 1);
    // A socket that was replaced by a link leads nowhere.
    CHECK(fixture.shell(made->id, "cd /dev/.sandboxkit/run && mv guest.sock other && ln -s other guest.sock; echo done").text ==
          "done\n");
    CHECK(fixture.shell(made->id, "echo reached").text.empty());
}

TEST_CASE("outbound access") {
    DockerFixture fixture;
    const auto first = fixture.start(fixture.request("one", Egress::open));
    const auto second = fixture.start(fixture.request("two", Egress::open));
    const auto address = fixture.shell(first, "ip -4 addr show eth0 | awk '/inet / {print $2}' | cut -d/ -f1").text;
    REQUIRE(address.size() > 7);
    CHECK(fixture.shell(first, "grep CapEff /proc/self/status").text == "CapEff:\t00000000200405fb\n");
    CHECK(fixture.shell(first, "(echo hello | nc -l -p 7777) >/dev/null 2>&1 & sleep 0.2; echo").code == 0);
    const std::string target = address.substr(0, address.size() - 1);
    // Another sandbox, the bridge's own address with the host's services behind it, and the metadata service of a cloud.
    CHECK(fixture.shell(second, "nc -w 2 " + target + " 7777 </dev/null").code != 0);
    auto gateway = fixture.shell(second, "ip route | awk '/default/ {print $3}'").text;
    REQUIRE(gateway.size() > 7);
    gateway.pop_back();
    const HttpService service;
    const std::string ask = "wget -q -T 2 -O- http://" + gateway + ":" + std::to_string(service.port());
    CHECK(fixture.shell(second, ask).code != 0);
    CHECK(fixture.shell(second, "nc -w 2 169.254.169.254 80 </dev/null").code != 0);
    CHECK(fixture.shell(second, "ip route add 192.0.2.0/24 dev eth0 2>&1").code != 0);
    CHECK(private_daemon().docker({"network", "ls", "-q", "--filter", "label=sandboxkit.provider=docker"}).text.size() == 12);
}
