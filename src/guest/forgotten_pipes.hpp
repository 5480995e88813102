// SPDX-License-Identifier: Apache-2.0
// Pipes whose process has ended and that a descendant still writes to, as `server & echo started` leaves one: what comes is
// read and forgotten, so that the descendant does not fail when it says its next line.
#pragma once

#include "guest/file_descriptor.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <map>

namespace sandboxkit::guest {

class ForgottenPipes {
public:
    // `limit`: how many are held; beyond it the oldest is closed.
    ForgottenPipes(boost::asio::any_io_executor executor, std::size_t limit) : executor_(std::move(executor)), limit_(limit) {}

    // A read end that does not block. It is held until all who write to it are gone.
    void add(FileDescriptor pipe);

private:
    void wait(std::uint64_t number);
    void read(std::uint64_t number);

    boost::asio::any_io_executor executor_;
    std::size_t limit_;
    std::map<std::uint64_t, boost::asio::posix::stream_descriptor> pipes_; // oldest first
    std::uint64_t next_ = 0;
};

} // namespace sandboxkit::guest
