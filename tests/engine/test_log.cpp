// SPDX-License-Identifier: Apache-2.0
// What the engine tells who listens to its log, over a provider in memory.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/manual_clock.hpp"
#include "engine/memory_provider.hpp"

#include "store/store.hpp"

#include <condition_variable>
#include <stdexcept>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

class Recorder {
public:
    LogHandler handler() {
        return [this](const LogLine& line) {
            std::lock_guard lock(mutex_);
            lines_.push_back(line);
            changed_.notify_all();
        };
    }
    // A job is logged when its row says that it has ended, and so may be waited for longer.
    void wait_for(const std::string& event, int count = 1) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] {
            return std::count_if(lines_.begin(), lines_.end(), [&](const LogLine& line) { return line.event == event; }) >= count;
        });
    }
    std::vector<LogLine> lines() {
        std::lock_guard lock(mutex_);
        return lines_;
    }
    // "info job.started version=1 host=memory": without what is another in every run, and without the host's own provider.
    std::vector<std::string> told() {
        std::vector<std::string> all;
        for (const auto& line : lines()) {
            CHECK(line.at != Timestamp{});
            CHECK_FALSE(line.message.empty());
            CHECK(line.message.find('\n') == std::string::npos);
            if (line.event == "provider.unusable") continue;
            std::string text = std::string(to_string(line.level)) + " " + line.event;
            for (const auto& [name, value] : line.fields) {
                CHECK_FALSE(value.empty());
                const bool random = name == "engine" || name == "store" || name == "profile" || name == "job" ||
                                    name == "session" || name == "milliseconds";
                text += " " + name + (random ? "" : "=" + value);
            }
            all.push_back(text);
        }
        return all;
    }
    void forget() {
        std::lock_guard lock(mutex_);
        lines_.clear();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<LogLine> lines_;
};

using Lines = std::vector<std::string>;

struct Fixture {
    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
    Recorder log;

    EngineOptions options() {
        EngineOptions options = options_with(dir.path(), provider);
        options.clock = clock;
        options.log = log.handler();
        return options;
    }
    std::string store_id() { return must(must(store::Store::open(dir.path() / "store.db"))->store_id()); }
};

} // namespace

TEST_CASE("a small life, line by line") {
    Fixture f;
    std::optional<Engine> engine(must(Engine::open(f.options())));
    const auto profile = ready_profile(*engine);
    f.log.wait_for("job.succeeded");
    StartOptions options = of(profile);
    options.time_limit = std::chrono::seconds(10);
    options.idle_limit = std::chrono::hours(1);
    const auto session = must(engine->start_session(tester, options).get());
    f.clock->advance(std::chrono::seconds(11));
    must(engine->reconcile(tester).get());
    f.log.wait_for("session.stopped"); // by that, or by the timer
    must(engine->resume_session(tester, session.id).get());
    CHECK(shell_output(*engine, session.id, "echo on") == "on\n"); // of which nobody is told
    must(engine->stop_session(tester, session.id).get());
    must(engine->resume_session(tester, session.id).get());
    must(engine->remove_session(tester, session.id).get());
    must(engine->remove_session(tester, session.id).get()); // is gone already
    engine.reset();
    CHECK(f.log.told() == Lines{
                              "info engine.opened engine store",
                              "info job.started job profile version=1 host=memory",
                              "info job.succeeded job profile version=1 host=memory milliseconds",
                              "info session.started session profile version=1 host=memory milliseconds",
                              "info session.stopped session profile version=1 host=memory reason=time_limit",
                              "info session.resumed session profile version=1 host=memory milliseconds",
                              "info session.resumed session profile version=1 host=memory milliseconds",
                              "info session.removed session profile version=1 host=memory",
                              "info engine.closed engine",
                          });
    for (const auto& line : f.log.lines())
        for (const auto& [name, value] : line.fields) {
            if (name == "session") CHECK(value == session.id);
            if (name == "profile") CHECK(value == profile);
            if (name == "store") CHECK(value == (f.dir.path() / "store.db").string());
        }
}

