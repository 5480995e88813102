// SPDX-License-Identifier: Apache-2.0
// The definition of a host: its JSON form, there and back, and every fault at once.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/host_document.hpp>

#include <boost/json/serialize.hpp>
#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace sandboxkit;

namespace {

using Faults = std::set<std::string>;

Faults faults_of(const std::string& document) {
    Faults all;
    const auto read = read_host_definition(document);
    if (read) return all;
    CHECK(read.error().code == "host_invalid");
    for (const auto& problem : read.error().problems) {
        all.insert(problem.pointer + " " + problem.code);
        CHECK_FALSE(problem.message.empty());
        CHECK(problem.message.find("hunter2") == std::string::npos);
        CHECK(problem.remedy.find("hunter2") == std::string::npos);
    }
    return all;
}

Faults of_endpoint(const std::string& endpoint, const std::string& more = "") {
    return faults_of(R"({"name": "h", "provider": "docker", "endpoint": ")" + endpoint + "\"" + more + "}");
}

const std::string tls = R"(, "tls": {})";

} // namespace

TEST_CASE("a definition is read as it was written") {
    const std::string least = R"({"name": "h", "provider": "docker", "endpoint": "unix:///run/docker.sock"})";
    for (const std::string& document :
         {least, std::string(R"({"name": "h", "provider": "docker", "endpoint": "tcp://h.example:2376", "labels": {"a": "b"},
                                 "tls": {"ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}})"),
          std::string(R"({"name": "h", "provider": "docker", "endpoint": "ssh://me@h.example:22",
                          "ssh": {"identity": "/id", "known_hosts": null}, "tls": null, "labels": null})"),
          std::string(R"({"name": "h", "provider": "mine", "endpoint": "anything at all"})")}) {
        CAPTURE(document);
        const auto read = read_host_definition(document);
        REQUIRE(read.has_value());
        const auto again = read_host_definition(boost::json::serialize(host_definition_to_json(*read)));
        REQUIRE(again.has_value());
        CHECK(*again == *read);
    }
    const auto read = read_host_definition(least);
    CHECK_FALSE(read->tls.has_value());
    CHECK_FALSE(read->ssh.has_value());
    CHECK(read->labels.empty());
}

TEST_CASE("the form") {
    CHECK(faults_of("[]") == Faults{" wrong_type"});
    CHECK(faults_of("{}") == Faults{"/endpoint missing_field", "/name missing_field", "/provider missing_field"});
    CHECK(
        faults_of(R"({"name": 1, "provider": "docker", "endpoint": "x", "labels": {"a": 1}, "tls": {"sa": "x"}, "colour": 1})") ==
        Faults{"/colour unknown_field", "/labels/a wrong_type", "/name wrong_type", "/tls/sa unknown_field"});
    CHECK(faults_of(R"({"name": "../h", "provider": "Docker", "endpoint": ""})") ==
          Faults{"/endpoint bad_value", "/name bad_value", "/provider bad_value"});
    std::string labels;
    for (int i = 0; i < 33; ++i) labels += (i ? ",\"" : "\"") + std::to_string(i) + R"(": "")";
    CHECK(of_endpoint("unix:///s", R"(, "labels": {)" + labels + "}") == Faults{"/labels too_many"});
    CHECK(of_endpoint("unix:///s", R"(, "labels": {"": ""})") == Faults{"/labels/ bad_value"});
    CHECK(of_endpoint("unix:///s", R"(, "labels": {"a": "\n"})") == Faults{"/labels/a bad_value"});
    CHECK(of_endpoint("unix:///s", R"(, "labels": {"a": ")" + std::string(257, 'x') + "\"}") == Faults{"/labels/a bad_value"});
}

TEST_CASE("endpoints of Docker") {
    for (const char* good : {"unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://[::1]:2375",
                             "ssh://h.example", "ssh://me@h.example:2222", "ssh://h.example/"}) {
        CAPTURE(good);
        CHECK(of_endpoint(good) == Faults{});
    }
    CHECK(of_endpoint("tcp://h.example:2376", tls) == Faults{});
    CHECK(of_endpoint("tcp://[2001:db8::1]:2376", tls) == Faults{});
    for (const char* bad : {"h.example", "http://h.example:1", "unix://relative", "unix://", "tcp://", "tcp://h.example",
                            "tcp://[::1]", "tcp://h.example:0", "tcp://h.example:99999", "ssh://", "ssh://-o@h", "ssh://h x"}) {
        CAPTURE(bad);
        CHECK_FALSE(of_endpoint(bad).empty());
    }
    CHECK(of_endpoint("tcp://h.example:2375") == Faults{"/endpoint tls_required"});
    CHECK(of_endpoint("tcp://127.evil.example:2375") == Faults{"/endpoint tls_required"});
}

TEST_CASE("a credential in an endpoint is refused, and not repeated") {
    const Faults refused{"/endpoint credential_in_endpoint"};
    CHECK(of_endpoint("tcp://me:hunter2@h.example:2376", tls) == refused);
    CHECK(of_endpoint("tcp://hunter2@h.example:2376", tls) == refused);
    CHECK(of_endpoint("ssh://me:hunter2@h.example") == refused);
    CHECK(of_endpoint("ssh://h.example?password=hunter2") == refused);
    CHECK(of_endpoint("tcp://h.example:2376#hunter2", tls) == refused);
    CHECK(faults_of(R"({"name": "h", "provider": "mine", "endpoint": "https://me:hunter2@h.example/x"})") == refused);
}

TEST_CASE("files go with their kind of endpoint, by absolute paths, and a certificate with its key") {
    CHECK(of_endpoint("unix:///s", tls) == Faults{"/tls not_applicable"});
    CHECK(of_endpoint("unix:///s", R"(, "ssh": {})") == Faults{"/ssh not_applicable"});
    CHECK(of_endpoint("ssh://h", R"(, "ssh": {"identity": "id", "known_hosts": "/a/../b"})") ==
          Faults{"/ssh/identity bad_form", "/ssh/known_hosts bad_form"});
    CHECK(of_endpoint("tcp://h:1", R"(, "tls": {"certificate": "/c"})") == Faults{"/tls/key missing_field"});
    CHECK(of_endpoint("tcp://h:1", R"(, "tls": {"key": "/k"})") == Faults{"/tls/certificate missing_field"});
    CHECK(of_endpoint("tcp://h:1", R"(, "tls": {"ca": "ca"})") == Faults{"/tls/ca bad_form"});
}

TEST_CASE("every state has its name") {
    CHECK(to_string(HostState::usable) == "usable");
    CHECK(to_string(HostState::refused) == "refused");
}
