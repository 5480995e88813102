// SPDX-License-Identifier: Apache-2.0
// What needs no sandbox: parsing, exit codes, documents, the store.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "program.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <fstream>

using namespace sandboxkit::cli::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* good = R"({"name": "web", "setup_script": "echo one"})";

std::string error_code(const Outcome& outcome) {
    return std::string(outcome.json().at("error").at("code").as_string());
}

} // namespace

TEST_CASE("help says what there is and what the exit codes mean") {
    const Sandbox sandbox;
    const auto help = sandbox({"--help"});
    CHECK(help.code == 0);
    for (const auto* word : {"doctor", "profile", "snapshot", "session", "run", "Exit codes", "--store", "--json"})
        CHECK(help.out.find(word) != std::string::npos);
    CHECK(sandbox({"profile", "--help"}).code == 0);
    CHECK(sandbox({"session", "exec", "--help"}).out.find("--timeout") != std::string::npos);
    const auto version = sandbox({"--version"}).line();
    CHECK(version.find('.') != std::string::npos);
    CHECK(sandbox({"doctor"}).line() == "sandboxkit " + version);
    CHECK(std::string(sandbox({"--json", "doctor"}).json().at("version").as_string()) == version);
    const auto run_help = sandbox({"run", "--help"}).out;
    for (const auto* text : {"Exit codes", "dropped_bytes", "several profiles of that name"})
        CHECK(run_help.find(text) != std::string::npos);
    CHECK_FALSE(fs::exists(sandbox.directory() / "store.db")); // nothing of this makes one
}

TEST_CASE("standard streams that are closed stay out of the way") {
    const Sandbox sandbox;
    REQUIRE(sandbox({"profile", "create", "-"}, good).code == 0);
    for (const bool in : {true, false})
        for (const bool out : {true, false})
            for (const bool err : {true, false}) {
                const std::string closed = std::string(in ? "" : " <&-") + (out ? "" : " >&-") + (err ? "" : " 2>&-");
                CAPTURE(closed);
                CHECK(sandbox.redirected(closed, {"profile", "list"}).code == (out ? 0 : 69));
                const auto made = sandbox.redirected(closed, {"profile", "create", "-"}, good);
                CHECK(made.code == (!in ? 65 : !out ? 69 : 0));
                if (!in && err) CHECK(made.err.starts_with("error: cannot read -: Bad file descriptor\n"));
            }
}

TEST_CASE("an answer that did not arrive is a failure") {
    const Sandbox sandbox;
    REQUIRE(sandbox({"profile", "create", "-"}, good).code == 0);
    const std::vector<std::vector<std::string>> answers{
        {"profile", "list"}, {"--json", "profile", "list"}, {"--help"}, {"--version"}, {"run", "--help"}, {"--json", "doctor"}};
    const auto fifo = (sandbox.directory() / "unread").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    for (const auto& arguments : answers) {
        CAPTURE(arguments.back());
        const auto full = sandbox.redirected(">/dev/full", arguments);
        CHECK(full.code == 69);
        const std::string message = "error: cannot write standard output: No space left on device\n";
        CHECK(full.err.starts_with(message));
        CHECK(full.err.find("error:", message.size()) == std::string::npos);
        // Who closed a pipe needs no message. Opened for both ways first, a named one does not wait for its reader.
        const auto unread = sandbox.redirected("3<>" + fifo + " >" + fifo + " 3<&-", arguments);
        CHECK(unread.code == 128 + SIGPIPE);
        CHECK(unread.err.empty());
    }
}

