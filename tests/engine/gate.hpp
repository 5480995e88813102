// SPDX-License-Identifier: Apache-2.0
// Where a coroutine is held until the test lets it go on, so that the order of things is the test's to choose.
#pragma once

#include <sandboxkit/provider.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>

namespace sandboxkit::test {

class Gate {
public:
    // In the coroutine: waits until the gate is open, or the coroutine is cancelled.
    Task<void> pass() {
        namespace asio = boost::asio;
        auto executor = co_await asio::this_coro::executor;
        auto wake = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
        arrive(wake);
        bool cancelled = false;
        while (!cancelled && !is_open()) {
            boost::system::error_code ec;
            co_await wake->async_wait(asio::redirect_error(asio::use_awaitable, ec));
            auto state = co_await asio::this_coro::cancellation_state;
            cancelled = state.cancelled() != asio::cancellation_type::none;
        }
        leave();
        if (cancelled) co_return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
        co_return Result<void>{};
    }

    // In the test.
    void wait_for_arrival() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return arrived_; });
    }
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        // By its own thread, and after what was posted there before: a cancellation that the test asked for comes first.
        if (wake_) boost::asio::post(wake_->get_executor(), [wake = wake_] { wake->cancel(); });
    }

private:
    void arrive(std::shared_ptr<boost::asio::steady_timer> wake) {
        std::lock_guard lock(mutex_);
        wake_ = std::move(wake);
        arrived_ = true;
        changed_.notify_all();
    }
    void leave() {
        std::lock_guard lock(mutex_);
        wake_.reset(); // the gate may outlive the coroutine's engine
    }
    bool is_open() {
        std::lock_guard lock(mutex_);
        return open_;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<boost::asio::steady_timer> wake_;
    bool arrived_ = false, open_ = false;
};

} // namespace sandboxkit::test
