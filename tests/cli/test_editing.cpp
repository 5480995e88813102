// SPDX-License-Identifier: Apache-2.0
// Editing a profile: from files, in an editor (which is a shell script here), on a terminal, and as proposals.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "program.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace sandboxkit::cli::test;
namespace fs = std::filesystem;

namespace {

struct Profile {
    Sandbox sandbox;
    std::string id;
    Profile() {
        id = sandbox({"profile", "create", "-"}, R"({"name": "web", "setup_script": "one\nkept\n"})").line();
        REQUIRE(id.starts_with("prf_"));
    }
    Outcome operator()(std::vector<std::string> arguments, const std::string& input = "") const {
        return sandbox(std::move(arguments), input);
    }
    // With an editor that does this to the file $1.
    Outcome by_hand(const std::string& script, std::vector<std::string> arguments = {}) const {
        auto environment = sandbox.environment();
        environment["EDITOR"] = editor(script);
        arguments.insert(arguments.begin(), {"profile", "edit", id});
        return run(Sandbox::command(std::move(arguments)), environment);
    }
    [[nodiscard]] std::unique_ptr<Running> on_a_terminal(const std::string& script,
                                                         std::vector<std::string> arguments = {}) const {
        arguments.insert(arguments.begin(), {"profile", "edit", id});
        return sandbox.on_a_terminal(std::move(arguments), {{"EDITOR", editor(script)}});
    }
    [[nodiscard]] std::string editor(const std::string& script) const {
        return "/bin/sh " + sandbox.file("editor.sh", script + "\n");
    }
    // What replaces a line by another, in what the editor is given.
    static std::string change(const std::string& from, const std::string& to) {
        return "sed -i 's/" + from + "/" + to + "/' \"$1\"";
    }
    [[nodiscard]] boost::json::value shown() const { return sandbox({"profile", "show", id}).json(); }
};

// Removes the file that was kept; what it held.
std::string kept_text(const std::string& said) {
    const auto at = said.find("kept in ");
    REQUIRE(at != std::string::npos);
    const std::string path = said.substr(at + 8, said.find_first_of("\r\n", at) - at - 8);
    auto read = run({"/bin/cat", path}, {});
    CHECK(read.code == 0);
    CHECK(fs::remove(path));
    return read.out;
}

} // namespace

TEST_CASE("a section or a document from a file") {
    const Profile profile;
    auto outcome = profile({"profile", "edit", profile.id, "network", "-"}, R"({"network": {"egress": "none"}})");
    CHECK(outcome.code == 0);
    CHECK(outcome.out == profile.id + " revision 2, to be published\n");
    CHECK(outcome.err.find("/network/egress  (") == 0);
    CHECK(outcome.err.find("\n  - \"open\"\n  + \"none\"\n") != std::string::npos);
    CHECK(outcome.err.find('\033') == std::string::npos);
    CHECK(profile.shown().at("setup_script") == "one\nkept\n"); // another section

    outcome = profile(
        {"profile", "edit", profile.id, profile.sandbox.file("p.json", R"({"name": "web", "setup_script": "two\nkept\n"})")});
    CHECK(outcome.code == 0);
    CHECK(outcome.err.find("/setup_script  (") != std::string::npos);
    CHECK(outcome.err.find("\n  -one\n  +two\n   kept\n") != std::string::npos);

    outcome = profile({"--json", "profile", "edit", profile.id, "general", "-"}, R"({"name": "other"})");
    CHECK(outcome.err.empty());
    CHECK(outcome.json().at("revision") == 4);
    CHECK(outcome.json().at("changes").at(0).at("pointer") == "/name");
    outcome = profile({"profile", "edit", profile.id, "general", "-"}, R"({"name": "other"})");
    CHECK(outcome.out == profile.id + " is unchanged\n");
    CHECK(outcome.err.empty());
}

