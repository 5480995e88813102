// SPDX-License-Identifier: Apache-2.0
#include "envd/watch_events.hpp"

#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"

#include <string>
#include <utility>

namespace sandboxkit::envd {

namespace json = boost::json;

using Item = WatchEventDecoder::Item;

namespace {

constexpr const char* operation = "WatchDir";

std::optional<FileChange> change_of(std::string_view type) {
    if (type == "EVENT_TYPE_CREATE") return FileChange::created;
    if (type == "EVENT_TYPE_WRITE") return FileChange::written;
    if (type == "EVENT_TYPE_REMOVE") return FileChange::removed;
    if (type == "EVENT_TYPE_RENAME") return FileChange::renamed;
    if (type == "EVENT_TYPE_CHMOD") return FileChange::attributes;
    return {};
}

Error error_of_end(const json::object& frame) {
    const auto error = object_member(frame, "error");
    if (!error) return error.error();
    if (*error == nullptr) return {ErrorClass::unavailable, "watch_ended", "the sandbox ended the watch", "watch again", "", {}};
    return error_of_end_frame(operation, **error);
}

} // namespace

Result<std::optional<Item>> WatchEventDecoder::next() {
    for (;;) {
        auto envelope = envelopes_.next();
        if (!envelope) return envelope.error();
        if (!*envelope) return std::optional<Item>{};
        const std::uint8_t flags = (*envelope)->flags;
        if (flags != 0 && flags != net::envelope_end_of_stream)
            return protocol_error("the sandbox sent an envelope with the flags " + std::to_string(flags) +
                                  ", which were not asked for");
        Result<std::optional<Item>> item{std::optional<Item>{}};
        const auto parsed = with_json_object((*envelope)->payload, [&](const json::object& message) -> Result<void> {
            if (flags != 0) return error_of_end(message);
            item = on_event(message);
            return {};
        });
        if (!parsed) return parsed.error();
        if (!item || *item) return item;
    }
}

Result<std::optional<Item>> WatchEventDecoder::on_event(const json::object& message) {
    const auto start = object_member(message, "start");
    if (!start) return start.error();
    if (*start != nullptr) {
        if (std::exchange(started_, true)) return protocol_error("the sandbox began a watch twice");
        return std::optional<Item>(WatchStarted{});
    }
    const auto event = object_member(message, "filesystem");
    if (!event) return event.error();
    if (*event == nullptr) return std::optional<Item>{}; // a keepalive, or an event of a newer server
    if (!started_) return protocol_error("the sandbox told of a change before the start of the watch");
    auto name = string_member(**event, "name");
    if (!name) return name.error();
    const auto type = string_member(**event, "type");
    if (!type) return type.error();
    const auto change = change_of(*type);
    if (!change) return std::optional<Item>{}; // of a newer server
    return std::optional<Item>(FileEvent{*change, std::move(*name)});
}

Error WatchEventDecoder::truncated() const {
    return protocol_error("the sandbox ended the answer to '" + std::string(operation) + "' without an end frame");
}

} // namespace sandboxkit::envd
