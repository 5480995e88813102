// SPDX-License-Identifier: Apache-2.0
// The event stream of a process, decoded from the bytes of an HTTP body. No I/O.
//
//   start{pid}  (data | keepalive)*  end{...}  end frame
//
// A stream that ends otherwise is an error: a missing end frame means that output may be missing too.
#pragma once

#include "net/connect_envelope.hpp"

#include <sandboxkit/session.hpp>

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace sandboxkit::envd {

struct ProcessStarted {
    std::uint32_t pid = 0; // > 0
};
using ProcessItem = std::variant<ProcessStarted, ProcessEvent>; // an event is a chunk that is not empty, or the end

class ProcessEventDecoder {
public:
    static constexpr std::size_t envelope_limit = 1U << 20; // bytes of one event

    // `operation` names the call in errors. `has_timeout`: the request had a time limit, and "deadline_exceeded" is
    // the end of the process by it, not a failure.
    ProcessEventDecoder(std::string operation, bool has_timeout)
        : operation_(std::move(operation)), has_timeout_(has_timeout), envelopes_(envelope_limit) {}

    void feed(std::string_view bytes) { envelopes_.feed(bytes); }

    // The next item; none: more bytes are needed. After the end, or after an error, do not call it again.
    Result<std::optional<ProcessItem>> next();

    // The body ended regularly before the end frame came.
    [[nodiscard]] Error truncated() const;

private:
    enum class State : std::uint8_t { starting, running, ended };

    Result<std::optional<ProcessItem>> on_event(const boost::json::object& message);
    Result<std::optional<ProcessItem>> on_data(const boost::json::object& data);
    Result<std::optional<ProcessItem>> on_end_frame(const boost::json::object& frame);

    std::string operation_;
    bool has_timeout_;
    net::EnvelopeDecoder envelopes_;
    State state_ = State::starting;
    ProcessEnd end_; // in State::ended
};

} // namespace sandboxkit::envd