TEST_CASE("a file that is wrong is pointed into") {
    const Profile profile;
    const auto file = profile.sandbox.file("network.json", "{\n  \"network\": {\n    \"egress\": \"some\"\n  }\n}\n");
    auto outcome = profile({"profile", "edit", profile.id, "network", file});
    CHECK(outcome.code == 65);
    CHECK(outcome.err.starts_with("error: the section network is not valid (1 problem)\n" + file + ":3:5: error: "));
    CHECK(outcome.err.find("] /network/egress\n") != std::string::npos);
    outcome = profile({"--json", "profile", "edit", profile.id, "network", file});
    CHECK(outcome.json().at("error").at("problems").at(0).at("line") == 3);
    CHECK(outcome.json().at("error").at("problems").at(0).at("column") == 5);
    // A member of another section; no JSON; a rule between fields, which is looked at when it is to be saved; a file that is
    // none.
    CHECK(profile({"profile", "edit", profile.id, "network", "-"}, R"({"name": "web"})").err.find("<stdin>:1:2: error: ") !=
          std::string::npos);
    CHECK(profile({"profile", "edit", profile.id, "network", "-"}, "{,}").err.find("<stdin>:1:2: error: ") != std::string::npos);
    CHECK(profile({"profile", "edit", profile.id, "warm_pool", "-"}, "{\"warm_pool\":\n{\"floor\": 5, \"ceiling\": 2}}")
              .err.find("<stdin>:2:2: error: ") != std::string::npos);
    CHECK(profile({"profile", "edit", profile.id, "/no/such/file"}).code == 66);
    CHECK(profile({"profile", "edit", profile.id}).code == 65); // no editor, no terminal
    CHECK(profile.shown().at("name") == "web");
    CHECK(profile({"--json", "profile", "show", profile.id}).json().at("revision") == 1);
}

TEST_CASE("editing in an editor, with nobody to ask") {
    const Profile profile;
    CHECK(profile.by_hand(Profile::change("one", "two")).code == 0);
    CHECK(profile.shown().at("setup_script") == "two\nkept\n");
    CHECK(profile.by_hand(Profile::change("web", "wob"), {"general"}).code == 0);
    CHECK(profile.shown().at("name") == "wob");
    CHECK(profile.by_hand("true").out == profile.id + " is unchanged\n");
    CHECK(profile.by_hand("exit 1").code == 72);
    // The name of the file, which is private, is an argument of its own.
    CHECK(
        profile.by_hand("[ $# = 1 ] && [ \"$(stat -c %a \"$1\")\" = 600 ] && ! grep -q setup_script \"$1\"", {"general"}).code ==
        0);

    const auto outcome = profile.by_hand(Profile::change("setup_script", "setup"));
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find(".json:") != std::string::npos);
    CHECK(outcome.err.find("[unknown_field] /setup\n") != std::string::npos);
    CHECK(kept_text(outcome.err).find("\"setup\": \"two") != std::string::npos);
    CHECK(profile.shown().at("setup_script") == "two\nkept\n");
}

