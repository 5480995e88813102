// SPDX-License-Identifier: Apache-2.0
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"
#include "providers/local/tree_walk.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

TEST_CASE("a tree that several remove at once goes, and none of them fails") {
    const TemporaryDirectory directory;
    auto parent = open_directory(directory.path());
    REQUIRE(parent);
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 30; ++i) {
            const fs::path deep = directory.path() / "tree" / std::to_string(i) / "a" / "b";
            fs::create_directories(deep);
            write_file(deep / "file", "text");
            write_file(deep.parent_path() / "file", "text");
        }
        std::atomic<int> removed = 0, ready = 0;
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                ++ready;
                while (ready < 4) std::this_thread::yield();
                if (remove_tree_at(parent->get(), "tree")) ++removed;
            });
        for (auto& thread : threads) thread.join();
        CHECK(removed == 4);
        CHECK_FALSE(fs::exists(directory.path() / "tree"));
    }
}
