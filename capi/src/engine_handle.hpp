// SPDX-License-Identifier: Apache-2.0
// An engine, what it asks its host with, and the threads for its calls that block.
#pragma once

#include "host.hpp"
#include "operation.hpp"

#include <sandboxkit/engine.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>
#include <vector>

namespace sandboxkit::capi {

// A loop of many engine operations under one submission, which may be at rest between them.
class Loop {
public:
    virtual ~Loop() = default;
    virtual void stop() = 0;
    // After stop() and the engine's end: returns when the completion is out. Who frees an event may be at it.
    virtual void wait_for_end() noexcept = 0;
};

[[nodiscard]] Error engine_closed();

class EngineHandle {
public:
    EngineHandle(Engine engine, std::shared_ptr<Host> host) : host_(std::move(host)), engine_(std::move(engine)) {}
    ~EngineHandle() { close_now(); }
    EngineHandle(const EngineHandle&) = delete;
    EngineHandle& operator=(const EngineHandle&) = delete;

    // Calls `use(Engine&)` in this call; false: the engine is closed. The engine is not closed meanwhile.
    template <class Use>
    bool with_engine(Use use) {
        const std::shared_lock lock(engine_mutex_, std::try_to_lock); // only closing holds it alone
        if (!lock.owns_lock() || closing_ || !engine_) return false;
        use(*engine_);
        return true;
    }
    // Runs `work(Engine*)` on a thread of this handle; null: the engine was closed before. Never lost.
    template <class Work>
    void post(Work work) {
        if (!begin_work()) return work(static_cast<Engine*>(nullptr));
        try {
            boost::asio::post(threads_, [this, work = std::move(work)]() mutable {
                if (!with_engine([&](Engine& engine) { work(&engine); })) work(static_cast<Engine*>(nullptr));
                end_work();
            });
        } catch (...) {
            end_work();
            throw;
        }
    }
    // Stopped when the engine closes; false: that has begun.
    [[nodiscard]] bool keep(const std::shared_ptr<Loop>& loop);

    // `done` is called when the engine has closed, by this or by another call.
    void close(std::function<void()> done);
    void close_now() noexcept;

private:
    bool begin_work();
    void end_work() noexcept;
    void shut() noexcept;

    const std::shared_ptr<Host> host_; // null: it is asked nothing
    std::shared_mutex engine_mutex_;
    std::optional<Engine> engine_;
    std::atomic<bool> closing_ = false; // set with the mutex held

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t working_ = 0;
    bool closed_ = false, finished_ = false;
    std::vector<std::function<void()>> when_closed_;
    std::vector<std::weak_ptr<Loop>> loops_;

    boost::asio::thread_pool threads_{2}; // for calls that only touch the store, a millisecond or two, and for closing
};

} // namespace sandboxkit::capi

struct sbk_engine : sandboxkit::capi::Owned {
    explicit sbk_engine(std::shared_ptr<sandboxkit::capi::EngineHandle> h) : handle(std::move(h)) {}
    ~sbk_engine() { handle->close_now(); } // clients and processes may hold on to the handle
    sbk_engine(const sbk_engine&) = delete;
    sbk_engine& operator=(const sbk_engine&) = delete;
    const std::shared_ptr<sandboxkit::capi::EngineHandle> handle;
};