TEST_CASE("a wrong command line ends with 2 and says where to look") {
    const Sandbox sandbox;
    const std::vector<std::vector<std::string>> wrong{{},
                                                      {"frob"},
                                                      {"--frob"},
                                                      {"profile"},
                                                      {"profile", "frob"},
                                                      {"profile", "create"},
                                                      {"profile", "edit"},
                                                      {"profile", "edit", "x", "nosuchsection", "file"},
                                                      {"profile", "edit", "x", "file", "--propose"},
                                                      {"profile", "show", "x", "--section", "nosuchsection"},
                                                      {"profile", "validate", "x", "--gate", "form"},
                                                      {"profile", "export", "x"},
                                                      {"profile", "activity", "x", "--limit", "0"},
                                                      {"profile", "import", "x", "--name", ""},
                                                      {"profile", "show", "x", "--version", "y"},
                                                      {"session", "exec"},
                                                      {"session", "exec", "x"},
                                                      {"session", "exec", "x", "true"},
                                                      {"session", "exec", "x", "y", "--", "true"},
                                                      {"session", "exec", "x", "--timeout", "0", "--", "y"},
                                                      {"session", "start", "x", "--idle-limit", "-1"},
                                                      {"session", "start", "x", "--token", ""},
                                                      {"run", "x"},
                                                      {"run", "x", "true"},
                                                      {"--store", "", "profile", "list"},
                                                      {"--state-directory", "", "profile", "list"},
                                                      {"profile", "create", "x", "--version"},
                                                      {"profile", "list", "extra"}};
    for (const auto& arguments : wrong) {
        const auto outcome = sandbox(arguments);
        CAPTURE(outcome.err);
        CHECK(outcome.code == 2);
        CHECK(outcome.out.empty());
        CHECK(outcome.err.starts_with("error: "));
        CHECK(outcome.err.find("\nhint: see sandboxkit") != std::string::npos);
    }
    CHECK(sandbox({"frob"}).err.find("'frob'") != std::string::npos);
    CHECK(error_code(sandbox({"--json", "frob"})) == "usage");
    CHECK(error_code(sandbox({"session", "exec", "x", "echo", "--json"})) == "usage"); // whose option?
}

TEST_CASE("the store is where it was asked for") {
    const Sandbox sandbox;
    auto environment = sandbox.environment();
    const auto& directory = sandbox.directory();
    const auto create = [&](std::vector<std::string> options = {}) {
        options.insert(options.end(), {"profile", "create", "-"});
        CHECK(run(Sandbox::command(options), environment, good).code == 0);
    };
    create({"--store", (directory / "named.db").string()});
    CHECK(fs::exists(directory / "named.db"));
    CHECK_FALSE(fs::exists(directory / "store.db"));
    create();
    CHECK(fs::exists(directory / "store.db"));
    environment.erase("SANDBOXKIT_STORE");
    environment["XDG_DATA_HOME"] = (directory / "data").string();
    create();
    CHECK(fs::exists(directory / "data/sandboxkit/sandboxkit.db"));
    environment.erase("XDG_DATA_HOME");
    environment["HOME"] = (directory / "home").string();
    create();
    CHECK(fs::exists(directory / "home/.local/share/sandboxkit/sandboxkit.db"));
}

TEST_CASE("the state directory is where it was asked for") {
    const Sandbox sandbox;
    const auto beside = sandbox.directory() / "store.db.state", named = sandbox.directory() / "named";
    CHECK(sandbox({"--state-directory", named.string(), "profile", "create", "-"}, good).code == 0);
    CHECK(fs::exists(named));
    CHECK_FALSE(fs::exists(beside));
    CHECK(sandbox({"--state-directory", named.string(), "profile", "list"}).code == 0);
    const auto elsewhere = sandbox({"profile", "list"}); // the store is bound to its state directory
    CHECK(elsewhere.code == 67);
    CHECK(elsewhere.err.find(named.string()) != std::string::npos);

    auto environment = sandbox.environment();
    environment["SANDBOXKIT_STORE"] = (sandbox.directory() / "second.db").string();
    environment["SANDBOXKIT_STATE_DIRECTORY"] = (sandbox.directory() / "other").string();
    CHECK(run(Sandbox::command({"profile", "create", "-"}), environment, good).code == 0);
    CHECK(fs::exists(sandbox.directory() / "other"));
}

TEST_CASE("a mistyped store is not made") {
    const Sandbox sandbox;
    const auto typo = sandbox.directory() / "nope" / "x.db";
    for (const auto& arguments :
         {std::vector<std::string>{"profile", "list"}, {"session", "list"}, {"snapshot", "status", "x"}}) {
        auto named = arguments;
        named.insert(named.begin(), {"--store", typo.string()});
        const auto outcome = sandbox(named);
        CHECK(outcome.code == 66);
        CHECK(outcome.err.starts_with("error: there is no store " + typo.string() + "\nhint: "));
        CHECK_FALSE(fs::exists(typo.parent_path()));
    }
}

