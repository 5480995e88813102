// SPDX-License-Identifier: Apache-2.0
// The event stream of a watch, decoded from the bytes of an HTTP body. No I/O.
//
//   start  (filesystem | keepalive)*  end frame with an error
#pragma once

#include "net/connect_envelope.hpp"

#include <sandboxkit/files.hpp>

#include <sandboxkit/error.hpp>

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

namespace sandboxkit::envd {

struct WatchStarted {};

class WatchEventDecoder {
public:
    using First = WatchStarted;
    using Event = FileEvent;
    using Item = std::variant<First, Event>;

    static constexpr std::size_t envelope_limit = 64U << 10; // bytes of one event

    WatchEventDecoder() : envelopes_(envelope_limit) {}

    void feed(std::string_view bytes) { envelopes_.feed(bytes); }

    // The next item; none: more bytes are needed. After an error, do not call it again.
    Result<std::optional<Item>> next();
    [[nodiscard]] static bool ends(const Event&) { return false; }

    // The body ended regularly before the end frame came.
    [[nodiscard]] Error truncated() const;

private:
    Result<std::optional<Item>> on_event(const boost::json::object& message);

    net::EnvelopeDecoder envelopes_;
    bool started_ = false;
};

} // namespace sandboxkit::envd
