// SPDX-License-Identifier: Apache-2.0
// From a document to work done in a sandbox, by the commands that a user types.
#define DOCTEST_CONFIG_IMPLEMENT
#include "program.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>

using namespace sandboxkit::cli::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* document =
    R"({"name": "web", "setup_script": "echo setting up; echo made > /root/made", "network": {"egress": "none"},
                                     "environment": {"GREETING": "hello"}})";

// One published profile with a session, for the cases that need no more.
struct Started {
    Sandbox sandbox;
    std::string profile, session;
    Started() {
        profile = sandbox({"profile", "create", sandbox.file("web.json", document)}).line();
        const auto published = sandbox({"profile", "publish", profile, "--wait"});
        INFO(published.err);
        REQUIRE(published.code == 0);
        const auto started = sandbox({"session", "start", profile});
        INFO(started.err);
        REQUIRE(started.code == 0);
        session = started.line();
        REQUIRE(session.starts_with("ses_"));
    }
    Outcome exec(std::vector<std::string> arguments, const std::string& input = "") const {
        arguments.insert(arguments.begin(), {"session", "exec", session});
        return sandbox(std::move(arguments), input);
    }
};

std::size_t sessions(const Sandbox& sandbox) {
    return sandbox({"--json", "session", "list"}).json().as_array().size();
}

} // namespace

TEST_CASE("publish, look, start, work, stop, resume, remove") {
    const Sandbox sandbox;
    const auto profile = sandbox({"profile", "create", sandbox.file("web.json", document)}).line();
    auto outcome = sandbox({"profile", "publish", profile, "--wait"});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out.starts_with(profile + " version 1 sha256:"));
    CHECK(outcome.out.ends_with("snapshot ready\n"));
    CHECK(outcome.err.find("setting up\n") != std::string::npos); // the script's output, while it ran
    CHECK(outcome.err.find('\r') == std::string::npos);           // nothing is redrawn where there is no terminal
    CHECK(sandbox({"profile", "publish", profile}).code != 0);    // there is nothing new

    outcome = sandbox({"--json", "snapshot", "status", profile});
    CHECK(outcome.json().at(0).at("snapshot") == "ready");
    const std::string job(outcome.json().at(0).at("last_job").as_string());
    CHECK(sandbox({"snapshot", "status", profile}).out.find(job + " succeeded") != std::string::npos);
    CHECK(sandbox({"snapshot", "logs", job}).out.find("setting up\n") != std::string::npos);
    CHECK(sandbox({"profile", "show", profile, "--version", "1"}).json().at("name") == "web");

    const auto session = sandbox({"session", "start", profile, "--token", "once"}).line();
    CHECK(sandbox({"session", "start", profile, "--token", "once"}).line() == session);
    CHECK(sandbox({"session", "exec", session, "--", "cat", "/root/made"}).out == "made\n");
    CHECK(sandbox({"session", "list"}).out.find(session + "  running") != std::string::npos);

    const auto trace = (sandbox.directory() / "trace.json").string();
    outcome = sandbox({"session", "timeline", session, "--trace", trace});
    CHECK(outcome.out.find("total") != std::string::npos);
    std::ifstream file(trace);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    CHECK(boost::json::parse(text).at("traceEvents").as_array().size() > 2);

    CHECK(sandbox({"session", "exec", session, "--", "touch", "/root/kept"}).code == 0);
    CHECK(sandbox({"session", "stop", session}).out == session + " stopped\n");
    CHECK(sandbox({"session", "exec", session, "--", "true"}).code == 67);
    outcome = sandbox({"session", "start", profile, "--token", "once"}); // not the id of a session that does not run
    CHECK(outcome.code == 67);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find("sandboxkit session resume " + session) != std::string::npos);
    CHECK(sandbox({"session", "resume", session}).out == session + " running\n");
    CHECK(sandbox({"session", "exec", session, "--", "ls", "/root/kept"}).code == 0);
    CHECK(sandbox({"session", "rm", session}).out == session + " removed\n");
    CHECK(sessions(sandbox) == 0);
    CHECK(sandbox({"session", "list", "--all"}).out.find(session + "  removed") != std::string::npos);
    outcome = sandbox({"--json", "session", "start", profile, "--token", "once"});
    CHECK(outcome.code == 67);
    CHECK(outcome.json().at("error").at("code") == "session_not_running");
    CHECK(std::string(outcome.json().at("session").as_string()) == session);
    outcome = sandbox({"session", "exec", session, "--", "true"});
    CHECK(outcome.err == "error: the session is removed\nhint: start another session\n");
}

