// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/progress_board.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

using namespace sandboxkit;
using sandboxkit::engine::ProgressBoard;

TEST_CASE("who listens to a job hears of that job") {
    ProgressBoard board;
    int heard = 0;
    const auto key = board.subscribe("job_1", [&](const Progress&) { ++heard; });
    board.tell("job_1", {});
    board.tell("job_2", {});
    CHECK(heard == 1);
    board.unsubscribe(key);
    board.tell("job_1", {});
    CHECK(heard == 1);
}

TEST_CASE("a handler is not running any more when it was unsubscribed") {
    ProgressBoard board;
    std::promise<void> entered;
    std::atomic<bool> unsubscribed = false, left = false;
    const auto key = board.subscribe("job", [&](const Progress&) {
        entered.set_value();
        for (int i = 0; i < 100'000 && !unsubscribed; ++i) std::this_thread::yield(); // time for one that would not wait
        left = true;
    });
    std::thread telling([&] { board.tell("job", {}); });
    entered.get_future().wait();
    board.unsubscribe(key);
    const bool left_by_then = left;
    unsubscribed = true;
    CHECK(left_by_then);
    telling.join();
}
