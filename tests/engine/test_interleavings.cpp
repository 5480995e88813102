// SPDX-License-Identifier: Apache-2.0
// What happens when two things happen at once: several engines on one store, calls that meet, cancellation in the middle. The
// order is made by gates in the provider. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/manual_clock.hpp"
#include "engine/memory_provider.hpp"

#include "store/store.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

std::unique_ptr<store::Store> open_store(const TempDir& dir) {
    return must(store::Store::open(dir.path() / "store.db"));
}

// A session as an engine that died at its start left it: no sandbox yet.
store::Session interrupted_start(const TempDir& dir, const VersionInfo& version, const std::string& id) {
    store::NewSession row;
    row.id = id;
    row.profile = version.profile;
    row.version = version.number;
    row.actor = {tester.id, tester.channel};
    row.client_token = id;
    row.host = row.provider = version.image->provider;
    row.image_id = version.image->id;
    row.creation_token = id;
    row.engine = "eng_dead";
    row.now = version.published;
    return must(open_store(dir)->create_session(row)).session;
}

} // namespace

TEST_CASE("of two engines that find the same interrupted start, one finishes it and the other leaves it alone") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine first = must(Engine::open(options_with(dir.path(), provider)));
    Engine second = must(Engine::open(options_with(dir.path(), provider)));
    const auto version = must(first.version(tester, ready_profile(first), 1));

    // Before the interrupted start, the second engine has a removal to finish: it is held there with its list of sessions.
    const auto removed = interrupted_start(dir, version, "ses_removed");
    must(open_store(dir)->move_session(removed.id, SessionState::starting, SessionState::removing, {}, removed.created));
    provider->add_sandbox("sandbox-removed", {{"sandboxkit.session", removed.id}});
    const auto interrupted = interrupted_start(dir, version, "ses_interrupted");
    auto at_removal = provider->hold("destroy sandbox-removed");
    auto late = second.reconcile(tester);
    at_removal->wait_for_arrival();

    auto at_start = provider->hold("start");
    auto taken = first.reconcile(tester);
    at_start->wait_for_arrival();
    at_removal->open();
    must(late.get());
    at_start->open();
    must(taken.get());

    CHECK(must(first.session(tester, interrupted.id)).state == SessionState::running);
    CHECK(provider->sandboxes() == std::set<std::string>{"sandbox-ses_interrupted"});
    CHECK(shell_output(first, interrupted.id, "echo alive") == "alive\n");
}

TEST_CASE("a snapshot that is recorded while garbage is looked for is not garbage") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    // The builder waits when it has made its second image, until the collector has begun to look at the images.
    std::promise<void> made, looking;
    EngineOptions building = options_with(dir.path(), provider);
    building.on_step = [&, images = 0](std::string_view step) mutable {
        if (step != "provider.prepare_image.after" || ++images != 2) return;
        made.set_value();
        looking.get_future().wait();
    };
    Engine builder = must(Engine::open(building));
    const auto used = ready_profile(builder);
    std::string job;
    EngineOptions collecting = options_with(dir.path(), provider);
    collecting.run_snapshot_jobs = false;
    collecting.on_step = [&](std::string_view step) {
        if (step != "store.set_stale.after") return; // the mark on the first image; the second is looked at next
        looking.set_value();
        CHECK(must(builder.wait_for_job(tester, job).get()).state == JobState::succeeded);
    };
    Engine collector = must(Engine::open(collecting));

    auto profile = must(collector.create_profile(tester, document({{"provider", "memory"}})));
    job = *must(collector.publish(tester, profile.id).get()).last_job;
    made.get_future().wait();
    provider->set_stale(must(builder.version(tester, used, 1)).image->id, true);
    must(collector.reconcile(tester).get());
    CHECK(provider->images().contains(must(builder.version(tester, profile.id, 1)).image->id));
    must(builder.remove_session(tester, start(builder, profile.id).id).get());
}

TEST_CASE("a lease that ran out does not make an engine begin its own running job again") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_with(dir.path(), provider);
    options.clock = clock;
    Engine engine = must(Engine::open(options));
    auto at_work = provider->hold("prepare_image");
    auto first = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    const auto job = *must(engine.publish(tester, first.id).get()).last_job;
    at_work->wait_for_arrival();
    clock->advance(std::chrono::hours(1));
    // Jobs are taken oldest first: when the next one is done, the first was passed over.
    (void)ready_profile(engine);
    CHECK(must(engine.job(tester, job)).attempt == 1);
    at_work->open();
    CHECK(must(engine.wait_for_job(tester, job).get()).state == JobState::succeeded);
    CHECK(provider->prepared().size() == 2);
}

