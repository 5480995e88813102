// SPDX-License-Identifier: Apache-2.0
// Crash is a normal event: a child process is killed at every step (each store commit and each provider call, before
// and after) of publish, snapshot build, session start, stop, resume and removal. Then the store is opened again, and
// nothing acknowledged is lost, nothing is stuck, and nothing is left behind.
#define DOCTEST_CONFIG_IMPLEMENT
#include "engine/engine_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <map>

using namespace sandboxkit;
using namespace sandboxkit::test;

static std::string own_program;

// --- the child -------------------------------------------------------------------------------------------------------

// An engine's options with which the process is killed at step `fatal`.
static EngineOptions fatal_options(const fs::path& directory, int fatal) {
    EngineOptions options = options_in(directory);
    options.on_step = [fatal, directory, steps = std::make_shared<std::atomic<int>>(0)](std::string_view step) {
        if (++*steps != fatal) return;
        std::ofstream(directory / "killed-at") << step << std::endl;
        ::kill(::getpid(), SIGKILL);
        ::pause();
    };
    return options;
}

// Starts a session of the only profile, without a client token.
static int start_child(const fs::path& directory, int fatal) {
    auto engine = Engine::open(fatal_options(directory, fatal));
    if (!engine) return 2;
    StartOptions options;
    options.profile = engine->profiles(tester).value().front().id;
    return engine->start_session(tester, options).get() ? 0 : 3;
}

// Does the main job in `directory`; after each call returned, tells so in the file `acknowledged`. Killed at step `fatal`.
static int child(const fs::path& directory, int fatal) {
    std::ofstream acknowledged(directory / "acknowledged");
    const auto tell = [&](const std::string& what, const std::string& value) {
        acknowledged << what << ' ' << value << std::endl;
    };
    const EngineOptions options = fatal_options(directory, fatal);
    auto engine = Engine::open(options);
    if (!engine) return 2;
    auto profile = engine->create_profile(tester, document({{"setup_script", "echo made > /root/made\n"}}));
    if (!profile) return 3;
    tell("profile", profile->id);
    auto version = engine->publish(tester, profile->id).get();
    if (!version) return 4;
    tell("published", std::to_string(version->number));
    auto job = engine->wait_for_job(tester, *version->last_job).get();
    if (!job || job->state != JobState::succeeded) return 5;
    tell("snapshot", job->id);
    StartOptions start_options;
    start_options.profile = profile->id;
    start_options.client_token = "crash";
    auto session = engine->start_session(tester, start_options).get();
    if (!session) return 6;
    tell("session", session->id);
    if (!engine->write_file(tester, session->id, "/root/work", "work").get()) return 7;
    tell("file", "work");
    if (!engine->stop_session(tester, session->id).get()) return 8;
    tell("stopped", session->id);
    if (!engine->resume_session(tester, session->id).get()) return 9;
    tell("resumed", session->id);
    if (!engine->remove_session(tester, session->id).get()) return 10;
    tell("removed", session->id);
    return 0;
}

// --- the parent ------------------------------------------------------------------------------------------------------

static std::map<std::string, std::string> read_acknowledged(const fs::path& directory) {
    std::map<std::string, std::string> told;
    std::ifstream in(directory / "acknowledged");
    std::string what, value;
    while (in >> what >> value) told[what] = value;
    return told;
}

static int run_child(const fs::path& directory, int fatal, const char* mode = "--crash-child") {
    const std::string step = std::to_string(fatal);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execl(own_program.c_str(), own_program.c_str(), mode, directory.c_str(), step.c_str(), nullptr);
        ::_exit(127);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return status;
}

