// SPDX-License-Identifier: Apache-2.0
// Which source is asked, tokens that are kept elsewhere, and the document that describes sources.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "credentials/canary.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <boost/json.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <random>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;
namespace json = boost::json;
namespace git_test = sandboxkit::git::test;

namespace {

CredentialRequest request_for(const std::string& url, std::optional<std::string> connection = {}) {
    CredentialRequest request;
    request.url = url;
    request.connection = std::move(connection);
    return request;
}

bool is_covered(const std::string& scope, const std::string& url) {
    return covers({scope, {}}, request_for(url));
}

// The problems of a document, "pointer code" each.
std::vector<std::string> problems_of(const std::string& document) {
    auto read = read_credential_sources(document);
    if (read) return {};
    CHECK(read.error().code == "credential_sources_invalid");
    CHECK_FALSE(holds(read.error(), "canary-secret"));
    std::vector<std::string> found;
    for (const auto& problem : read.error().problems) found.push_back(problem.pointer + " " + problem.code);
    return found;
}

} // namespace

TEST_CASE("what is in a scope") {
    CHECK(is_covered("https://git.example", "https://git.example/team/app.git"));
    CHECK(is_covered("https://GIT.example/", "https://git.EXAMPLE:443/team/app.git"));
    CHECK(is_covered("https://git.example/team", "https://git.example/team/app"));
    CHECK(is_covered("https://git.example/team/app", "https://git.example/team/app.git"));
    CHECK(is_covered("https://git.example/team/app.git", "https://git.example/team/app"));
    CHECK(is_covered("https://[::1]:8443/x", "https://[::1]:8443/x/y"));
    CHECK(is_covered("http://127.0.0.1:80", "http://127.0.0.1/x"));
    CHECK(is_covered("https://git.example/t%65am", "https://git.example/team/app"));

    for (const auto* url : {"https://git.example/teams/app",
                            "https://git.example/team2",
                            "https://git.example/TEAM/app",
                            "https://git.example/",
                            "http://git.example/team/app",
                            "https://git.example:8443/team/app",
                            "https://git.example.evil/team/app",
                            "https://git.example@evil/team/app",
                            "https://evil/git.example/team/app",
                            "https://sub.git.example/team/app",
                            "https://git.example./team/app",
                            "https://git.example/other/../team/app",
                            "https://git.example/team/../other/app",
                            "https://git.example/team/%2e%2e/other",
                            "https://git.example/team%2fapp",
                            "https://git.example/team//app",
                            "https://git.example/team\\app",
                            "https://git.example/team/app?x=1",
                            "https://git.example/team/app#x",
                            "https://git.example/team/%252e%252e/other",
                            "https://git.example/team/%zz",
                            "ssh://git.example/team/app",
                            "git@git.example:team/app",
                            "https:git.example/team/app",
                            "https:///team/app",
                            ""}) {
        CAPTURE(url);
        CHECK_FALSE(is_covered("https://git.example/team", url));
    }
    CHECK_FALSE(is_covered("http://git.example", "http://git.example/app")); // in the clear, elsewhere
    CHECK_FALSE(is_covered("", "https://git.example/app"));
    CHECK_FALSE(is_covered("https://git.example/team/app/deep", "https://git.example/team/app"));
    CHECK_FALSE(is_covered("https://git.example/team.git", "https://git.example/team/app"));

    CHECK(covers({"https://git.example", "con_a"}, request_for("https://git.example/x", "con_a")));
    CHECK_FALSE(covers({"https://git.example", "con_a"}, request_for("https://git.example/x", "con_b")));
    CHECK_FALSE(covers({"https://git.example", "con_a"}, request_for("https://git.example/x")));
}

