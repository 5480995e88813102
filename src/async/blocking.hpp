// SPDX-License-Identifier: Apache-2.0
// Blocking work (libgit2, SQL, archives, waiting for a runtime) runs on a bounded pool, and a coroutine awaits it.
#pragma once

#include <sandboxkit/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <stop_token>
#include <utility>

namespace sandboxkit::async {

using Pool = boost::asio::thread_pool;

// Runs `work(std::stop_token)`, which returns a Result<T>, on the pool. Cancelling the awaiting coroutine asks the
// token to stop; the work decides when, and the coroutine always waits for it: no work outlives its caller's frame.
// A lambda that captures anything but references, pointers and numbers must be a named variable, passed by std::move: g++ 12
// destroys the captures of a lambda written inside a co_await expression twice.
template <class Work>
auto blocking(Pool& pool, Work work) -> boost::asio::awaitable<decltype(work(std::stop_token{}))> {
    namespace asio = boost::asio;
    using R = decltype(work(std::stop_token{}));
    auto stop = std::make_shared<std::stop_source>();
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        co_return R{Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}}};

    auto initiate = [&pool, stop, work = std::move(work)](auto handler) mutable {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) slot.assign([stop](asio::cancellation_type) { stop->request_stop(); });
        auto guard = asio::make_work_guard(handler);
        asio::post(pool, [stop, work = std::move(work), handler = std::move(handler), guard = std::move(guard)]() mutable {
            std::shared_ptr<R> result;
            try {
                result = std::make_shared<R>(work(stop->get_token()));
            } catch (const std::exception& e) {
                result = std::make_shared<R>(
                    Error{ErrorClass::internal, "exception", "an unexpected exception in blocking work", "", e.what(), {}});
            } catch (...) { // a library's own kind: it must not end the pool's thread, and with it the program
                result = std::make_shared<R>(
                    Error{ErrorClass::internal, "exception", "an unexpected exception in blocking work", "", "", {}});
            }
            auto executor = guard.get_executor();
            asio::dispatch(executor, [handler = std::move(handler), result]() mutable {
                asio::get_associated_cancellation_slot(handler).clear();
                std::move(handler)(std::move(result));
            });
        });
    };
    auto result = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::shared_ptr<R>)>(std::move(initiate),
                                                                                                         asio::use_awaitable);
    co_return std::move(*result);
}

} // namespace sandboxkit::async
