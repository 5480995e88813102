// SPDX-License-Identifier: Apache-2.0
// Registered hosts over providers in memory: administration, where a profile runs, and hosts that are down, slow or replaced.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"
#include "engine/memory_provider.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

HostDefinition host_named(const std::string& name, const std::string& endpoint = "memory") {
    HostDefinition host;
    host.name = name;
    host.provider = "memory";
    host.endpoint = endpoint;
    return host;
}

// An engine with the managed host "memory", and a daemon by endpoint for hosts that are registered.
struct World {
    TempDir dir;
    std::mutex mutex;                                               // of daemons: the engine's thread makes some, too
    std::map<std::string, std::shared_ptr<MemoryProvider>> daemons; // by endpoint
    std::atomic<int> made = 0;                                      // providers, of registered hosts
    std::shared_ptr<MemoryProvider> managed = std::make_shared<MemoryProvider>();

    std::shared_ptr<MemoryProvider> daemon(const std::string& endpoint, const std::string& identity = "one") {
        std::lock_guard lock(mutex);
        auto& provider = daemons[endpoint];
        if (!provider) {
            provider = std::make_shared<MemoryProvider>();
            provider->can.identity = identity;
        }
        return provider;
    }
    EngineOptions options() {
        auto given = options_with(dir.path(), managed);
        given.host_factories["memory"] = [this](const HostDefinition& host) -> Result<std::shared_ptr<Provider>> {
            ++made;
            return std::shared_ptr<Provider>(daemon(host.endpoint));
        };
        return given;
    }
    Engine engine() { return must(Engine::open(options())); }
};

template <class T>
std::string code_of(Result<T> result) {
    return result ? "" : result.error().code;
}

std::string profile_on(Engine& engine, boost::json::object more = {}) {
    more["provider"] = "memory";
    return must(engine.create_profile(tester, document(more))).id;
}

} // namespace

TEST_CASE("hosts are registered, listed, chosen and removed") {
    World world;
    Engine engine = world.engine();
    auto all = must(engine.hosts(tester));
    REQUIRE(all.size() >= 2);
    CHECK(must(engine.host(tester, "memory")).registered == false);
    CHECK(must(engine.host(tester, "local")).definition.provider == "local");
    CHECK(code_of(engine.host(tester, "far")) == "no_host");

    auto definition = host_named("far");
    definition.labels = {{"region", "eu"}};
    definition.tls = HostTls{"/ca.pem", "/cert.pem", "/key.pem"};
    // Nobody is reached: whoever asks this daemon waits. Two, as housekeeping may ask it, too, in its own time.
    const auto first = world.daemon("memory")->hold("capabilities"), second = world.daemon("memory")->hold("capabilities");
    const auto added = must(engine.add_host(tester, definition));
    CHECK(added.registered);
    CHECK(added.definition == definition);
    CHECK(added.created_by == "tester");
    CHECK(added.identity == "");
    CHECK(must(engine.hosts(tester)).size() == all.size() + 1);

    CHECK(code_of(engine.add_host(tester, definition)) == "host_exists");
    CHECK(code_of(engine.add_host(tester, host_named("memory"))) == "host_exists");
    CHECK(code_of(engine.remove_host(tester, "memory")) == "host_managed");
    CHECK(code_of(engine.remove_host(tester, "gone")) == "no_host");
    CHECK(code_of(engine.set_default_host(tester, "gone")) == "no_host");
    CHECK(code_of(engine.test_host(tester, "gone").get()) == "no_host");
    must(engine.set_default_host(tester, "far"));
    CHECK(must(engine.host(tester, "far")).is_default);
    must(engine.remove_host(tester, "far"));
    CHECK(code_of(engine.host(tester, "far")) == "no_host");
    CHECK_FALSE(must(engine.host(tester, "memory")).is_default);
    first->open();
    second->open();
}