TEST_CASE("what fails and what is cancelled") {
    Fixture f;
    Engine engine = must(Engine::open(f.options()));
    const auto profile = ready_profile(engine);
    f.log.wait_for("job.succeeded");
    f.log.forget();

    f.provider->fail("prepare_image");
    auto failing = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    CHECK(publish_and_build(engine, failing.id).state == JobState::failed);
    f.log.wait_for("job.failed");
    f.provider->mend("prepare_image");

    auto at_work = f.provider->hold("prepare_image");
    const auto job = must(engine.refresh_snapshot(tester, failing.id, 1)).id;
    at_work->wait_for_arrival();
    must(engine.cancel_job(tester, job));
    f.log.wait_for("job.cancelled");

    f.provider->fail("start");
    CHECK_FALSE(engine.start_session(tester, of(profile)).get().has_value());
    f.provider->mend("start");

    auto at_start = f.provider->hold("start");
    auto cancelled = engine.start_session(tester, of(profile));
    at_start->wait_for_arrival();
    cancelled.cancel();
    CHECK_FALSE(cancelled.get().has_value());

    const auto session = start(engine, profile);
    must(engine.stop_session(tester, session.id).get());
    f.provider->fail("start");
    CHECK_FALSE(engine.resume_session(tester, session.id).get().has_value());

    CHECK(f.log.told() ==
          Lines{
              "info job.started job profile version=1 host=memory",
              "warning job.failed job profile version=1 host=memory phase=image class=unavailable code=scripted",
              "info job.started job profile version=1 host=memory",
              "info job.cancelled job profile version=1 host=memory",
              "warning session.start_failed session profile version=1 host=memory class=unavailable code=scripted",
              "info session.start_failed session profile version=1 host=memory class=cancelled code=cancelled",
              "info session.started session profile version=1 host=memory milliseconds",
              "warning session.start_failed session profile version=1 host=memory class=unavailable code=scripted",
          });
}

TEST_CASE("a job that nobody runs is cancelled, and is told of once") {
    Fixture f;
    EngineOptions options = f.options();
    options.run_snapshot_jobs = false;
    Engine engine = must(Engine::open(options));
    const auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    const auto job = *must(engine.publish(tester, profile.id).get()).last_job;
    must(engine.cancel_job(tester, job));
    CHECK_FALSE(engine.cancel_job(tester, job).has_value());
    CHECK(f.log.told() == Lines{"info engine.opened engine store", "info job.cancelled job profile version=1 host=memory"});
}

TEST_CASE("what dead processes left") {
    Fixture f;
    {
        EngineOptions options = f.options();
        options.run_snapshot_jobs = false;
        options.log = {};
        Engine engine = must(Engine::open(options));
        const auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
        (void)must(engine.publish(tester, profile.id).get());
    }
    const auto lease = [&] {
        auto store = must(store::Store::open(f.dir.path() / "store.db"));
        REQUIRE(must(store->lease_next_job("eng_dead", f.clock->now(), std::chrono::hours(1), [](auto) { return true; })));
    };
    Lines expected{"info engine.opened engine store"};
    SUBCASE("a job, which is taken up again") {
        lease();
        Engine engine = must(Engine::open(f.options()));
        f.log.wait_for("job.succeeded");
        expected.emplace_back("warning job.taken_over job profile version=1 host=memory attempt=2");
        expected.emplace_back("info job.succeeded job profile version=1 host=memory milliseconds");
        CHECK(f.log.told() == expected);
    }
    SUBCASE("a job that was begun too often") {
        for (int i = 0; i < 3; ++i) {
            lease();
            f.clock->advance(std::chrono::hours(2)); // past its lease
        }
        Engine engine = must(Engine::open(f.options()));
        f.log.wait_for("job.failed");
        expected.emplace_back(
            "warning job.failed job profile version=1 host=memory phase=queued class=internal code=attempts_exhausted");
        CHECK(f.log.told() == expected);
    }
    SUBCASE("sandboxes and images") {
        const std::map<std::string, std::string> ours{{"sandboxkit.store", f.store_id()}, {"sandboxkit.job", "job_gone"}};
        f.provider->add_sandbox("left", ours);
        f.provider->add_sandbox("stuck", ours);
        f.provider->add_image("old", ours);
        f.provider->fail("destroy stuck", ErrorClass::internal);
        EngineOptions options = f.options();
        options.run_snapshot_jobs = false;
        Engine engine = must(Engine::open(options));
        f.provider->fail("list");
        CHECK_FALSE(engine.reconcile(tester).get().has_value());
        CHECK(f.provider->sandboxes() == std::set<std::string>{"stuck"});
        expected.emplace_back("warning sandbox.orphan_removed provider=memory host=memory sandbox=left");
        expected.emplace_back("error sandbox.orphan_kept provider=memory host=memory sandbox=stuck class=internal code=scripted");
        expected.emplace_back("warning image.orphan_removed provider=memory host=memory image=old");
        expected.emplace_back("error reconciliation.failed provider=memory host=memory class=unavailable code=scripted");
        CHECK(f.log.told() == expected);
        // Told once, and when it is over.
        f.log.forget();
        CHECK_FALSE(engine.reconcile(tester).get().has_value());
        CHECK(f.log.told().empty());
        f.provider->mend("list");
        f.provider->mend("destroy stuck");
        must(engine.reconcile(tester).get());
        CHECK(f.log.told() == Lines{"warning sandbox.orphan_removed provider=memory host=memory sandbox=stuck",
                                    "info reconciliation.resumed provider=memory host=memory"});
        f.log.forget();
        must(engine.reconcile(tester).get());
        CHECK(f.log.told().empty());
    }
}

