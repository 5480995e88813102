// SPDX-License-Identifier: Apache-2.0
// A process that is forked while its threads write, and its child.
#include "store_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

using namespace store_test;

namespace {

// What `body` returns in a child, 0 to 99; -1 when it has not ended after a minute, or was ended.
template <class Body>
int in_a_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        ::_exit(body());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int writes_to(const std::filesystem::path& file) {
    auto opened = Store::open(file, {});
    if (!opened) return opened.error().code == "store_open_at_fork" ? 1 : 2;
    return (*opened)->create_profile({"prf_child", "of a child", "{}", "{}", "digest", {}, at(1)}) ? 0 : 3;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "a child does not open what its parent had open, until that is closed") {
    CHECK(in_a_child([&] { return writes_to(file); }) == 1);
    // By another name, too.
    const auto link = directory.path / "link.db";
    std::filesystem::create_hard_link(file, link);
    CHECK(in_a_child([&] { return writes_to(link); }) == 1);

    auto second = open_store(file);
    store.reset();
    CHECK(in_a_child([&] { return writes_to(file); }) == 1);
    second.reset();
    CHECK(in_a_child([&] { return writes_to(file); }) == 0);

    store = open_store(file);
    CHECK(store->profiles()->size() == 1);
    // What the child opened and closed is open to its own child, though this process has another open.
    CHECK(in_a_child([&] {
              const auto own = directory.path / "own.db";
              { auto opened = open_store(own); }
              return in_a_child([&] { return writes_to(own); });
          }) == 0);
}

TEST_CASE_FIXTURE(Fixture, "a child of a process whose threads are writing opens a store of its own") {
    std::atomic<bool> over = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            while (!over) static_cast<void>(store->profiles());
        });
    for (int round = 0; round < 60; ++round)
        CHECK(in_a_child([&] { return writes_to(directory.path / ("child" + std::to_string(round) + ".db")); }) == 0);
    over = true;
    for (std::thread& thread : threads) thread.join();
}
