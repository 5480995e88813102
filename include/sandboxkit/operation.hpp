// SPDX-License-Identifier: Apache-2.0
// A running operation: wait for it, be told, or cancel it. No Asio in sight; for Asio programs there is
// async_wait in asio.hpp.
#pragma once

#include <sandboxkit/error.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace sandboxkit {

namespace detail {

// Shared by the operation's handle and the engine. Exactly one completion, cancelled ones included.
template <class T>
class OperationState {
public:
    void complete(Result<T> result) {
        std::function<void(Result<T>)> handler;
        {
            std::lock_guard lock(mutex_);
            if (done_) return;
            done_ = true;
            cancel_ = nullptr;
            if (handler_)
                handler = std::exchange(handler_, nullptr);
            else
                result_.emplace(std::move(result));
        }
        ready_.notify_all();
        if (handler) handler(std::move(result)); // never while the lock is held
    }

    Result<T> get() {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return done_; });
        if (!result_)
            return Error{ErrorClass::internal, "result_taken", "the result of this operation was already taken", "", "", {}};
        Result<T> result = std::move(*result_);
        result_.reset();
        return result;
    }

    void on_complete(std::function<void(Result<T>)> handler) {
        std::optional<Result<T>> result;
        {
            std::lock_guard lock(mutex_);
            if (!done_) {
                handler_ = std::move(handler);
                return;
            }
            result = std::move(result_);
            result_.reset();
        }
        if (result) handler(std::move(*result));
    }

    void set_cancel(std::function<void()> cancel) {
        std::lock_guard lock(mutex_);
        if (!done_) cancel_ = std::move(cancel);
    }
    void cancel() {
        std::function<void()> cancel;
        {
            std::lock_guard lock(mutex_);
            cancel = cancel_;
        }
        if (cancel) cancel();
    }
    bool done() {
        std::lock_guard lock(mutex_);
        return done_;
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    bool done_ = false;
    std::optional<Result<T>> result_;
    std::function<void(Result<T>)> handler_;
    std::function<void()> cancel_;
};

} // namespace detail

// Started when it is returned. Dropping the handle lets the operation run to its end.
// Threads: all members may be called from any thread but one of the engine's own (get() there would wait for itself).
template <class T>
class [[nodiscard]] Operation {
public:
    explicit Operation(std::shared_ptr<detail::OperationState<T>> state) : state_(std::move(state)) {}

    // Waits, and takes the result. Once only.
    Result<T> get() { return state_->get(); }
    // Asks for cancellation, returns at once; the operation still completes, usually with ErrorClass::cancelled.
    void cancel() { state_->cancel(); }
    // Calls `handler` once with the result, on an engine thread (which it must not block), or at once when already done.
    void on_complete(std::function<void(Result<T>)> handler) { state_->on_complete(std::move(handler)); }
    [[nodiscard]] bool done() const { return state_->done(); }

private:
    std::shared_ptr<detail::OperationState<T>> state_;
};

} // namespace sandboxkit
