// SPDX-License-Identifier: Apache-2.0
#include "guest/stream_fields.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t digits_of_a_time = 10; // the Connect protocol's limit
constexpr std::size_t digits_of_an_offset = 20;

RpcError invalid(std::string_view name, const std::string& value) {
    return {Code::invalid_argument, "protocol error: invalid " + std::string(name) + ": '" + value + "'"};
}

// Nothing when it is absent.
Answer<std::optional<std::uint64_t>> number_field(const RequestHead& head, std::string_view name, std::size_t digits) {
    const std::string* text = head.find(name);
    if (text == nullptr || text->empty()) return std::optional<std::uint64_t>();
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (ec != std::errc() || end != text->data() + text->size() || text->size() > digits) return invalid(name, *text);
    return std::optional(value);
}

} // namespace

Answer<std::chrono::seconds> keepalive_interval(const RequestHead& head) {
    const auto interval = number_field(head, "Keepalive-Ping-Interval", digits_of_a_time);
    if (!interval) return interval.error();
    if (!*interval || **interval == 0) return OutputStream::Options().keepalive;
    return std::chrono::seconds(std::min<std::uint64_t>(**interval, 86400));
}

Answer<std::optional<std::chrono::milliseconds>> time_limit(const RequestHead& head) {
    const auto limit = number_field(head, "Connect-Timeout-Ms", digits_of_a_time);
    if (!limit) return limit.error();
    if (!*limit || **limit == 0) return std::optional<std::chrono::milliseconds>();
    return std::optional(std::chrono::milliseconds(**limit));
}

Answer<OutputStream::Options> output_options(const RequestHead& head) {
    OutputStream::Options options;
    const auto keepalive = keepalive_interval(head);
    if (!keepalive) return keepalive.error();
    options.keepalive = *keepalive;
    options.extensions = head.field("Sandboxkit-Extensions") == "1";
    const auto offset = number_field(head, "Sandboxkit-Output-Offset", digits_of_an_offset);
    if (!offset) return offset.error();
    options.offset = *offset;
    if (const std::string* frames = head.find("Sandboxkit-Frames"); frames != nullptr) {
        if (*frames != "raw") return invalid("Sandboxkit-Frames", *frames);
        options.raw_frames = true;
    }
    return options;
}

} // namespace sandboxkit::guest
