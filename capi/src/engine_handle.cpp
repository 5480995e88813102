// SPDX-License-Identifier: Apache-2.0
#include "engine_handle.hpp"

namespace sandboxkit::capi {

Error engine_closed() {
    return {ErrorClass::conflict, "engine_closed", "the engine was closed", "", "", {}};
}

bool EngineHandle::begin_work() {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
    ++working_;
    return true;
}

void EngineHandle::end_work() noexcept {
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
}

bool EngineHandle::keep(const std::shared_ptr<Loop>& loop) {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
    std::erase_if(loops_, [](const auto& l) { return l.expired(); });
    loops_.push_back(loop);
    return true;
}

void EngineHandle::close(std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        if (!closed_) {
            when_closed_.reserve(when_closed_.size() + 1);
            // It begins by waiting for the mutex. When there is no memory for it nothing has changed yet.
            if (!closing_) boost::asio::post(threads_, [this] { shut(); });
            closing_ = true;
            when_closed_.push_back(std::move(done));
            return;
        }
    }
    done();
}

// On this thread: a free cannot fail for lack of memory.
void EngineHandle::close_now() noexcept {
    std::unique_lock lock(mutex_);
    if (!closing_.exchange(true)) {
        lock.unlock();
        shut();
        return;
    }
    changed_.wait(lock, [&] { return finished_; });
}

void EngineHandle::shut() noexcept {
    if (host_) host_->close(); // else what waits for an answer would be waited for
    std::vector<std::weak_ptr<Loop>> loops;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return working_ == 0; });
        loops.swap(loops_);
    }
    std::optional<Engine> engine;
    {
        const std::lock_guard lock(engine_mutex_);
        engine.swap(engine_);
    }
    for (const auto& weak : loops)
        if (const auto loop = weak.lock()) {
            try {
                loop->stop();
            } catch (const std::bad_alloc&) {
                // Then its operation ends with those of the engine.
            }
        }
    engine.reset(); // cancels what runs, and waits for it
    for (const auto& weak : loops)
        if (const auto loop = weak.lock()) loop->wait_for_end();
    std::vector<std::function<void()>> done;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        done.swap(when_closed_);
    }
    for (const auto& call : done) call();
    // Only now: who waits may free this handle.
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
}

} // namespace sandboxkit::capi
