// SPDX-License-Identifier: Apache-2.0
// A GitHub App against a service that answers as GitHub's documentation says, and verifies the claims by another's program.
#define DOCTEST_CONFIG_IMPLEMENT
#include "credentials/canary.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <boost/json.hpp>

#include <doctest/doctest.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <sstream>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;
namespace json = boost::json;
namespace git_test = sandboxkit::git::test;

namespace {

// Shifted against the system's, that the service goes by.
class ShiftedClock final : public Clock {
public:
    std::chrono::milliseconds shift{};
    Timestamp now() const override { return Clock::now() + shift; }
};

void write_key(const fs::path& directory) {
    EVP_PKEY* key = ::EVP_RSA_gen(2048);
    FILE* file = std::fopen((directory / "private.pem").c_str(), "w");
    REQUIRE(::PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
    file = std::fopen((directory / "public.pem").c_str(), "w");
    REQUIRE(::PEM_write_PUBKEY(file, key) == 1);
    std::fclose(file);
    ::EVP_PKEY_free(key);
}

struct Fixture {
    git_test::TemporaryDirectory directory;
    git_test::Child service;
    std::string port;
    std::shared_ptr<ShiftedClock> clock = std::make_shared<ShiftedClock>();
    GithubApp app;
    std::shared_ptr<CredentialSource> source;

    Fixture() {
        write_key(directory.path());
        git_test::write_file(directory / "installation", "100");
        service = git_test::Child({"/usr/bin/python3", SANDBOXKIT_TEST_GITHUB_API, directory.path().string()});
        port = service.read_line();
        app.issuer = "Iv1.tester";
        app.private_key.file = directory / "private.pem";
        app.api = "http://127.0.0.1:" + port + "/api/v3";
        app.clock = clock;
        open();
    }
    void open() {
        auto made = github_app(app);
        REQUIRE(made.has_value());
        source = *made;
    }
    CredentialRequest request(const std::string& path, CredentialPurpose purpose = CredentialPurpose::fetch) const {
        CredentialRequest request;
        request.purpose = purpose;
        request.url = "http://127.0.0.1:" + port + path;
        return request;
    }
    Credential get(const CredentialRequest& wanted) const {
        auto given = source->credential(wanted);
        if (!given) FAIL(given.error());
        REQUIRE(given->has_value());
        return **given;
    }
    Error refusal(const CredentialRequest& wanted) const {
        auto given = source->credential(wanted);
        REQUIRE_FALSE(given.has_value());
        Error error = given.error();
        CHECK_FALSE(holds(error, "ghs_1_canary."));
        for (const auto& line : requests()) CHECK_FALSE(holds(error, line.at("token").as_string()));
        CHECK_FALSE(error.message.empty());
        return error;
    }
    std::vector<json::object> requests() const {
        std::vector<json::object> all;
        if (!fs::exists(directory / "requests")) return all;
        std::istringstream lines(git_test::read_file(directory / "requests"));
        for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line).as_object());
        return all;
    }
    std::size_t count(std::string_view method) const {
        std::size_t found = 0;
        for (const auto& line : requests()) found += line.at("method") == json::string(method);
        return found;
    }
};

} // namespace

int main(int argc, char** argv) {
    if (std::system("/usr/bin/python3 -c 'import jwt, cryptography' 2>/dev/null") != 0) {
        std::puts("SKIPPED: python3-jwt and python3-cryptography are not installed");
        return 77;
    }
    return doctest::Context(argc, argv).run();
}

TEST_CASE_FIXTURE(Fixture, "nobody else's host gets a token") {
    auto elsewhere = request("/acme/app.git");
    for (const char* host :
         {"https://github.example", "https://api.127.0.0.1", "http://127.0.0.1.example:1", "https://localhost"}) {
        elsewhere.url = host + std::string("/acme/app.git");
        const auto given = source->credential(elsewhere);
        REQUIRE(given.has_value());
        CHECK_FALSE(given->has_value());
    }
    CHECK(requests().empty());
}

