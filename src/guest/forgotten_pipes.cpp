// SPDX-License-Identifier: Apache-2.0
#include "guest/forgotten_pipes.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace sandboxkit::guest {

void ForgottenPipes::add(FileDescriptor pipe) {
    boost::asio::posix::stream_descriptor descriptor(executor_);
    boost::system::error_code ec;
    descriptor.assign(pipe.get(), ec);
    if (ec) return; // the kernel watches no more: it is closed
    pipe.release();
    const std::uint64_t number = next_++;
    pipes_.emplace(number, std::move(descriptor));
    if (pipes_.size() > limit_) pipes_.erase(pipes_.begin());
    wait(number);
}

void ForgottenPipes::wait(std::uint64_t number) {
    const auto pipe = pipes_.find(number);
    if (pipe == pipes_.end()) return;
    pipe->second.async_wait(boost::asio::posix::descriptor_base::wait_read, [this, number](const boost::system::error_code& ec) {
        if (!ec) read(number);
    });
}

// As much as a pipe usually holds, so that others are served in between.
void ForgottenPipes::read(std::uint64_t number) {
    const auto pipe = pipes_.find(number);
    if (pipe == pipes_.end()) return;
    std::array<char, 16 << 10> piece;
    for (int turns = 0; turns < 4; ++turns) {
        const ssize_t n = ::read(pipe->second.native_handle(), piece.data(), piece.size());
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            pipes_.erase(pipe);
            return;
        }
        if (n < static_cast<ssize_t>(piece.size())) break;
    }
    wait(number);
}

} // namespace sandboxkit::guest
