// SPDX-License-Identifier: Apache-2.0
#include "envd/process_events.hpp"

#include "envd/base64.hpp"
#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"
#include "envd/signal_names.hpp"

#include <limits>

namespace sandboxkit::envd {

namespace json = boost::json;

using Item = ProcessEventDecoder::Item;

namespace {

constexpr int kill_signal = 9;
constexpr int last_signal = 64;

// Flags of envelopes whose payload is output as it is.
constexpr std::uint8_t raw_standard_output = 0x40;
constexpr std::uint8_t raw_standard_error = 0x41;
constexpr std::uint8_t raw_terminal = 0x42;

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

Result<std::optional<Item>> ProcessEventDecoder::next() {
    for (;;) {
        auto envelope = envelopes_.next();
        if (!envelope) return envelope.error();
        if (!*envelope) return std::optional<Item>{};
        const std::uint8_t flags = (*envelope)->flags;
        if (options_.raw && flags >= raw_standard_output && flags <= raw_terminal) {
            auto item = on_raw_output(flags, std::move((*envelope)->payload));
            if (!item || *item) return item;
            continue;
        }
        if (flags != 0 && flags != net::envelope_end_of_stream)
            return protocol_error("the sandbox sent an envelope with the flags " + std::to_string(flags) +
                                  ", which were not asked for");
        Result<std::optional<Item>> item{std::optional<Item>{}};
        const auto parsed = with_json_object((*envelope)->payload, [&](const json::object& message) -> Result<void> {
            item = flags == 0 ? on_event(message) : on_end_frame(message);
            return {};
        });
        if (!parsed) return parsed.error();
        if (!item || *item) return item;
    }
}

Result<std::optional<Item>> ProcessEventDecoder::on_event(const json::object& message) {
    const auto event = object_member(message, "event");
    if (!event) return event.error();
    if (*event == nullptr) return std::optional<Item>{};
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
        return std::optional<Item>(ProcessStarted{static_cast<std::uint32_t>(**pid)});
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
    return std::optional<Item>{}; // a keepalive, or an event of a newer server
}

Result<std::optional<Item>> ProcessEventDecoder::on_data(const json::object& data) {
    std::optional<Item> item;
    bool found = false;
    for (const std::string_view name : {"stdout", "stderr", "pty"}) { // a terminal has one stream
        if (!data.contains(json::string_view(name.data(), name.size()))) continue;
        if (found) return protocol_error("the sandbox sent output of two streams in one event");
        found = true;
        const auto text = string_member(data, name);
        if (!text) return text.error();
        auto bytes = base64_decode(*text);
        if (!bytes) return protocol_error("the sandbox sent output that is not base64");
        item = output(name == "stderr" ? Stream::standard_error : Stream::standard_output, std::move(*bytes));
    }
    return item;
}

Result<std::optional<Item>> ProcessEventDecoder::on_raw_output(std::uint8_t flags, std::string bytes) {
    if (state_ != State::running) return protocol_error("the sandbox sent output of a process that is not running");
    return output(flags == raw_standard_error ? Stream::standard_error : Stream::standard_output, std::move(bytes));
}

std::optional<Item> ProcessEventDecoder::output(Stream stream, std::string bytes) {
    if (bytes.empty()) return {};
    ProcessEvent event;
    event.stream = stream;
    event.bytes = std::move(bytes);
    event.offset = options_.offset;
    options_.offset += event.bytes.size();
    return Item(std::move(event));
}

Result<std::optional<Item>> ProcessEventDecoder::on_end_frame(const json::object& frame) {
    if (state_ != State::ended) {
        const auto error = object_member(frame, "error");
        if (!error) return error.error();
        if (*error == nullptr) return protocol_error("the sandbox ended the stream before the process ended");
        const auto code = string_member(**error, "code");
        const bool by_timeout = options_.has_timeout && state_ == State::running && code && *code == "deadline_exceeded";
        if (!by_timeout) return error_of_end_frame(options_.operation, **error);
        end_ = ProcessEnd{-1, kill_signal, true};
    }
    ProcessEvent event;
    event.offset = options_.offset;
    event.end = end_;
    return std::optional<Item>(std::move(event));
}

Error ProcessEventDecoder::truncated() const {
    return protocol_error("the sandbox ended the answer to '" + options_.operation + "' without an end frame");
}

} // namespace sandboxkit::envd
