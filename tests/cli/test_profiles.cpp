// SPDX-License-Identifier: Apache-2.0
// Profiles as a user looks at them, without a sandbox: shown, checked, copied, deleted, and what was done to them.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "program.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace sandboxkit::cli::test;

namespace {

constexpr const char* good = R"({"name": "web", "setup_script": "echo one", "agent_instructions": "first\n"})";

std::string create(const Sandbox& sandbox, const std::string& document = good) {
    const auto outcome = sandbox({"profile", "create", "-"}, document);
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome.line();
}

std::string error_code(const Outcome& outcome) {
    return std::string(outcome.json().at("error").at("code").as_string());
}

} // namespace

TEST_CASE("problems point into the file") {
    const Sandbox sandbox;
    const auto file = sandbox.file("bad.json", "{\n  \"name\": \"web\",\n  \"environment\": {\n    \"A\": \"ü\", \"B\": 3\n  },\n"
                                               "  \"frob\": 1\n}\n");
    for (const auto* verb : {"create", "validate"}) {
        auto outcome = sandbox({"profile", verb, file});
        CAPTURE(outcome.err);
        CHECK(outcome.code == 65);
        CHECK(outcome.err.starts_with("error: the profile is not valid (2 problems)\n"));
        CHECK(outcome.err.find(file + ":4:15: error: ") != std::string::npos); // in characters
        CHECK(outcome.err.find("[wrong_type] /environment/B\n") != std::string::npos);
        CHECK(outcome.err.find(file + ":6:3: error: ") != std::string::npos);
        CHECK(outcome.err.find("[unknown_field] /frob\n  ") != std::string::npos); // and what to do, indented
        outcome = sandbox({"--json", "profile", verb, file});
        CHECK(outcome.code == 65);
        const auto answer = outcome.json();
        for (const auto& problem : answer.at("error").at("problems").as_array()) {
            const bool first = problem.at("pointer") == "/environment/B";
            CHECK(problem.at("line") == (first ? 4 : 6));
            CHECK(problem.at("column") == (first ? 15 : 3));
        }
    }
    // What is no JSON has its place, too, and says it once.
    const auto syntax = sandbox({"profile", "validate", "-"}, "{\n  \"name\" 1}");
    CHECK(syntax.err.find("<stdin>:2:10: error: ") != std::string::npos);
    CHECK(syntax.err.find("line 2") == std::string::npos);
    const auto run = sandbox({"run", file, "--", "true"});
    CHECK(run.code == 65);
    CHECK(run.err.find(file + ":6:3: error: ") != std::string::npos);
    // The name of a file is no order to the terminal.
    const auto evil = sandbox.file("e\033[2Jvil.json", "[]");
    const auto outcome = sandbox({"profile", "validate", evil});
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find('\033') == std::string::npos);
}

TEST_CASE("validate at the gate save asks nobody else") {
    const Sandbox sandbox;
    const auto validate = [&](const std::string& document) {
        return sandbox({"profile", "validate", "-", "--gate", "save"}, document);
    };
    CHECK(validate(good).out == "no problems\n");
    CHECK(validate(R"({"name": "p", "persistence": {"enabled": true}})").code == 0);            // no matter before publishing
    const auto outcome = validate(R"({"name": "p", "warm_pool": {"floor": 5, "ceiling": 2}})"); // what acts at once
    CHECK(outcome.code == 65);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find("[floor_above_ceiling] /warm_pool/floor\n") != std::string::npos);
}

TEST_CASE("one section is shown, and only its members") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    const auto general = sandbox({"profile", "show", id, "--section", "general"}).json();
    CHECK(general.at("name") == "web");
    CHECK_FALSE(general.as_object().contains("setup_script"));
    CHECK(
        sandbox({"--json", "profile", "show", id, "--section", "agent_instructions"}).json().at("document").as_object().size() ==
        1);
    CHECK(sandbox({"--json", "profile", "show", id}).json().at("revision") == 1);
}

TEST_CASE("what a terminal is shown holds no control characters, and means the same") {
    const Sandbox sandbox;
    const auto id = create(sandbox, "{\"name\": \"web\", \"setup_script\": \"a\u009b2J\x7f\"}");
    const auto shown = sandbox({"profile", "show", id}).out;
    CHECK(shown.find("\u009b") == std::string::npos);
    CHECK(shown.find("a\\u009b2J\\u007f") != std::string::npos);
    CHECK(boost::json::parse(shown).at("setup_script") == "a\u009b2J\x7f");
    CHECK(sandbox({"--json", "profile", "show", id}).out.find("\u009b") == std::string::npos);
}