TEST_CASE("a command has its streams, its options and its exit code") {
    const Started started;
    auto outcome = started.exec({"--", "sh", "-c", "echo out; echo err >&2; exit 7"});
    CHECK(outcome.code == 7);
    CHECK(outcome.out == "out\n");
    CHECK(outcome.err == "err\n");
    std::string input;
    for (int i = 0; i < 300'000; ++i) input += static_cast<char>(i * 31 % 251);
    CHECK(started.exec({"--", "cat"}, input).out == input);
    CHECK(started.exec({"--no-stdin", "--", "cat"}, input).out.empty());
    CHECK(started.exec({"--", "true"}, input).code == 0); // input that nobody reads
    CHECK(started.exec({"--cwd", "/tmp", "--env", "A=1=2", "--env", "B=", "--", "sh", "-c", "pwd; echo $A$B$GREETING"}).out ==
          "/tmp\n1=2hello\n");
    outcome = started.exec({"--user", "nosuchuser", "--", "true"});
    CHECK(outcome.code == 68);
    CHECK(outcome.err.starts_with("error: the sandbox did not start the command\n"));
    CHECK(outcome.err.find("\nhint: --user ") != std::string::npos);
    outcome = started.exec({"--cwd", "/nope", "--", "true"});
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find("\nhint: --cwd ") != std::string::npos);
    CHECK(started.exec({"--", "sh", "-c", "kill -9 $$"}).code == 128 + SIGKILL);
    CHECK(started.exec({"--", "nosuchcommand"}).code != 0);
    outcome = started.exec({"--timeout", "0.2", "--", "sleep", "1000"});
    CHECK(outcome.code == 128 + SIGKILL);
    CHECK(outcome.err.find("time was over") != std::string::npos);
    // What follows -- is the command's own.
    CHECK(started.exec({"--", "printf", "%s|", "--json", "--", "-x"}).out == "--json|--|-x|");
}

TEST_CASE("as one JSON document") {
    const Started started;
    auto outcome = started.exec({"--json", "--", "sh", "-c", "printf '\\377'; echo err >&2; exit 3"});
    CHECK(outcome.code == 3);
    CHECK(outcome.json().at("exit_code") == 3);
    CHECK(outcome.json().at("standard_output_base64") == "/w==");
    CHECK(outcome.json().at("standard_error") == "err\n");
}

TEST_CASE("as JSON a command has its input and its signals too, and each stream has its limit") {
    const Started started;
    CHECK(started.exec({"--json", "--", "cat"}, "input\n").json().at("standard_output") == "input\n");
    CHECK(started.exec({"--json", "--no-stdin", "--", "cat"}, "input\n").json().at("standard_output") == "");

    auto outcome = started.exec({"--json", "--", "sh", "-c", "yes | head -c 17825792; printf err >&2"});
    CHECK(outcome.json().at("standard_output").as_string().size() == 16U << 20);
    CHECK(outcome.json().at("standard_output_dropped_bytes") == 1U << 20);
    CHECK(outcome.json().at("standard_error") == "err");
    CHECK(outcome.json().at("standard_error_dropped_bytes") == 0);

    Running waiting(Sandbox::command({"--json", "session", "exec", started.session, "--", "sh", "-c",
                                      "trap 'echo got it; exit 5' TERM; touch /root/ready; while :; do sleep 0.05; done"}),
                    started.sandbox.environment());
    REQUIRE(started.exec({"--", "sh", "-c", "until [ -e /root/ready ]; do sleep 0.05; done"}).code == 0);
    waiting.signal(SIGTERM);
    outcome = waiting.finish();
    CHECK(outcome.code == 5);
    CHECK(outcome.json().at("standard_output") == "got it\n");

    outcome = started.sandbox({"--json", "session", "exec", "ses_x", "--", "true"});
    CHECK(outcome.code == 66);
    CHECK(outcome.json().at("error").at("class") == "not_found");
    CHECK(outcome.err.empty());
}

