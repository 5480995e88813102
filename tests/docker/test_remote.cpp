// SPDX-License-Identifier: Apache-2.0
// Daemons that are reached over TLS and over ssh, and share no files: the guest comes by a volume, its API by an exec.
#include <doctest/doctest.h>

#include "docker/fixture.hpp"
#include "docker/ssh_server.hpp"
#include "net/tls_terminator.hpp"

#include <cstdio>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

struct TlsDaemon {
    Authority authority;
    unsigned port = free_port();
    PrivateDaemon daemon;

    explicit TlsDaemon(bool expired = false) {
        if (expired)
            authority.issue_expired("server", "IP:127.0.0.1");
        else
            authority.issue("server", "IP:127.0.0.1");
        authority.issue("client", "");
        const auto lacks = daemon.start({"-H", "tcp://127.0.0.1:" + std::to_string(port), "--tlsverify",
                                         "--tlscacert=" + authority.file("authority.pem").string(),
                                         "--tlscert=" + authority.file("server.pem").string(),
                                         "--tlskey=" + authority.file("server.key").string()});
        REQUIRE_MESSAGE(lacks.empty(), lacks);
    }
    [[nodiscard]] docker::DockerOptions options() const {
        docker::DockerOptions options;
        options.endpoint = "tcp://127.0.0.1:" + std::to_string(port);
        options.tls = true;
        options.tls_ca = authority.file("authority.pem");
        options.tls_certificate = authority.file("client.pem");
        options.tls_key = authority.file("client.key");
        return options;
    }
};

Error refusal_of(docker::DockerOptions options) {
    DockerFixture fixture(std::move(options));
    auto capabilities = fixture.wait(fixture.provider().capabilities());
    REQUIRE(!capabilities.has_value());
    MESSAGE(capabilities.error().code << ": " << capabilities.error().detail);
    return capabilities.error();
}

void live(DockerFixture& fixture) {
    auto& provider = fixture.provider();
    auto request = fixture.request("remote");
    auto volume = fixture.wait(provider.ensure_volume("remote " + fixture.labels().at("test"), fixture.labels()));
    REQUIRE(succeeded(volume));
    request.volumes = {{volume->id, "/data", false}};
    const auto id = fixture.start(request);
    CHECK(!std::filesystem::exists(fixture.state() / "sandboxes" / id));
    auto endpoint = fixture.wait(provider.endpoint(id));
    REQUIRE(succeeded(endpoint));
    CHECK(endpoint->dial != nullptr);
    CHECK(fixture.shell(id, "echo hello; cat /proc/1/comm; echo > /dev/.sandboxkit/x; exit 4").code == 4);
    CHECK(fixture.shell(id, "head -c 3000000 /dev/zero | tr '\\0' x").text == std::string(3'000'000, 'x'));
    CHECK(fixture.shell(id, "echo kept > /root/kept").code == 0);
    REQUIRE(succeeded(fixture.wait(provider.stop(id))));
    REQUIRE(succeeded(fixture.wait(provider.start(id))));
    CHECK(fixture.shell(id, "cat /root/kept").text == "kept\n");
    auto captured = fixture.wait(provider.capture(id, fixture.labels()));
    REQUIRE(succeeded(captured));
    REQUIRE(succeeded(fixture.wait(provider.destroy(id))));
    auto again = fixture.request("again");
    again.image_id = captured->image.id;
    CHECK(fixture.shell(fixture.start(again), "cat /root/kept; ls -A /dev/.sandboxkit*").text ==
          "kept\n/dev/.sandboxkit.sock\n\n/dev/.sandboxkit:\ncomplete\nguest\n");
}

} // namespace

TEST_CASE("a daemon over TLS") {
    TlsDaemon daemon;
    {
        DockerFixture fixture(daemon.options(), daemon.daemon);
        live(fixture);
        CHECK(daemon.daemon.docker({"volume", "prune", "-f"}).code == 0);
    }
    SUBCASE("another authority") {
        const Authority other("Another Authority");
        auto options = daemon.options();
        options.tls_ca = other.file("authority.pem");
        CHECK(refusal_of(options).code == "docker_certificate_untrusted");
    }
    SUBCASE("the system's authorities") {
        auto options = daemon.options();
        options.tls_ca.clear();
        CHECK(refusal_of(options).code == "docker_certificate_untrusted");
    }
    SUBCASE("another name") {
        auto options = daemon.options();
        options.endpoint = "tcp://localhost:" + std::to_string(daemon.port);
        CHECK(refusal_of(options).code == "docker_certificate_wrong_host");
    }
    SUBCASE("no client certificate") {
        auto options = daemon.options();
        options.tls_certificate.clear();
        options.tls_key.clear();
        CHECK(refusal_of(options).code == "docker_client_certificate_refused");
    }
    SUBCASE("without TLS") {
        auto options = daemon.options();
        options.tls = false;
        options.tls_ca = options.tls_certificate = options.tls_key = "";
        CHECK(refusal_of(options).code == "docker_invalid");
    }
}

TEST_CASE("a daemon whose certificate has expired") {
    TlsDaemon daemon(true);
    CHECK(refusal_of(daemon.options()).code == "docker_certificate_expired");
}

TEST_CASE("a daemon over ssh") {
    if (!have_program("sshd") || !have_program("ssh") || !have_program("ssh-keygen")) {
        std::puts("SKIPPED: ssh and sshd are not installed");
        return;
    }
    TemporaryDirectory directory;
    SshServer server(directory.path() / "ssh", private_daemon().host());
    docker::DockerOptions options;
    options.endpoint = "ssh://root@127.0.0.1:" + std::to_string(server.port());
    options.ssh_identity = server.identity();
    options.ssh_known_hosts = server.known_hosts();
    {
        DockerFixture fixture(options);
        live(fixture);
        CHECK(private_daemon().docker({"volume", "prune", "-f"}).code == 0);
    }
    SUBCASE("an unknown host key") {
        options.ssh_known_hosts = "/dev/null";
        CHECK(refusal_of(options).code == "docker_ssh_host_key");
    }
    SUBCASE("another host key") {
        options.ssh_known_hosts = server.wrong_known_hosts();
        CHECK(refusal_of(options).code == "docker_ssh_host_key");
    }
    SUBCASE("a login that is refused") {
        options.ssh_identity = server.stranger();
        CHECK(refusal_of(options).code == "docker_ssh_login");
    }
    SUBCASE("nobody there") {
        options.endpoint = "ssh://root@127.0.0.1:" + std::to_string(free_port());
        CHECK(refusal_of(options).code == "docker_refused");
    }
    SUBCASE("no daemon there") {
        SshServer elsewhere(directory.path() / "elsewhere", "unix:///nonexistent/docker.sock");
        options.endpoint = "ssh://root@127.0.0.1:" + std::to_string(elsewhere.port());
        options.ssh_identity = elsewhere.identity();
        options.ssh_known_hosts = elsewhere.known_hosts();
        CHECK(refusal_of(options).code == "docker_unreachable");
    }
}