// Of any scope and any URL, made from pieces that are apt to be confused: what is covered is on the same server and, piece for
// piece, at or below the path.
TEST_CASE("a token for one scope is never offered to another") {
    const std::vector<std::string> hosts{"a.example", "b.example", "a.example:444", "A.EXAMPLE", "a.example.b.example"};
    const std::vector<std::string> pieces{"x", "y", "xy", "X", "x.git", "..", ".", "", "%2e%2e", "%2f", "x%2fy", "x\\y", "%78"};
    std::mt19937 random(20);
    const auto any = [&](const std::vector<std::string>& list) { return list[random() % list.size()]; };
    const auto lower = [](std::string text) {
        for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    };
    int covered = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string host[2], path[2];
        for (int side = 0; side < 2; ++side) {
            host[side] = any(hosts);
            for (auto n = random() % 4; n > 0; --n) path[side] += "/" + any(pieces);
        }
        if (!is_covered("https://" + host[0] + path[0], "https://" + host[1] + path[1])) continue;
        ++covered;
        CAPTURE(host[0] + path[0]);
        CAPTURE(host[1] + path[1]);
        CHECK(lower(host[0]) == lower(host[1]));
        for (std::string& p : path) {
            CHECK(p.find("..") == std::string::npos);
            CHECK(p.find("%2") == std::string::npos);
            for (auto at = p.find("%78"); at != std::string::npos; at = p.find("%78")) p.replace(at, 3, "x");
            if (p.ends_with('/')) p.pop_back();
        }
        const bool below = path[1].starts_with(path[0] + "/") || path[1] == path[0] || path[1] + ".git" == path[0] ||
                           path[1] == path[0] + ".git";
        CHECK(below);
    }
    CHECK(covered > 100);
}

TEST_CASE("the narrowest scope is asked, and is told what came of it") {
    struct Named final : CredentialSource {
        std::string name;
        int released = 0;
        explicit Named(std::string n) : name(std::move(n)) {}
        Result<std::optional<Credential>> credential(const CredentialRequest&) override {
            return std::optional<Credential>(Credential(name, "p"));
        }
        Result<void> release(const CredentialRequest&, const Credential&, CredentialUse) override {
            ++released;
            return {};
        }
    };
    const auto host = std::make_shared<Named>("host"), team = std::make_shared<Named>("team"),
               mine = std::make_shared<Named>("mine");
    const auto all = scoped_sources(
        {{{"https://g.example", {}}, host}, {{"https://g.example/team", {}}, team}, {{"https://g.example", "con_m"}, mine}});
    const auto asked = [&](const CredentialRequest& request) {
        auto given = all->credential(request);
        if (!given || !*given) return std::string("nobody");
        REQUIRE(all->release(request, **given, {}).has_value());
        return (*given)->username;
    };
    CHECK(asked(request_for("https://g.example/other/app")) == "host");
    CHECK(asked(request_for("https://g.example/team/app")) == "team");
    CHECK(asked(request_for("https://g.example/team/app", "con_m")) == "mine");
    CHECK(asked(request_for("https://g.example/team/app", "con_x")) == "team");
    CHECK(asked(request_for("https://elsewhere.example/team/app", "con_m")) == "nobody");
    CHECK(host->released == 1);
    CHECK(team->released == 2);
    CHECK(mine->released == 1);
}

