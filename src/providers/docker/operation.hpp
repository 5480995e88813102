// SPDX-License-Identifier: Apache-2.0
// Operations between two executors: the provider's own, where all of its I/O is, and that of whoever awaits.
#pragma once

#include "async/spawn.hpp"

#include <sandboxkit/asio.hpp>
#include <sandboxkit/provider.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace sandboxkit::docker {

// Runs `task` as a coroutine of its own on `executor`, which hears the cancellation of the awaiting one.
template <class T>
Task<T> run_on(boost::asio::any_io_executor executor, Task<T> task) {
    auto operation = async::spawn(std::move(executor), std::move(task));
    auto result = co_await async_wait(std::move(operation), boost::asio::use_awaitable);
    co_return result;
}

// Waits for what has to end whether or not the awaiting coroutine was cancelled.
template <class T>
Task<T> wait_undisturbed(Operation<T> operation) {
    auto result = co_await async_wait(
        std::move(operation), boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(), boost::asio::use_awaitable));
    co_return result;
}

// As run_on, whether or not the awaiting coroutine was cancelled: to clear up.
template <class T>
Task<T> run_undisturbed(boost::asio::any_io_executor executor, Task<T> task) {
    auto operation = async::spawn(std::move(executor), std::move(task));
    auto result = co_await wait_undisturbed(std::move(operation));
    co_return result;
}

} // namespace sandboxkit::docker