TEST_CASE("sessions whose compute ends, or whose sandbox is lost") {
    Fixture f;
    Engine engine = must(Engine::open(f.options()));
    const auto profile = ready_profile(engine);
    f.log.wait_for("job.succeeded");
    const auto watched = start(engine, profile), unwatched = start(engine, profile), lost = start(engine, profile);
    f.log.forget();
    f.provider->end(watched.sandbox_id);
    ExecRequest request;
    request.argv = {"/bin/true"};
    CHECK_FALSE(engine.exec(tester, watched.id, request).get().has_value());
    f.provider->end(unwatched.sandbox_id);
    must(engine.reconcile(tester).get());
    f.provider->lose(lost.sandbox_id);
    must(engine.reconcile(tester).get());
    CHECK(f.log.told() == Lines{
                              "warning session.stopped session profile version=1 host=memory reason=compute_ended",
                              "warning session.stopped session profile version=1 host=memory reason=compute_ended",
                              "error session.lost session profile version=1 host=memory",
                              "info session.removed session profile version=1 host=memory",
                          });
}

TEST_CASE("an image that a refresh replaced is not an orphan") {
    Fixture f;
    Engine engine = must(Engine::open(f.options()));
    const auto profile = ready_profile(engine);
    const auto job = must(engine.refresh_snapshot(tester, profile, 1));
    REQUIRE(must(engine.wait_for_job(tester, job.id).get()).state == JobState::succeeded);
    f.log.wait_for("job.succeeded", 2);
    REQUIRE(f.provider->images().size() == 2);
    f.log.forget();
    must(engine.reconcile(tester).get());
    CHECK(f.provider->images().size() == 1);
    CHECK(f.log.told().empty());
}

TEST_CASE("a provider that does not work here") {
    Fixture f;
    EngineOptions options = f.options();
    options.guest = "/nonexistent/guest"; // of the local provider
    Engine engine = must(Engine::open(options));
    const auto lines = f.log.lines();
    REQUIRE(lines.size() == 2);
    CHECK(lines[1].event == "provider.unusable");
    CHECK(lines[1].level == LogLevel::warning);
    REQUIRE(lines[1].fields.size() == 3);
    CHECK(lines[1].fields[0] == std::pair<std::string, std::string>("provider", "local"));
}

TEST_CASE("a listener that throws does no harm") {
    Fixture f;
    EngineOptions options = f.options();
    options.log = [](const LogLine&) { throw std::runtime_error("no"); };
    Engine engine = must(Engine::open(options));
    const auto session = start(engine, ready_profile(engine));
    must(engine.remove_session(tester, session.id).get());
}

TEST_CASE("nothing of what is in documents, and of what commands say, is told") {
    Fixture f;
    {
        Engine engine = must(Engine::open(f.options()));
        const std::string canary = "canary7f3e9a";
        auto profile = must(engine.create_profile(
            tester, document({{"name", canary},
                              {"provider", "memory"},
                              {"environment", {{"WORD_" + canary, canary}}},
                              {"repositories", {{{"identifier", canary}, {"url", "file:///" + canary}, {"branch", canary}}}}})));
        CHECK(publish_and_build(engine, profile.id).state == JobState::failed);
        profile = must(engine.create_profile(
            tester,
            document({{"provider", "memory"}, {"setup_script", "echo " + canary + "; echo " + canary + " >&2; exit 3"}})));
        CHECK(publish_and_build(engine, profile.id).error->code == "setup_script_failed");
        const auto session = start(engine, ready_profile(engine));
        CHECK(shell_output(engine, session.id, "echo " + canary) == canary + "\n");
        f.log.wait_for("job.failed", 2);
    }
    for (const auto& line : f.log.lines()) {
        std::string text = line.event + line.message;
        for (const auto& [name, value] : line.fields) text += name + value;
        CHECK(text.find("canary") == std::string::npos);
    }
}
