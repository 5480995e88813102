// SPDX-License-Identifier: Apache-2.0
// What can go wrong in a build, each with the right class of error, the phase, the output, and nothing left behind.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"

#include <sys/mount.h>

#include <algorithm>
#include <atomic>

using namespace sandboxkit;
using namespace sandboxkit::test;

struct Failed {
    JobInfo job;
    std::string log;
};

static Failed build(Engine& engine, boost::json::object members) {
    auto profile = must(engine.create_profile(tester, document(std::move(members))));
    auto version = must(engine.publish(tester, profile.id).get());
    auto job = must(engine.wait_for_job(tester, *version.last_job).get());
    auto refused = engine.start_session(tester, {profile.id, {}, "", {}, {}}).get();
    if (job.state != JobState::succeeded) {
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == "snapshot_not_ready");
        CHECK(must(engine.version(tester, profile.id, 1)).snapshot == SnapshotState::failed);
        REQUIRE(job.error);
    } else {
        must(engine.remove_session(tester, must(std::move(refused)).id).get());
    }
    return {job, must(engine.job_log(tester, job.id))};
}

TEST_CASE("builds that fail") {
    TempDir dir;
    {
        Engine engine = must(Engine::open(options_in(dir.path())));
        SUBCASE("a setup script that fails") {
            auto failed = build(engine, {{"setup_script", "echo before\nfalse\necho after\n"}});
            CHECK(failed.job.phase == BuildPhase::setup_script);
            CHECK(failed.job.error->code == "setup_script_failed");
            CHECK(failed.job.error->detail.find("before") != std::string::npos);
            CHECK(failed.log.find("before") != std::string::npos);
            CHECK(failed.log.find("after") == std::string::npos);
        }
        SUBCASE("a setup script that hangs") {
            auto failed = build(engine, {{"setup_script", "echo waiting; sleep 3000\n"}, {"setup_timeout", 1}});
            CHECK(failed.job.error->kind == ErrorClass::timeout);
            CHECK(failed.log.find("waiting") != std::string::npos);
        }
        SUBCASE("a setup script that floods its output") {
            auto failed =
                build(engine, {{"setup_script", "echo first; head -c 20000000 /dev/zero | tr '\\0' 'x'; echo last; exit 3\n"}});
            CHECK(failed.job.error->code == "setup_script_failed");
            CHECK(failed.log.size() < (1 << 20) + 1024);
            CHECK(failed.log.find("first") != std::string::npos);
            CHECK(failed.log.find("last") != std::string::npos);
            CHECK(failed.log.find("left out") != std::string::npos);
        }
        SUBCASE("a setup script that forks without end") {
            auto failed = build(engine, {{"setup_script", "bomb() { bomb | bomb & }; bomb; sleep 1; bomb; sleep 3000\n"},
                                         {"setup_timeout", 3},
                                         {"resources", {{"processes", 64}}}});
            CHECK((failed.job.error->code == "setup_script_failed" || failed.job.error->kind == ErrorClass::timeout));
            CHECK(failed.job.phase == BuildPhase::setup_script);
        }
        SUBCASE("a setup script that wants too much memory") {
            auto failed = build(
                engine,
                {{"setup_script", "#!/usr/bin/python3\nb = bytearray(1 << 30)\nfor i in range(0, len(b), 4096): b[i] = 1\n"},
                 {"resources", {{"memory_mb", 128}}}});
            CHECK(failed.job.error->code == "setup_script_failed");
        }
        SUBCASE("a repository that does not exist") {
            auto failed = build(engine, {{"repositories", {{{"url", "file:///no/such/repository.git"}}}}});
            CHECK(failed.job.phase == BuildPhase::repositories);
            CHECK(failed.job.error->kind == ErrorClass::not_found);
        }
        SUBCASE("an archive that does not exist, and one that is none") {
            auto missing = build(engine, {{"image", "archive:/no/such.tar"}});
            CHECK(missing.job.phase == BuildPhase::image);
            CHECK(missing.job.error->kind == ErrorClass::not_found);
            std::ofstream(dir.path() / "bad.tar") << std::string(5000, 'x');
            auto damaged = build(engine, {{"image", "archive:" + (dir.path() / "bad.tar").string()}});
            CHECK(damaged.job.error->code == "archive_damaged");
        }
        SUBCASE("a failed refresh keeps the usable snapshot") {
            auto profile = must(engine.create_profile(
                tester,
                document({{"repositories", {{{"identifier", "r"}, {"url", "file://" + (dir.path() / "origin").string()}}}}})));
            const std::string make = "cd '" + dir.path().string() +
                                     "' && git init -q -b main origin && cd origin && git -c user.name=t -c "
                                     "user.email=t@example.com commit -q --allow-empty -m x";
            REQUIRE(std::system(make.c_str()) == 0);
            REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
            fs::remove_all(dir.path() / "origin");
            auto job = must(engine.refresh_snapshot(tester, profile.id, 1));
            auto active = engine.refresh_snapshot(tester, profile.id, 1);
            if (!active) CHECK(active.error().code == "job_active");
            for (const auto& each : must(engine.jobs(tester, profile.id))) must(engine.wait_for_job(tester, each.id).get());
            CHECK(must(engine.job(tester, job.id)).state == JobState::failed);
            CHECK(must(engine.version(tester, profile.id, 1)).snapshot == SnapshotState::ready);
            auto session = start(engine, profile.id);
            must(engine.remove_session(tester, session.id).get());
        }
        SUBCASE("a job that is cancelled") {
            auto profile = must(engine.create_profile(tester, document({{"setup_script", "echo up; sleep 3000\n"}})));
            auto version = must(engine.publish(tester, profile.id).get());
            auto cancelled = std::make_shared<std::atomic<bool>>(false);
            auto waiting =
                engine.wait_for_job(tester, *version.last_job, [&engine, cancelled, job = *version.last_job](const Progress& p) {
                    if (p.output.find("up") != std::string::npos && !cancelled->exchange(true))
                        (void)engine.cancel_job(tester, job);
                });
            CHECK(must(waiting.get()).state == JobState::cancelled);
            CHECK(cancelled->load());
        }
    }
    {
        // Closing waits for builds to end, and reconciliation takes what they left.
        Engine engine = must(Engine::open(options_in(dir.path())));
    }
    check_nothing_left(dir.path());
}

