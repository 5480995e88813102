// SPDX-License-Identifier: Apache-2.0
// Time limits, computes that end by themselves, and several engines on one store.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"
#include "engine/manual_clock.hpp"

#include <csignal>

using namespace sandboxkit;
using namespace sandboxkit::test;

// A profile that is ready to start from.
static std::string ready_profile(Engine& engine) {
    auto profile = must(engine.create_profile(tester, document()));
    REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
    return profile.id;
}

// The host's ids of the processes in a sandbox, by cgroup.
static std::vector<pid_t> processes_of(const std::string& sandbox_id) {
    std::vector<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream in(entry.path() / "cgroup");
        std::string text;
        std::getline(in, text, '\0'); // empty for a process that has just ended
        if (text.find(sandbox_id) != std::string::npos) found.push_back(std::stoi(name));
    }
    return found;
}

TEST_CASE("idle and absolute time limits") {
    TempDir dir;
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_in(dir.path());
    options.clock = clock;
    Engine engine = must(Engine::open(options));
    const auto profile = ready_profile(engine);
    StartOptions idle;
    idle.profile = profile;
    idle.idle_limit = std::chrono::seconds(60);
    StartOptions limited;
    limited.profile = profile;
    limited.time_limit = std::chrono::seconds(100);
    auto one = must(engine.start_session(tester, idle).get());
    auto two = must(engine.start_session(tester, limited).get());

    clock->advance(std::chrono::seconds(50));
    (void)shell_output(engine, one.id, "true"); // puts the idle deadline off
    clock->advance(std::chrono::seconds(30));
    must(engine.reconcile(tester).get());
    CHECK(must(engine.session(tester, one.id)).state == SessionState::running);
    clock->advance(std::chrono::seconds(31));
    must(engine.reconcile(tester).get());
    auto stopped = must(engine.session(tester, one.id));
    CHECK(stopped.state == SessionState::stopped);
    REQUIRE(stopped.error);
    CHECK(stopped.error->code == "idle_limit");
    auto over = must(engine.session(tester, two.id));
    CHECK(over.state == SessionState::stopped);
    REQUIRE(over.error);
    CHECK(over.error->code == "time_limit");

    CHECK(must(engine.resume_session(tester, one.id).get()).state == SessionState::running);
    const auto refused = engine.read_file(tester, two.id, "/etc/hostname").get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "session_not_running");
    CHECK(refused.error().message.find("time limit") != std::string::npos);

    { Engine closed = std::move(engine); }
    clock->advance(std::chrono::seconds(61)); // while nobody is there
    engine = must(Engine::open(options));
    CHECK(must(engine.session(tester, one.id)).state == SessionState::stopped);
    for (const auto& session : must(engine.sessions(tester))) must(engine.remove_session(tester, session.id).get());
}

TEST_CASE("a compute that ends by itself") {
    TempDir dir;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        const auto profile = ready_profile(engine);
        auto session = start(engine, profile);
        (void)shell_output(engine, session.id, "echo kept > /root/kept");
        auto pids = processes_of(session.sandbox_id);
        REQUIRE_FALSE(pids.empty());
        for (const auto pid : pids) ::kill(pid, SIGKILL);
        ExecRequest request;
        request.argv = {"/bin/true"};
        auto ended = engine.exec(tester, session.id, request).get();
        REQUIRE_FALSE(ended.has_value());
        CHECK(ended.error().code == "compute_ended");
        CHECK(must(engine.session(tester, session.id)).state == SessionState::stopped);
        must(engine.resume_session(tester, session.id).get());
        CHECK(shell_output(engine, session.id, "cat /root/kept") == "kept\n");

        // And while nobody calls: reconciliation finds it.
        for (const auto pid : processes_of(session.sandbox_id)) ::kill(pid, SIGKILL);
        while (!processes_of(session.sandbox_id).empty()) std::this_thread::yield();
        must(engine.reconcile(tester).get());
        CHECK(must(engine.session(tester, session.id)).state == SessionState::stopped);
        must(engine.remove_session(tester, session.id).get());
    }
    check_nothing_left(dir.path());
}

TEST_CASE("two engines on one store see and use the same sessions") {
    TempDir dir;
    Engine first = must(Engine::open(options_in(dir.path())));
    Engine second = must(Engine::open(options_in(dir.path())));
    const auto profile = ready_profile(first);
    auto session = start(first, profile);
    CHECK(shell_output(second, session.id, "echo from the second") == "from the second\n");
    must(second.stop_session(tester, session.id).get());
    auto refused = first.exec(tester, session.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "session_not_running");
    must(first.resume_session(tester, session.id).get());
    CHECK(shell_output(second, session.id, "echo again") == "again\n");
    must(second.remove_session(tester, session.id).get());
}

TEST_CASE("a store is not opened with another state directory than its sandboxes are in") {
    TempDir dir;
    std::string session;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        session = start(engine, ready_profile(engine)).id;
    }
    EngineOptions elsewhere = options_in(dir.path());
    elsewhere.state_directory = dir.path() / "elsewhere";
    const auto refused = Engine::open(elsewhere);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorClass::conflict);
    CHECK(refused.error().code == "state_directory_elsewhere");
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        CHECK(must(engine.session(tester, session)).state == SessionState::running);
        must(engine.remove_session(tester, session).get());
    }
    check_nothing_left(dir.path());
}

TEST_CASE("cancelling a start leaves nothing") {
    TempDir dir;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        const auto profile = ready_profile(engine);
        for (int i = 0; i < 10; ++i) {
            auto operation = engine.start_session(tester, {profile, {}, "", {}, {}});
            for (int spin = 0; spin < i * 3000; ++spin) std::this_thread::yield();
            operation.cancel();
            auto result = operation.get();
            if (result) {
                must(engine.remove_session(tester, result->id).get());
            } else {
                CHECK(result.error().kind == ErrorClass::cancelled);
            }
        }
        CHECK(must(engine.sessions(tester)).empty());
    }
    check_nothing_left(dir.path());
}

TEST_CASE("closing the engine leaves running sessions running, and the next engine uses them") {
    TempDir dir;
    std::string id;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        id = start(engine, ready_profile(engine)).id;
        (void)shell_output(engine, id, "echo here > /root/here");
    }
    Engine engine = must(Engine::open(options_in(dir.path())));
    CHECK(must(engine.session(tester, id)).state == SessionState::running);
    CHECK(shell_output(engine, id, "cat /root/here") == "here\n");
    must(engine.remove_session(tester, id).get());
}
