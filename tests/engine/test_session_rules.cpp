// SPDX-License-Identifier: Apache-2.0
// What the engine refuses about principals and sessions, and how it says so. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/memory_provider.hpp"

using namespace sandboxkit;
using namespace sandboxkit::test;

TEST_CASE("a client token is of one start: repeated unchanged it finds it, for another one it is a conflict") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto profile = ready_profile(engine), other = ready_profile(engine);
    auto options = of(profile, "token");
    options.idle_limit = std::chrono::seconds(60);
    const auto session = must(engine.start_session(tester, options).get());
    CHECK(must(engine.start_session(tester, options).get()).id == session.id);
    options.version = 1;
    CHECK(must(engine.start_session(tester, options).get()).id == session.id);

    const auto refused = [&](const StartOptions& changed) {
        const auto result = engine.start_session(tester, changed).get();
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().kind == ErrorClass::conflict);
        CHECK(result.error().code == "client_token_reused");
    };
    auto changed = options;
    changed.profile = other;
    refused(changed);
    changed = options;
    changed.idle_limit.reset();
    refused(changed);
    changed = options;
    changed.time_limit = std::chrono::seconds(60);
    refused(changed);
    must(engine.remove_session(tester, session.id).get());
}

TEST_CASE("the same client token after a start that failed gives that failure") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto options = of(ready_profile(engine), "token");
    provider->fail("start");
    CHECK(engine.start_session(tester, options).get().error().code == "scripted");
    provider->mend("start");
    CHECK(engine.start_session(tester, options).get().error().code == "scripted");
}

TEST_CASE("a version whose build was cancelled says so, and not to wait") {
    TempDir dir;
    EngineOptions options = options_with(dir.path(), std::make_shared<MemoryProvider>());
    options.run_snapshot_jobs = false;
    Engine engine = must(Engine::open(options));
    const auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    const auto version = must(engine.publish(tester, profile.id).get());
    CHECK(engine.start_session(tester, of(profile.id)).get().error().remedy.starts_with("wait for its snapshot job "));
    must(engine.cancel_job(tester, *version.last_job));
    const auto refused = engine.start_session(tester, of(profile.id)).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "snapshot_not_ready");
    CHECK(refused.error().message.find("cancelled") != std::string::npos);
    CHECK(refused.error().remedy == "refresh the snapshot");
}

TEST_CASE("a principal's id is text") {
    TempDir dir;
    Engine engine = must(Engine::open(options_with(dir.path(), std::make_shared<MemoryProvider>())));
    for (const std::string id : {"", "\xFF", "a\nb", "a\x7F", "\xC2\x9B"}) {
        const auto refused = engine.profiles(with_every_scope(id));
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().kind == ErrorClass::invalid);
        CHECK(refused.error().code == "principal_invalid");
    }
    CHECK(engine.profiles(with_every_scope("J\xC3\xB6rg")).has_value());
}
