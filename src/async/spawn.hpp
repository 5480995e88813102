// SPDX-License-Identifier: Apache-2.0
// From a coroutine to an Operation: started, observed and cancelled from any thread.
#pragma once

#include "async/without_exceptions.hpp"

#include <sandboxkit/error.hpp>
#include <sandboxkit/operation.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace sandboxkit::async {

namespace detail {

// Completes the operation once, and also when the coroutine is destroyed before its end, with its executor's context:
// a waiting thread is never left behind.
template <class T>
class Completion {
public:
    explicit Completion(std::shared_ptr<sandboxkit::detail::OperationState<T>> state) : state_(std::move(state)) {}
    Completion(Completion&&) noexcept = default;
    Completion& operator=(Completion&&) = delete;
    ~Completion() {
        if (state_)
            state_->complete(
                Error{ErrorClass::cancelled, "abandoned", "the engine was closed before the operation ended", "", "", {}});
    }
    void operator()(Result<T> result) { std::exchange(state_, nullptr)->complete(std::move(result)); }

private:
    std::shared_ptr<sandboxkit::detail::OperationState<T>> state_;
};

template <class T>
boost::asio::awaitable<void> run(boost::asio::awaitable<Result<T>> task, Completion<T> completion) {
    namespace asio = boost::asio;
    // All three kinds, for the operations that do not hear total cancellation; and as a value, not an exception.
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    auto result = co_await without_exceptions(std::move(task));
    completion(std::move(result));
}

} // namespace detail

// Runs `task` on `executor`, which must never run two handlers at once (a strand, or a context run by one thread). The
// operation's cancel() reaches the task as all kinds of cancellation, posted to the executor; one that comes after the task's
// end does nothing. An exception out of the task is ErrorClass::internal "exception".
template <class T>
Operation<T> spawn(boost::asio::any_io_executor executor, boost::asio::awaitable<Result<T>> task) {
    namespace asio = boost::asio;
    auto state = std::make_shared<sandboxkit::detail::OperationState<T>>();
    auto signal = std::make_shared<asio::cancellation_signal>();
    state->set_cancel([executor, signal] { asio::post(executor, [signal] { signal->emit(asio::cancellation_type::all); }); });
    // The handler keeps the signal, and with it the slot, for as long as the coroutine runs.
    asio::co_spawn(executor, detail::run<T>(std::move(task), detail::Completion<T>(state)),
                   asio::bind_cancellation_slot(signal->slot(), [signal](const std::exception_ptr&) {}));
    return Operation<T>(state);
}

} // namespace sandboxkit::async
