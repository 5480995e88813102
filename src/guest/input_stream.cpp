// SPDX-License-Identifier: Apache-2.0
#include "guest/input_stream.hpp"

#include "guest/body_sinks.hpp"

#include <utility>

namespace sandboxkit::guest {

// An answer amid the body takes the sink away from under it, so what it does is elsewhere.
class InputStream::Sink : public BodySink {
public:
    explicit Sink(std::shared_ptr<InputStream> stream) : stream_(std::move(stream)) {}
    void data(std::string_view piece) override {
        const auto stream = stream_;
        stream->feed(piece);
    }
    void end() override { stream_->end(); }
    [[nodiscard]] bool ready() const override { return !stream_->waiting_; }
    // People think between two keys.
    [[nodiscard]] std::chrono::seconds patience() const override { return std::chrono::seconds(620); }

private:
    std::shared_ptr<InputStream> stream_;
};

InputStream::InputStream(std::shared_ptr<Connection> connection, Find find)
    : connection_(std::move(connection)), find_(std::move(find)), envelopes_(message_limit) {}

std::unique_ptr<BodySink> InputStream::take_body(std::shared_ptr<Connection> connection, Find find) {
    return std::make_unique<Sink>(std::make_shared<InputStream>(std::move(connection), std::move(find)));
}

void InputStream::feed(std::string_view bytes) {
    if (answered_) return;
    envelopes_.feed(bytes);
    advance();
}

void InputStream::end() {
    if (answered_) return;
    if (!envelopes_.at_boundary()) return fail({Code::invalid_argument, "protocol error: incomplete envelope"});
    answered_ = true;
    std::string body = net::encode_envelope(0, "{}");
    append_end_of_stream(body);
    connection_->respond({200, "application/connect+json", std::move(body), {}});
}

// One message after the other, each when the process has taken the one before.
void InputStream::advance() {
    while (!answered_ && !waiting_) {
        const auto envelope = envelopes_.next();
        if (!envelope)
            return fail({Code::resource_exhausted, "message is larger than configured max " + std::to_string(message_limit)});
        if (!*envelope) return;
        const auto taken = take(**envelope);
        if (!taken) return fail(taken.error());
    }
}

Answer<void> InputStream::take(const net::Envelope& envelope) {
    if ((envelope.flags & net::envelope_compressed) != 0)
        return RpcError{Code::unimplemented, "compressed messages are not supported"};
    if (envelope.flags != 0) return RpcError{Code::invalid_argument, "protocol error: an envelope is not a message"};
    auto message = decode_stream_input(envelope.payload);
    if (!message) return message.error();
    if (message->start) {
        auto process = find_(*message->start);
        if (!process) return process.error();
        process_ = std::move(*process);
    }
    if (!message->data) return {};
    if (!process_) return RpcError{Code::invalid_argument, "the first message does not select a process"};
    write(std::move(*message->data));
    return {};
}

void InputStream::write(ProcessInput input) {
    waiting_ = true;
    process_->write_input(std::move(input), [self = shared_from_this()](const Answer<void>& result) { self->written(result); });
    held_up_ = waiting_;
}

void InputStream::written(const Answer<void>& result) {
    waiting_ = false;
    if (!result) return fail(result.error());
    if (!std::exchange(held_up_, false)) return; // advance() goes on
    advance();
    if (!answered_ && !waiting_) connection_->resume();
}

void InputStream::fail(const RpcError& error) {
    answered_ = true;
    connection_->respond(stream_error(error));
}

} // namespace sandboxkit::guest
