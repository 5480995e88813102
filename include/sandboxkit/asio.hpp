// SPDX-License-Identifier: Apache-2.0
// For programs that use Asio: wait for an Operation with a completion token, on their own executor.
//
//     auto result = co_await sandboxkit::async_wait(engine.start_session(who, options), boost::asio::use_awaitable);
#pragma once

#include <sandboxkit/operation.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace sandboxkit {

namespace detail {

template <class T, class Handler>
struct WaitingHandler {
    explicit WaitingHandler(Handler h) : handler(std::move(h)), work(boost::asio::make_work_guard(handler)) {}
    Handler handler;
    boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> work;
    std::optional<Result<T>> result;
};

} // namespace detail

// Signature: void(Result<T>). The handler is called once, through its associated executor, never inside this call.
// Cancellation: any type asks the operation to cancel; the handler then gets the operation's own result, usually
// ErrorClass::cancelled. The operation is used up: its other members must not be called. Threads: any.
// The handler is posted from an engine thread, so the executor's context must not be destroyed before the engine was closed.
template <class T, class CompletionToken>
auto async_wait(Operation<T> operation, CompletionToken&& token) {
    namespace asio = boost::asio;
    auto initiate = [](auto handler, Operation<T> started) {
        using Handler = decltype(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto waiting = std::make_shared<detail::WaitingHandler<T, Handler>>(std::move(handler));
        if (slot.is_connected()) slot.assign([started](asio::cancellation_type) mutable { started.cancel(); });
        started.on_complete([waiting](Result<T> result) {
            waiting->result.emplace(std::move(result));
            // The executor first: the handler below moves away what it belongs to.
            auto executor = waiting->work.get_executor();
            asio::post(executor, [waiting] {
                asio::get_associated_cancellation_slot(waiting->handler).clear();
                auto call = std::move(waiting->handler);
                auto value = std::move(*waiting->result);
                waiting->work.reset();
                std::move(call)(std::move(value));
            });
        });
    };
    return asio::async_initiate<CompletionToken, void(Result<T>)>(std::move(initiate), token, std::move(operation));
}

} // namespace sandboxkit