TEST_CASE("a command whose streams are closed, full or unread") {
    const Started started;
    const std::vector<std::string> exec{"session", "exec", started.session, "--"};
    const auto with = [&](std::vector<std::string> command) {
        command.insert(command.begin(), exec.begin(), exec.end());
        return command;
    };
    CHECK(started.sandbox.redirected("<&-", with({"cat"})).code == 0);
    auto outcome = started.sandbox.redirected(">/dev/full", with({"sh", "-c", "echo out; echo more; sleep 1000"}));
    CHECK(outcome.code == 69);
    CHECK(outcome.err.starts_with("error: cannot write standard output: No space left on device\n"));
    CHECK(outcome.err.find("error:", 1) == std::string::npos);
    CHECK(started.sandbox.redirected(">&-", with({"echo", "out"})).code == 69);
    CHECK(started.sandbox.redirected(">&-", with({"true"})).code == 0);
    const auto fifo = (started.sandbox.directory() / "unread").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    outcome = started.sandbox.redirected("3<>" + fifo + " >" + fifo + " 3<&-", with({"yes"}));
    CHECK(outcome.code == 128 + SIGPIPE);
    CHECK(outcome.err.empty());
}

TEST_CASE("input is streamed, and signals reach the command") {
    const Started started;
    Running cat(Sandbox::command({"session", "exec", started.session, "--", "cat"}), started.sandbox.environment());
    cat.write("one\n");
    cat.wait_for("one\n");
    cat.write("two\n");
    cat.wait_for("two\n");
    CHECK(cat.finish().code == 0);

    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        Running waiting(
            Sandbox::command({"session", "exec", started.session, "--", "sh", "-c",
                              "trap 'echo got it; exit 5' INT TERM HUP QUIT; echo ready; while :; do sleep 0.05; done"}),
            started.sandbox.environment());
        waiting.wait_for("ready");
        waiting.signal(number);
        const auto outcome = waiting.finish();
        CAPTURE(number);
        CHECK(outcome.code == 5);
        CHECK(outcome.out == "ready\ngot it\n");
    }
}

TEST_CASE("a process is left running, found again, followed and killed") {
    const Started started;
    const auto& sandbox = started.sandbox;
    const auto& session = started.session;
    const auto id = started.exec({"--detach", "--", "sh", "-c", "echo first; echo second; exec sleep 1000"}).line();
    REQUIRE(id.starts_with("cmd_"));
    const auto listed = sandbox({"--json", "session", "ps", session}).json().as_array();
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].at("id").as_string() == id.c_str());
    CHECK(sandbox({"session", "ps", session}).out.find("sh -c echo first") != std::string::npos);
    {
        Running attached(Sandbox::command({"session", "attach", session, id, "--from", "6"}), sandbox.environment());
        attached.wait_for("second\n");
        attached.signal(SIGINT); // ends the reading, not the process
        const auto outcome = attached.finish();
        CHECK(outcome.code == 128 + SIGINT);
        CHECK(outcome.out == "second\n");
    }
    CHECK(sandbox({"--json", "session", "ps", session}).json().as_array().size() == 1);
    Running attached(Sandbox::command({"session", "attach", session, id}), sandbox.environment());
    attached.wait_for("first\nsecond\n");
    CHECK(sandbox({"session", "kill", session, id, "--signal", "9"}).code == 0);
    CHECK(attached.finish().code == 128 + 9);
    CHECK(sandbox({"session", "kill", session, id}).code == 66);
    CHECK(sandbox({"--json", "session", "ps", session}).json().as_array().empty());
    CHECK(sandbox({"session", "attach", session, "cmd_none"}).code == 66);

    const auto reader = started.exec({"--detach", "--", "cat"}).line();
    const auto echoed = sandbox({"session", "attach", session, reader}); // it has no input
    CHECK(echoed.code == 0);
    CHECK(echoed.out.empty());
}

