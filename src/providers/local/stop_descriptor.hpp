// SPDX-License-Identifier: Apache-2.0
// A cancellation that poll() can wait for beside a process or a socket.
#pragma once

#include "providers/local/file_handle.hpp"

#include <cstdint>
#include <stop_token>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace sandboxkit::local {

// A descriptor that can be read from the moment its token is asked to stop. poll() passes over a negative one, which is
// what get() gives when no descriptor could be made: then the cancellation is seen after the wait.
class StopDescriptor {
public:
    explicit StopDescriptor(std::stop_token token)
        : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(std::move(token), Signal{event_.get()}) {}
    StopDescriptor(const StopDescriptor&) = delete;
    StopDescriptor& operator=(const StopDescriptor&) = delete;

    [[nodiscard]] int get() const noexcept { return event_.get(); }

private:
    struct Signal {
        int event;
        void operator()() const noexcept {
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto written = ::write(event, &one, sizeof one);
        }
    };
    FileHandle event_;
    std::stop_callback<Signal> callback_;
};

[[nodiscard]] inline bool is_signalled(int stop) noexcept {
    pollfd waiting{stop, POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

} // namespace sandboxkit::local
