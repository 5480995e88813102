// SPDX-License-Identifier: Apache-2.0
#include "envd/process_events.hpp"

#include "envd/base64.hpp"
#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"
#include "envd/signal_names.hpp"

#include <limits>

namespace sandboxkit::envd {

namespace json = boost::json;

namespace {

constexpr int kill_signal = 9;
constexpr int last_signal = 64;

Result<ProcessEnd> decode_end(const json::object& end) {
    const auto code =
        integer_member(end, "exitCode", std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
    if (!code) return code.error();
    const auto exited = bool_member(end, "exited");
    if (!exited) return exited.error();
    const auto status = string_member(end, "status");
    if (!status) return status.error();
    const auto signal = integer_member(end, "signal", 0, last_signal); // ours; envd has only the status
    if (!signal) return signal.error();
    const auto timed_out = bool_member(end, "timedOut"); // ours
    if (!timed_out) return timed_out.error();

    ProcessEnd result;
    result.timed_out = *timed_out;
    if (*exited) {
        const std::int64_t number = code->value_or(0);
        if (number < 0 || number > 255) return protocol_error("the sandbox reported the exit code " + std::to_string(number));
        if (signal->value_or(0) != 0) return protocol_error("the sandbox reported both an exit and a signal");
        result.exit_code = static_cast<int>(number);
        return result;
    }
    result.exit_code = -1;
    result.signal = static_cast<int>(signal->value_or(0));
    if (result.signal == 0) result.signal = signal_of_status(*status).value_or(0);
    if (result.signal == 0)
        return protocol_error("the sandbox reported an end that is neither an exit nor a known signal", *status);
    return result;
}

} // namespace

Result<std::optional<ProcessItem>> ProcessEventDecoder::next() {
    for (;;) {
        auto envelope = envelopes_.next();
        if (!envelope) return envelope.error();
        if (!*envelope) return std::optional<ProcessItem>{};
        const std::uint8_t flags = (*envelope)->flags;
        if (flags != 0 && flags != net::envelope_end_of_stream)
            return protocol_error("the sandbox sent an envelope with the flags " + std::to_string(flags) +
                                  ", which were not asked for");
        Result<std::optional<ProcessItem>> item{std::optional<ProcessItem>{}};
        const auto parsed = with_json_object((*envelope)->payload, [&](const json::object& message) -> Result<void> {
            item = flags == 0 ? on_event(message) : on_end_frame(message);
            return {};
        });
        if (!parsed) return parsed.error();
        if (!item || *item) return item;
    }
}

Result<std::optional<ProcessItem>> ProcessEventDecoder::on_event(const json::object& message) {
    const auto event = object_member(message, "event");
    if (!event) return event.error();
    if (*event == nullptr) return std::optional<ProcessItem>{};
    const auto start = object_member(**event, "start");
    if (!start) return start.error();
    const auto data = object_member(**event, "data");
    if (!data) return data.error();
    const auto end = object_member(**event, "end");
    if (!end) return end.error();
    if (int{*start != nullptr} + int{*data != nullptr} + int{*end != nullptr} > 1)
        return protocol_error("the sandbox sent one event of several kinds");

    if (*start != nullptr) {
        if (state_ != State::starting) return protocol_error("the sandbox reported the start of a process twice");
        const auto pid = integer_member(**start, "pid", 1, std::numeric_limits<std::uint32_t>::max());
        if (!pid) return pid.error();
        if (!*pid) return protocol_error("the sandbox reported a process without a pid");
        state_ = State::running;
        return std::optional<ProcessItem>(ProcessStarted{static_cast<std::uint32_t>(**pid)});
    }
    if (*data != nullptr) {
        if (state_ != State::running) return protocol_error("the sandbox sent output of a process that is not running");
        return on_data(**data);
    }
    if (*end != nullptr) {
        if (state_ != State::running) return protocol_error("the sandbox reported the end of a process that is not running");
        const auto decoded = decode_end(**end);
        if (!decoded) return decoded.error();
        end_ = *decoded;
        state_ = State::ended; // handed out with the end frame, which says that nothing was lost
    }
    return std::optional<ProcessItem>{}; // a keepalive, or an event of a newer server
}

Result<std::optional<ProcessItem>> ProcessEventDecoder::on_data(const json::object& data) {
    ProcessEvent event;
    bool found = false;
    for (const std::string_view name : {"stdout", "stderr", "pty"}) { // a terminal has one stream
        if (!data.contains(json::string_view(name.data(), name.size()))) continue;
        if (found) return protocol_error("the sandbox sent output of two streams in one event");
        found = true;
        const auto text = string_member(data, name);
        if (!text) return text.error();
        auto bytes = base64_decode(*text);
        if (!bytes) return protocol_error("the sandbox sent output that is not base64");
        event.stream = name == "stderr" ? Stream::standard_error : Stream::standard_output;
        event.bytes = std::move(*bytes);
    }
    if (event.bytes.empty()) return std::optional<ProcessItem>{};
    return std::optional<ProcessItem>(std::move(event));
}

Result<std::optional<ProcessItem>> ProcessEventDecoder::on_end_frame(const json::object& frame) {
    if (state_ != State::ended) {
        const auto error = object_member(frame, "error");
        if (!error) return error.error();
        if (*error == nullptr) return protocol_error("the sandbox ended the stream before the process ended");
        const auto code = string_member(**error, "code");
        const bool by_timeout = has_timeout_ && state_ == State::running && code && *code == "deadline_exceeded";
        if (!by_timeout) return error_of_end_frame(operation_, **error);
        end_ = ProcessEnd{-1, kill_signal, true};
    }
    ProcessEvent event;
    event.end = end_;
    return std::optional<ProcessItem>(std::move(event));
}

Error ProcessEventDecoder::truncated() const {
    return protocol_error("the sandbox ended the answer to '" + operation_ + "' without an end frame");
}

} // namespace sandboxkit::envd
