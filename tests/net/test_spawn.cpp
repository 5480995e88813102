// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "async/spawn.hpp"

#include <sandboxkit/asio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace sandboxkit;
namespace asio = boost::asio;
template <class T>
using Work = asio::awaitable<Result<T>>;

namespace {

Error cancelled() {
    return Error{ErrorClass::cancelled, "cancelled", "cancelled", "", "", {}};
}

// Waits until it is cancelled; `waiting` tells that it does.
Work<int> forever(std::atomic<bool>* waiting = nullptr) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::steady_clock::time_point::max());
    boost::system::error_code error;
    if (waiting != nullptr) *waiting = true;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return cancelled();
    co_return 1;
}
Work<int> answer() {
    co_return 42;
}
Work<void> nothing() {
    co_return Result<void>{};
}
Work<std::string> failing() {
    co_return Error{ErrorClass::not_found, "gone", "it is gone", "", "", {}};
}
Work<int> throwing() {
    throw std::runtime_error("oh");
    co_return 1;
}

struct NoDefault {
    explicit NoDefault(int n) : number(n) {}
    int number;
};
Work<NoDefault> no_default() {
    co_return NoDefault(7);
}

struct Noted {
    std::atomic<int>* count;
    explicit Noted(std::atomic<int>* c) : count(c) {}
    Noted(const Noted&) = delete;
    Noted& operator=(const Noted&) = delete;
    ~Noted() { ++*count; }
};
Work<int> holding(std::atomic<int>* destroyed) {
    Noted noted(destroyed);
    co_return 1;
}
Work<int> holding_parameter(std::shared_ptr<Noted>) {
    co_return 1;
}

struct Engine { // two threads, one strand: as the real one
    asio::thread_pool pool{2};
    asio::any_io_executor strand = asio::make_strand(pool.get_executor());
};

} // namespace

TEST_CASE("results come back, whatever they are") {
    Engine engine;
    CHECK(*async::spawn<int>(engine.strand, answer()).get() == 42);
    CHECK(async::spawn<void>(engine.strand, nothing()).get());
    CHECK(async::spawn<NoDefault>(engine.strand, no_default()).get()->number == 7);
    const auto failed = async::spawn<std::string>(engine.strand, failing()).get();
    REQUIRE(!failed);
    CHECK(failed.error().code == "gone");
}

TEST_CASE("an exception is an internal error") {
    Engine engine;
    const auto result = async::spawn<int>(engine.strand, throwing()).get();
    REQUIRE(!result);
    CHECK(result.error().kind == ErrorClass::internal);
    CHECK(result.error().code == "exception");
    CHECK(result.error().detail == "oh");
}

TEST_CASE("what a task holds is gone when its result is there") {
    Engine engine;
    std::atomic<int> destroyed = 0;
    for (int i = 1; i <= 100; ++i) {
        REQUIRE(async::spawn<int>(engine.strand, holding(&destroyed)).get());
        CHECK(destroyed == i);
    }
    for (int i = 101; i <= 200; ++i) {
        REQUIRE(async::spawn<int>(engine.strand, holding_parameter(std::make_shared<Noted>(&destroyed))).get());
        CHECK(destroyed == i);
    }
}

TEST_CASE("cancel ends a waiting task") {
    Engine engine;
    for (int i = 0; i < 200; ++i) {
        std::atomic<bool> waiting = false;
        auto operation = async::spawn<int>(engine.strand, forever(&waiting));
        // A task that does not wait yet would not hear of it through the timer.
        while (!waiting) std::this_thread::yield();
        operation.cancel();
        operation.cancel();
        const auto result = operation.get();
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorClass::cancelled);
    }
}

TEST_CASE("cancel and completion at the same time: one result, nothing touched afterwards") {
    Engine engine;
    for (int i = 0; i < 2000; ++i) {
        auto operation = async::spawn<int>(engine.strand, answer());
        std::optional<std::thread> other;
        if (i % 10 == 0) other.emplace([operation]() mutable { operation.cancel(); });
        operation.cancel();
        const auto result = operation.get();
        if (!result)
            CHECK(result.error().kind == ErrorClass::cancelled);
        else
            CHECK(*result == 42);
        operation.cancel();
        if (other) other->join();
    }
}

TEST_CASE("an operation whose handle was dropped runs to its end") {
    Engine engine;
    std::atomic<int> destroyed = 0;
    for (int i = 0; i < 100; ++i) (void)async::spawn<int>(engine.strand, holding(&destroyed));
    engine.pool.join();
    CHECK(destroyed == 100);
}

TEST_CASE("a task that dies with its executor completes its operation") {
    std::optional<Operation<int>> waiting, unstarted;
    {
        asio::io_context context(1);
        waiting = async::spawn<int>(context.get_executor(), forever());
        context.poll();
        unstarted = async::spawn<int>(context.get_executor(), answer());
    }
    for (auto* operation : {&*waiting, &*unstarted}) {
        const auto result = operation->get();
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorClass::cancelled);
        CHECK(result.error().code == "abandoned");
        operation->cancel();
    }
}

TEST_CASE("async_wait gives the result to a coroutine on its own executor") {
    asio::io_context host(1);
    Engine engine; // closed before the host's context goes
    const auto program = [&]() -> asio::awaitable<int> {
        auto first = co_await async_wait(async::spawn<int>(engine.strand, answer()), asio::use_awaitable);
        auto second = co_await async_wait(async::spawn<NoDefault>(engine.strand, no_default()), asio::use_awaitable);
        auto third = co_await async_wait(async::spawn<std::string>(engine.strand, failing()), asio::use_awaitable);
        CHECK(third.error().code == "gone");
        co_return *first + second->number;
    };
    auto sum = asio::co_spawn(host, program(), asio::use_future);
    host.run();
    CHECK(sum.get() == 49);
}

TEST_CASE("async_wait never calls its handler inside the call, and calls it on the handler's executor") {
    asio::io_context host(1);
    Engine engine; // closed before the host's context goes
    auto operation = async::spawn<int>(engine.strand, answer());
    while (!operation.done()) std::this_thread::yield();
    bool called = false;
    async_wait(std::move(operation), asio::bind_executor(host, [&](Result<int> result) {
                   called = true;
                   CHECK(*result == 42);
                   CHECK(host.get_executor().running_in_this_thread());
               }));
    CHECK(!called);
    host.run();
    CHECK(called);
}

TEST_CASE("cancelling the wait cancels the operation") {
    for (const auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        asio::io_context host(1);
        Engine engine;
        asio::cancellation_signal signal;
        std::optional<Result<int>> result;
        std::atomic<bool> waiting = false;
        async_wait(async::spawn<int>(engine.strand, forever(&waiting)),
                   asio::bind_cancellation_slot(signal.slot(),
                                                asio::bind_executor(host, [&](Result<int> r) { result = std::move(r); })));
        while (!waiting) std::this_thread::yield();
        asio::post(host, [&] { signal.emit(type); });
        host.run();
        REQUIRE(result);
        REQUIRE(!*result);
        CHECK(result->error().kind == ErrorClass::cancelled);
        signal.emit(type); // the slot was cleared
    }
}
