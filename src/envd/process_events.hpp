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

class ProcessEventDecoder {
public:
    using First = ProcessStarted;
    using Event = ProcessEvent; // a chunk that is not empty, or the end
    using Item = std::variant<First, Event>;

    static constexpr std::size_t envelope_limit = 1U << 20; // bytes of one event

    struct Options {
        std::string operation;    // names the call in errors
        bool has_timeout = false; // the request had a time limit: "deadline_exceeded" is the process's end by it, not a failure
        bool raw = false;         // output may come as envelopes of raw bytes, of our extension
        std::uint64_t offset = 0; // of the first byte of output
    };
    explicit ProcessEventDecoder(Options options) : options_(std::move(options)), envelopes_(envelope_limit) {}

    void feed(std::string_view bytes) { envelopes_.feed(bytes); }

    // The next item; none: more bytes are needed. After the end, or after an error, do not call it again.
    Result<std::optional<Item>> next();
    [[nodiscard]] static bool ends(const Event& event) { return event.end.has_value(); }

    // Behind the output that next() has handed out.
    [[nodiscard]] std::uint64_t offset() const { return options_.offset; }
    [[nodiscard]] bool has_timeout() const { return options_.has_timeout; }

    // The body ended regularly before the end frame came.
    [[nodiscard]] Error truncated() const;

private:
    enum class State : std::uint8_t { starting, running, ended };

    Result<std::optional<Item>> on_event(const boost::json::object& message);
    Result<std::optional<Item>> on_data(const boost::json::object& data);
    Result<std::optional<Item>> on_raw_output(std::uint8_t flags, std::string bytes);
    Result<std::optional<Item>> on_end_frame(const boost::json::object& frame);
    std::optional<Item> output(Stream stream, std::string bytes);

    Options options_;
    net::EnvelopeDecoder envelopes_;
    State state_ = State::starting;
    ProcessEnd end_; // in State::ended
};

} // namespace sandboxkit::envd