TEST_CASE("a disk that fills up") {
    TempDir dir;
    const auto small = dir.path() / "small";
    fs::create_directory(small);
    REQUIRE(::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=64m") == 0);
    {
        EngineOptions options = options_in(small);
        options.state_directory = small / "state";
        Engine engine = must(Engine::open(options));
        auto failed = build(engine, {{"setup_script", "head -c 500000000 /dev/zero > /root/big\n"}});
        CHECK(failed.job.phase == BuildPhase::setup_script);
        CHECK(failed.log.find("No space left") != std::string::npos);
        // The space is there again.
        auto fine = build(engine, {{"name", "second"}, {"setup_script", "head -c 30000000 /dev/zero > /root/big\n"}});
        CHECK(fine.job.state == JobState::succeeded);

        // A session takes all of it, the store's share too. Removing the session is what makes room again.
        auto session = start(engine, fine.job.profile);
        (void)engine.exec(tester, session.id, {{"/bin/sh", "-c", "cat /dev/zero > /root/big"}, {}, {}, {}, false, {}}).get();
        auto refused = engine.create_profile(tester, document());
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == "disk_full");
        CHECK(must(engine.remove_session(tester, session.id).get()).state == SessionState::removed);
        CHECK(engine.create_profile(tester, document()).has_value());
    }
    check_nothing_left(dir.path(), small / "state/local");
    ::umount2(small.c_str(), MNT_DETACH);
}

TEST_CASE("a disk that is full when a start is recorded") {
    TempDir dir;
    const auto small = dir.path() / "small";
    fs::create_directory(small);
    REQUIRE(::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=16m") == 0);
    {
        std::atomic<bool> fill = false;
        EngineOptions options = options_in(small);
        options.state_directory = dir.path() / "state"; // only the store's disk is full
        options.on_step = [&](std::string_view step) {
            if (!fill || step != "provider.start.after") return;
            fill = false;
            std::ofstream filler(small / "filler");
            while (filler << 'x') filler.flush();
        };
        Engine engine = must(Engine::open(options));
        const auto profile = build(engine, {}).job.profile;
        fill = true;
        StartOptions start_options;
        start_options.profile = profile;
        const auto refused = engine.start_session(tester, start_options).get();
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == "disk_full");
        check_nothing_left(dir.path(), dir.path() / "state/local");

        fs::remove(small / "filler");
        must(engine.reconcile(tester).get());
        const auto sessions = must(engine.sessions(tester, true));
        CHECK(std::ranges::count(sessions, SessionState::failed, &SessionInfo::state) == 1);
        CHECK(std::ranges::count(sessions, SessionState::starting, &SessionInfo::state) == 0);
        must(engine.remove_session(tester, start(engine, profile).id).get());
    }
    ::umount2(small.c_str(), MNT_DETACH);
}

TEST_CASE("documents and names that are wrong") {
    TempDir dir;
    Engine engine = must(Engine::open(options_in(dir.path())));
    auto broken = engine.create_profile(tester, R"({"name": 1, "colour": "red", "resources": {"cpus": -1}})");
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().kind == ErrorClass::invalid);
    CHECK(broken.error().problems.size() == 3);
    CHECK_FALSE(engine.create_profile(tester, "not json").has_value());
    CHECK_FALSE(engine.create_profile({}, document()).has_value());
    CHECK(engine.profile(tester, "prf_none").error().kind == ErrorClass::not_found);
    CHECK(engine.publish(tester, "prf_none").get().error().kind == ErrorClass::not_found);
    CHECK(engine.session(tester, "ses_none").error().kind == ErrorClass::not_found);
    CHECK(engine.start_session(tester, {"prf_none", {}, "", {}, {}}).get().error().kind == ErrorClass::not_found);

    auto refused = must(engine.create_profile(tester, document({{"provider", "e2b"}})));
    auto published = engine.publish(tester, refused.id).get();
    REQUIRE_FALSE(published.has_value());
    CHECK(published.error().kind == ErrorClass::unsupported);
    REQUIRE(published.error().problems.size() >= 1);
    CHECK(published.error().problems[0].pointer == "/provider");

    auto disk =
        must(engine.create_profile(tester, document({{"resources", {{"disk_mb", 100}}}, {"persistence", {{"enabled", true}}}})));
    auto both = engine.publish(tester, disk.id).get();
    REQUIRE_FALSE(both.has_value());
    std::set<std::string> pointers;
    for (const auto& problem : both.error().problems) pointers.insert(problem.pointer);
    CHECK(pointers == std::set<std::string>{"/persistence/enabled", "/resources/disk_mb"});
}

TEST_CASE("stores that cannot be opened") {
    TempDir dir;
    std::ofstream(dir.path() / "store.db") << "this is not a database, and it is longer than a header";
    auto damaged = Engine::open(options_in(dir.path()));
    REQUIRE_FALSE(damaged.has_value());
    CHECK(damaged.error().kind == ErrorClass::data_loss);
    CHECK_FALSE(Engine::open({}).has_value());
}