TEST_CASE("a token is for one repository, and to read it unless it is for a push") {
    Fixture f;
    const Credential read = f.get(f.request("/acme/app.git"));
    CHECK(read.username == "x-access-token");
    CHECK(read.secret.starts_with("ghs_1_canary."));
    REQUIRE(read.expires);
    CHECK(*read.expires > std::chrono::system_clock::now() + std::chrono::minutes(50));
    auto lines = f.requests();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].at("path") == "/api/v3/repos/acme/app/installation");
    CHECK(lines[1].at("path") == "/api/v3/app/installations/7/access_tokens");
    CHECK(json::parse(std::string(lines[1].at("body").as_string())) ==
          json::value{{"repositories", {"app"}}, {"permissions", {{"contents", "read"}}}});

    const Credential write = f.get(f.request("/acme/app", CredentialPurpose::push));
    CHECK(write.secret != read.secret);
    lines = f.requests();
    REQUIRE(lines.size() == 3); // the installation is known
    CHECK(json::parse(std::string(lines[2].at("body").as_string())) ==
          json::value{{"repositories", {"app"}}, {"permissions", {{"contents", "write"}}}});
}

TEST_CASE("what an app does not give") {
    Fixture f;
    auto pull = f.source->credential(f.request("", CredentialPurpose::pull));
    REQUIRE(pull.has_value());
    CHECK_FALSE(pull->has_value());
    auto push = f.request("/acme/app", CredentialPurpose::push);
    push.role = RepositoryRole::reference;
    CHECK(f.refusal(push).code == "github_reference_push");
    for (const auto* path : {"", "/acme", "/acme/app/more", "/acme/../app", "/acme/a%2fb"})
        CHECK(f.refusal(f.request(path)).code == "github_repository");
    CHECK(f.requests().empty());
}

TEST_CASE("a token is used again while it lasts, and revoked when nobody uses it any more") {
    Fixture f;
    const auto wanted = f.request("/acme/app");
    const Credential one = f.get(wanted), two = f.get(wanted);
    CHECK(one.secret == two.secret);
    REQUIRE(f.source->release(wanted, one, {.over = true, .refused = false}).has_value());
    CHECK(f.count("DELETE") == 0); // somebody has it still
    REQUIRE(f.source->release(wanted, two, {.over = false, .refused = false}).has_value());
    CHECK(f.count("DELETE") == 0); // it may be wanted again
    const Credential three = f.get(wanted);
    CHECK(three.secret == one.secret);
    SUBCASE("over") {
        REQUIRE(f.source->release(wanted, three, {.over = true, .refused = false}).has_value());
        CHECK(f.count("DELETE") == 1);
        CHECK(f.requests().back().at("token") == json::string(one.secret));
        CHECK(f.get(wanted).secret != one.secret);
    }
    SUBCASE("refused by its server") {
        REQUIRE(f.source->release(wanted, three, {.over = false, .refused = true}).has_value());
        CHECK(f.count("DELETE") == 1);
        CHECK(f.get(wanted).secret != one.secret);
    }
    SUBCASE("it is about to end") {
        f.clock->shift = std::chrono::minutes(56);
        const auto other = f.source->credential(wanted);
        CHECK(f.count("POST") == 2); // another is asked for, by a clock that the service does not believe
        REQUIRE_FALSE(other.has_value());
        CHECK(other.error().code == "github_unauthenticated");
    }
    SUBCASE("it has ended") {
        f.clock->shift = std::chrono::minutes(61);
        (void)f.source->credential(wanted);
        REQUIRE(f.source->release(wanted, three, {.over = true, .refused = false}).has_value());
        CHECK(f.count("DELETE") == 0);
    }
}

