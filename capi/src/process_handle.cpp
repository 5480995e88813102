// SPDX-License-Identifier: Apache-2.0
#include "process_handle.hpp"

#include "client.hpp"
#include "turn.hpp"

namespace sandboxkit::capi {

void ProcessHandle::add_input(std::shared_ptr<Pending> pending, Start start) {
    // While it waits in line; then its operation is what is cancelled.
    pending->on_cancel([weak = std::weak_ptr(pending)] {
        if (const auto waiting = weak.lock()) waiting->fail(cancelled_error());
    });
    {
        const std::lock_guard lock(mutex_);
        inputs_.push_back({std::move(pending), std::move(start)});
        if (std::exchange(sending_, true)) return;
    }
    send_inputs();
}

void ProcessHandle::send_inputs() noexcept {
    for (;;) {
        Input input;
        {
            const std::lock_guard lock(mutex_);
            if (inputs_.empty()) {
                sending_ = false;
                return;
            }
            input = std::move(inputs_.front());
            inputs_.pop_front();
        }
        if (!input.pending->open()) continue; // cancelled
        bool left = false;
        answer_if_thrown(*input.pending, [&] {
            auto turn = std::make_shared<Turn<void>>();
            auto operation = input.start(process);
            input.pending->on_cancel([operation]() mutable { operation.cancel(); });
            if (!input.pending->open()) operation.cancel(); // in between
            operation.on_complete([self = shared_from_this(), pending = input.pending, turn](Result<void> result) noexcept {
                complete(*pending, std::move(result));
                if (turn->arrived({})) self->send_inputs();
            });
            left = !turn->leave();
        });
        if (left) return; // the handler goes on
    }
}

} // namespace sandboxkit::capi