TEST_CASE("a command gets a terminal") {
    const Started started;
    const auto& sandbox = started.sandbox;
    CHECK(started.exec({"--terminal", "--", "true"}).code == 65); // there is none here
    CHECK(sandbox({"--json", "session", "exec", started.session, "-t", "--", "true"}).code == 65);
    // script gives it one.
    std::string command = "stty rows 31 cols 97;";
    for (const auto& part : Sandbox::command({"session", "exec", started.session, "-t", "--", "sh", "-c"}))
        command += " '" + part + "'";
    command += " 'stty size; tty; read line; echo got $line; exit 3'";
    auto environment = sandbox.environment();
    environment["SHELL"] = "/bin/sh";
    environment["TERM"] = "vt100";
    Running terminal({"/usr/bin/script", "-qec", command, "/dev/null"}, environment);
    terminal.wait_for("31 97\r\n/dev/pts/0\r\n");
    terminal.write("typed\r");
    const auto outcome = terminal.finish();
    CHECK(outcome.code == 3);
    CHECK(outcome.out.find("got typed\r\n") != std::string::npos);
}

TEST_CASE("trees go in and out, and changes are told") {
    const Started started;
    const auto& sandbox = started.sandbox;
    const auto& session = started.session;
    const auto from = sandbox.directory() / "from";
    fs::create_directories(from / "deep");
    std::ofstream(from / "deep/file") << "content\n";
    fs::create_symlink("file", from / "deep/link");
    auto outcome = sandbox({"session", "upload", session, from.string(), "/root/tree"});
    INFO(outcome.err);
    CHECK(outcome.code == 0);
    CHECK(outcome.out == "4 entries, 8 bytes\n");
    CHECK(started.exec({"--", "cat", "/root/tree/deep/link"}).out == "content\n");
    CHECK(started.exec({"--", "stat", "-c", "%U", "/root/tree/deep/file"}).out == "root\n");
    const auto to = sandbox.directory() / "to";
    CHECK(sandbox({"--json", "session", "download", session, "/root/tree", to.string()}).json().at("entries").as_int64() == 4);
    CHECK(fs::read_symlink(to / "deep/link") == "file");
    CHECK(sandbox({"session", "download", session, "/root/none", to.string()}).code == 66);
    CHECK(sandbox({"session", "upload", session, (from / "none").string(), "/root"}).code == 66);

    Running watch(Sandbox::command({"--json", "session", "watch", session, "/root/tree", "--recursive"}), sandbox.environment());
    // Until it watches, nothing is told.
    for (int i = 0; i < 3; ++i) {
        CHECK(started.exec({"--", "sh", "-c", "touch /root/tree/deep/new; rm /root/tree/deep/new; touch /root/tree/deep/new"})
                  .code == 0);
    }
    watch.wait_for(R"({"change":"created","name":"deep/new"})");
    watch.signal(SIGTERM);
    CHECK(watch.finish().code == 128 + SIGTERM);
    CHECK(sandbox({"session", "watch", session, "/root/none"}).code == 66);

    // A name is not an order to the terminal, nor a line of its own.
    Running plain(Sandbox::command({"session", "watch", session, "/root/tree"}), sandbox.environment());
    const std::string script = R"(f=$(printf '/root/tree/a\033[2Jb\nc'); touch "$f"; rm "$f"; touch "$f")";
    for (int i = 0; i < 3; ++i) CHECK(started.exec({"--", "sh", "-c", script}).code == 0);
    plain.wait_for("created a [2Jb c\n");
    plain.signal(SIGTERM);
    CHECK(plain.finish().code == 128 + SIGTERM);
}

TEST_CASE("run: all in one go, and again") {
    const Sandbox sandbox;
    auto file = sandbox.file("web.json", document);
    auto outcome = sandbox({"run", file, "--", "sh", "-c", "cat /root/made; cat; exit 4"}, "input\n");
    INFO(outcome.err);
    CHECK(outcome.code == 4);
    CHECK(outcome.out == "made\ninput\n");
    CHECK(outcome.err.find("setting up") != std::string::npos);
    CHECK(sessions(sandbox) == 0);

    outcome = sandbox({"run", file, "--", "true"}); // nothing is made again
    CHECK(outcome.code == 0);
    CHECK(outcome.err.empty());
    file = sandbox.file("web.json",
                        R"({"name": "web", "setup_script": "echo changed > /root/made", "network": {"egress": "none"}})");
    CHECK(sandbox({"run", file, "--", "cat", "/root/made"}).out == "changed\n");
    const auto profiles = sandbox({"--json", "profile", "list"}).json();
    REQUIRE(profiles.as_array().size() == 1);
    CHECK(profiles.at(0).at("latest_version") == 2);

    outcome = sandbox({"run", file, "--keep", "--", "true"});
    CHECK(outcome.err.starts_with("kept: ses_"));
    CHECK(sessions(sandbox) == 1);
}

