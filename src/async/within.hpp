// SPDX-License-Identifier: Apache-2.0
// A task that is not waited for forever.
#pragma once

#include "async/spawn.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace sandboxkit::async {

// What the task says, or, cancelled after `limit`, timeout "time_limit". Its end is awaited either way: it must honour
// cancellation. `executor` is that of the coroutine that awaits this.
template <class T>
boost::asio::awaitable<Result<T>> within(boost::asio::any_io_executor executor, std::chrono::milliseconds limit,
                                         boost::asio::awaitable<Result<T>> task) {
    namespace asio = boost::asio;
    auto operation = spawn<T>(executor, std::move(task));
    asio::steady_timer timer(executor);
    std::optional<Result<T>> result;
    operation.on_complete([&](Result<T> r) { // on the executor, like this coroutine
        result.emplace(std::move(r));
        timer.cancel();
    });
    const auto deadline = std::chrono::steady_clock::now() + limit;
    bool late = false, cancelled = false;
    while (!result) {
        if (late || cancelled)
            timer.expires_at(asio::steady_timer::time_point::max());
        else
            timer.expires_at(deadline);
        boost::system::error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (result || late || cancelled) continue;
        auto state = co_await asio::this_coro::cancellation_state;
        cancelled = state.cancelled() != asio::cancellation_type::none;
        late = !cancelled && std::chrono::steady_clock::now() >= deadline;
        if (cancelled) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        if (cancelled || late) operation.cancel();
    }
    if (late && !*result) co_return Error{ErrorClass::timeout, "time_limit", "no answer in time", "try again later", "", {}};
    co_return std::move(*result);
}

} // namespace sandboxkit::async
