// SPDX-License-Identifier: Apache-2.0
// Cancelled operations, and several at once.
#include "local/runtime/fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace asio = boost::asio;

namespace {

// A coroutine takes part in cancellation of the type terminal unless it says otherwise.
Result<void> cancelled_after(Task<void> task, std::chrono::milliseconds delay) {
    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<Result<void>> result;
    asio::co_spawn(context, std::move(task),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, Result<void> value) { result = value; }));
    asio::steady_timer timer(context, delay);
    timer.async_wait([&](const boost::system::error_code&) { signal.emit(asio::cancellation_type::all); });
    context.run();
    return *result;
}

} // namespace

TEST_CASE("a cancelled start either started or left nothing running") {
    LocalFixture fixture;
    auto created = wait_for(fixture.provider().create(fixture.request("cancelled")));
    REQUIRE(succeeded(created));
    for (int delay = 0; delay < 40; delay += 8) {
        const auto result = cancelled_after(fixture.provider().start(created->id), std::chrono::milliseconds(delay));
        const auto now = wait_for(fixture.provider().inspect(created->id));
        if (result.has_value()) {
            CHECK(now->state == SandboxState::running);
        } else {
            CHECK(result.error().kind == ErrorClass::cancelled);
            CHECK(now->state == SandboxState::created);
            CHECK(fixture.leftovers().after(false).empty());
        }
        REQUIRE(succeeded(wait_for(fixture.provider().stop(created->id))));
    }
}

TEST_CASE("a start that waits for a program that hangs is cancelled at once, and leaves nothing") {
    LocalFixture fixture;
    if (!wait_for(fixture.provider().capabilities())->egress_open) return; // told by the network tests
    const auto programs = fixture.state() / "programs", waits = programs / "waits";
    std::filesystem::create_directory(programs);
    REQUIRE(::mkfifo(waits.c_str(), 0600) == 0);
    std::ofstream(programs / "slirp4netns") << "#!/bin/sh\nread -r line < " << waits.string() << "\n";
    REQUIRE(::chmod((programs / "slirp4netns").c_str(), 0755) == 0);
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", (programs.string() + ":" + path).c_str(), 1);
    fixture.reopen();
    ::setenv("PATH", path.c_str(), 1);
    auto created = wait_for(fixture.provider().create(fixture.request("hangs", Egress::open)));
    REQUIRE(succeeded(created));

    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<Result<void>> result;
    asio::co_spawn(context, fixture.provider().start(created->id),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, Result<void> value) { result = value; }));
    std::thread canceller([&] {
        const int writer = ::open(waits.c_str(), O_WRONLY | O_CLOEXEC); // returns when the program waits to read
        asio::post(context, [&] { signal.emit(asio::cancellation_type::all); });
        while (!result) std::this_thread::yield();
        ::close(writer);
    });
    auto work = asio::make_work_guard(context);
    while (!result) context.run_one();
    canceller.join();
    CHECK(result->error().kind == ErrorClass::cancelled);
    CHECK(wait_for(fixture.provider().inspect(created->id))->state == SandboxState::created);
    CHECK(fixture.leftovers().after(false).empty());
}

TEST_CASE("operations on one sandbox wait for each other, in two providers as well") {
    LocalFixture fixture;
    auto created = wait_for(fixture.provider().create(fixture.request("contended")));
    REQUIRE(succeeded(created));
    async::Pool pool(2);
    auto second = local::make_local_provider({fixture.state(), LocalFixture::guest_program(), ""}, pool);
    REQUIRE(succeeded(second));
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            Provider& provider = i % 2 == 0 ? fixture.provider() : **second;
            for (int round = 0; round < 3; ++round)
                if (!wait_for(provider.start(created->id)) || !wait_for(provider.stop(created->id))) ++failures;
        });
    for (auto& thread : threads) thread.join();
    CHECK(failures == 0);
    CHECK(wait_for(fixture.provider().inspect(created->id))->state == SandboxState::created);
    std::atomic<int> made = 0;
    threads.clear();
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            auto same = wait_for((i % 2 == 0 ? fixture.provider() : **second).create(fixture.request("raced")));
            if (same) ++made;
        });
    for (auto& thread : threads) thread.join();
    CHECK(made == 4);
    CHECK(wait_for(fixture.provider().list({}))->size() == 2);
    second->reset();
    pool.join();
}
