// SPDX-License-Identifier: Apache-2.0
#include "git/session_access.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>

using namespace sandboxkit;
using namespace sandboxkit::git;

namespace {

std::string code_of(std::string_view method, std::string_view target, std::string_view type = {}) {
    CAPTURE(target);
    const auto read = read_git_request(method, target, type);
    REQUIRE(read.has_error());
    CHECK(!read.error().message.empty());
    return read.error().code;
}

Repository repository(RepositoryRole role, bool read_only) {
    Repository r;
    r.identifier = "app";
    r.role = role;
    r.read_only = read_only;
    return r;
}

} // namespace

TEST_CASE("the requests of git's smart protocol are read, and no others") {
    using Service = GitService;
    CHECK(read_git_request("GET", "/app/info/refs?service=git-upload-pack", "").value() ==
          GitRequest{"app", Service::upload_pack, true});
    CHECK(read_git_request("GET", "/a.b-c_d/info/refs?service=git-receive-pack", "").value() ==
          GitRequest{"a.b-c_d", Service::receive_pack, true});
    CHECK(read_git_request("POST", "/app/git-upload-pack", "application/x-git-upload-pack-request").value() ==
          GitRequest{"app", Service::upload_pack, false});
    CHECK(read_git_request("POST", "/app/git-receive-pack", "application/x-git-receive-pack-request").value() ==
          GitRequest{"app", Service::receive_pack, false});

    CHECK(code_of("GET", "/app/info/refs") == "git_dumb_http");
    CHECK(code_of("GET", "/app/info/refs?service=git-upload-archive") == "git_request_malformed");
    CHECK(code_of("GET", "/app/info/refs?service=git-upload-pack&x=1") == "git_request_malformed");
    CHECK(code_of("POST", "/app/info/refs?service=git-upload-pack") == "git_request_malformed");
    CHECK(code_of("GET", "/app/git-upload-pack") == "git_request_malformed");
    CHECK(code_of("POST", "/app/git-upload-pack", "application/x-git-receive-pack-request") == "git_request_malformed");
    CHECK(code_of("POST", "/app/git-upload-pack?x", "application/x-git-upload-pack-request") == "git_request_malformed");
    for (const auto* target :
         {"", "/", "*", "/app", "/app/", "/app/HEAD", "/app//info/refs?service=git-upload-pack", "/app/../x/git-upload-pack",
          "/%61pp/info/refs?service=git-upload-pack", "/app/info/lfs/objects/batch",
          "/app/-longer/info/refs?service=git-upload-pack", "http://x/app/git-upload-pack", "/.app/git-upload-pack"})
        CHECK(code_of("GET", target) == "git_request_unknown");
}

// Whatever is allowed has been decided by role, service and reference, and by nothing else that the sandbox says.
TEST_CASE("who may do what") {
    for (const auto role : {RepositoryRole::primary, RepositoryRole::context, RepositoryRole::reference})
        for (const bool read_only : {false, true}) {
            const auto r = repository(role, read_only);
            CHECK(check_service(r, GitService::upload_pack));
            const auto push = check_service(r, GitService::receive_pack);
            CHECK(push.has_value() == (role == RepositoryRole::primary && !read_only));
            if (!push) CHECK(push.error().kind == ErrorClass::permission);
        }
    const std::string none(40, '0'), one(40, '1');
    CHECK_FALSE(push_refusal({one, one, "refs/heads/main"}).has_value());
    CHECK_FALSE(push_refusal({none, one, "refs/heads/a/b"}).has_value());
    CHECK(push_refusal({one, none, "refs/heads/a"}).has_value());
    CHECK(push_refusal({none, none, "refs/heads/a"}).has_value());
    for (const auto* name :
         {"refs/tags/v1", "refs/notes/x", "refs/pull/1/head", "refs/for/main", "refs/headsmain", "refs/HEADS/x"})
        CHECK(push_refusal({none, one, name}).has_value());
}

TEST_CASE("no request reaches a repository or a service that its path does not name") {
    std::mt19937 random(11);
    const std::array<std::string, 14> parts{
        "/", "app", "x.y", "..",   "info/refs", "git-upload-pack", "git-receive-pack", "?service=",
        "?", "%2f", "&",   "HEAD", "-",         "http://"};
    for (int i = 0; i < 200'000; ++i) {
        std::string target;
        for (auto left = random() % 7; left > 0; --left) target += parts[random() % parts.size()];
        for (const auto service : {GitService::upload_pack, GitService::receive_pack}) {
            const std::string name(to_string(service)), type = "application/x-" + name + "-request";
            for (const auto* method : {"GET", "POST"}) {
                const auto read = read_git_request(method, target, type);
                if (!read) continue;
                const std::string wire(to_string(read->service));
                const std::string again =
                    "/" + read->repository + (read->advertisement ? "/info/refs?service=" + wire : "/" + wire);
                if (target != again) CHECK(target == again);
            }
        }
    }
}

TEST_CASE("git is sent to the loopback by variables after those that the profile has") {
    auto app = repository(RepositoryRole::primary, false);
    app.url = "https://example.org/app.git";
    auto docs = app;
    docs.identifier = "docs";
    docs.url = "ssh://git@example.org/docs.git";
    using Variables = std::map<std::string, std::string>;
    CHECK((git_environment({}, {app, docs}, 4000).value() ==
           Variables{{"GIT_CONFIG_COUNT", "2"},
                     {"GIT_CONFIG_KEY_0", "url.http://127.0.0.1:4000/app/.insteadOf"},
                     {"GIT_CONFIG_VALUE_0", "https://example.org/app.git"},
                     {"GIT_CONFIG_KEY_1", "url.http://127.0.0.1:4000/docs/.insteadOf"},
                     {"GIT_CONFIG_VALUE_1", "ssh://git@example.org/docs.git"}}));
    const auto after = git_environment({{"GIT_CONFIG_COUNT", "3"}}, {app}, 4000).value();
    CHECK(after.at("GIT_CONFIG_COUNT") == "4");
    CHECK(after.at("GIT_CONFIG_VALUE_3") == app.url);
    for (const auto* wrong : {"", "x", "-1", "1 ", "99999999999"})
        CHECK(git_environment({{"GIT_CONFIG_COUNT", wrong}}, {app}, 1).error().code == "git_config_count");
}
