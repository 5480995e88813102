// SPDX-License-Identifier: Apache-2.0
// Hosts as an administrator registers, tries and removes them. Nobody answers at the one that is reached.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "program.hpp"

#include <doctest/doctest.h>

using namespace sandboxkit::cli::test;

namespace {

Outcome add(const Sandbox& sandbox, const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"host", "add", name, "--provider", "docker", "--endpoint", "unix:///nonexistent/d.sock"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return sandbox(std::move(arguments));
}

} // namespace

TEST_CASE("a host is registered, listed, chosen and removed") {
    const Sandbox sandbox;
    const auto before = sandbox({"host", "list"});
    CHECK(before.code == 0);
    CHECK(before.out.find("local") != std::string::npos);
    CHECK(before.out.find("managed") != std::string::npos);
    CHECK(add(sandbox, "build", {"--label", "region=eu", "--label", "a=b=c"}).code == 0);
    const auto again = add(sandbox, "build");
    CHECK(again.code == 67); // conflict
    CHECK(again.err.find("hint: ") != std::string::npos);

    const auto listed = sandbox({"host", "list", "--json"}).json().as_array();
    const auto& host = listed.back().as_object();
    CHECK(host.at("name").as_string() == "build");
    CHECK(host.at("registered").as_bool());
    CHECK(host.at("labels").at("a").as_string() == "b=c");
    CHECK(host.at("tls").is_null());
    CHECK(sandbox({"host", "list"}).out.find("a=b=c,region=eu") != std::string::npos);

    CHECK(sandbox({"host", "default"}).out.starts_with("none"));
    CHECK(sandbox({"host", "default", "build"}).line() == "build");
    CHECK(sandbox({"host", "default", "--json"}).json().at("default").as_string() == "build");
    CHECK(sandbox({"host", "default", "--none"}).out.starts_with("none"));
    CHECK(sandbox({"host", "default", "gone"}).code == 66); // not found
    CHECK(sandbox({"host", "default", "build", "--none"}).code == 2);

    CHECK(sandbox({"host", "accept", "build"}).code == 67); // nobody answers: nothing was replaced
    CHECK(sandbox({"host", "remove", "build"}).code == 0);
    CHECK(sandbox({"host", "remove", "build"}).code == 66);
    CHECK(sandbox({"host", "remove", "local"}).code == 67);
    CHECK(sandbox({"host", "accept", "gone"}).code == 66);
}

TEST_CASE("a host that does not answer is told, with what to do") {
    const Sandbox sandbox;
    REQUIRE(add(sandbox, "build").code == 0);
    const auto tested = sandbox({"host", "test", "build"});
    CHECK(tested.code == 69); // unavailable
    CHECK(tested.out.starts_with("build: down: "));
    CHECK(tested.out.find("\n  -> ") != std::string::npos);
    const auto json = sandbox({"host", "test", "build", "--json"}).json();
    CHECK(json.at("state").as_string() == "down");
    CHECK(json.at("latency_ms").is_int64());
    CHECK(sandbox({"host", "test", "gone"}).code == 66);
}

TEST_CASE("every fault of a definition is told, and paths are taken from here") {
    const Sandbox sandbox;
    const auto refused = sandbox({"host", "add", "a b", "--provider", "docker", "--endpoint", "tcp://me:hunter2@h:1"});
    CHECK(refused.code == 65); // invalid
    CHECK(refused.err.find("/name") != std::string::npos);
    CHECK(refused.err.find("/endpoint") != std::string::npos);
    CHECK(refused.err.find("hunter2") == std::string::npos);
    CHECK(sandbox({"host", "add", "x", "--provider", "docker"}).code == 2);
    CHECK(add(sandbox, "x", {"--label", "plain"}).code == 65);
    const auto added = sandbox(
        {"host", "add", "far", "--provider", "docker", "--endpoint", "tcp://h.example:2376", "--tls-ca", "ca.pem", "--json"});
    CHECK(added.code == 0);
    const std::string ca(added.json().at("tls").at("ca").as_string());
    CHECK(ca.starts_with("/"));
    CHECK(ca.ends_with("/ca.pem"));
}