static void check_after_crash(const fs::path& directory) {
    const auto told = read_acknowledged(directory);
    Engine engine = must(Engine::open(options_in(directory)));

    if (!told.contains("profile")) return;
    const auto& profile = told.at("profile");
    auto info = must(engine.profile(tester, profile));
    if (told.contains("published")) {
        REQUIRE(info.latest_version);
        auto version = must(engine.version(tester, profile, 1));
        REQUIRE(version.last_job);
        CHECK(must(engine.wait_for_job(tester, *version.last_job).get()).state == JobState::succeeded);
    } else if (info.has_draft) {
        REQUIRE(publish_and_build(engine, profile).state == JobState::succeeded);
    } else { // published, and the reply was lost
        CHECK(must(engine.wait_for_job(tester, *must(engine.version(tester, profile, 1)).last_job).get()).state ==
              JobState::succeeded);
    }
    for (const auto& job : must(engine.jobs(tester, profile))) CHECK_FALSE(is_active(job.state));

    StartOptions again;
    again.profile = profile;
    again.client_token = "crash";
    auto session = must(engine.start_session(tester, again).get());
    if (told.contains("session")) CHECK(session.id == told.at("session"));
    CHECK(must(engine.sessions(tester, true)).size() == 1);
    if (session.state == SessionState::stopped) session = must(engine.resume_session(tester, session.id).get());
    if (told.contains("removed")) CHECK(session.state == SessionState::removed);
    if (session.state == SessionState::running) {
        CHECK(shell_output(engine, session.id, "cat /root/made") == "made\n");
        if (told.contains("file")) CHECK(shell_output(engine, session.id, "cat /root/work") == "work");
    }
    must(engine.remove_session(tester, session.id).get());
    must(engine.reconcile(tester).get());
    CHECK((!fs::exists(directory / "store.db.state/builds") || fs::is_empty(directory / "store.db.state/builds")));
}

TEST_CASE("killed at every step, nothing acknowledged is lost and nothing is left behind") {
    int fatal = 1;
    for (;; ++fatal) {
        TempDir dir;
        const int status = run_child(dir.path(), fatal);
        std::string step;
        std::ifstream(dir.path() / "killed-at") >> step;
        CAPTURE(fatal);
        CAPTURE(step);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0); // ran to its end: every step has been killed at
            check_after_crash(dir.path());
            check_nothing_left(dir.path());
            break;
        }
        REQUIRE(WTERMSIG(status) == SIGKILL);
        check_after_crash(dir.path());
        check_nothing_left(dir.path());
    }
    MESSAGE("killed at " << fatal - 1 << " steps");
    CHECK(fatal > 40); // publish, build, start, stop, resume and removal have more steps than that
}

TEST_CASE("an interrupted start that nobody can claim is undone") {
    TempDir dir;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        const auto profile = must(engine.create_profile(tester, document()));
        REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
    }
    std::size_t undone = 0;
    for (int fatal = 1;; ++fatal) {
        const int status = run_child(dir.path(), fatal, "--crash-start");
        CAPTURE(fatal);
        Engine engine = must(Engine::open(options_in(dir.path())));
        const bool ended = WIFEXITED(status);
        std::size_t failed = 0;
        for (const auto& session : must(engine.sessions(tester, true))) {
            if (session.state == SessionState::running) { // its last record was written
                must(engine.remove_session(tester, session.id).get());
            } else if (session.state == SessionState::failed) {
                REQUIRE(session.error);
                CHECK(session.error->code == "start_interrupted");
                ++failed;
            } else {
                CHECK(session.state == SessionState::removed);
            }
        }
        check_nothing_left(dir.path());
        if (ended) {
            CHECK(WEXITSTATUS(status) == 0);
            CHECK(failed == undone);
            break;
        }
        CHECK(failed <= undone + 1);
        undone = failed;
    }
    CHECK(undone >= 5); // after the first record, and around provider.create, start and what follows
}

int main(int argc, char** argv) {
    own_program = fs::read_symlink("/proc/self/exe");
    if (argc == 4 && std::string_view(argv[1]) == "--crash-child") return child(argv[2], std::atoi(argv[3]));
    if (argc == 4 && std::string_view(argv[1]) == "--crash-start") return start_child(argv[2], std::atoi(argv[3]));
    doctest::Context context(argc, argv);
    return context.run();
}