TEST_CASE("on a terminal the difference is shown in colours, and asked about") {
    const Profile profile;
    for (const auto* answer : {"y\r", "\r"}) {
        const bool first = answer[0] == 'y';
        const auto terminal = profile.on_a_terminal(first ? Profile::change("one", "two") : Profile::change("\"two", "\"three"));
        terminal->wait_for("keep? [Y/n/e(dit again)] ");
        terminal->write(answer);
        const auto outcome = terminal->finish();
        CHECK(outcome.code == 0);
        CHECK(outcome.out.find(first ? "\033[32m  +two\033[0m" : "\033[32m  +three\033[0m") != std::string::npos);
    }
    CHECK(profile.shown().at("setup_script") == "three\nkept\n");
    {
        const auto terminal = profile.on_a_terminal(Profile::change("three", "four"));
        terminal->wait_for("keep? ");
        terminal->write("n\r");
        const auto outcome = terminal->finish();
        CHECK(outcome.code == 72);
        CHECK(kept_text(outcome.out).find("four") != std::string::npos);
    }
    { // opened again, with what was written
        const auto terminal = profile.on_a_terminal("sed -i 's/four/five/; s/three/four/' \"$1\"");
        terminal->wait_for("+four");
        terminal->wait_for("keep? ");
        terminal->write("e\r");
        terminal->wait_for("+five");
        terminal->write("y\r");
        CHECK(terminal->finish().code == 0);
    }
    CHECK(profile.shown().at("setup_script") == "five\nkept\n");
    CHECK(profile.on_a_terminal(Profile::change("five", "six"), {"--yes"})->finish().code == 0);
    { // an editor that fails later loses nothing of before
        const auto terminal = profile.on_a_terminal("grep -q 'six' \"$1\" && sed -i s/six/seven/ \"$1\"");
        terminal->wait_for("keep? ");
        terminal->write("e\r");
        const auto outcome = terminal->finish();
        CHECK(outcome.code == 72);
        CHECK(kept_text(outcome.out).find("seven") != std::string::npos);
    }
    // A file is asked about, too.
    const auto terminal = profile.on_a_terminal("true", {"general", profile.sandbox.file("g.json", R"({"name": "filed"})")});
    terminal->wait_for("keep? ");
    terminal->write("y\r");
    CHECK(terminal->finish().code == 0);
    CHECK(profile.shown().at("name") == "filed");
    CHECK(profile.shown().at("setup_script") == "six\nkept\n");
}

TEST_CASE("on a terminal, what is wrong can be mended") {
    const Profile profile;
    const std::string mends = "if grep -q setup_script \"$1\"; then sed -i s/setup_script/setup/ \"$1\"; "
                              "else sed -i 's/\"setup\": \"one/\"setup_script\": \"two/' \"$1\"; fi";
    {
        const auto terminal = profile.on_a_terminal(mends);
        terminal->wait_for("[unknown_field] /setup");
        terminal->wait_for("edit again? [Y/n] ");
        terminal->write("\r");
        terminal->wait_for("keep? ");
        terminal->write("y\r");
        CHECK(terminal->finish().code == 0);
        CHECK(profile.shown().at("setup_script") == "two\nkept\n");
    }
    // What only the library finds when it is to save it.
    const auto terminal = profile.on_a_terminal(R"(echo '{"warm_pool": {"floor": 5, "ceiling": 2}}' > "$1")", {"warm_pool"});
    terminal->wait_for("keep? ");
    terminal->write("y\r");
    terminal->wait_for("edit again? [Y/n] ");
    terminal->write("n\r");
    const auto outcome = terminal->finish();
    CHECK(outcome.code == 65);
    CHECK(outcome.out.find(".json:1:16: error: ") != std::string::npos);
    CHECK(kept_text(outcome.out).find("\"floor\": 5") != std::string::npos);
}

TEST_CASE("a signal at the question loses nothing that was written") {
    const Profile profile;
    const auto terminal = profile.on_a_terminal(Profile::change("one", "two"));
    terminal->wait_for("keep? ");
    terminal->write("\x03");
    const auto outcome = terminal->finish();
    CHECK(outcome.code == 128 + 2);
    CHECK(kept_text(outcome.out).find("two") != std::string::npos);
    CHECK(profile.shown().at("setup_script") == "one\nkept\n");
}

