// SPDX-License-Identifier: Apache-2.0
// One submission that brings many events: takes the next thing from a source again and again, for as long as the events that
// were not freed stay within a window.
#pragma once

#include "engine_handle.hpp"
#include "operation.hpp"
#include "turn.hpp"

#include <sandboxkit/operation.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace sandboxkit::capi {

template <class T>
struct StreamSource {
    std::function<Operation<T>()> next;
    // Writes a thing into its event and returns what that takes of the window; nothing: it was the last, and is in the
    // completion.
    std::function<std::optional<std::size_t>(T& thing, sbk_event& event)> write;
    std::function<void()> at_end = [] {}; // before the completion
};

template <class T>
class Stream final : public Loop, public Allowance, public std::enable_shared_from_this<Stream<T>> {
public:
    Stream(std::shared_ptr<Pending> pending, sbk_event_kind kind, std::size_t window, StreamSource<T> source)
        : pending_(std::move(pending)), kind_(kind), window_(window), source_(std::move(source)) {}

    void start() {
        try {
            pending_->on_cancel([weak = this->weak_from_this()] {
                if (const auto self = weak.lock()) self->stop();
            });
        } catch (...) {
            source_.at_end();
            throw;
        }
        go_on();
    }

    // What is being waited for is cancelled, and what came already is still told.
    void stop() override {
        std::optional<Operation<T>> current;
        bool at_rest = false;
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            at_rest = !std::exchange(running_, true);
            current = current_;
        }
        if (at_rest) fail(cancelled_error);
        if (current) current->cancel();
    }

    void wait_for_end() noexcept override { ended_.wait(false); }

    void give_back(std::size_t amount) noexcept override {
        {
            const std::lock_guard lock(mutex_);
            untaken_ -= amount;
            if (untaken_ > window_) return;
        }
        go_on();
    }

private:
    // One thread at a time: the one that set running_.
    void go_on() noexcept {
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(running_, true)) return;
        }
        run();
    }

    void run() noexcept {
        try {
            for (;;) {
                auto operation = source_.next();
                bool stopping = false;
                {
                    const std::lock_guard lock(mutex_);
                    current_ = operation;
                    stopping = stopping_;
                }
                if (stopping) operation.cancel();
                auto turn = std::make_shared<Turn<T>>();
                operation.on_complete([self = this->shared_from_this(), turn](Result<T> result) {
                    if (turn->arrived(std::move(result))) self->run_from(*turn);
                });
                if (!turn->leave() || !take(*turn->result)) return;
            }
        } catch (...) {
            give_up();
        }
    }
    void run_from(Turn<T>& turn) noexcept {
        try {
            if (!take(*turn.result)) return;
        } catch (...) {
            return give_up();
        }
        run();
    }

    // For lack of memory.
    void give_up() noexcept {
        std::optional<Operation<T>> current;
        {
            const std::lock_guard lock(mutex_);
            current = current_;
        }
        if (current) current->cancel();
        source_.at_end();
        pending_->complete([](sbk_event&) { throw std::bad_alloc{}; });
        end();
    }

    // False: the end, or a rest until events are freed.
    bool take(Result<T>& result) {
        if (!result) {
            fail(result.error());
            return false;
        }
        auto event = pending_->make_event(kind_);
        const auto cost = source_.write(*result, *event);
        if (!cost) {
            source_.at_end();
            pending_->complete([&](sbk_event& completion) { (void)source_.write(*result, completion); });
            end();
            return false;
        }
        {
            const std::lock_guard lock(mutex_);
            current_.reset();
            untaken_ += *cost;
        }
        event->charge(this->shared_from_this(), *cost);
        // Of a closed queue: what nobody will get is not taken from the others.
        bool stopped = !pending_->push(std::move(event));
        {
            // Not before the event is out: who frees earlier ones may go on at once, with the next.
            const std::lock_guard lock(mutex_);
            stopped = stopped || stopping_;
            if (!stopped && untaken_ > window_) {
                running_ = false;
                return false;
            }
        }
        if (stopped) fail(cancelled_error);
        return !stopped;
    }

    // `error`: an Error, or a function that makes one.
    template <class E>
    void fail(const E& error) noexcept {
        source_.at_end();
        pending_->fail(error);
        end();
    }
    void end() noexcept {
        ended_ = true;
        ended_.notify_all();
    }

    const std::shared_ptr<Pending> pending_;
    const sbk_event_kind kind_;
    const std::size_t window_;
    const StreamSource<T> source_;
    std::mutex mutex_;
    std::optional<Operation<T>> current_;
    std::size_t untaken_ = 0;
    bool running_ = false, stopping_ = false;
    std::atomic<bool> ended_ = false;
};

} // namespace sandboxkit::capi
