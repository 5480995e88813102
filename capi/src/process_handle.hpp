// SPDX-License-Identifier: Apache-2.0
// A process in a session, and where the answers about it go.
#pragma once

#include "engine_handle.hpp"
#include "operation.hpp"
#include "queue.hpp"

#include <sandboxkit/engine.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace sandboxkit::capi {

class ProcessHandle : public std::enable_shared_from_this<ProcessHandle> {
public:
    ProcessHandle(Process p, std::shared_ptr<EngineHandle> e, std::shared_ptr<Queue> q)
        : process(std::move(p)), engine(std::move(e)), queue(std::move(q)) {}

    // What goes to the process's input goes there in the order of its submission: each is a call of its own to the guest, and
    // these might pass each other. One that fails or is cancelled does not hold up the next.
    using Start = std::function<Operation<void>(Process&)>;
    void add_input(std::shared_ptr<Pending> pending, Start start);

    Process process;
    const std::shared_ptr<EngineHandle> engine;
    const std::shared_ptr<Queue> queue;
    std::atomic<bool> followed = false;

private:
    struct Input {
        std::shared_ptr<Pending> pending;
        Start start;
    };
    void send_inputs() noexcept; // one thread at a time: the one that set sending_

    std::mutex mutex_;
    std::deque<Input> inputs_;
    bool sending_ = false;
};

} // namespace sandboxkit::capi

struct sbk_process : sandboxkit::capi::Owned {
    explicit sbk_process(std::shared_ptr<sandboxkit::capi::ProcessHandle> h) : handle(std::move(h)) {}
    const std::shared_ptr<sandboxkit::capi::ProcessHandle> handle;
};
