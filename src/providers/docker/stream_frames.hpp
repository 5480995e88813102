// SPDX-License-Identifier: Apache-2.0
// The frames of an attached stream without a terminal: eight bytes that say which output and how long, then that many bytes. No
// I/O: every step can be tested without a socket.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxkit::docker {

class FrameDecoder {
public:
    static constexpr std::size_t errors_limit = 4096; // bytes of the second output that are kept

    // Takes the next bytes and appends what they hold of the first output to `output`. Keeps at most an unfinished head, and the
    // beginning of the second output. An error, internal "peer_protocol", is final.
    Result<void> feed(std::string_view bytes, std::string& output);

    // Whether the stream may end here: between two frames.
    [[nodiscard]] bool at_boundary() const noexcept { return head_.empty() && left_ == 0; }
    [[nodiscard]] const std::string& errors() const noexcept { return errors_; }

private:
    std::string head_;       // less than eight bytes
    std::uint32_t left_ = 0; // of the frame
    unsigned char output_ = 0;
    std::string errors_;
};

} // namespace sandboxkit::docker
