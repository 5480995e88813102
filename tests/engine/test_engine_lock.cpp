// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"

#include "engine/engine_lock.hpp"

#include <sys/stat.h>

using namespace sandboxkit;
using namespace sandboxkit::engine;
using namespace sandboxkit::test;

TEST_CASE("an engine lives while its lock is held") {
    TempDir dir;
    const EngineLock me = must(EngineLock::acquire(dir.path(), "eng_me"));
    CHECK(me.is_dead("eng_never"));
    {
        const EngineLock other = must(EngineLock::acquire(dir.path(), "eng_other"));
        CHECK_FALSE(me.is_dead("eng_other"));
        me.sweep();
        CHECK(fs::exists(dir.path() / "eng_other.lock"));
    }
    CHECK(me.is_dead("eng_other"));
}

TEST_CASE("a lock that cannot be had is an error, not a wait without end") {
    TempDir dir;
    const EngineLock held = must(EngineLock::acquire(dir.path(), "eng_1"));
    const auto again = EngineLock::acquire(dir.path(), "eng_1");
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().kind == ErrorClass::unavailable);
    CHECK(again.error().code == "engine_lock");
}
