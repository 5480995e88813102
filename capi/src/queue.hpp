// SPDX-License-Identifier: Apache-2.0
// Events in the order in which they came, and a descriptor that is readable while there are some.
#pragma once

#include "event.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::capi {

class Queue {
public:
    Queue(); // std::bad_alloc: no memory, or no descriptor
    ~Queue();
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    [[nodiscard]] int descriptor() noexcept;
    // False: the queue is closed. Else it cannot fail: the event brings its own link. One that is not taken is left with the
    // caller, to be freed without any lock, since what hangs on an event may push another.
    bool push(std::unique_ptr<sbk_event>& event) noexcept;
    // Less than 0: for ever. Null: none in that time.
    std::unique_ptr<sbk_event> take(std::int64_t timeout_ms);
    // Runs what belongs to no engine yet (its opening, the doctor) on a thread of the queue's own.
    void run(std::function<void()> work);
    // Drops what is there and what will come; waits for what runs.
    void close() noexcept;

private:
    std::unique_ptr<sbk_event> pop() noexcept; // with the mutex held
    void drop_all() noexcept;

    std::mutex mutex_;
    std::condition_variable arrived_;
    sbk_event* first_ = nullptr;
    sbk_event* last_ = nullptr;
    std::size_t waiting_ = 0;
    bool closed_ = false;
    bool watched_ = false; // somebody asked for the descriptor: until then nobody pays for it
    int descriptor_ = -1;
    struct Running {
        std::shared_ptr<std::atomic<bool>> ended;
        std::thread thread;
    };
    std::vector<Running> threads_;
};

} // namespace sandboxkit::capi

struct sbk_queue : sandboxkit::capi::Owned {
    std::shared_ptr<sandboxkit::capi::Queue> queue = std::make_shared<sandboxkit::capi::Queue>();
    ~sbk_queue() { queue->close(); }
    sbk_queue() = default;
    sbk_queue(const sbk_queue&) = delete;
    sbk_queue& operator=(const sbk_queue&) = delete;
};
