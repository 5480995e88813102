// SPDX-License-Identifier: Apache-2.0
#include "queue.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace sandboxkit::capi {

Queue::Queue() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::bad_alloc{}; // no descriptor or no memory: one status for both
}

Queue::~Queue() {
    drop_all();
    ::close(descriptor_);
}

int Queue::descriptor() noexcept {
    const std::lock_guard lock(mutex_);
    if (!watched_) {
        watched_ = true;
        if (first_) ::eventfd_write(descriptor_, 1);
    }
    return descriptor_;
}

bool Queue::push(std::unique_ptr<sbk_event>& event) noexcept {
    bool notify = false;
    {
        const std::lock_guard lock(mutex_);
        if (!closed_) {
            sbk_event* const added = event.release();
            if (!first_ && watched_) ::eventfd_write(descriptor_, 1);
            (first_ ? last_->next : first_) = added;
            last_ = added;
            notify = waiting_ > 0;
        }
    }
    if (notify) arrived_.notify_one();
    return !event;
}

std::unique_ptr<sbk_event> Queue::pop() noexcept {
    if (!first_) return nullptr;
    std::unique_ptr<sbk_event> taken(first_);
    first_ = std::exchange(taken->next, nullptr);
    if (!first_) {
        last_ = nullptr;
        eventfd_t ignored = 0;
        if (watched_) ::eventfd_read(descriptor_, &ignored);
    }
    return taken;
}

std::unique_ptr<sbk_event> Queue::take(std::int64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return first_ != nullptr || closed_; };
    ++waiting_;
    if (timeout_ms < 0) {
        arrived_.wait(lock, ready);
    } else if (timeout_ms > 0) {
        // A time that the clock cannot count to is waited for as long as it can: a hundred years.
        const std::chrono::milliseconds time(std::min<std::int64_t>(timeout_ms, 3'155'760'000'000));
        arrived_.wait_for(lock, time, ready);
    }
    --waiting_;
    return pop();
}

void Queue::run(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (closed_) throw Misuse{};
    std::erase_if(threads_, [](Running& running) { // else they would keep their stacks
        if (!*running.ended) return false;
        running.thread.join();
        return true;
    });
    threads_.reserve(threads_.size() + 1);
    auto ended = std::make_shared<std::atomic<bool>>(false);
    std::thread thread([ended, work = std::move(work)]() mutable {
        work();
        work = nullptr; // whatever hangs on it goes without the mutex
        *ended = true;
    });
    threads_.push_back({std::move(ended), std::move(thread)});
}

void Queue::close() noexcept {
    std::vector<Running> threads;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        threads.swap(threads_);
    }
    arrived_.notify_all();
    drop_all();
    for (auto& running : threads) running.thread.join();
}

void Queue::drop_all() noexcept {
    for (;;) {
        std::unique_ptr<sbk_event> dropped;
        {
            const std::lock_guard lock(mutex_);
            dropped = pop();
        }
        if (!dropped) return;
    }
}

} // namespace sandboxkit::capi

namespace capi = sandboxkit::capi;

sbk_status sbk_queue_new(sbk_queue** queue) {
    return capi::guarded(__func__, queue, [&] {
        auto*& place = capi::result_at(queue);
        place = new sbk_queue;
        return SBK_OK;
    });
}

int sbk_queue_descriptor(const sbk_queue* queue) {
    return capi::guarded_or(__func__, -1, [&] { return capi::object(queue).queue->descriptor(); });
}

sbk_status sbk_queue_next(sbk_event** event, sbk_queue* queue, int64_t timeout_ms) {
    return capi::guarded(__func__, event, [&] {
        auto*& place = capi::result_at(event);
        const auto from = capi::object(queue).queue;
        place = from->take(timeout_ms).release();
        return place ? SBK_OK : SBK_EMPTY;
    });
}

sbk_status sbk_queue_post(sbk_queue* queue, uint64_t tag) {
    return capi::guarded(__func__, [&] {
        auto event = std::make_unique<sbk_event>(SBK_EVENT_POSTED, tag);
        capi::object(queue).queue->push(event);
        return SBK_OK;
    });
}

void sbk_queue_free(sbk_queue* queue) {
    capi::release(__func__, queue);
}
