// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/progress_messages.hpp"

#include "providers/docker/daemon_json.hpp"

#include <algorithm>
#include <limits>

namespace sandboxkit::docker {

namespace {

struct Message {
    std::string status, id, failure;
    std::int64_t done = 0, total = 0;
};

Message read_message(const json::value& document) {
    const auto& object = document.as_object();
    Message message;
    message.status = text_of(object, "status");
    message.id = text_of(object, "id");
    message.failure = text_of(object, "error");
    if (const auto* detail = object_of(object, "errorDetail"))
        if (auto text = text_of(*detail, "message"); !text.empty()) message.failure = std::move(text);
    if (const auto* detail = object_of(object, "progressDetail")) {
        message.done = number_of(*detail, "current");
        message.total = number_of(*detail, "total");
    }
    // Whatever it looks like, it was meant to say that something went wrong.
    if (message.failure.empty() && (present(object, "error") != nullptr || object_of(object, "errorDetail") != nullptr))
        message.failure = "an error without words";
    return message;
}

} // namespace

Result<void> ProgressDecoder::feed(std::string_view bytes) {
    for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
        pending_.append(bytes.substr(0, end));
        bytes.remove_prefix(end + 1);
        const std::string message = std::exchange(pending_, {});
        auto taken = take(message);
        if (!taken) return taken;
    }
    pending_.append(bytes);
    if (pending_.size() > message_limit) return protocol_error("the Docker daemon sent a message without an end");
    return {};
}

Result<void> ProgressDecoder::finish() {
    const std::string message = std::exchange(pending_, {});
    return take(message);
}

Result<void> ProgressDecoder::take(std::string_view text) {
    if (text.find_first_not_of(" \r\t") == std::string_view::npos) return {};
    if (text.size() > message_limit) return protocol_error("the Docker daemon sent a message without an end");
    auto message = read_json(text, read_message);
    if (!message) return message.error();
    if (!message->failure.empty()) failure_ = envd::bounded_text(message->failure);
    if (message->status.empty()) return {};
    last_status_ = envd::bounded_text(message->status, 512);
    if (message->total > 0 && (layers_.size() < layers_limit || layers_.contains(message->id))) {
        auto& amount = layers_[message->id];
        amount.total = static_cast<std::uint64_t>(message->total);
        amount.done = std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(message->done, 0)), amount.total);
    }
    if (!listener_) return {};
    Progress progress;
    progress.message = message->id.empty() ? last_status_ : envd::bounded_text(message->id, 128) + ": " + last_status_;
    std::ranges::replace(progress.message, '\n', ' ');
    constexpr auto most = std::numeric_limits<std::uint64_t>::max() / 2;
    for (const auto& [id, amount] : layers_) {
        progress.done = std::min(progress.done + amount.done, most);
        progress.total = std::min(progress.total + amount.total, most);
    }
    listener_(progress);
    return {};
}

} // namespace sandboxkit::docker
