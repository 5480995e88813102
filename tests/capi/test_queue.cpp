// SPDX-License-Identifier: Apache-2.0
// The queue: its order, its descriptor, its timeouts, and many operations at once.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "capi/c_fixture.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

using namespace sandboxkit::test;

namespace {

bool readable(const Handle<sbk_queue>& queue) {
    pollfd one{sbk_queue_descriptor(queue.get()), POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
}

void post(const Handle<sbk_queue>& queue, std::uint64_t tag) {
    REQUIRE(sbk_queue_post(queue.get(), tag) == SBK_OK);
}

} // namespace

TEST_CASE("events come in their order, and once") {
    const auto queue = new_queue();
    for (std::uint64_t tag = 0; tag < 100; ++tag) post(queue, tag);
    for (std::uint64_t tag = 0; tag < 100; ++tag) {
        const auto event = expect(queue, SBK_EVENT_POSTED, tag);
        CHECK(sbk_event_status(event.get()) == SBK_OK);
        CHECK(sbk_event_json(event.get(), nullptr) == nullptr);
        CHECK(bytes_of(event) == "");
    }
    CHECK(next(queue, 0) == nullptr);
    post(queue, std::numeric_limits<std::uint64_t>::max());
    expect(queue, SBK_EVENT_POSTED, std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("the descriptor is readable exactly while there are events") {
    const auto queue = new_queue();
    SUBCASE("asked for while it is empty") {
        CHECK(!readable(queue));
        post(queue, 1);
        post(queue, 2);
        CHECK(readable(queue));
    }
    SUBCASE("asked for when there are events already") {
        post(queue, 1);
        post(queue, 2);
        CHECK(readable(queue));
    }
    SUBCASE("asked for late: events came and went before") {
        post(queue, 0);
        next(queue);
        CHECK(!readable(queue));
        post(queue, 1);
        post(queue, 2);
        CHECK(readable(queue));
    }
    for (int round = 0; round < 3; ++round) {
        CHECK(next(queue, 0) != nullptr);
        CHECK(readable(queue));
        CHECK(next(queue, 0) != nullptr);
        CHECK(!readable(queue));
        CHECK(next(queue, 0) == nullptr);
        CHECK(!readable(queue));
        post(queue, 1);
        post(queue, 2);
        CHECK(readable(queue));
    }
    CHECK(sbk_queue_descriptor(queue.get()) == sbk_queue_descriptor(queue.get()));
}

TEST_CASE("a timeout that ends, one that the clock cannot count to, and none") {
    const auto queue = new_queue();
    CHECK(next(queue, 1) == nullptr);
    using Limits = std::numeric_limits<std::int64_t>;
    for (const std::int64_t patience : {std::int64_t(-1), Limits::min(), Limits::max()}) {
        std::thread poster([&] { sbk_queue_post(queue.get(), 7); });
        const auto event = next(queue, patience);
        poster.join();
        REQUIRE(event);
        CHECK(sbk_event_tag(event.get()) == 7);
    }
}

TEST_CASE("each event goes to one of several consumers, who wait or poll") {
    const auto queue = new_queue();
    constexpr std::uint64_t each = 20'000, producers = 3, all = each * producers, stop = all;
    constexpr int waiters = 2, pollers = 2;
    std::vector<std::atomic<int>> seen(all);
    std::atomic<std::uint64_t> taken = 0;
    // False: it was the sign to stop.
    const auto take = [&](Handle<sbk_event> event) {
        const auto tag = sbk_event_tag(event.get());
        if (tag == stop) return false;
        ++seen[tag];
        if (++taken == all)
            for (int i = 0; i < waiters + pollers; ++i) sbk_queue_post(queue.get(), stop);
        return true;
    };
    const auto take_next = [&](std::int64_t timeout) {
        sbk_event* event = nullptr;
        sbk_queue_next(&event, queue.get(), timeout);
        return Handle<sbk_event>(event);
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < waiters; ++i)
        threads.emplace_back([&] {
            while (take(take_next(-1))) {
            }
        });
    for (int i = 0; i < pollers; ++i)
        threads.emplace_back([&] {
            pollfd waiting{sbk_queue_descriptor(queue.get()), POLLIN, 0};
            for (;;) {
                ::poll(&waiting, 1, -1);
                while (auto event = take_next(0))
                    if (!take(std::move(event))) return;
            }
        });
    for (std::uint64_t producer = 0; producer < producers; ++producer)
        threads.emplace_back([&, producer] {
            for (std::uint64_t i = 0; i < each; ++i) sbk_queue_post(queue.get(), producer * each + i);
        });
    for (auto& thread : threads) thread.join();
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& count) { return count == 1; }));
    CHECK(next(queue, 0) == nullptr);
    CHECK(!readable(queue));
}

TEST_CASE("ten thousand operations at once on one queue: each is answered, once") {
    CEngine c;
    constexpr std::uint64_t many = 10'000;
    std::vector<int> answers(many);
    for (std::uint64_t tag = 0; tag < many; ++tag) {
        const bool store = tag % 10 == 0;
        const auto status = store ? sbk_profile_get(nullptr, c.client.get(), tag, "prf_none", SBK_NUL)
                                  : sbk_engine_ping(nullptr, c.queue.get(), tag, c.engine.get());
        REQUIRE(status == SBK_OK);
    }
    for (std::uint64_t i = 0; i < many; ++i) {
        const auto event = next(c.queue);
        const auto tag = sbk_event_tag(event.get());
        REQUIRE(tag < many);
        ++answers[tag];
        CHECK(sbk_event_status(event.get()) == (tag % 10 == 0 ? SBK_NOT_FOUND : SBK_OK));
    }
    CHECK(std::all_of(answers.begin(), answers.end(), [](int count) { return count == 1; }));
    CHECK(next(c.queue, 0) == nullptr);
}

TEST_CASE("a queue that goes takes its events along") {
    auto queue = new_queue();
    for (std::uint64_t tag = 0; tag < 10; ++tag) post(queue, tag);
    const auto kept = next(queue);
    queue.reset();
    CHECK(sbk_event_tag(kept.get()) == 0);
}