TEST_CASE("a token is read at each use") {
    git_test::TemporaryDirectory directory;
    const auto file = static_token({"me", {directory / "token", ""}});
    const auto read = [&] {
        auto given = file->credential({});
        if (given) return (*given)->secret;
        CHECK(given.error().code == "secret_unreadable");
        CHECK_FALSE(holds(given.error(), "canary-secret"));
        return std::string("?");
    };
    CHECK(read() == "?");
    git_test::write_file(directory / "token", "canary-secret\n");
    CHECK(read() == "canary-secret");
    git_test::write_file(directory / "token", "another\r\n");
    CHECK(read() == "another");
    git_test::write_file(directory / "token", "\n");
    CHECK(read() == "?");
    git_test::write_file(directory / "token", "canary-secret" + std::string(70'000, 'x'));
    CHECK(read() == "?");
    fs::remove(directory / "token");
    fs::create_directory(directory / "token");
    CHECK(read() == "?");
    fs::remove(directory / "token");
    REQUIRE(::mkfifo((directory / "token").c_str(), 0600) == 0);
    CHECK(read() == "?"); // nobody writes: it is not waited for

    const auto variable = static_token({"", {"", "SANDBOXKIT_TEST_TOKEN"}});
    CHECK_FALSE(variable->credential({}).has_value());
    ::setenv("SANDBOXKIT_TEST_TOKEN", "canary-secret", 1);
    CHECK((*variable->credential({}))->secret == "canary-secret");
}

TEST_CASE("a document of sources") {
    ::setenv("SANDBOXKIT_TEST_TOKEN", "canary-secret", 1);
    auto read = read_credential_sources(R"({"sources": [
        {"kind": "token", "url": "https://r.example", "username": "me", "secret": {"environment": "SANDBOXKIT_TEST_TOKEN"}},
        {"kind": "gitlab", "url": "https://gitlab.example/team", "secret": {"environment": "SANDBOXKIT_TEST_TOKEN"}},
        {"kind": "bitbucket", "url": "https://bitbucket.org/a", "token": "api",
         "secret": {"environment": "SANDBOXKIT_TEST_TOKEN"}},
        {"kind": "bitbucket", "url": "https://bitbucket.org/b", "token": "access",
         "secret": {"environment": "SANDBOXKIT_TEST_TOKEN"}},
        {"kind": "command", "url": "https://c.example", "connection": "con_1", "path": true, "timeout_seconds": 5,
         "environment": ["SANDBOXKIT_TEST_TOKEN"], "command": ["/bin/sh", "-c", "echo password=$SANDBOXKIT_TEST_TOKEN"]},
        {"kind": "github_app", "url": "https://github.com/acme", "issuer": "Iv1.a", "private_key": {"file": "/nowhere/key.pem"}},
        {"kind": "github_app", "url": "https://ghe.example", "issuer": "1", "private_key": {"file": "/nowhere/key.pem"},
         "api": "https://ghe.example/api/v3", "ca_file": "/nowhere/ca.pem"}]})");
    if (!read) FAIL(read.error());
    const auto name = [&](const CredentialRequest& request) {
        auto given = (*read)->credential(request);
        if (!given) return given.error().code;
        if (!*given) return std::string("nobody");
        CHECK((*given)->secret == "canary-secret");
        return (*given)->username;
    };
    CHECK(name(request_for("https://r.example")) == "me");
    CHECK(name(request_for("https://gitlab.example/team/app.git")) == "oauth2");
    CHECK(name(request_for("https://gitlab.example/other/app.git")) == "nobody");
    CHECK(name(request_for("https://bitbucket.org/a/app")) == "x-bitbucket-api-token-auth");
    CHECK(name(request_for("https://bitbucket.org/b/app")) == "x-token-auth");
    CHECK(name(request_for("https://c.example/x", "con_1")).empty());
    CHECK(name(request_for("https://c.example/x")) == "nobody");
    CHECK(name(request_for("https://github.com/acme/app")) == "secret_unreadable");
}

TEST_CASE("a document tells every problem at once, where it is, and no value") {
    using All = std::vector<std::string>;
    CHECK(problems_of("{") == All{" syntax"});
    CHECK(problems_of("[]") == All{" wrong_type"});
    CHECK(problems_of("{}") == All{"/sources missing_field"});
    CHECK(problems_of(R"({"sources": [], "more": 1})") == All{"/more unknown_field"});
    CHECK(problems_of(R"({"sources": [{"kind": "token", "url": "https://a.example", "secret": "canary-secret"}]})") ==
          All{"/sources/0/secret wrong_type"});
    CHECK(problems_of(R"({"sources": [{"kind": "token", "url": "https://me:canary-secret@a.example",
                                       "secret": {"value": "canary-secret"}}, {"kind": "canary-secret", "url": 1}]})") ==
          All{"/sources/0/url bad_form", "/sources/0/secret/value unknown_field", "/sources/0/secret bad_value",
              "/sources/1/kind bad_value", "/sources/1/url wrong_type"});
    CHECK(problems_of(R"({"sources": [
        {"kind": "gitlab", "url": "http://a.example", "secret": {"file": "relative"}, "username": "x"},
        {"kind": "bitbucket", "url": "https://b.example", "secret": {"file": "/x", "environment": "Y"}},
        {"kind": "command", "url": "https://c.example", "command": ["helper"], "timeout_seconds": 0, "environment": ["A=b"]},
        {"kind": "github_app", "url": "https://d.example", "issuer": "", "private_key": {"environment": "1"}, "api": "d"},
        {"kind": "token", "url": "https://e.example/x", "secret": {"file": "/x"}},
        {"kind": "gitlab", "url": "https://E.example:443/x/", "secret": {"file": "/x"}}]})") ==
          All{"/sources/0/url bad_form", "/sources/0/secret/file bad_form", "/sources/0/username unknown_field",
              "/sources/1/secret bad_value", "/sources/1/token missing_field", "/sources/2/command bad_value",
              "/sources/2/environment/0 bad_value", "/sources/2/timeout_seconds out_of_range", "/sources/3/issuer bad_value",
              "/sources/3/private_key/environment bad_value", "/sources/3/api bad_form", "/sources/5/url duplicate"});
}