TEST_CASE("an edit of what changed meanwhile shows both sides") {
    const Profile profile;
    // Somebody else's edit, while the editor is open: once.
    std::string other;
    for (const auto& word : Sandbox::command({"profile", "edit", profile.id, "general", "-"})) other += " '" + word + "'";
    const std::string script = "if [ ! -e '" + (profile.sandbox.directory() / "done").string() + "' ]; then touch '" +
                               (profile.sandbox.directory() / "done").string() + "'; echo '{\"name\": \"theirs\"}' |" + other +
                               " >&2; fi\n" + Profile::change("web", "ours");
    auto outcome = profile.by_hand(script, {"general"});
    CHECK(outcome.code == 67);
    CHECK(outcome.err.find("- now, + by this edit:\n/name  (") != std::string::npos);
    CHECK(outcome.err.find("\n  - \"theirs\"\n  + \"ours\"\n") != std::string::npos);
    CHECK(outcome.err.find("error: the profile is at revision 2, not 1\nhint: ") != std::string::npos);
    CHECK(kept_text(outcome.err).find("ours") != std::string::npos);
    CHECK(profile.shown().at("name") == "theirs");

    // On a terminal it can be decided: by itself nothing of theirs is overwritten.
    for (const auto* answer : {"\r", "y\r"}) {
        REQUIRE(profile({"profile", "edit", profile.id, "general", "-"}, R"({"name": "web"})").code == 0);
        fs::remove(profile.sandbox.directory() / "done");
        const auto terminal = profile.on_a_terminal(script, {"general"});
        terminal->wait_for("keep? [Y/n/e(dit again)] ");
        terminal->write("y\r");
        terminal->wait_for("keep? [y/N/e(dit again)] ");
        terminal->write(answer);
        outcome = terminal->finish();
        CHECK(outcome.out.find("meanwhile the profile is at revision ") != std::string::npos);
        CHECK(outcome.out.find("- \"theirs\"") != std::string::npos);
        CHECK(outcome.code == (answer[0] == 'y' ? 0 : 72));
        CHECK(profile.shown().at("name") == (answer[0] == 'y' ? "ours" : "theirs"));
        if (answer[0] != 'y') CHECK(kept_text(outcome.out).find("ours") != std::string::npos);
    }
}

TEST_CASE("an edit is proposed, looked at, and kept or discarded") {
    const Profile profile;
    const auto propose = [&](const std::string& egress) {
        const auto outcome = profile({"profile", "edit", profile.id, "network", "-", "--propose"},
                                     R"({"network": {"egress": ")" + egress + "\"}}");
        INFO(outcome.err);
        REQUIRE(outcome.code == 0);
        CHECK(outcome.line().starts_with("edt_"));
        return outcome.line();
    };
    const auto first = propose("none");
    CHECK(profile.shown() == profile({"profile", "show", profile.id}).json());
    CHECK(profile({"--json", "profile", "show", profile.id}).json().at("revision") == 1); // nothing happened yet
    const auto listed = profile({"profile", "proposals", profile.id});
    CHECK(listed.out.starts_with(first + " network, by tester on revision 1, "));
    CHECK(listed.out.find("\n    - \"open\"\n    + \"none\"\n") != std::string::npos);
    CHECK(profile({"profile", "overview", profile.id}).out.find("1 open\n") != std::string::npos);
    const auto json = profile({"--json", "profile", "proposals", profile.id}).json();
    CHECK(json.at(0).at("members").at("network").at("egress") == "none");
    CHECK(profile({"profile", "keep", first}).out == profile.id + " revision 2, to be published\n");
    CHECK(profile.shown().at("network").at("egress") == "none");
    CHECK(profile({"profile", "keep", first}).code == 67);
    CHECK(profile({"profile", "proposals", profile.id}).out == profile.id + " has no open proposals\n");

    const auto second = propose("open");
    CHECK(profile({"profile", "discard", second}).out == second + " discarded\n");
    CHECK(profile({"profile", "discard", second}).code == 67);

    // One that would no longer change what it showed says both sides.
    const auto third = propose("open");
    REQUIRE(profile({"profile", "edit", profile.id, "network", "-"}, "{}").code == 0);
    const auto stale = profile({"profile", "keep", third});
    CHECK(stale.code == 67);
    // On a terminal it is asked before it is stored.
    const auto terminal =
        profile.on_a_terminal("echo '{\"network\": {\"egress\": \"none\"}}' > \"$1\"", {"network", "--propose"});
    terminal->wait_for("propose? [Y/n/e(dit again)] ");
    terminal->write("\r");
    CHECK(terminal->finish().out.find("edt_") != std::string::npos);
}
