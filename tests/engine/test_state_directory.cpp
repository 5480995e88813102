// SPDX-License-Identifier: Apache-2.0
// A store and its state directory belong together. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"
#include "engine/memory_provider.hpp"

using namespace sandboxkit;
using namespace sandboxkit::test;

static EngineOptions at(const fs::path& store, const fs::path& state = {}) {
    EngineOptions options;
    options.store = store;
    options.state_directory = state;
    options.providers.push_back(std::make_shared<MemoryProvider>());
    return options;
}

TEST_CASE("also an empty store keeps to the state directory that it was first opened with") {
    TempDir dir;
    const auto store = dir.path() / "store.db", home = dir.path() / "home", elsewhere = dir.path() / "elsewhere";
    (void)must(Engine::open(at(store, home)));
    const auto refused = Engine::open(at(store, elsewhere));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorClass::conflict);
    CHECK(refused.error().code == "state_directory_elsewhere");
    CHECK(refused.error().message.find(home.string()) != std::string::npos);
    CHECK_FALSE(fs::exists(elsewhere));
    (void)must(Engine::open(at(store, home)));

    // It may be moved, and may serve another store too.
    fs::rename(home, elsewhere);
    CHECK_FALSE(Engine::open(at(store, home)).has_value());
    (void)must(Engine::open(at(store, elsewhere)));
    (void)must(Engine::open(at(dir.path() / "second.db", elsewhere)));
}

TEST_CASE("a state directory that is lost for good is replaced as the error says") {
    TempDir dir;
    const auto store = dir.path() / "store.db", home = dir.path() / "home", fresh = dir.path() / "fresh";
    (void)must(Engine::open(at(store, home)));
    std::string id;
    std::ifstream(home / "id") >> id;
    fs::remove_all(home);
    const auto refused = Engine::open(at(store, fresh));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().remedy.find((fresh / "id").string()) != std::string::npos);
    CHECK(refused.error().remedy.find(id) != std::string::npos);
    fs::create_directory(fresh);
    std::ofstream(fresh / "id") << id << "\n";
    (void)must(Engine::open(at(store, fresh)));
}

TEST_CASE("a link to a store is the same store, with the same state directory") {
    TempDir dir;
    const auto store = dir.path() / "real.db", link = dir.path() / "link.db";
    (void)must(Engine::open(at(store)));
    fs::create_symlink("real.db", link);
    (void)must(Engine::open(at(link)));
    CHECK(fs::exists(dir.path() / "real.db.state"));
    CHECK_FALSE(fs::exists(dir.path() / "link.db.state"));
}
