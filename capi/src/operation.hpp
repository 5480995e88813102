// SPDX-License-Identifier: Apache-2.0
// One submission: exactly one completion, whoever ends it first.
#pragma once

#include "queue.hpp"

#include <sandboxkit/error.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace sandboxkit::capi {

class Pending {
public:
    // The completion is made here, so that lack of memory later cannot lose it.
    Pending(std::shared_ptr<Queue> queue, std::uint64_t tag)
        : queue_(std::move(queue)), tag_(tag), completion_(std::make_unique<sbk_event>(SBK_EVENT_COMPLETION, tag)) {}
    ~Pending(); // dropped by an engine that is gone: cancelled
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

    // `fill(sbk_event&)` writes the result. The first of several wins; false: there was one.
    template <class Fill>
    bool complete(Fill fill) noexcept {
        auto event = take_completion();
        if (!event) return false;
        try {
            fill(*event);
        } catch (const std::bad_alloc&) {
            make_empty(*event, SBK_NO_MEMORY);
        } catch (...) {
            make_empty(*event, SBK_INTERNAL);
        }
        queue_->push(event);
        return true;
    }
    bool fail(const Error& error) noexcept;
    bool fail(Error (*make)()) noexcept; // where nobody is above to hear that there was no memory for the error
    // The submission itself failed: there will be no completion.
    void abandon() noexcept { take_completion(); }

    // An event before the completion; nothing once that is out. False: nobody will get it.
    bool push(std::unique_ptr<sbk_event> event) noexcept;
    [[nodiscard]] std::unique_ptr<sbk_event> make_event(sbk_event_kind kind) const {
        return std::make_unique<sbk_event>(kind, tag_);
    }

    // What cancel() calls from then on; called at once when that was asked for already.
    void on_cancel(std::function<void()> cancel);
    void cancel();
    [[nodiscard]] bool open(); // has not completed
    [[nodiscard]] bool cancel_asked() const noexcept { return cancel_asked_; }

private:
    std::unique_ptr<sbk_event> take_completion() noexcept;
    static void make_empty(sbk_event& event, sbk_status status) noexcept;

    const std::shared_ptr<Queue> queue_;
    const std::uint64_t tag_;
    std::mutex mutex_;
    std::unique_ptr<sbk_event> completion_;
    std::function<void()> cancel_;
    std::atomic<bool> cancel_asked_ = false;
};

void write_error(sbk_event& event, const Error& error);
[[nodiscard]] Error cancelled_error();

} // namespace sandboxkit::capi

struct sbk_operation : sandboxkit::capi::Owned {
    explicit sbk_operation(std::shared_ptr<sandboxkit::capi::Pending> p) : pending(std::move(p)) {}
    const std::shared_ptr<sandboxkit::capi::Pending> pending;
};