TEST_CASE("a builder that lost its job does not take the next builder's checkouts away") {
    TempDir dir;
    const auto origin = dir.path() / "origin";
    REQUIRE(std::system(("git init -q -b main '" + origin.string() + "' && git -C '" + origin.string() +
                         "' -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m x")
                            .c_str()) == 0);
    auto provider = std::make_shared<MemoryProvider>();
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_with(dir.path(), provider);
    options.clock = clock;
    auto with_first = provider->hold("prepare_image");
    auto with_second = provider->hold("prepare_image");
    std::optional<Engine> first(must(Engine::open(options)));
    auto profile = must(first->create_profile(
        tester, document({{"provider", "memory"}, {"repositories", {{{"url", "file://" + origin.string()}}}}})));
    const auto job = *must(first->publish(tester, profile.id).get()).last_job;
    with_first->wait_for_arrival();
    clock->advance(std::chrono::hours(1)); // the lease has run out: as if the first engine had been stopped for so long
    Engine second = must(Engine::open(options));
    with_second->wait_for_arrival();
    first.reset(); // its build ends and cleans up after itself
    const auto prepared = provider->prepared();
    REQUIRE(prepared.size() == 2);
    CHECK(fs::exists(prepared[1].trees.at(0).source));
    with_second->open();
    CHECK(must(second.wait_for_job(tester, job).get()).state == JobState::succeeded);
    CHECK(fs::is_empty(dir.path() / "store.db.state/builds"));
}

TEST_CASE("a second cancellation does not break off the undoing of a start") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto profile = ready_profile(engine);
    auto at_start = provider->hold("start");
    auto at_destroy = provider->hold("destroy");
    auto starting = engine.start_session(tester, of(profile));
    at_start->wait_for_arrival();
    starting.cancel();
    at_destroy->wait_for_arrival();
    starting.cancel();
    at_destroy->open();
    const auto result = starting.get();
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().kind == ErrorClass::cancelled);
    CHECK(provider->sandboxes().empty());
    CHECK(must(engine.sessions(tester)).empty());
}

TEST_CASE("an engine that closes while a start is being undone finishes the undoing") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    std::optional<Engine> engine(must(Engine::open(options_with(dir.path(), provider))));
    const auto profile = ready_profile(*engine);
    provider->fail("start");
    auto at_destroy = provider->hold("destroy");
    auto starting = engine->start_session(tester, of(profile));
    at_destroy->wait_for_arrival();
    std::thread closing([&] { engine.reset(); });
    starting.cancel(); // as the closing does
    at_destroy->open();
    closing.join();
    CHECK(starting.get().error().code == "scripted");
    CHECK(provider->sandboxes().empty());
}

TEST_CASE("a session that was resumed after the list of sandboxes was made is not recorded as stopped") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto session = start(engine, ready_profile(engine));
    must(engine.stop_session(tester, session.id).get());
    auto listed = provider->hold("list");
    auto reconciling = engine.reconcile(tester);
    listed->wait_for_arrival();
    must(engine.resume_session(tester, session.id).get());
    listed->open();
    must(reconciling.get());
    CHECK(must(engine.session(tester, session.id)).state == SessionState::running);
}

TEST_CASE("what cannot be removed does not keep the other garbage") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto version = must(engine.version(tester, ready_profile(engine), 1));
    const auto store_id = must(open_store(dir)->store_id());
    for (const char* id : {"sandbox-1", "sandbox-2", "sandbox-3"})
        provider->add_sandbox(id, {{"sandboxkit.store", store_id}, {"sandboxkit.session", "ses_none"}});
    for (const char* id : {"garbage-1", "garbage-2"}) provider->add_image(id, {{"sandboxkit.store", store_id}});
    provider->fail("destroy sandbox-1");
    provider->fail("remove_image garbage-1");
    const auto failed = engine.reconcile(tester).get();
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().message == "destroy sandbox-1 fails");
    CHECK(provider->sandboxes() == std::set<std::string>{"sandbox-1"});
    CHECK(provider->images() == std::set<std::string>{"garbage-1", version.image->id});
    provider->mend("destroy sandbox-1");
    provider->mend("remove_image garbage-1");
    must(engine.reconcile(tester).get());
    CHECK(provider->sandboxes().empty());
    CHECK(provider->images() == std::set<std::string>{version.image->id});
}

TEST_CASE("a process that outlives its engine says that the engine was closed") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    std::optional<Engine> engine(must(Engine::open(options_with(dir.path(), provider))));
    const auto session = start(*engine, ready_profile(*engine));
    ExecRequest request;
    request.argv = {"/bin/cat"};
    request.standard_input = true;
    Process process = must(engine->start_process(tester, session.id, request).get());
    auto untaken = engine->start_process(tester, session.id, request);
    auto reading = process.next();
    const auto pid = process.pid();
    engine.reset();
    CHECK(reading.get().error().kind == ErrorClass::cancelled);
    CHECK(process.pid() == pid);
    for (const auto& done : {process.write("x").get(), process.close_stdin().get(), process.signal(9).get()}) {
        REQUIRE_FALSE(done.has_value());
        CHECK(done.error().kind == ErrorClass::conflict);
        CHECK(done.error().code == "engine_closed");
    }
    CHECK(process.next().get().error().code == "engine_closed");
    (void)untaken.get(); // with or without a process, which goes here
    // Nothing of the engine is held: the next one uses the session.
    Engine next = must(Engine::open(options_with(dir.path(), provider)));
    CHECK(shell_output(next, session.id, "echo on") == "on\n");
    must(next.remove_session(tester, session.id).get());
}

