// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include "git/ssh_process.hpp"
#include "git/url.hpp"

#include <algorithm>
#include <csignal>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Server {
    TemporaryDirectory directory;
    SshServer ssh;
    Server() : ssh(directory / "ssh") { make_repository(directory / "repo.git"); }
    [[nodiscard]] CloneRequest request(const std::string& name = "repo.git") const {
        auto r = test::request(ssh.url((directory / name).string()), directory / "clone");
        r.known_hosts = ssh.known_hosts();
        r.ssh_private_key = ssh.key();
        return r;
    }
};

} // namespace

TEST_CASE("a clone over SSH") {
    Server server;
    auto r = server.request();
    bool shallow = false;
    SUBCASE("whole") {}
    SUBCASE("depth 1") {
        r.depth = 1;
        shallow = true;
    }
    SUBCASE("mirror") {
        r.mirrors = server.directory / "mirrors";
        cloned(r);
        fs::remove_all(r.destination);
    }
    const auto result = cloned(r);
    CHECK(result.commit == git::test::git(server.directory / "repo.git", {"rev-parse", "main"}));
    CHECK(result.from_mirror == !r.mirrors.empty());
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == (shallow ? "1" : "3"));
    check_healthy(r.destination);
    CHECK(read_file(r.destination / ".git/config").find("key") == std::string::npos);
}

TEST_CASE("a path that a shell would read otherwise") {
    Server server;
    fs::rename(server.directory / "repo.git", server.directory / "it's $(touch x) !.git");
    auto r = server.request("it's%20$(touch%20x)%20!.git");
    cloned(r);
    check_healthy(r.destination);
}

TEST_CASE("a host application that ignores the end of its children") {
    Server server;
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    auto result = do_clone(server.request());
    auto r = server.request("none.git");
    r.destination = server.directory / "none";
    auto missing = do_clone(r);
    ::signal(SIGCHLD, before);
    CHECK(result.has_value());
    REQUIRE(missing.has_error());
    CHECK(missing.error().code == "repository_not_found");
}

TEST_CASE("host keys and user keys") {
    Server server;
    auto r = server.request();
    SUBCASE("an unknown host") {
        write_file(server.directory / "nobody", "");
        r.known_hosts = server.directory / "nobody";
        const auto error = refused(r, ErrorClass::permission, "unknown_host_key");
        CHECK(error.message.find("ssh-ed25519 SHA256:") != std::string::npos);
        CHECK(error.remedy.find("known_hosts") != std::string::npos);
    }
    SUBCASE("a host with another key") {
        auto line = read_file(r.known_hosts);
        const auto port = line.substr(0, line.find(' '));
        write_file(r.known_hosts, port + " " + read_file(server.directory / "ssh/user_key.pub"));
        refused(r, ErrorClass::permission, "host_key_changed");
    }
    SUBCASE("a key that the server does not know") {
        r.ssh_private_key = server.directory / "ssh/host_key";
        CHECK(refused(r, ErrorClass::permission, "credentials_required").remedy.find("connection") != std::string::npos);
    }
    SUBCASE("no key, no agent") {
        r.ssh_private_key.clear();
        refused(r, ErrorClass::permission, "credentials_required");
    }
}

TEST_CASE("what an SSH server does not have") {
    Server server;
    refused(server.request("absent.git"), ErrorClass::not_found, "repository_not_found");
    auto r = server.request();
    r.branch = "absent";
    refused(r, ErrorClass::not_found, "branch_not_found");
    r = server.request();
    r.limits.received_bytes = 100'000;
    refused(r, ErrorClass::quota, "too_many_bytes");
    r.url = "ssh://git@127.0.0.1:1/x";
    refused(r, ErrorClass::unavailable, "server_unavailable");
}

TEST_CASE("an SSH server that says nothing") {
    TemporaryDirectory directory;
    SilentServer silent;
    auto r = request("ssh://git@127.0.0.1:" + std::to_string(silent.port()) + "/x", directory / "clone");
    SUBCASE("is left after a while") {
        r.limits.stall = std::chrono::seconds(1);
        refused(r, ErrorClass::timeout, "server_stalled");
    }
    SUBCASE("can be left at once") {
        r.limits.stall = std::chrono::hours(1); // the test's own time limit would end it
        r.limits.total = std::chrono::hours(1);
        std::stop_source stop;
        std::jthread canceller([&] { stop.request_stop(); });
        refused(r, ErrorClass::cancelled, "cancelled", stop.get_token());
    }
}

TEST_CASE("the arguments of ssh") {
    CloneRequest r;
    const auto url = *parse_url("ssh://git@example.org:2222/a'b");
    auto arguments = *ssh_arguments(url, r);
    CHECK(arguments.back() == "git-upload-pack '/a'\\''b'");
    CHECK(*(arguments.end() - 2) == "git@example.org");
    CHECK(*(arguments.end() - 3) == "--");
    CHECK(std::ranges::find(arguments, "StrictHostKeyChecking=yes") != arguments.end());
    CHECK(std::ranges::find(arguments, "IdentityFile=none") != arguments.end());
    r.known_hosts = "/a b/50%";
    arguments = *ssh_arguments(url, r);
    CHECK(std::ranges::find(arguments, "UserKnownHostsFile=\"/a b/50%%\"") != arguments.end());
    r.known_hosts = "/a\"b";
    CHECK(ssh_arguments(url, r).has_error());
}