TEST_CASE("an overview of a profile that nobody published") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    auto outcome = sandbox({"profile", "overview", id});
    CHECK(outcome.code == 0);
    for (const auto* text :
         {"no version with a usable snapshot", "nothing is published", "not yet tested", "revision 1, to be published",
          "warm pool", "triggers", "sessions", "proposals", "profile.create", "tester", "command_line"})
        CHECK_MESSAGE(outcome.out.find(text) != std::string::npos, text);
    const auto answer = sandbox({"--json", "profile", "overview", id}).json();
    CHECK(answer.at("in_use").is_null());
    CHECK(answer.at("test") == "not_yet_tested");
    CHECK(answer.at("activity").at(0).at("action") == "profile.create");
    CHECK(answer.at("profile").at("id").as_string() == id.c_str());
}

TEST_CASE("activity is listed, newest first, also of a deleted profile") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    REQUIRE(sandbox({"profile", "edit", id, "general", "-"}, R"({"name": "web", "description": "new"})").code == 0);
    auto outcome = sandbox({"profile", "activity", id});
    CHECK(outcome.out.starts_with("WHEN "));
    CHECK(outcome.out.find("edit.keep") < outcome.out.find("profile.create"));
    CHECK(outcome.out.find("changed=/description") != std::string::npos);
    CHECK(sandbox({"--json", "profile", "activity", id, "--limit", "1"}).json().as_array().size() == 1);
    REQUIRE(sandbox({"profile", "delete", id, "--yes"}).code == 0);
    outcome = sandbox({"--json", "profile", "activity", id});
    REQUIRE(outcome.code == 0);
    CHECK(outcome.json().at(0).at("action") == "profile.delete");
    CHECK(outcome.json().at(0).at("detail").is_object());
}

TEST_CASE("deleting is asked about") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    auto outcome = sandbox({"profile", "delete", id}); // nobody is there
    CHECK(outcome.code == 2);
    CHECK(outcome.err.find("hint: say --yes") != std::string::npos);
    CHECK(error_code(sandbox({"--json", "profile", "delete", id})) == "not_confirmed");
    for (const auto* answer : {"n\r", "\r"}) {
        const auto terminal = sandbox.on_a_terminal({"profile", "delete", id});
        terminal->wait_for("[y/N] ");
        terminal->write(answer);
        CHECK(terminal->finish().code == 72);
    }
    CHECK(sandbox({"profile", "show", id}).code == 0);
    const auto terminal = sandbox.on_a_terminal({"profile", "delete", id});
    terminal->wait_for("(web)? ");
    terminal->write("y\r");
    outcome = terminal->finish();
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find(id + " deleted") != std::string::npos);
    CHECK(sandbox({"profile", "show", id}).code == 66);
}

TEST_CASE("a profile is duplicated") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    const auto copy = sandbox({"profile", "duplicate", id}).line();
    CHECK(copy.starts_with("prf_"));
    CHECK(sandbox({"profile", "show", copy}).json().at("name") == "web (copy)");
    const auto named = sandbox({"profile", "duplicate", id, "--name", "other"}).line();
    CHECK(sandbox({"profile", "show", named}).json().at("name") == "other");
    CHECK(sandbox({"profile", "show", named}).json().at("setup_script") == "echo one");
    CHECK(sandbox({"profile", "duplicate", id, "--name", "two\nlines"}).code == 65);
}

TEST_CASE("the instructions have a history") {
    const Sandbox sandbox;
    const auto id = create(sandbox);
    REQUIRE(sandbox({"profile", "edit", id, "agent_instructions", "-"}, R"({"agent_instructions": "second\n\u001b[2J"})").code ==
            0);
    auto outcome = sandbox({"profile", "instructions", id});
    CHECK(outcome.out.starts_with("REVISION  BYTES  WHO "));
    CHECK(sandbox({"--json", "profile", "instructions", id}).json().at(0).at("revision") == 2);
    CHECK(sandbox({"profile", "instructions", id, "--revision", "1"}).out == "first\n");
    CHECK(sandbox({"profile", "instructions", id, "--revision", "2"}).out == "second\n\033[2J"); // to a program, as it is
    outcome = sandbox.on_a_terminal({"profile", "instructions", id, "--revision", "2"})->finish();
    CHECK(outcome.out == "second\r\n [2J\r\n");
    CHECK(sandbox({"profile", "instructions", id, "--revision", "7"}).code == 66);
    outcome = sandbox({"profile", "restore-instructions", id, "1"});
    CHECK(outcome.code == 0);
    CHECK(sandbox({"profile", "show", id}).json().at("agent_instructions") == "first\n");
    CHECK(sandbox({"--json", "profile", "instructions", id}).json().as_array().size() == 3);
    const auto none = create(sandbox, R"({"name": "none"})");
    CHECK(sandbox({"profile", "instructions", none}).out == none + " never had instructions\n");
}

TEST_CASE("what is imported must be what was exported") {
    const Sandbox sandbox;
    auto outcome = sandbox({"profile", "import", "-"}, R"({"format": "sandboxkit.version/1",)"
                                                       "\n"
                                                       R"( "name": 3})");
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find("<stdin>:2:2: error: ") != std::string::npos);
    CHECK(error_code(sandbox({"--json", "profile", "import", "-"}, "nope")) == "json_invalid");
}