TEST_CASE("a session in use is not idle for another engine either, whatever its limit") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_with(dir.path(), provider);
    options.clock = clock;
    Engine used = must(Engine::open(options));
    Engine other = must(Engine::open(options));
    auto start_options = of(ready_profile(used));
    start_options.idle_limit = std::chrono::seconds(1);
    const auto session = must(used.start_session(tester, start_options).get());
    for (int i = 0; i < 10; ++i) {
        clock->advance(std::chrono::milliseconds(900));
        must(other.reconcile(tester).get());
        CHECK(shell_output(used, session.id, "echo used") == "used\n");
    }
    clock->advance(std::chrono::seconds(4));
    must(other.reconcile(tester).get());
    CHECK(must(used.session(tester, session.id)).state == SessionState::stopped);
}

TEST_CASE("a session that was resumed while the one before it was stopped keeps its new time limit") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_with(dir.path(), provider);
    options.clock = clock;
    Engine slow = must(Engine::open(options));
    Engine other = must(Engine::open(options));
    auto start_options = of(ready_profile(slow));
    start_options.time_limit = std::chrono::seconds(60);
    const auto first = must(slow.start_session(tester, start_options).get());
    const auto second = must(slow.start_session(tester, start_options).get());
    // Whichever engine comes first to stop the first session is held there; the other one waits with it.
    auto at_stop = provider->hold("stop sandbox-" + first.id);
    auto also_at_stop = provider->hold("stop sandbox-" + first.id);
    clock->advance(std::chrono::seconds(61));
    auto one = slow.reconcile(tester);
    auto two = other.reconcile(tester);
    at_stop->wait_for_arrival();
    also_at_stop->wait_for_arrival();
    (void)other.stop_session(tester, second.id).get();
    must(other.resume_session(tester, second.id).get());
    at_stop->open();
    also_at_stop->open();
    must(one.get());
    must(two.get());
    CHECK(must(slow.session(tester, first.id)).state == SessionState::stopped);
    CHECK(must(slow.session(tester, second.id)).state == SessionState::running);
}

TEST_CASE("time limits that no clock can hold are refused") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto profile = ready_profile(engine);
    for (const auto limit : {std::chrono::seconds(0), std::chrono::seconds::max()}) {
        auto idle = of(profile), absolute = of(profile);
        idle.idle_limit = limit;
        absolute.time_limit = limit;
        CHECK(engine.start_session(tester, idle).get().error().code == "limit_out_of_range");
        CHECK(engine.start_session(tester, absolute).get().error().code == "limit_out_of_range");
    }
}

TEST_CASE("of two that stop a session at once, both are told that it is stopped") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto session = start(engine, ready_profile(engine));
    auto one = provider->hold("stop"), two = provider->hold("stop");
    auto first = engine.stop_session(tester, session.id);
    auto second = engine.stop_session(tester, session.id);
    one->wait_for_arrival();
    two->wait_for_arrival();
    one->open();
    two->open();
    CHECK(must(first.get()).state == SessionState::stopped);
    CHECK(must(second.get()).state == SessionState::stopped);
}

// A server that takes connections and never answers.
class SilentServer {
public:
    SilentServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address_), size) == 0);
        REQUIRE(::listen(listener_, 4) == 0);
        REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size) == 0);
    }
    ~SilentServer() {
        hang_up();
        ::close(listener_);
    }
    SilentServer(const SilentServer&) = delete;
    SilentServer& operator=(const SilentServer&) = delete;
    [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)) + "/r.git"; }
    void wait_for_client() { client_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); }
    void hang_up() {
        if (client_ >= 0) ::close(std::exchange(client_, -1));
    }

private:
    int listener_, client_ = -1;
    sockaddr_in address_{};
};

TEST_CASE("a clone that takes long holds nothing else up, also with one worker") {
    TempDir dir;
    SilentServer server;
    auto provider = std::make_shared<MemoryProvider>();
    EngineOptions options = options_with(dir.path(), provider);
    options.workers = 1;
    Engine engine = must(Engine::open(options));
    const auto waiting =
        must(engine.create_profile(tester, document({{"provider", "memory"}, {"repositories", {{{"url", server.url()}}}}})));
    const auto job = *must(engine.publish(tester, waiting.id).get()).last_job;
    server.wait_for_client();
    const auto session = start(engine, ready_profile(engine));
    CHECK(shell_output(engine, session.id, "echo on") == "on\n");
    CHECK(must(engine.job(tester, job)).state == JobState::running);
    must(engine.cancel_job(tester, job));
    server.hang_up();
    must(engine.remove_session(tester, session.id).get());
}
