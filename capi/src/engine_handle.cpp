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

void EngineHandle::keep(const std::shared_ptr<Loop>& loop) {
    {
        const std::lock_guard lock(mutex_);
        if (!closing_) {
            std::erase_if(loops_, [](const auto& l) { return l.expired(); });
            loops_.push_back(loop);
            return;
        }
    }
    loop->stop();
}

void EngineHandle::close(std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        if (!closed_) {
            when_closed_.push_back(std::move(done));
            if (closing_.exchange(true)) return;
            done = nullptr;
        }
    }
    if (done) return done();
    if (host_) host_->close(); // else what waits for an answer would be waited for
    boost::asio::post(threads_, [this] { shut(); });
}

void EngineHandle::close_now() {
    close([] {});
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finished_; });
}

void EngineHandle::shut() noexcept {
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
        if (const auto loop = weak.lock()) loop->stop();
    engine.reset(); // cancels what runs, and waits for it
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