TEST_CASE("a definition is refused with all its faults at once") {
    World world;
    Engine engine = world.engine();
    HostDefinition bad;
    bad.name = "a b";
    bad.provider = "docker";
    bad.endpoint = "tcp://user:secret@build.example:2376";
    bad.tls = HostTls{"ca.pem", "/cert.pem", ""};
    bad.ssh = HostSsh{"id", ""};
    bad.labels = {{"", "x"}};
    const auto refused = engine.add_host(tester, bad);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "host_invalid");
    std::set<std::string> faults;
    for (const auto& problem : refused.error().problems) faults.insert(problem.pointer + " " + problem.code);
    CHECK(faults == std::set<std::string>{"/name bad_value", "/endpoint credential_in_endpoint", "/tls/ca bad_form",
                                          "/tls/key missing_field", "/ssh not_applicable", "/ssh/identity bad_form",
                                          "/labels/ bad_value"});
    for (const auto& problem : refused.error().problems) CHECK(problem.message.find("secret@") == std::string::npos);

    auto unknown = host_named("far");
    unknown.provider = "nobody";
    CHECK(engine.add_host(tester, unknown).error().problems.at(0).code == "provider_unknown");
    CHECK(must(engine.hosts(tester)).size() == 3); // docker, local, memory
}

TEST_CASE("who may not manage hosts may not, and who may not see them does not") {
    World world;
    Engine engine = world.engine();
    Principal reader{"reader", {}, {std::string(scopes::read_profiles)}, Channel::api};
    CHECK(engine.hosts(reader).has_value());
    CHECK(engine.add_host(reader, host_named("far")).error().kind == ErrorClass::permission);
    CHECK(engine.test_host(reader, "memory").get().error().kind == ErrorClass::permission);
    Principal user{"user", {}, {std::string(scopes::use_profile)}, Channel::api};
    CHECK(engine.hosts(user).error().kind == ErrorClass::permission);
}

TEST_CASE("a profile runs on the host that it names, else on the default one, else on that of its provider") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "far")));
    must(engine.add_host(tester, host_named("near", "near")));
    world.daemon("near", "two");

    const auto named = profile_on(engine, {{"host", "far"}}), open = profile_on(engine);
    CHECK(publish_and_build(engine, named).host == "far");
    CHECK(publish_and_build(engine, open).host == "memory");
    CHECK(start(engine, named).host == "far");
    CHECK(start(engine, open).host == "memory");
    CHECK(world.daemon("far")->sandboxes().size() == 1);
    CHECK(world.managed->sandboxes().size() == 1);
    CHECK(must(engine.host(tester, "far")).identity == "one");

    must(engine.set_default_host(tester, "near"));
    CHECK(start(engine, named).host == "far");
    // There is no snapshot on that host, until it is asked for: by a start, too.
    auto refused = engine.start_session(tester, of(open)).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorClass::conflict);
    CHECK(refused.error().code == "snapshot_not_ready");
    CHECK(refused.error().message.find("\"near\"") != std::string::npos);
    const auto jobs = must(engine.jobs(tester, open));
    REQUIRE(jobs.size() == 2);
    CHECK(jobs[0].host == "near");
    CHECK(refused.error().remedy.find(jobs[0].id) != std::string::npos);
    CHECK(must(engine.wait_for_job(tester, jobs[0].id).get()).state == JobState::succeeded);
    const auto session = start(engine, open);
    CHECK(session.host == "near");
    CHECK(must(engine.jobs(tester, open)).size() == 2);
    const auto version = must(engine.version(tester, open, 1));
    REQUIRE(version.snapshots.size() == 2);
    CHECK(version.snapshots[0].host == "memory");
    CHECK(version.snapshots[1].host == "near");
    CHECK(version.snapshots[1].state == SnapshotState::ready);
    CHECK(version.snapshots[1].last_job == jobs[0].id);
    CHECK(version.snapshots[1].manifest.has_value());

    // What runs stays where it is, whatever the default is by then.
    must(engine.stop_session(tester, session.id).get());
    must(engine.set_default_host(tester, ""));
    CHECK(must(engine.resume_session(tester, session.id).get()).host == "near");
    CHECK(start(engine, open).host == "memory");
    CHECK(must(engine.refresh_snapshot(tester, open, 1, "near")).host == "near");
    CHECK(code_of(engine.refresh_snapshot(tester, open, 1, "gone")) == "start_refused");
}

