// SPDX-License-Identifier: Apache-2.0
// Each allocation fails in turn: a call has done all or nothing, and what was submitted is completed once.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "every_function.hpp"
#include "failing_memory.hpp"

#include "client.hpp"
#include "provider_json.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

constexpr Shortage shortages[] = {Shortage::once, Shortage::from_then_on};

// Each of the first hundred, in which all that the shims allocate is; then, deep in the engine, fewer and fewer.
long after(long n) {
    return n + 1 + (n > 100 ? n / 10 : 0);
}

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
    const auto together = std::make_shared<std::barrier<>>(3); // who leaves it last may be one of the threads
    for (int i = 0; i < 2; ++i)
        engine->handle->post([together, &work](Engine*) {
            together->arrive_and_wait();
            work();
            together->arrive_and_wait();
        });
    together->arrive_and_wait();
    together->arrive_and_wait();
}

} // namespace

TEST_CASE("a call that gets no memory has done nothing and says so") {
    OneOfEach objects;
    for (const auto& function : objects.functions()) {
        if (function.kind == Kind::frees) continue;
        for (const auto shortage : shortages)
            for (long n = 1;; n = after(n)) {
                CAPTURE(function.name);
                CAPTURE(n);
                prepare(objects, function.name);
                fail_allocation(n, shortage);
                const auto answer = function.call();
                const bool failed = stop_failing();
                CAPTURE(answer.status);
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
                const auto more = next(objects.on.queue, 0);
                REQUIRE_MESSAGE(!more, json_of(more));
                if (!failed) {
                    CHECK(n < 100'000);
                    break;
                }
            }
    }
}

// Waited for as the coroutines of a provider of the host wait.
TEST_CASE("an answer for which there is no memory can be given again, and a free ends the waiting without any") {
    constexpr std::string_view answer = R"({"id": "a sandbox whose id is long enough", "token": "a token that is long enough",
        "state": "running", "labels": {"a label of some length": "a value of some length"}, "unenforced": ["processes"]})";
    const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    REQUIRE(descriptor >= 0);
    eventfd_t count = 0;
    std::optional<Result<SandboxInfo>> out;
    std::shared_ptr<capi::HostRequest> request;
    const auto asked = [&] {
        request = std::make_shared<capi::HostRequest>(
            [&](const boost::json::value& value) { return capi::read_provider_answer<SandboxInfo>(value, out); });
        Handle<sbk_event> event(new sbk_event(SBK_EVENT_REQUEST, 1));
        event->request = request;
        request->wake_through(descriptor);
        return event;
    };
    for (const auto shortage : shortages) {
        bool failed = true;
        for (long n = 1; failed; n = after(n)) {
            CAPTURE(n);
            const auto event = asked();
            fail_allocation(n, shortage);
            const auto status = sbk_event_respond(event.get(), answer.data(), answer.size());
            failed = stop_failing();
            if (status == SBK_NO_MEMORY) {
                REQUIRE(failed);
                CHECK(::eventfd_read(descriptor, &count) != 0);
                REQUIRE(sbk_event_respond(event.get(), answer.data(), answer.size()) == SBK_OK);
            } else {
                REQUIRE(status == SBK_OK);
            }
            CHECK(::eventfd_read(descriptor, &count) == 0);
            REQUIRE(request->outcome().has_value());
            REQUIRE(out->has_value());
            CHECK((**out).labels.size() == 1);
        }
        auto event = asked();
        fail_allocation(1, shortage);
        event.reset();
        stop_failing();
        CHECK(::eventfd_read(descriptor, &count) == 0);
        CHECK(request->outcome().error().code == "host_did_not_answer");
    }
    ::close(descriptor);
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

// Not of calls that come to the store: SOCI's parser of connection strings runs for ever when it gets no memory.
TEST_CASE("what gets no memory on a thread of the engine's handle is completed once") {
    OneOfEach objects;
    auto* const client = objects.on.client.get();
    auto* const queue = objects.on.queue.get();
    SessionInfo session;
    session.id = "ses_of_some_length_that_is_not_short";
    session.notes = {"a note that is long enough", "another note that is long enough"};
    const Error error{ErrorClass::quota, "a_code_of_some_length", "a message", "a remedy", "a detail", {{"/a", "b", "c", "d"}}};
    const std::vector<std::function<sbk_status()>> calls = {
        [&] { return sbk_engine_ping(nullptr, queue, call_tag, objects.on.engine.get()); },
        [&] { return sbk_profile_validate(nullptr, client, call_tag, "{\"name\": 1}", SBK_NUL, SBK_GATE_START); },
        [&] {
            return capi::submit(nullptr, client, call_tag,
                                [&](Engine&, const Principal&) { return Result<SessionInfo>(session); });
        },
        [&] {
            return capi::submit(nullptr, client, call_tag, [&](Engine&, const Principal&) { return Result<SessionInfo>(error); });
        },
    };
    for (const auto& call : calls)
        for (const auto shortage : shortages) {
            bool failed = true;
            for (long n = 1; failed; n = after(n)) {
                CAPTURE(n);
                on_both_threads(objects.on.engine, [&] { fail_allocation(n, shortage); });
                REQUIRE(call() == SBK_OK);
                const auto status = completion(objects);
                std::atomic<bool> any = false;
                on_both_threads(objects.on.engine, [&] {
                    if (stop_failing()) any = true;
                });
                failed = any;
                if (failed) CHECK(status == SBK_NO_MEMORY);
            }
        }
}

// Only what comes before the engine's own part: Boost's thread_pool waits for ever when it cannot make its second thread.
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
        for (long n = 1; failed && n <= 16; ++n) {
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
