// SPDX-License-Identifier: Apache-2.0
// The main job on the real local provider: profile, version, snapshot, sessions, commands.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"

#include <sandboxkit/digest.hpp>

#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;

// A git repository made by the git CLI, with one commit on branch main.
static fs::path make_repository(const fs::path& directory) {
    const std::string command = "set -e; mkdir -p '" + directory.string() + "'; cd '" + directory.string() +
                                "'; git init -q -b main .; echo hello > file.txt; git add .; "
                                "git -c user.name=t -c user.email=t@example.com commit -q -m first";
    REQUIRE(std::system(command.c_str()) == 0);
    return directory;
}

TEST_CASE("a profile becomes a version, a snapshot and two sessions that share nothing") {
    TempDir dir;
    const auto repository = make_repository(dir.path() / "origin");
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        auto profile = must(engine.create_profile(
            tester, document({{"repositories",
                               {{{"identifier", "app"}, {"url", "file://" + repository.string()}, {"role", "primary"}},
                                {{"identifier", "ref"}, {"url", "file://" + repository.string()}, {"role", "reference"}}}},
                              {"environment", {{"GREETING", "hi there"}}},
                              {"setup_script", "cp file.txt /root/made-by-setup; rm file.txt; mkdir -p /usr/local/share/x; echo "
                                               "\"$GREETING\" > /usr/local/share/x/y; echo from setup of "
                                               "$SANDBOXKIT_REPOSITORY_BRANCH\n"}})));
        CHECK(profile.has_draft);
        std::vector<std::string> outputs;
        auto version = must(engine.publish(tester, profile.id).get());
        CHECK(version.number == 1);
        CHECK(version.snapshot == SnapshotState::pending);
        CHECK_FALSE(version.decision.reuse);
        auto too_early = engine.start_session(tester, {profile.id, {}, "", {}, {}}).get();
        const bool refused_or_quick = !too_early.has_value() ? too_early.error().code == "snapshot_not_ready" : true;
        CHECK(refused_or_quick);
        if (too_early) must(engine.remove_session(tester, too_early->id).get());
        auto job =
            must(engine.wait_for_job(tester, *version.last_job, [&](const Progress& p) { outputs.push_back(p.output); }).get());
        const auto log = must(engine.job_log(tester, job.id));
        REQUIRE_MESSAGE(job.state == JobState::succeeded, (job.error ? job.error->message : "") << "\n" << log);
        CHECK(log.find("from setup of main") != std::string::npos);
        version = must(engine.version(tester, profile.id, 1));
        CHECK(version.snapshot == SnapshotState::ready);
        REQUIRE(version.manifest);
        CHECK(version.manifest->version_digest == version.digest);

        auto one = start(engine, profile.id);
        auto two = start(engine, profile.id);
        CHECK(one.state == SessionState::running);
        CHECK(one.notes.empty());
        CHECK(one.timeline.steps.size() >= 3);
        CHECK(shell_output(engine, one.id, "cat /root/made-by-setup") == "hello\n");
        CHECK(shell_output(engine, one.id, "cat /usr/local/share/x/y; echo $GREETING; pwd") ==
              "hi there\nhi there\n/workspace/app\n");
        CHECK(shell_output(engine, one.id,
                           "echo $SANDBOXKIT_SESSION_ID $SANDBOXKIT_REPOSITORY_URL $SANDBOXKIT_REPOSITORY_BRANCH "
                           "$SANDBOXKIT_REPOSITORY_REF_URL $SANDBOXKIT_REPOSITORY_REF_BRANCH") ==
              one.id + " file://" + repository.string() + " main file://" + repository.string() + " main\n");
        CHECK(shell_output(
                  engine, one.id,
                  "test ! -e /workspace/app/file.txt && cat /workspace/ref/file.txt && git -C /workspace/app log --format=%s") ==
              "hello\nfirst\n");
        CHECK(shell_output(engine, one.id, "(echo x > /workspace/ref/file.txt) 2>/dev/null || echo read-only") == "read-only\n");
        CHECK(shell_output(engine, one.id, "echo private > /root/mine; ls /root | sort | tr '\\n' ' '") == "made-by-setup mine ");
        CHECK(shell_output(engine, two.id, "ls /root") == "made-by-setup\n");
        CHECK(shell_output(engine, one.id, "tr '\\0' ' ' < /proc/1/cmdline | grep -c guest; ls /proc | grep -c '^[0-9]*$'")
                  .substr(0, 2) == "1\n");

        SUBCASE("publishing again") {
            auto unchanged = must(engine.draft(tester, profile.id));
            auto refused = engine.publish(tester, profile.id).get();
            REQUIRE_FALSE(refused.has_value());
            CHECK(refused.error().kind == ErrorClass::conflict);
            CHECK(refused.error().code == "no_change");
        }
        SUBCASE("stop, resume, remove") {
            auto stopped = must(engine.stop_session(tester, one.id).get());
            CHECK(stopped.state == SessionState::stopped);
            auto exec = engine.exec(tester, one.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get();
            REQUIRE_FALSE(exec.has_value());
            CHECK(exec.error().code == "session_not_running");
            auto resumed = must(engine.resume_session(tester, one.id).get());
            CHECK(resumed.state == SessionState::running);
            CHECK(shell_output(engine, one.id, "cat /root/mine; echo $GREETING") == "private\nhi there\n");
            CHECK(must(engine.remove_session(tester, one.id).get()).state == SessionState::removed);
            CHECK(must(engine.remove_session(tester, one.id).get()).state == SessionState::removed);
            auto gone = engine.resume_session(tester, one.id).get();
            REQUIRE_FALSE(gone.has_value());
            CHECK(gone.error().kind == ErrorClass::conflict);
        }
        SUBCASE("files") {
            std::string bytes(300'000, '\0');
            for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
            must(engine.write_file(tester, one.id, "/root/deep/er/file", bytes).get());
            CHECK(must(engine.read_file(tester, one.id, "/root/deep/er/file").get()) == bytes);
            auto none = engine.read_file(tester, one.id, "/no/such").get();
            REQUIRE_FALSE(none.has_value());
            CHECK(none.error().kind == ErrorClass::not_found);
        }
        for (const auto& session : must(engine.sessions(tester))) must(engine.remove_session(tester, session.id).get());
        CHECK(must(engine.sessions(tester)).empty());
    }
    check_nothing_left(dir.path());
}

TEST_CASE("processes: streams, standard input, signals, exit codes, timeouts, cancellation") {
    TempDir dir;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        auto profile = must(engine.create_profile(tester, document()));
        REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
        auto session = start(engine, profile.id);
        const auto request = [](std::vector<std::string> argv, bool standard_input = false) {
            ExecRequest r;
            r.argv = std::move(argv);
            r.standard_input = standard_input;
            return r;
        };

        auto both = must(engine.exec(tester, session.id, request({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"})).get());
        CHECK(both.end.exit_code == 7);
        CHECK(both.standard_output == "out\n");
        CHECK(both.standard_error == "err\n");

        auto cat = must(engine.start_process(tester, session.id, request({"cat"}, true)).get());
        must(cat.write("one\n").get());
        auto first = must(cat.next().get());
        CHECK(first.bytes == "one\n");
        must(cat.close_stdin().get());
        auto end = must(cat.next().get());
        REQUIRE(end.end);
        CHECK(end.end->exit_code == 0);

        auto group =
            must(engine.start_process(tester, session.id, request({"/bin/sh", "-c", "sleep 1000 & echo ready; wait"})).get());
        CHECK(must(group.next().get()).bytes == "ready\n");
        must(group.signal(15).get());
        auto killed = must(group.next().get());
        REQUIRE(killed.end);
        CHECK(killed.end->signal == 15);
        CHECK(killed.end->shell_code() == 143);
        CHECK(shell_output(engine, session.id, "ps -eo comm 2>/dev/null | grep -c '^sleep$' || true") == "0\n");

        auto slow = request({"sleep", "1000"});
        slow.timeout = std::chrono::milliseconds(50);
        CHECK(must(engine.exec(tester, session.id, std::move(slow)).get()).end.timed_out);

        auto hanging = engine.exec(tester, session.id, request({"sleep", "2000"}));
        hanging.cancel();
        auto cancelled = hanging.get();
        REQUIRE_FALSE(cancelled.has_value());
        CHECK(cancelled.error().kind == ErrorClass::cancelled);

        auto much =
            must(engine.exec(tester, session.id, request({"/bin/sh", "-c", "head -c 3000000 /dev/zero"}), 1'000'000).get());
        CHECK(much.standard_output.size() == 1'000'000);
        CHECK(much.dropped_bytes == 2'000'000);

        auto missing = must(engine.exec(tester, session.id, request({"/no/such/program"})).get());
        CHECK(missing.end.exit_code == 127);
        auto empty = engine.exec(tester, session.id, request({})).get();
        REQUIRE_FALSE(empty.has_value());
        CHECK(empty.error().kind == ErrorClass::invalid);
        must(engine.remove_session(tester, session.id).get());
    }
    check_nothing_left(dir.path());
}

TEST_CASE("a reused snapshot: a neutral change publishes at once, a relevant one builds") {
    TempDir dir;
    Engine engine = must(Engine::open(options_in(dir.path())));
    auto profile = must(engine.create_profile(tester, document({{"setup_script", "echo one > /root/n\n"}})));
    REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);

    must(engine.edit_draft(tester, profile.id, document({{"setup_script", "echo one > /root/n\n"}})));
    auto same = engine.publish(tester, profile.id).get();
    REQUIRE_FALSE(same.has_value());
    CHECK(same.error().code == "no_change");

    must(engine.edit_draft(tester, profile.id,
                           document({{"setup_script", "echo one > /root/n\n"}, {"resources", {{"class", "planning"}}}})));
    auto second = must(engine.publish(tester, profile.id).get());
    CHECK(second.number == 2);
    CHECK(second.decision.reuse);
    CHECK(second.snapshot == SnapshotState::ready);
    REQUIRE(second.decision.changes.size() == 1);
    CHECK(second.decision.changes[0].field_class == FieldClass::snapshot_neutral);

    must(engine.edit_draft(tester, profile.id,
                           document({{"setup_script", "echo two > /root/n\n"}, {"resources", {{"class", "planning"}}}})));
    auto third = must(engine.publish(tester, profile.id).get());
    CHECK_FALSE(third.decision.reuse);
    REQUIRE(third.last_job);
    // While the third builds, the newest usable version is still the second.
    CHECK(must(engine.wait_for_job(tester, *third.last_job).get()).state == JobState::succeeded);
    auto session = start(engine, profile.id);
    CHECK(session.version == 3);
    CHECK(shell_output(engine, session.id, "cat /root/n") == "two\n");
    must(engine.remove_session(tester, session.id).get());
}

TEST_CASE("idempotent start: one token, one session, also when asked at once") {
    TempDir dir;
    Engine engine = must(Engine::open(options_in(dir.path())));
    auto profile = must(engine.create_profile(tester, document()));
    REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
    StartOptions options;
    options.profile = profile.id;
    options.client_token = "token-1";
    std::vector<Operation<SessionInfo>> starts;
    for (int i = 0; i < 8; ++i) starts.push_back(engine.start_session(tester, options));
    std::string id;
    for (auto& operation : starts) {
        auto info = must(operation.get());
        if (id.empty()) id = info.id;
        CHECK(info.id == id);
        CHECK(info.state == SessionState::running);
    }
    CHECK(must(engine.sessions(tester)).size() == 1);
    must(engine.remove_session(tester, id).get());
}
