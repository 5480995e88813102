// SPDX-License-Identifier: Apache-2.0
// Each allocation fails in turn: a call has done all or nothing, and what was submitted is completed once.
#include "every_function.hpp"
#include "failing_memory.hpp"

#include <atomic>
#include <barrier>
#include <memory>
#include <set>
#include <string>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

constexpr Shortage shortages[] = {Shortage::once, Shortage::from_then_on};

// Puts back what a call takes away.
void prepare(OneOfEach& objects, const std::string& name) {
    if (name == "sbk_queue_next") REQUIRE(sbk_queue_post(objects.on.queue.get(), call_tag) == SBK_OK);
    if (name == "sbk_event_take_engine" || name == "sbk_engine_close") {
        objects.with_engine->engine = nullptr;
        objects.taken_engine.reset();
        objects.other = std::make_unique<CEngine>();
        objects.with_engine->engine = objects.other->engine->handle;
    }
    if (name == "sbk_event_take_process") objects.with_process->process = objects.process->handle;
    for (auto* event : {&objects.asked, &objects.asked_too})
        (*event)->request = std::make_shared<capi::HostRequest>([](const boost::json::value&) { return Result<void>(); });
}

// The completion of what was submitted, after whatever else it sends; and nothing behind it.
sbk_status completion(OneOfEach& objects) {
    for (;;) {
        const auto event = next(objects.on.queue);
        REQUIRE(sbk_event_tag(event.get()) == call_tag);
        if (sbk_event_get_kind(event.get()) != SBK_EVENT_COMPLETION) continue;
        CHECK(!next(objects.on.queue, 0));
        return sbk_event_status(event.get());
    }
}

// Runs `work` on each of the two threads of the handle.
template <class Work>
void on_both_threads(const Handle<sbk_engine>& engine, Work work) {
    std::barrier together(3);
    for (int i = 0; i < 2; ++i)
        engine->handle->post([&](Engine*) {
            together.arrive_and_wait();
            work();
            together.arrive_and_wait();
        });
    together.arrive_and_wait();
    together.arrive_and_wait();
}

} // namespace

TEST_CASE("a call that gets no memory has done nothing and says so") {
    OneOfEach objects;
    for (const auto& function : objects.functions()) {
        if (function.kind == Kind::frees) continue;
        for (const auto shortage : shortages)
            for (long n = 1;; ++n) {
                CAPTURE(function.name);
                CAPTURE(n);
                prepare(objects, function.name);
                fail_allocation(n, shortage);
                const auto answer = function.call();
                const bool failed = stop_failing();
                if (answer.status == SBK_NO_MEMORY) {
                    REQUIRE(failed);
                    CHECK(answer.neutral);
                } else {
                    REQUIRE(answer.status == SBK_OK);
                    if (function.kind == Kind::submits) {
                        if (function.endless) function.cancel();
                        completion(objects);
                    } else if (function.name == "sbk_queue_post") {
                        expect(objects.on.queue, SBK_EVENT_POSTED, call_tag);
                    }
                }
                REQUIRE(!next(objects.on.queue, 0));
                if (!failed) {
                    CHECK(n < 100'000);
                    break;
                }
            }
    }
}

TEST_CASE("frees need no memory") {
    for (const auto shortage : shortages) {
        auto objects = std::make_unique<OneOfEach>();
        fail_allocation(1, shortage);
        objects->command.reset();
        objects->process.reset();
        objects->event.reset();
        objects->operation.reset();
        objects->spare_client.reset();
        stop_failing();
    }
}

TEST_CASE("what gets no memory on a thread of the engine's handle is completed once") {
    OneOfEach objects;
    for (const auto& function : objects.functions()) {
        if (function.kind != Kind::submits || function.name == "sbk_engine_close") continue;
        for (const auto shortage : shortages) {
            bool failed = true;
            for (long n = 1; failed; ++n) {
                CAPTURE(function.name);
                CAPTURE(n);
                on_both_threads(objects.on.engine, [&] { fail_allocation(n, shortage); });
                REQUIRE(function.call().status == SBK_OK);
                if (function.endless) function.cancel();
                const auto status = completion(objects);
                std::atomic<bool> any = false;
                on_both_threads(objects.on.engine, [&] {
                    if (stop_failing()) any = true;
                });
                failed = any;
                if (failed) CHECK((status == SBK_NO_MEMORY || status == SBK_OK));
            }
        }
    }
}

TEST_CASE("an opening that gets no memory is completed once") {
    // No other thread is there that could be taken for the one that opens.
    const auto queue = new_queue();
    TempDir dir;
    const auto store = (dir.path() / "store.db").string();
    sbk_engine_options options{};
    options.struct_size = sizeof options;
    options.store = store.c_str();
    options.store_size = SBK_NUL;
    for (const auto shortage : shortages) {
        bool failed = true;
        for (long n = 1; failed; n += 1 + n / 50) {
            CAPTURE(n);
            fail_allocation_of_next_thread(n, shortage);
            REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
            const auto event = expect(queue, SBK_EVENT_COMPLETION, 1);
            failed = next_thread_failed();
            const auto status = sbk_event_status(event.get());
            if (!failed) CHECK(status == SBK_OK);
            CHECK(!next(queue, 0));
        }
    }
}
