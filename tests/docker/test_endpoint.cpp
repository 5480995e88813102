// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/scripted_peer.hpp"

#include "providers/docker/daemon_endpoint.hpp"
#include "providers/docker/image_reference.hpp"
#include "providers/docker/network.hpp"
#include "providers/docker/ssh_stream.hpp"

#include <sandboxkit/digest.hpp>

#include <algorithm>
#include <fstream>

using namespace sandboxkit;
using namespace sandboxkit::docker;
using sandboxkit::test::TemporaryDirectory;
using Kind = DaemonEndpoint::Kind;

namespace {

std::string shown(const Result<DaemonEndpoint>& endpoint) {
    return endpoint ? to_string(*endpoint) : endpoint.error().code;
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

} // namespace

TEST_CASE("addresses of daemons") {
    CHECK(parse_endpoint("unix:///run/docker.sock", false)->path == "/run/docker.sock");
    const auto plain = parse_endpoint("tcp://build.example", false);
    REQUIRE(plain.has_value());
    CHECK(plain->port == 2375);
    CHECK(!plain->tls);
    const auto secure = parse_endpoint("tcp://[2001:db8::1]/", true);
    REQUIRE(secure.has_value());
    CHECK(secure->host == "2001:db8::1");
    CHECK(secure->port == 2376);
    CHECK(secure->tls);
    const auto ssh = parse_endpoint("ssh://me@build.example:2222", false);
    REQUIRE(ssh.has_value());
    CHECK(ssh->kind == Kind::ssh);
    CHECK(ssh->user == "me");
    CHECK(ssh->port == 2222);
    CHECK(to_string(*ssh) == "ssh://build.example:2222");
    for (const char* bad : {"",
                            "docker.sock",
                            "unix://docker.sock",
                            "unix:docker.sock",
                            "http://x",
                            "npipe:////./pipe/docker",
                            "tcp://",
                            "tcp://:2375",
                            "tcp://host:0",
                            "tcp://host:65536",
                            "tcp://host:2375x",
                            "tcp://host:2375/v1.41",
                            "tcp://user@host",
                            "tcp://2001:db8::1",
                            "tcp://[::1",
                            "tcp://[::1]2375",
                            "ssh://-oProxyCommand=x",
                            "ssh://-l@host",
                            "ssh://me:secret@host",
                            "ssh://host/path",
                            "ssh://ho st",
                            "ssh://host;x",
                            "ssh://$(x)"}) {
        CAPTURE(bad);
        CHECK(shown(parse_endpoint(bad, false)) == "docker_endpoint");
    }
    CHECK(shown(parse_endpoint(std::string_view("unix:///a\0b", 11), false)) == "docker_endpoint");
}

TEST_CASE("the environment and contexts, as the docker command reads them") {
    TemporaryDirectory home;
    const auto config = home.path() / ".docker";
    CHECK(shown(endpoint_of({}, home.path())) == "unix:///var/run/docker.sock");
    write(config / "config.json", R"({"auths":{},"currentContext":"far"})");
    CHECK(shown(endpoint_of({}, home.path())) == "docker_context");
    const std::string far = sha256_hex("far");
    write(config / "contexts/meta" / far / "meta.json",
          R"({"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far.example","SkipTLSVerify":false}}})");
    CHECK(shown(endpoint_of({}, home.path())) == "ssh://far.example");
    CHECK(shown(endpoint_of({{"DOCKER_CONTEXT", "default"}}, home.path())) == "unix:///var/run/docker.sock");
    CHECK(shown(endpoint_of({{"DOCKER_CONTEXT", "none"}}, home.path())) == "docker_context");
    CHECK(shown(endpoint_of({{"DOCKER_HOST", "unix:///x"}, {"DOCKER_CONTEXT", "far"}}, home.path())) == "unix:///x");

    const std::string near = sha256_hex("near");
    write(config / "contexts/meta" / near / "meta.json", R"({"Endpoints":{"docker":{"Host":"tcp://near.example:2376"}}})");
    for (const char* each : {"ca.pem", "cert.pem", "key.pem"}) write(config / "contexts/tls" / near / "docker" / each, "x");
    const auto tls = endpoint_of({{"DOCKER_CONTEXT", "near"}}, home.path());
    REQUIRE(tls.has_value());
    CHECK(tls->tls);
    CHECK(tls->tls_key == config / "contexts/tls" / near / "docker/key.pem");
    write(config / "contexts/meta" / near / "meta.json",
          R"({"Endpoints":{"docker":{"Host":"tcp://near.example:2376","SkipTLSVerify":true}}})");
    CHECK(shown(endpoint_of({{"DOCKER_CONTEXT", "near"}}, home.path())) == "docker_context");
    for (const char* bad : {"[]", "{", R"({"Endpoints":[]})", R"({"Endpoints":{"docker":{"Host":7}}})"}) {
        write(config / "contexts/meta" / near / "meta.json", bad);
        CHECK(shown(endpoint_of({{"DOCKER_CONTEXT", "near"}}, home.path())) == "docker_context");
    }

    write(home.path() / "certificates/ca.pem", "x");
    const auto verified = endpoint_of(
        {{"DOCKER_HOST", "tcp://h:1"}, {"DOCKER_TLS_VERIFY", "1"}, {"DOCKER_CERT_PATH", (home.path() / "certificates").string()}},
        home.path());
    REQUIRE(verified.has_value());
    CHECK(verified->tls);
    CHECK(verified->tls_ca == home.path() / "certificates/ca.pem");
    CHECK(verified->tls_key.empty());
    CHECK(shown(endpoint_of({{"DOCKER_HOST", "tcp://h:1"}, {"DOCKER_TLS", "1"}}, home.path())) == "docker_endpoint");
    write(config / "config.json", "not JSON");
    CHECK(shown(endpoint_of({}, home.path())) == "docker_config");
    CHECK(shown(endpoint_of({{"DOCKER_CONFIG", (home.path() / "elsewhere").string()}}, home.path())) ==
          "unix:///var/run/docker.sock");
}

TEST_CASE("the arguments of ssh, and what it says") {
    const auto endpoint = parse_endpoint("ssh://me@far:2222", false);
    const auto arguments = ssh_arguments(*endpoint, {"/k", "/a b"});
    std::string line;
    for (const auto& each : arguments) line += each + "|";
    CHECK(line == "-T|-o|BatchMode=yes|-o|StrictHostKeyChecking=yes|-o|ConnectTimeout=30|-o|IdentitiesOnly=yes|-i|/k|-o|"
                  "UserKnownHostsFile=\"/a b\"|-p|2222|-l|me|--|far|docker|system|dial-stdio|");
    CHECK(ssh_failure("Host key verification failed.", 255, "d").code == "docker_ssh_host_key");
    CHECK(ssh_failure("me@far: Permission denied (publickey).", 255, "d").code == "docker_ssh_login");
    CHECK(ssh_failure("sh: docker: command not found", 127, "d").code == "docker_ssh_no_docker");
    CHECK(ssh_failure("", 255, "d").code == "docker_ssh_failed");
}

TEST_CASE("references of images") {
    const auto check = [](const char* text, const char* registry, const char* asked) {
        CAPTURE(text);
        const auto reference = parse_image_reference(text);
        REQUIRE(reference.has_value());
        CHECK(reference->registry == registry);
        CHECK(reference->text() == asked);
    };
    const std::string digest = "sha256:" + std::string(64, 'a');
    check("debian", "docker.io", "debian:latest");
    check("team/base:1", "docker.io", "team/base:1");
    check("localhost/base", "localhost", "localhost/base:latest");
    check("registry.example:5000/team/base", "registry.example:5000", "registry.example:5000/team/base:latest");
    check(("debian:12@" + digest).c_str(), "docker.io", ("debian@" + digest).c_str());
    for (const char* bad :
         {"", "Upper", "a b", "a:", "a@sha256:12", "a@md5:x", "/a", "a//b", "a/", "a?x", "reg.example/", "a:../b", "re%g.x/a"}) {
        CAPTURE(bad);
        CHECK(parse_image_reference(bad).error().code == "image_reference");
    }
}

TEST_CASE("name servers and addresses") {
    CHECK(name_servers_in(
              "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch x\nnameserver ::1\nnameserver y\n"
              "nameserver 10.0.0.2\n") == std::vector<std::string>{"192.0.2.1", "10.0.0.2"});
    const auto own = own_addresses();
    CHECK(std::ranges::find(own, "127.0.0.1/32") != own.end());
}