TEST_CASE("run refuses before it makes a profile") {
    const Sandbox sandbox;
    const auto file = sandbox.file("p.json", R"({"name": "p", "persistence": {"enabled": true}})");
    const auto outcome = sandbox({"run", file, "--", "true"});
    CHECK(outcome.code != 0);
    CHECK(sandbox({"--json", "profile", "list"}).json().as_array().empty());
}

TEST_CASE("a store that is none") {
    const Sandbox sandbox;
    std::string garbage = "this is not a database";
    garbage.resize(8192, 'x');
    (void)sandbox.file("store.db", garbage);
    const auto outcome = sandbox({"--json", "profile", "list"});
    CHECK(outcome.code == 73);
    CHECK(outcome.json().at("error").at("class") == "data_loss");
}

TEST_CASE("a profile's life without a sandbox") {
    const Sandbox sandbox;
    const auto file = sandbox.file("web.json", good);
    auto outcome = sandbox({"profile", "create", file});
    REQUIRE(outcome.code == 0);
    const auto id = outcome.line();
    CHECK(id.starts_with("prf_"));
    CHECK(outcome.out == id + "\n");

    outcome = sandbox({"profile", "show", id});
    CHECK(outcome.json().at("setup_script") == "echo one");
    // What it prints can be given back.
    CHECK(sandbox({"profile", "edit", id, "-"}, outcome.out).code == 0);
    CHECK(sandbox({"profile", "show", id}).out == outcome.out);

    outcome = sandbox({"profile", "edit", id, "-"}, R"({"name": "web2", "setup_script": "echo two"})");
    CHECK(outcome.out.find("revision 2") != std::string::npos); // the first changed nothing
    outcome = sandbox({"profile", "list"});
    CHECK(outcome.out.find("web2") != std::string::npos);
    CHECK(outcome.out.starts_with("ID "));
    outcome = sandbox({"profile", "list", "--json"}); // it may stand after the command, too
    REQUIRE(outcome.json().as_array().size() == 1);
    CHECK(outcome.json().at(0).at("created_by") == "tester");
    CHECK(outcome.json().at(0).at("latest_version").is_null());
    CHECK(sandbox({"--principal", "someone", "profile", "create", file}).code == 0);
    CHECK(sandbox({"--json", "profile", "list"}).out.find("\"someone\"") != std::string::npos);

    CHECK(sandbox({"profile", "diff", id, "draft", "draft"}).out.find("nothing changed") != std::string::npos);
    CHECK(sandbox({"profile", "diff", id, "draft", "x"}).code == 65);
    CHECK(sandbox({"profile", "diff", id, "1", "draft"}).code == 66);
    CHECK(sandbox({"snapshot", "status", id}).out == id + " has no published version\n");
    CHECK(sandbox({"snapshot", "refresh", id}).code == 67);
    CHECK(sandbox({"session", "start", id}).code != 0);
    CHECK(sandbox({"session", "list"}).code == 0);
}

TEST_CASE("a document that is wrong is told all at once, with pointers") {
    const Sandbox sandbox;
    const auto file = sandbox.file("bad.json", R"({"name": "", "frob": 1, "environment": {"A": 3}})");
    for (const auto* verb : {"create", "validate"}) {
        auto outcome = sandbox({"profile", verb, file});
        CHECK(outcome.code == 65);
        CHECK(outcome.out.empty());
        for (const auto* text : {":1:2: error: ", "] /name\n", ":1:14: error: ", "] /frob\n", "] /environment/A\n"})
            CHECK(outcome.err.find(text) != std::string::npos);
        outcome = sandbox({"--json", "profile", verb, file});
        CHECK(outcome.code == 65);
        CHECK(outcome.err.empty());
        const auto error = outcome.json().at("error");
        CHECK(error.at("class") == "invalid");
        CHECK(error.at("problems").as_array().size() == 3);
    }
    // Each problem is told once.
    for (const auto* verb : {"create", "validate"}) {
        CHECK(sandbox({"profile", verb, file})
                  .err.starts_with("error: the profile is not valid (3 problems)\n" + file + ":1:2: error: "));
        const auto one = sandbox({"profile", verb, "-"}, R"({"name": "x", "frob": 1})").err;
        CHECK(one.starts_with("error: the profile is not valid (1 problem)\n<stdin>:1:15: error: "));
        CHECK(std::count(one.begin(), one.end(), '\n') == 3); // and what to do about it
    }
    CHECK(sandbox({"profile", "create", "-"}, "nope").err.starts_with("error: the profile is not a JSON object (1 problem)\n"));
    CHECK(sandbox({"profile", "list", "--json"}).json().as_array().empty());
    CHECK(sandbox({"profile", "validate", "--gate", "save", "-"}, good).out == "no problems\n");
}