TEST_CASE("run: several first ones at once share one profile, version and snapshot") {
    const Sandbox sandbox;
    const auto file = sandbox.file("web.json", document);
    std::vector<std::unique_ptr<Running>> runs;
    for (int i = 0; i < 4; ++i)
        runs.push_back(
            std::make_unique<Running>(Sandbox::command({"run", file, "--", "cat", "/root/made"}), sandbox.environment()));
    for (auto& one : runs) {
        const auto outcome = one->finish();
        INFO(outcome.err);
        CHECK(outcome.code == 0);
        CHECK(outcome.out == "made\n");
    }
    auto profiles = sandbox({"--json", "profile", "list"}).json();
    REQUIRE(profiles.as_array().size() == 1);
    CHECK(profiles.at(0).at("latest_version") == 1);
    CHECK(sessions(sandbox) == 0);

    // Two documents of one name: each run has what its own says.
    runs.clear();
    for (const auto* text : {"first", "second", "first", "second"}) {
        const auto other =
            sandbox.file(text, std::string(R"({"name": "web", "network": {"egress": "none"}, "setup_script": "echo )") + text +
                                   " > /root/made\"}");
        runs.push_back(
            std::make_unique<Running>(Sandbox::command({"run", other, "--", "cat", "/root/made"}), sandbox.environment()));
    }
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto outcome = runs[i]->finish();
        INFO(outcome.err);
        CHECK(outcome.code == 0);
        CHECK(outcome.out == (i % 2 == 0 ? "first\n" : "second\n"));
    }
    CHECK(sandbox({"--json", "profile", "list"}).json().as_array().size() == 1);

    // One that was deleted or renamed is not brought back.
    const std::string first(profiles.at(0).at("id").as_string());
    REQUIRE(sandbox({"profile", "delete", first, "--yes"}).code == 0);
    CHECK(sandbox({"run", file, "--", "true"}).code == 0);
    profiles = sandbox({"--json", "profile", "list"}).json();
    REQUIRE(profiles.as_array().size() == 1);
    const std::string second(profiles.at(0).at("id").as_string());
    CHECK(second != first);
    REQUIRE(sandbox({"profile", "edit", second, "general", "-"}, R"({"name": "other"})").code == 0);
    CHECK(sandbox({"run", file, "--", "true"}).code == 0);
    CHECK(sandbox({"--json", "profile", "list"}).json().as_array().size() == 2);
}

TEST_CASE("run as one JSON document") {
    const Sandbox sandbox;
    const auto file = sandbox.file("web.json", document);
    auto outcome = sandbox({"--json", "run", file, "--", "sh", "-c", "cat; exit 4"}, "input\n");
    CHECK(outcome.code == 4);
    auto answer = outcome.json();
    CHECK(answer.at("exit_code") == 4);
    CHECK(answer.at("standard_output") == "input\n");
    CHECK(answer.at("session").as_string().starts_with("ses_"));
    CHECK(answer.at("kept") == false);
    CHECK(answer.at("profile").as_string().starts_with("prf_"));
    CHECK(answer.at("version") == 1);
    CHECK(sessions(sandbox) == 0);

    outcome = sandbox({"--json", "run", file, "--keep", "--cwd", "/nope", "--", "true"});
    CHECK(outcome.code == 65);
    answer = outcome.json();
    CHECK(answer.at("error").at("class") == "invalid");
    CHECK(answer.at("kept") == true);
    CHECK(answer.at("notes").is_array());
    CHECK(outcome.err.find("kept") == std::string::npos);
    const std::string kept(answer.at("session").as_string());
    CHECK(sandbox({"session", "rm", kept}).out == kept + " removed\n");

    outcome = sandbox({"--json", "run", "/no/such/file", "--", "true"});
    CHECK(outcome.code == 66);
    CHECK(outcome.json().at("error").at("code") == "file_not_readable");
    CHECK(outcome.err.empty());
}

