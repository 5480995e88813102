// SPDX-License-Identifier: Apache-2.0
// Recipes in the store: large ones, and damaged ones. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/memory_provider.hpp"

#include <sqlite3.h>

using namespace sandboxkit;
using namespace sandboxkit::test;

static void run_sql(const fs::path& file, const char* sql) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

static void check_damaged(const Error& error) {
    CHECK(error.kind == ErrorClass::data_loss);
    CHECK(error.code == "stored_recipe_damaged");
}

TEST_CASE("a profile whose defaults make it larger than a document may be is read again") {
    TempDir dir;
    Engine engine = must(Engine::open(options_with(dir.path(), std::make_shared<MemoryProvider>())));
    boost::json::array repositories;
    for (int i = 0; i < 18'000; ++i) repositories.push_back(boost::json::object{{"url", "https://e/r" + std::to_string(i)}});
    const auto text = document({{"provider", "memory"}, {"repositories", std::move(repositories)}});
    REQUIRE(text.size() < 1 << 20);
    const auto profile = must(engine.create_profile(tester, text));
    CHECK(must(engine.draft(tester, profile.id)).recipe.repositories.size() == 18'000);
}

TEST_CASE("a recipe that is damaged in the store is data loss, and fails its build once") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    EngineOptions queueing = options_with(dir.path(), provider);
    queueing.run_snapshot_jobs = false;
    Engine engine = must(Engine::open(queueing));
    const auto published = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    const auto job = *must(engine.publish(tester, published.id).get()).last_job;
    const auto drafted = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    run_sql(queueing.store, "DROP TRIGGER versions_never_change; UPDATE versions SET recipe = '{\"image\":';"
                            "UPDATE drafts SET recipe = '{\"image\":'");
    check_damaged(engine.draft(tester, drafted.id).error());
    check_damaged(engine.publish(tester, drafted.id).get().error());
    check_damaged(engine.draft(tester, published.id).error());
    check_damaged(engine.version(tester, published.id, 1).error());
    check_damaged(engine.refresh_snapshot(tester, published.id, 1).error());

    Engine building = must(Engine::open(options_with(dir.path(), provider)));
    const auto failed = must(building.wait_for_job(tester, job).get());
    CHECK(failed.state == JobState::failed);
    CHECK(failed.attempt == 1);
    REQUIRE(failed.error);
    check_damaged(*failed.error);
}