TEST_CASE("the next version's snapshot is reused on the host that has one, and made on one that has none") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "far")));
    const auto id = ready_profile(engine);
    const auto edit = [&](const char* value) {
        must(engine.edit_draft(tester, id, document({{"provider", "memory"}, {"environment", {{"A", value}}}})));
        return must(engine.publish(tester, id).get());
    };
    CHECK(edit("1").decision.reuse);
    must(engine.set_default_host(tester, "far"));
    const auto third = edit("2");
    CHECK_FALSE(third.decision.reuse);
    CHECK(must(engine.job(tester, *third.last_job)).host == "far");
}

TEST_CASE("a host that is not there, or of another provider, is a fault of the profile's at publish and at start") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "far")));
    const auto faults = [&](const boost::json::object& more, sandboxkit::Gate gate) {
        std::set<std::string> all;
        for (const auto& problem : must(engine.validate(tester, document(more), gate).get()).errors)
            all.insert(problem.pointer + " " + problem.code);
        return all;
    };
    using Faults = std::set<std::string>;
    const auto publish = sandboxkit::Gate::publish, start_gate = sandboxkit::Gate::start;
    CHECK(faults({{"provider", "memory"}, {"host", "far"}}, start_gate) == Faults{});
    CHECK(faults({{"provider", "memory"}, {"host", "gone"}}, publish) == Faults{"/host host_unknown"});
    CHECK(faults({{"provider", "local"}, {"host", "far"}}, publish) == Faults{"/host host_mismatch"});
    CHECK(faults({{"provider", "nobody"}}, publish) == Faults{"/provider provider_unknown"});
    must(engine.set_default_host(tester, "far"));
    CHECK(faults({{"provider", "local"}}, publish) == Faults{"/provider host_mismatch"});
    world.daemon("far")->fail("capabilities");
    CHECK(faults({{"provider", "memory"}}, start_gate) == Faults{"/host host_down"});
    CHECK(engine.validate(tester, document({{"provider", "memory"}}), publish).get().error().code == "scripted");
    world.daemon("far")->mend("capabilities");

    const auto id = profile_on(engine, {{"host", "far"}});
    REQUIRE(publish_and_build(engine, id).state == JobState::succeeded);
    {
        Engine other = world.engine(); // as another process does it
        must(other.remove_host(tester, "far", true));
    }
    const auto refused = engine.start_session(tester, of(id)).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "start_refused");
    CHECK(refused.error().problems.at(0).code == "host_unknown");
}

TEST_CASE("a host that was removed and added again is another one") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "first")));
    const auto id = profile_on(engine, {{"host", "far"}});
    REQUIRE(publish_and_build(engine, id).state == JobState::succeeded);
    const auto session = start(engine, id);
    CHECK(world.made == 1);
    CHECK(code_of(engine.remove_host(tester, "far")) == "host_in_use");
    must(engine.remove_host(tester, "far", true));
    const auto ended = must(engine.session(tester, session.id));
    CHECK(ended.state == SessionState::removed);
    CHECK(ended.error->code == "host_given_up");
    CHECK(world.daemon("first")->sandboxes().size() == 1); // in the store only
    CHECK(must(engine.version(tester, id, 1)).snapshots.empty());

    must(engine.add_host(tester, host_named("far", "second")));
    world.daemon("second", "two");
    CHECK(code_of(engine.start_session(tester, of(id)).get()) == "snapshot_not_ready");
    const auto job = must(engine.jobs(tester, id)).at(0).id;
    REQUIRE(must(engine.wait_for_job(tester, job).get()).state == JobState::succeeded);
    CHECK(start(engine, id).host == "far");
    CHECK(world.daemon("second")->sandboxes().size() == 1);
    CHECK(world.made == 2);
}