TEST_CASE("a setup script that fails") {
    const Sandbox sandbox;
    const auto file = sandbox.file(
        "bad.json", R"({"name": "bad", "setup_script": "echo before the end; exit 3", "network": {"egress": "none"}})");
    auto outcome = sandbox({"run", file, "--", "true"});
    CHECK(outcome.code >= 65);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find("before the end\n") != std::string::npos);
    CHECK(outcome.err.find("setup_script") != std::string::npos);
    CHECK(outcome.err.find("  | ") == std::string::npos); // what was shown while it ran is not told again
    CHECK(outcome.err.find("sandboxkit snapshot logs job_") != std::string::npos);
    CHECK(sessions(sandbox) == 0);
    const std::string profile(sandbox({"--json", "profile", "list"}).json().at(0).at("id").as_string());
    CHECK(sandbox({"snapshot", "status", profile}).out.find("failed (setup_script)") != std::string::npos);
    outcome = sandbox({"session", "start", profile});
    CHECK(outcome.code == 67);
    CHECK(outcome.err.find("snapshot job job_") != std::string::npos);

    CHECK(sandbox({"snapshot", "status", profile}).code == 0);
    outcome = sandbox({"snapshot", "status", profile, "--wait"}); // it had failed before
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find("  | before the end\n") != std::string::npos);
}

TEST_CASE("the end of a setup script's output is what counts, and its end may be for want of memory") {
    const Sandbox sandbox;
    const auto profile = sandbox({"profile", "create", "-"},
                                 R"({"name": "bad", "setup_script": "seq 30; exit 137", "network": {"egress": "none"}})")
                             .line();
    CHECK(sandbox({"profile", "publish", profile, "--wait"}).code == 65);
    const auto outcome = sandbox({"snapshot", "status", profile, "--wait"});
    CHECK(outcome.code == 65);
    CHECK(outcome.err.find("  | ...\n  | 11\n") != std::string::npos);
    CHECK(outcome.err.find("  | 30\nhint: it may have run out of memory") != std::string::npos);
}

TEST_CASE("a wait that is interrupted leaves a job that can be gone on with, or given up") {
    const Sandbox sandbox;
    const auto profile =
        sandbox({"profile", "create",
                 sandbox.file("slow.json",
                              R"({"name": "slow", "setup_script": "echo waiting; sleep 1000", "network": {"egress": "none"}})")})
            .line();
    Running publishing(Sandbox::command({"profile", "publish", profile, "--wait"}), sandbox.environment());
    publishing.wait_for("waiting\n");
    publishing.signal(SIGINT);
    const auto outcome = publishing.finish();
    CHECK(outcome.code == 128 + SIGINT);
    CHECK(outcome.err.find("snapshot cancel job_") != std::string::npos);
    const auto at = outcome.err.find("job_");
    const auto job = outcome.err.substr(at, outcome.err.find('\'', at) - at);
    const auto status = sandbox({"--json", "snapshot", "status", profile}).json();
    const auto& state = status.at(0).at("job").at("state");
    CHECK((state == "queued" || state == "running"));

    Running again(Sandbox::command({"snapshot", "status", profile, "--wait"}), sandbox.environment());
    again.wait_for("waiting\n");
    again.signal(SIGINT);
    CHECK(again.finish().code == 128 + SIGINT);
    CHECK(sandbox({"snapshot", "logs", job}).out == "waiting\n\n[begun again]\nwaiting\n");

    CHECK(sandbox({"snapshot", "cancel", job}).out.starts_with(job + " cancelled"));
    CHECK(sandbox({"snapshot", "status", profile, "--wait"}).code == 72);
    CHECK(sandbox({"--json", "snapshot", "status", profile}).json().at(0).at("job").at("state") == "cancelled");
}

int main(int argc, char** argv) {
    if (const auto reason = why_no_sandboxes(); !reason.empty()) {
        std::printf("SKIPPED: this machine cannot run sandboxes: %s\n", reason.c_str());
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
