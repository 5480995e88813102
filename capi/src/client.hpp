// SPDX-License-Identifier: Apache-2.0
// Who asks, of which engine, and where the answers go; and how a call of the engine becomes a submission.
#pragma once

#include "engine_handle.hpp"
#include "operation.hpp"
#include "process_handle.hpp"

#include <sandboxkit/answers_json.hpp>
#include <sandboxkit/engine.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

struct sbk_client : sandboxkit::capi::Owned {
    std::shared_ptr<sandboxkit::capi::EngineHandle> engine;
    std::shared_ptr<sandboxkit::capi::Queue> queue;
    sandboxkit::Principal who;
};

namespace sandboxkit::capi {

// Results as events. Text that is no document comes as bytes.
template <class T>
void write_result(sbk_event& event, T&& result) {
    event.set_json(to_json(result));
}
template <class T>
void write_result(sbk_event& event, std::vector<T>&& list) {
    event.set_json(list_to_json(list));
}
inline void write_result(sbk_event& event, std::string&& bytes) {
    event.bytes = std::move(bytes);
}
inline void write_result(sbk_event& event, Profile&& profile) {
    event.set_json(profile_to_json(profile));
}
inline void write_result(sbk_event& event, ExecResult&& result) {
    event.set_json(to_json(result));
    event.bytes = std::move(result.standard_output);
    event.error_bytes = std::move(result.standard_error);
}

template <class T>
void complete(Pending& pending, Result<T>&& result) noexcept {
    pending.complete([&](sbk_event& event) {
        if (!result)
            write_error(event, result.error());
        else if constexpr (!std::is_void_v<T>)
            write_result(event, std::move(*result));
    });
}

// A call that may throw for lack of memory, where nobody is above to hear of it.
template <class Call>
void answer_if_thrown(Pending& pending, Call call) noexcept {
    try {
        call();
    } catch (const std::bad_alloc&) {
        pending.complete([](sbk_event&) { throw std::bad_alloc{}; });
    } catch (...) {
        pending.complete([](sbk_event& event) { event.status = SBK_INTERNAL; });
    }
}

template <class T>
struct IsOperation : std::false_type {};
template <class T>
struct IsOperation<Operation<T>> : std::true_type {
    using Value = T;
};

// Calls `done` with what the operation ends with that `begin()` starts. Once that has started nothing here can fail: a submission
// that fails has done nothing.
template <class Begin, class Done>
void follow_operation(const std::shared_ptr<Pending>& pending, Begin begin, Done done) {
    using Started = std::invoke_result_t<Begin&>;
    std::function<void(Result<typename IsOperation<Started>::Value>)> handler(std::move(done));
    const auto started = std::make_shared<std::optional<Started>>();
    pending->on_cancel([started] { // called by nobody before the submission has returned
        if (*started) (*started)->cancel();
    });
    started->emplace(begin());
    (*started)->on_complete(std::move(handler));
}

// The same with the engine of a client, which may be closed: `begin(Engine&, const Principal&)`.
template <class Begin, class Done>
void follow_in_engine(const std::shared_ptr<Pending>& pending, const sbk_client& client, Begin begin, Done done) {
    const bool open = client.engine->with_engine([&](Engine& engine) {
        follow_operation(
            pending, [&] { return begin(engine, client.who); }, std::move(done));
    });
    if (!open) pending->fail(engine_closed);
}

// `start(pending)` may fail before anything has begun: then there is no completion.
template <class Start>
sbk_status submit_to(sbk_operation** place, std::shared_ptr<Queue> queue, std::uint64_t tag, Start start) {
    auto pending = std::make_shared<Pending>(std::move(queue), tag);
    try {
        auto handle = place ? std::make_unique<sbk_operation>(pending) : nullptr;
        start(pending);
        if (place) *place = handle.release();
    } catch (...) {
        pending->abandon();
        throw;
    }
    return SBK_OK;
}

// `verb(Engine&, const Principal&)` gives an Operation, which is started in this call, or a Result: such a verb blocks, and runs
// on a thread of the handle. What it captures outlives this call.
template <class Verb>
sbk_status submit(sbk_operation** place, sbk_client* given, std::uint64_t tag, Verb verb) {
    const sbk_client& client = object(given);
    return submit_to(place, client.queue, tag, [&](const std::shared_ptr<Pending>& pending) {
        using Answer = std::invoke_result_t<Verb&, Engine&, const Principal&>;
        if constexpr (IsOperation<Answer>::value) {
            follow_in_engine(pending, client, std::move(verb), [pending](auto result) { complete(*pending, std::move(result)); });
        } else {
            client.engine->post([pending, verb = std::move(verb), who = client.who](Engine* engine) mutable {
                if (!engine)
                    pending->fail(engine_closed);
                else if (pending->cancel_asked())
                    pending->fail(cancelled_error);
                else
                    answer_if_thrown(*pending, [&] { complete(*pending, verb(*engine, who)); });
            });
        }
    });
}

} // namespace sandboxkit::capi
