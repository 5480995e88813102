// SPDX-License-Identifier: Apache-2.0
// The git of a session in a real sandbox without a network: it reaches its server through the engine, and what a process in there
// can see has no secret in it.
#define DOCTEST_CONFIG_IMPLEMENT
#include "engine/engine_fixture.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credentials.hpp>

#include <cstdio>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace git_test = sandboxkit::git::test;

namespace {

const std::string secret = "canary-91be04-is-a-secret";

class Source final : public CredentialSource {
public:
    Result<std::optional<Credential>> credential(const CredentialRequest&) override {
        return std::optional<Credential>(Credential("me", secret));
    }
};

} // namespace

int main(int argc, char** argv) {
    if (::geteuid() != 0) {
        std::printf("SKIPPED: needs root\n");
        return 77;
    }
    for (const auto* program : {"git", "python3"}) {
        if (git_test::have(program)) continue;
        std::printf("SKIPPED: %s is not installed\n", program);
        return 77;
    }
    return doctest::Context(argc, argv).run();
}

TEST_CASE("the checkouts of a real sandbox fetch, pull and push, and hold no secret") {
    TempDir dir;
    {
        for (const auto* name : {"app", "docs"}) {
            git_test::make_repository(dir.path() / "git" / (std::string(name) + ".git"));
            git_test::git(dir.path() / "git" / (std::string(name) + ".git"), {"config", "http.receivepack", "true"});
        }
        git_test::write_file(dir.path() / "git/login", "me:" + secret);
        const git_test::HttpServer http(dir.path() / "git");
        auto options = options_in(dir.path());
        options.credentials = std::make_shared<Source>();
        Engine engine = must(Engine::open(std::move(options)));
        const auto profile = must(engine.create_profile(
            tester, document({{"repositories",
                               {{{"identifier", "app"}, {"url", http.url("/private/app.git")}, {"role", "primary"}},
                                {{"identifier", "docs"}, {"url", http.url("/private/docs.git")}, {"role", "reference"}}}}})));
        const auto job = publish_and_build(engine, profile.id);
        REQUIRE(job.state == JobState::succeeded);
        const auto session = start(engine, profile.id);
        const std::string named = "export HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a "
                                  "GIT_COMMITTER_EMAIL=a@b; cd /workspace/app; ";

        shell_output(engine, session.id,
                     named + "git fetch -q && git checkout -q -b work && echo 1 > 1 && git add . && "
                             "git commit -q -m 1 && git push -q origin work");
        CHECK(git_test::git(dir.path() / "git/app.git", {"rev-parse", "work"}) + "\n" ==
              shell_output(engine, session.id, named + "git rev-parse work"));
        const auto commit = git_test::add_commit(dir.path() / "git/app.git", "main", "more", "more\n");
        CHECK(shell_output(engine, session.id, named + "git checkout -q main && git pull -q && git rev-parse HEAD") ==
              commit + "\n");
        CHECK(shell_output(engine, session.id,
                           named + "git ls-remote -q /workspace/docs main; git -C /workspace/docs ls-remote "
                                   "origin refs/heads/main | wc -l")
                  .ends_with("1\n"));
        CHECK(shell_output(engine, session.id, named + "! git push origin :dev 2>&1").find("does not delete branches") !=
              std::string::npos);

        // The environment and command line of every process, and every file but the host's own. What is looked for is written so
        // that the search does not find itself.
        const std::string seen =
            shell_output(engine, session.id,
                         "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; "
                         "cat /workspace/*/.git/config /workspace/*/.git/FETCH_HEAD 2>/dev/null; "
                         "grep -r -l -a -e canary'-'91be04 -e Y2FuYXJ5'L'TkxYmUwN -e bWU6'Y'2FuYXJ5 / "
                         "--exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=dev 2>/dev/null; true");
        CHECK(seen.find("GIT_CONFIG_VALUE_0") != std::string::npos);
        for (const auto* form : {"canary-91be04", "Y2FuYXJ5LTkxYmUwN", "bWU6Y2FuYXJ5"})
            CHECK_MESSAGE(seen.find(form) == std::string::npos, form);
        must(engine.remove_session(tester, session.id).get());
    }
    check_nothing_left(dir.path());
}
