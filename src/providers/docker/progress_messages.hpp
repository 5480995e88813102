// SPDX-License-Identifier: Apache-2.0
// What the daemon tells while it pulls or imports: one JSON object after the other in an answer whose status was 200 long before
// it was known how it would end. No I/O: every step can be tested without a socket.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::docker {

class ProgressDecoder {
public:
    static constexpr std::size_t message_limit = 256 << 10; // bytes of one
    static constexpr std::size_t layers_limit = 4096;       // whose progress is added up

    struct Progress {
        std::string message;               // one line
        std::uint64_t done = 0, total = 0; // bytes, of all layers that were told of
    };
    using Listener = std::function<void(const Progress&)>;

    explicit ProgressDecoder(Listener listener) : listener_(std::move(listener)) {}

    // Takes the next bytes. An error of this function, internal "peer_protocol", is final; one that the daemon tells is kept.
    Result<void> feed(std::string_view bytes);
    // The stream has ended: takes what has no newline after it.
    Result<void> finish();

    // The daemon's own words for why it failed; empty: it did not.
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
    // The status of the last message: of an import, the id of the image.
    [[nodiscard]] const std::string& last_status() const noexcept { return last_status_; }

private:
    struct Amount {
        std::uint64_t done = 0, total = 0;
    };
    Result<void> take(std::string_view message);

    Listener listener_;
    std::string pending_;
    std::map<std::string, Amount, std::less<>> layers_;
    std::string failure_, last_status_;
};

} // namespace sandboxkit::docker