TEST_CASE("documents that are an attack") {
    const Sandbox sandbox;
    std::vector<std::string> documents{
        "", "not JSON", "{", "[]", "\xff\xfe", R"({"name": "a", "name": "b"})", std::string(10'000, '[')};
    documents.push_back(R"({"name": "x", "setup_script": ")" + std::string(std::size_t{101} << 20, 'a') + "\"}");
    documents.push_back("{\"name\": \"evil\", \"\\u001b]0;title\\u0007\": 1}");
    for (const auto& document : documents) {
        const auto outcome = sandbox({"profile", "create", "-"}, document);
        CAPTURE(document.substr(0, 40));
        CHECK(outcome.code == 65);
        CHECK(outcome.err.starts_with("error: "));
        CHECK(outcome.err.find('\033') == std::string::npos);
    }
}

TEST_CASE("what does not exist is 66") {
    const Sandbox sandbox;
    REQUIRE(sandbox({"profile", "create", "-"}, good).code == 0);
    const std::vector<std::vector<std::string>> absent{
        {"profile", "show", "prf_x"},           {"profile", "publish", "prf_x"},
        {"profile", "create", "/no/such/file"}, {"profile", "overview", "prf_x"},
        {"profile", "edit", "prf_x", "-"},      {"profile", "activity", "prf_x"},
        {"profile", "export", "prf_x", "1"},    {"profile", "import", "/no/such/file"},
        {"profile", "duplicate", "prf_x"},      {"profile", "delete", "prf_x", "--yes"},
        {"profile", "proposals", "prf_x"},      {"profile", "keep", "edt_x"},
        {"profile", "discard", "edt_x"},        {"profile", "instructions", "prf_x"},
        {"snapshot", "status", "prf_x"},        {"profile", "restore-instructions", "prf_x", "1"},
        {"snapshot", "logs", "job_x"},          {"snapshot", "cancel", "job_x"},
        {"session", "start", "prf_x"},          {"session", "rm", "ses_x"},
        {"session", "timeline", "ses_x"},       {"session", "exec", "ses_x", "--", "true"}};
    for (const auto& arguments : absent) {
        const auto outcome = sandbox(arguments);
        CAPTURE(arguments[0] + ' ' + arguments[1]);
        CAPTURE(outcome.err);
        CHECK(outcome.code == 66);
        CHECK(outcome.out.empty());
    }
    CHECK(sandbox({"session", "exec", "ses_x", "--env", "nonsense", "--", "true"}).code == 65);
}

TEST_CASE("a document of credential sources is checked before anything else is done") {
    const Sandbox sandbox;
    const auto sound = sandbox.file(
        "good.json", R"({"sources": [{"kind": "token", "url": "https://git.example", "secret": {"environment": "T"}}]})");
    CHECK(sandbox({"--credentials", sound, "host", "list"}).code == 0);
    const auto bad = sandbox.file("bad.json", R"({"sources": [{"kind": "token", "url": "x", "secret": "canary-secret"}]})");
    for (const std::vector<std::string>& command : {std::vector<std::string>{"host", "list"}, {"profile", "list"}, {"doctor"}}) {
        auto words = command;
        words.insert(words.begin(), {"--credentials", bad});
        const auto told = sandbox(words);
        CHECK(told.code == 65); // invalid
        CHECK(told.err.find("/sources/0/url") != std::string::npos);
        CHECK(told.err.find("/sources/0/secret") != std::string::npos);
        CHECK(told.err.find("canary") == std::string::npos);
    }
    CHECK(sandbox({"--credentials", "/nonexistent/file", "host", "list"}).code != 0);
}
