// SPDX-License-Identifier: Apache-2.0
// Real programs as credential helpers: good ones, and all the ways in which they fail.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "credentials/canary.hpp"
#include "git/fixture.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <signal.h>

#include <cerrno>
#include <cstdlib>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;
namespace git_test = sandboxkit::git::test;

namespace {

struct Fixture {
    git_test::TemporaryDirectory directory;
    CredentialCommand command;
    CredentialRequest request;

    explicit Fixture(const std::string& script) {
        const fs::path program = directory / "help er";
        git_test::write_file(program, "#!/bin/sh\n" + script + "\n");
        fs::permissions(program, fs::perms::owner_all);
        command.argv = {program.string(), "$(touch never); a b"};
        request.url = "https://git.example:8443/team/app.git";
    }
    Result<std::optional<Credential>> ask() const { return credential_command(command)->credential(request); }
    std::string code() const {
        auto given = ask();
        REQUIRE_FALSE(given.has_value());
        CHECK_FALSE(holds(given.error(), "canary-secret"));
        return given.error().code;
    }
    std::string told(const char* name) const { return git_test::read_file(directory / name); }
};

} // namespace

TEST_CASE("a helper is told what Git tells it, and nothing of a shell happens") {
    Fixture f("cd \"${0%/*}\"; printf '%s|' \"$@\" > words; cat > input; printf 'username=me\\npassword=canary-secret\\n'");
    auto given = f.ask();
    REQUIRE(given.has_value());
    REQUIRE(given->has_value());
    CHECK((*given)->username == "me");
    CHECK((*given)->secret == "canary-secret");
    CHECK_FALSE((*given)->expires);
    CHECK(f.told("words") == "$(touch never); a b|get|");
    CHECK(f.told("input") == "protocol=https\nhost=git.example:8443\n\n");
    CHECK_FALSE(fs::exists("never"));

    f.command.path = true;
    REQUIRE(f.ask().has_value());
    CHECK(f.told("input") == "protocol=https\nhost=git.example:8443\npath=team/app.git\n\n");

    const auto source = credential_command(f.command);
    REQUIRE(source->release(f.request, **given, {.over = true, .refused = false}).has_value());
    CHECK(f.told("words").ends_with("get|")); // it was good: nobody is told
    REQUIRE(source->release(f.request, **given, {.over = true, .refused = true}).has_value());
    CHECK(f.told("words").ends_with("erase|"));
    CHECK(f.told("input") == "protocol=https\nhost=git.example:8443\npath=team/app.git\nusername=me\npassword=canary-secret\n\n");
}

TEST_CASE("what a helper answers") {
    const auto answer = [](const std::string& text) {
        Fixture f("cat > /dev/null; printf '" + text + "'");
        auto given = f.ask();
        if (!given) FAIL(given.error());
        return *given;
    };
    CHECK(answer("password=p\\npassword_expiry_utc=1893456000\\n")->expires ==
          std::chrono::system_clock::time_point(std::chrono::seconds(1'893'456'000)));
    CHECK(answer("capability[]=authtype\\nmore=thing\\npassword=a=b")->secret == "a=b");
    CHECK(answer("password=p\\r\\n")->secret == "p");
    CHECK_FALSE(answer(""));
    CHECK_FALSE(answer("username=me\\n"));
    CHECK_FALSE(answer("password=p\\nquit=1\\n"));
    CHECK_FALSE(answer("\\npassword=p\\n")); // after the end
}

TEST_CASE("its environment is small") {
    ::setenv("SANDBOXKIT_TEST_SEEN", "yes", 1);
    ::setenv("SANDBOXKIT_TEST_UNSEEN", "yes", 1);
    Fixture f("env > \"${0%/*}/seen\"");
    f.command.environment = {"SANDBOXKIT_TEST_SEEN"};
    REQUIRE(f.ask().has_value());
    CHECK(f.told("seen").find("SANDBOXKIT_TEST_SEEN=yes") != std::string::npos);
    CHECK(f.told("seen").find("SANDBOXKIT_TEST_UNSEEN") == std::string::npos);
}

TEST_CASE("helpers that fail") {
    CHECK(Fixture("echo password=canary-secret; exit 3").code() == "credential_command_failed");
    CHECK(Fixture("echo password=canary-secret; kill -9 $$").code() == "credential_command_failed");
    CHECK(Fixture("echo canary-secret").code() == "credential_command_answer");
    CHECK(Fixture("echo password_expiry_utc=canary-secret").code() == "credential_command_answer");
    CHECK(Fixture("while :; do echo password=canary-secret; done").code() == "credential_command_output");
    Fixture missing("");
    fs::remove(missing.command.argv.front());
    CHECK(missing.code() == "credential_command_failed");
    missing.command.argv = {"true"}; // not looked for in PATH
    CHECK(missing.code() == "credential_command_failed");
    missing.command.argv.clear();
    CHECK(missing.code() == "credential_command_failed");
}

TEST_CASE("one that stalls is ended with all that it began, and one that has ended is not waited for") {
    Fixture f("echo $$ > \"${0%/*}/pid\"; sleep 1000 & echo $! > \"${0%/*}/child\"; wait");
    f.command.limit = std::chrono::seconds(1);
    CHECK(f.code() == "credential_command_timeout");
    const auto gone = [&](const char* name) {
        const int pid = std::stoi(f.told(name));
        while (::kill(pid, 0) == 0) {
            // Of the orphan only its entry is left, until somebody has waited for it.
            const auto status = git_test::read_file("/proc/" + std::to_string(pid) + "/stat");
            if (status.empty() || status.find(") Z") != std::string::npos) break;
        }
        return true;
    };
    CHECK(gone("pid"));
    CHECK(gone("child"));

    Fixture quick("sleep 1000 & echo password=p");
    auto given = quick.ask();
    REQUIRE(given.has_value());
    CHECK((*given)->secret == "p");
}

TEST_CASE("the parser of answers and requests without an HTTP URL") {
    Fixture f("echo password=p");
    f.request.url = "git@git.example:team/app.git";
    auto given = f.ask();
    REQUIRE(given.has_value());
    CHECK_FALSE(given->has_value());
}