TEST_CASE("tokens of any length are taken") {
    Fixture f;
    CHECK(f.get(f.request("/acme/long")).secret.size() > 60'000);
}

TEST_CASE("an app that was installed anew is found") {
    Fixture f;
    (void)f.get(f.request("/again/app"));
    git_test::write_file(f.directory / "installation", "101");
    (void)f.get(f.request("/again/app", CredentialPurpose::push));
    CHECK(f.requests().back().at("path") == "/api/v3/app/installations/101/access_tokens");
}

TEST_CASE("what GitHub refuses is explained") {
    Fixture f;
    const std::pair<const char*, const char*> cases[] = {{"/absent/app", "github_not_installed"},
                                                         {"/suspended/app", "github_forbidden"},
                                                         {"/limited/app", "github_rate_limit"},
                                                         {"/later/app", "github_rate_limit"},
                                                         {"/moved/app", "github_moved"},
                                                         {"/broken/app", "github_unavailable"},
                                                         {"/half/app", "github_answer"},
                                                         {"/acme/cut", "github_answer"},
                                                         {"/acme/odd", "github_answer"},
                                                         {"/acme/timeless", "github_answer"},
                                                         {"/acme/unpermitted", "github_permissions"},
                                                         {"/acme/unselected", "github_permissions"}};
    for (const auto& refused : cases) { // clang 14 captures no structured binding
        CAPTURE(refused.first);
        CHECK(f.refusal(f.request(refused.first)).code == refused.second);
    }
    CHECK(f.refusal(f.request("/limited/app")).message.find("2030-01-01T00:00:00") != std::string::npos);
    CHECK(f.refusal(f.request("/acme/unpermitted")).message.find("permission that this needs") != std::string::npos);
    for (const auto& line : f.requests()) CHECK(line.at("path") != "/api/v3/stolen");
}

TEST_CASE("a clock, a key or an id that is wrong") {
    Fixture f;
    const auto wanted = f.request("/acme/app");
    SUBCASE("a clock behind") {
        f.clock->shift = -std::chrono::minutes(30);
    }
    SUBCASE("a clock ahead") {
        f.clock->shift = std::chrono::minutes(30);
    }
    SUBCASE("the id") {
        f.app.issuer = "Iv1.another";
        f.open();
    }
    SUBCASE("the key") {
        fs::create_directory(f.directory / "other");
        write_key(f.directory / "other");
        f.app.private_key.file = f.directory / "other/private.pem";
        f.open();
    }
    CHECK(f.refusal(wanted).code == "github_unauthenticated");
}

TEST_CASE("a key that is none") {
    Fixture f;
    const auto code_with = [&](const std::string& text) {
        git_test::write_file(f.directory / "private.pem", text);
        const Error error = f.refusal(f.request("/acme/app"));
        CHECK_FALSE(holds(error, "canary-key"));
        return error.code;
    };
    CHECK(code_with("canary-key-is-no-pem") == "github_key");
    CHECK(code_with("-----BEGIN RSA PRIVATE KEY-----\ncanary-key\n-----END RSA PRIVATE KEY-----\n") == "github_key");
    CHECK(code_with("") == "secret_unreadable");
    CHECK(code_with(std::string(70'000, 'k')) == "secret_unreadable");
    fs::remove(f.directory / "private.pem");
    CHECK(f.refusal(f.request("/acme/app")).code == "secret_unreadable");
    CHECK(f.requests().empty());
}

TEST_CASE("a service that says nothing, and one that is not there") {
    Fixture f;
    f.app.limit = std::chrono::milliseconds(200);
    f.open();
    CHECK(f.refusal(f.request("/silent/app")).code == "github_timeout");
    f.service = git_test::Child();
    CHECK(f.refusal(f.request("/acme/app")).code == "github_refused");
}

TEST_CASE("an API in the clear is on this machine") {
    GithubApp app;
    for (const auto* api :
         {"http://github.example/api/v3", "ftp://github.example", "https://me:pw@github.example", "github.example"}) {
        app.api = api;
        auto made = github_app(app);
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().code == "github_api");
    }
    app.api = "http://127.0.0.1:1/api/v3";
    CHECK(github_app(app).has_value());
    app.ca_file = "/etc/ssl/ca.pem";
    CHECK_FALSE(github_app(app).has_value());
}