TEST_CASE("behind a host another daemon answers: nothing is lost, and nothing starts, until it is accepted") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "far")));
    const auto id = profile_on(engine, {{"host", "far"}});
    REQUIRE(publish_and_build(engine, id).state == JobState::succeeded);
    const auto session = start(engine, id);
    world.daemon("far")->replace("two");

    CHECK(engine.reconcile(tester).get().error().code == "host_replaced");
    CHECK(must(engine.session(tester, session.id)).state == SessionState::running);
    const auto refused = engine.start_session(tester, of(id)).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorClass::unavailable);
    CHECK(refused.error().code == "host_replaced");
    CHECK_FALSE(refused.error().remedy.empty());
    CHECK(world.daemon("far")->created() == 1);
    const auto refresh = must(engine.refresh_snapshot(tester, id, 1));
    CHECK(must(engine.wait_for_job(tester, refresh.id).get()).error->code == "host_replaced");
    CHECK(world.daemon("far")->images().empty());
    CHECK(must(engine.test_host(tester, "far").get()).state == HostState::replaced);
    CHECK(must(engine.host(tester, "far")).identity == "one");

    must(engine.accept_host(tester, "far"));
    CHECK(must(engine.session(tester, session.id)).state == SessionState::removed);
    CHECK(must(engine.test_host(tester, "far").get()).state == HostState::usable);
    CHECK(must(engine.host(tester, "far")).identity == "two");
    must(engine.reconcile(tester).get());
    CHECK(code_of(engine.start_session(tester, of(id)).get()) == "snapshot_not_ready");
    CHECK(code_of(engine.accept_host(tester, "far")) == "host_not_replaced");
    CHECK(code_of(engine.accept_host(tester, "memory")) == "host_not_replaced");
    CHECK(code_of(engine.accept_host(tester, "gone")) == "no_host");
}

TEST_CASE("a host that does not answer delays neither the opening of an engine nor the others' reconciliation") {
    World world;
    {
        Engine engine = world.engine();
        must(engine.add_host(tester, host_named("far", "far")));
        must(engine.add_host(tester, host_named("near", "near")));
        world.daemon("near", "two");
        must(engine.test_host(tester, "near").get());
    }
    const auto gate = world.daemon("far")->hold("capabilities");
    Engine engine = world.engine(); // does not return otherwise
    gate->wait_for_arrival();
    const auto id = profile_on(engine, {{"host", "near"}});
    REQUIRE(publish_and_build(engine, id).state == JobState::succeeded);
    const auto session = start(engine, id);
    gate->open();
    const auto again = world.daemon("far")->hold("capabilities");
    world.daemon("near")->end(session.sandbox_id);
    auto reconciling = engine.reconcile(tester);
    again->wait_for_arrival();
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (must(engine.session(tester, session.id)).state == SessionState::running && std::chrono::steady_clock::now() < limit)
        std::this_thread::yield();
    CHECK(must(engine.session(tester, session.id)).state == SessionState::stopped);
    CHECK_FALSE(reconciling.done());
    again->open();
    must(reconciling.get());
}

TEST_CASE("several hosts may be one daemon: none takes what another one made for lost") {
    World world;
    Engine engine = world.engine();
    for (const char* name : {"far", "near"}) must(engine.add_host(tester, host_named(name, "same")));
    const auto a = profile_on(engine, {{"host", "far"}}), b = profile_on(engine, {{"host", "near"}});
    for (const auto& id : {a, b}) {
        REQUIRE(publish_and_build(engine, id).state == JobState::succeeded);
        start(engine, id);
    }
    const auto images = world.daemon("same")->images();
    const auto sandboxes = world.daemon("same")->sandboxes();
    CHECK(images.size() == 2);
    must(engine.reconcile(tester).get());
    CHECK(world.daemon("same")->images() == images);
    CHECK(world.daemon("same")->sandboxes() == sandboxes);
}

TEST_CASE("what is wrong with a host is told apart") {
    World world;
    Engine engine = world.engine();
    must(engine.add_host(tester, host_named("far", "far")));
    const auto daemon = world.daemon("far");
    daemon->can.facts = {{"version", "7"}};
    const auto usable = must(engine.test_host(tester, "far").get());
    CHECK(usable.state == HostState::usable);
    CHECK(usable.facts.at("version") == "7");
    CHECK(usable.remedy.empty());
    const std::pair<ErrorClass, HostState> table[] = {{ErrorClass::unavailable, HostState::down},
                                                      {ErrorClass::internal, HostState::down},
                                                      {ErrorClass::quota, HostState::full},
                                                      {ErrorClass::permission, HostState::refused}};
    for (const auto& [kind, state] : table) {
        daemon->fail("capabilities", kind);
        const auto status = must(engine.test_host(tester, "far").get());
        CHECK(status.state == state);
        CHECK_FALSE(status.remedy.empty());
    }
    daemon->mend("capabilities");
    const auto gate = daemon->hold("capabilities");
    CHECK(must(engine.test_host(tester, "far").get()).state == HostState::down); // after ten seconds
}
