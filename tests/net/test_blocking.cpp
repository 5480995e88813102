// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "async/blocking.hpp"
#include "async/spawn.hpp"

#include <boost/asio/strand.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace sandboxkit;
namespace asio = boost::asio;
template <class T>
using Work = asio::awaitable<Result<T>>;

namespace {

struct Engine {
    asio::thread_pool threads{2};
    asio::any_io_executor strand = asio::make_strand(threads.get_executor());
    async::Pool pool{2}; // ends first: its last results still reach the strand
};

Work<std::string> read(async::Pool& pool) {
    auto value = std::make_unique<std::string>("a value"); // work may own what cannot be copied
    auto work = [value = std::move(value)](std::stop_token) -> Result<std::string> { return *value; };
    auto result = co_await async::blocking(pool, std::move(work));
    co_return result;
}

Work<int> throwing(async::Pool& pool) {
    auto result = co_await async::blocking(pool, [](std::stop_token) -> Result<int> { throw std::runtime_error("oh"); });
    co_return result;
}

Work<int> throwing_nonsense(async::Pool& pool) {
    auto result = co_await async::blocking(pool, [](std::stop_token) -> Result<int> { throw 7; });
    co_return result;
}

Result<int> wait_for_stop(std::stop_token stop, std::atomic<bool>* running) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    *running = true;
    running->notify_all();
    changed.wait(lock, stop, [] { return false; });
    return Error{ErrorClass::cancelled, "cancelled", "stopped", "", "", {}};
}

Work<int> stoppable(async::Pool& pool, std::atomic<bool>* running) {
    auto result = co_await async::blocking(pool, [running](std::stop_token stop) { return wait_for_stop(stop, running); });
    co_return result;
}

// Ignores its token: the coroutine waits for it all the same.
Work<int> stubborn(async::Pool& pool, std::atomic<bool>* running, std::atomic<bool>* release, std::atomic<bool>* over) {
    auto result = co_await async::blocking(pool, [=](std::stop_token) -> Result<int> {
        *running = true;
        running->notify_all();
        release->wait(false);
        *over = true;
        return 3;
    });
    co_return result;
}

Work<int> cancelled_before(async::Pool& pool, std::atomic<int>* calls) {
    auto signal_seen = co_await asio::this_coro::cancellation_state;
    while (signal_seen.cancelled() == asio::cancellation_type::none) { // cancel() is on its way through the strand
        co_await asio::post(asio::use_awaitable);
        signal_seen = co_await asio::this_coro::cancellation_state;
    }
    auto result = co_await async::blocking(pool, [calls](std::stop_token) -> Result<int> { return ++*calls; });
    co_return result;
}

Work<int> many(async::Pool& pool, int rounds) {
    int sum = 0;
    for (int i = 0; i < rounds; ++i) {
        auto result = co_await async::blocking(pool, [i](std::stop_token) -> Result<int> { return i; });
        if (!result) co_return result.error();
        sum += *result;
    }
    co_return sum;
}

} // namespace

TEST_CASE("work runs on the pool and its result comes back") {
    Engine engine;
    CHECK(*async::spawn<std::string>(engine.strand, read(engine.pool)).get() == "a value");
    CHECK(*async::spawn<int>(engine.strand, many(engine.pool, 500)).get() == 500 * 499 / 2);
}

TEST_CASE("an exception of the work is an internal error") {
    Engine engine;
    const auto result = async::spawn<int>(engine.strand, throwing(engine.pool)).get();
    REQUIRE(!result);
    CHECK(result.error().kind == ErrorClass::internal);
    CHECK(result.error().detail == "oh");
    const auto nonsense = async::spawn<int>(engine.strand, throwing_nonsense(engine.pool)).get();
    REQUIRE(!nonsense);
    CHECK(nonsense.error().kind == ErrorClass::internal);
}

TEST_CASE("cancelling asks the work to stop") {
    Engine engine;
    for (int i = 0; i < 200; ++i) {
        std::atomic<bool> running = false;
        auto operation = async::spawn<int>(engine.strand, stoppable(engine.pool, &running));
        running.wait(false);
        operation.cancel();
        const auto result = operation.get();
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorClass::cancelled);
    }
}

TEST_CASE("no work outlives the coroutine that waits for it") {
    Engine engine;
    std::atomic<bool> running = false, release = false, over = false;
    auto operation = async::spawn<int>(engine.strand, stubborn(engine.pool, &running, &release, &over));
    running.wait(false);
    operation.cancel();
    CHECK(!operation.done());
    release = true;
    release.notify_all();
    CHECK(*operation.get() == 3);
    CHECK(over);
}

TEST_CASE("work of a coroutine that is cancelled already does not start") {
    Engine engine;
    std::atomic<int> calls = 0;
    auto operation = async::spawn<int>(engine.strand, cancelled_before(engine.pool, &calls));
    operation.cancel();
    const auto result = operation.get();
    REQUIRE(!result);
    CHECK(result.error().kind == ErrorClass::cancelled);
    CHECK(calls == 0);
}
