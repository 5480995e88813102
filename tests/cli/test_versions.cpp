// SPDX-License-Identifier: Apache-2.0
// Published versions as a user looks at them and carries them elsewhere. Nothing is built, but a provider is asked what it can
// do.
#define DOCTEST_CONFIG_IMPLEMENT
#include "program.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <iterator>

using namespace sandboxkit::cli::test;

namespace {

struct Published { // two versions, and a draft like the second
    Sandbox sandbox;
    std::string id;
    Published() {
        id = sandbox({"profile", "create", "-"}, document("one\nkept\n", "a")).line();
        publish();
        REQUIRE(sandbox({"profile", "edit", id, "-"}, document("two\nkept\n", "b")).code == 0);
        publish();
    }
    void publish() const {
        const auto outcome = sandbox({"profile", "publish", id});
        INFO(outcome.err);
        REQUIRE(outcome.code == 0);
    }
    static std::string document(const std::string& script, const std::string& value) {
        return boost::json::serialize(boost::json::object{
            {"name", "web"}, {"setup_script", script}, {"environment", {{"A", value}}}, {"network", {{"egress", "none"}}}});
    }
};

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

TEST_CASE("the difference of two versions") {
    const Published published;
    const auto& sandbox = published.sandbox;
    const auto outcome = sandbox({"profile", "diff", published.id, "1", "2"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("/environment/A  (") != std::string::npos);
    CHECK(outcome.out.find("\n  - \"a\"\n  + \"b\"\n") != std::string::npos);
    CHECK(outcome.out.find("\n  @@ -1,2 +1,2 @@\n  -one\n  +two\n   kept\n") != std::string::npos);
    CHECK(outcome.out.find("\nsnapshot: rebuilt: ") != std::string::npos);
    CHECK(outcome.out.find('\033') == std::string::npos);
    CHECK(sandbox({"profile", "diff", published.id, "2", "draft"}).out.find("nothing changed") != std::string::npos);

    CHECK(sandbox.on_a_terminal({"profile", "diff", published.id, "1", "2"})->finish().out.find("\033[31m  -one\033[0m") !=
          std::string::npos);
    CHECK(sandbox.on_a_terminal({"profile", "diff", published.id, "1", "2"}, {{"NO_COLOR", "1"}})->finish().out.find('\033') ==
          std::string::npos);

    // As a patch that others can apply.
    const auto patch = sandbox({"profile", "diff", published.id, "1", "2", "--patch"});
    CHECK(patch.json() == sandbox({"--json", "profile", "diff", published.id, "1", "2", "--patch"}).json());
    REQUIRE(patch.json().as_array().size() == 2);
    CHECK(patch.json().at(0) == boost::json::value{{"op", "replace"}, {"path", "/environment/A"}, {"value", "b"}});
    CHECK(sandbox({"profile", "diff", published.id, "2", "2", "--patch"}).json().as_array().empty());
}

TEST_CASE("a version is shown, section by section") {
    const Published published;
    const auto shown = published.sandbox({"profile", "show", published.id, "--version", "1", "--section", "environment"});
    CHECK(shown.json().at("environment").at("A") == "a");
    CHECK(published.sandbox({"profile", "show", published.id, "--version", "3"}).code == 66);
    const auto overview = published.sandbox({"profile", "overview", published.id}).out;
    CHECK(overview.find("version 2, snapshot pending") != std::string::npos);
    CHECK(overview.find("2 queued or running") != std::string::npos);
}

TEST_CASE("a version goes to another store and is the same there") {
    const Published published;
    const auto& sandbox = published.sandbox;
    const auto file = (sandbox.directory() / "web.version.json").string();
    const auto exported = sandbox({"profile", "export", published.id, "1"});
    CHECK(exported.code == 0);
    CHECK(sandbox({"profile", "export", published.id, "1", "-o", file}).out == file + "\n");
    CHECK(read(file) == exported.out);
    CHECK(sandbox({"profile", "export", published.id, "9"}).code == 66);
    CHECK(sandbox({"profile", "export", published.id, "1", "-o", "/no/such/directory/file"}).code == 65);

    const Sandbox other;
    const auto id = other({"profile", "import", file, "--name", "there"}).line();
    CHECK(id.starts_with("prf_"));
    CHECK(other({"profile", "show", id}).json().at("name") == "there");
    const auto theirs = other({"--json", "profile", "publish", id}).json();
    const auto ours = sandbox({"--json", "profile", "show", published.id, "--version", "1"}).json();
    CHECK(theirs.at("digest") == ours.at("digest"));

    auto changed = exported.out;
    changed.replace(changed.find("one\\n"), 3, "0ne");
    const auto refused = other({"--json", "profile", "import", "-"}, changed);
    CHECK(refused.code == 73);
    CHECK(refused.json().at("error").at("code") == "version_file_changed");
}

TEST_CASE("validate: what could be published, errors and warnings apart") {
    const Sandbox sandbox;
    const auto file = sandbox.file("p.json", "{\"name\": \"p\",\n \"setup_timeout\": 60}");
    auto outcome = sandbox({"profile", "validate", file});
    CHECK(outcome.code == 0);
    CHECK(outcome.out == "no errors, 1 warning\n");
    CHECK(outcome.err.starts_with(file + ":2:2: warning: "));
    CHECK(outcome.err.find(" [no_effect] /setup_timeout\n  add ") != std::string::npos);
    outcome = sandbox({"--json", "profile", "validate", file});
    CHECK(outcome.code == 0);
    CHECK(outcome.json().at("warnings").at(0).at("line") == 2);
    CHECK(outcome.json().at("warnings").at(0).at("column") == 2);
    CHECK(sandbox({"profile", "validate", file, "--gate", "save"}).out == "no problems\n");

    const std::string both = R"({"name": "p", "setup_timeout": 60, "persistence": {"enabled": true}})";
    for (const auto* gate : {"publish", "start"}) {
        outcome = sandbox({"profile", "validate", "-", "--gate", gate}, both);
        CHECK(outcome.code == 65);
        CHECK(outcome.out.empty());
        const auto error = outcome.err.find("[not_enacted] /persistence"), warning = outcome.err.find(": warning: ");
        CHECK(error < warning);
        CHECK(warning != std::string::npos);
    }
    // What a run refuses before it makes anything points into the file as well.
    outcome = sandbox({"run", sandbox.file("both.json", both), "--", "true"});
    CHECK(outcome.code == 74);
    CHECK(outcome.err.find("both.json:1:") != std::string::npos);
    CHECK(sandbox({"--json", "profile", "list"}).json().as_array().empty());
    outcome = sandbox({"--json", "profile", "validate", "-"}, both); // the gate when none is named
    CHECK(outcome.code == 65);
    CHECK(outcome.json().at("error").at("code") == "profile_invalid");
    CHECK(outcome.json().at("warnings").as_array().size() == 1);
}

int main(int argc, char** argv) {
    if (const auto reason = why_no_sandboxes(); !reason.empty()) {
        std::printf("SKIPPED: this machine cannot run sandboxes: %s\n", reason.c_str());
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
