// SPDX-License-Identifier: Apache-2.0
// The answer of a server-streaming call: a first item, and then events, one call for each.
#pragma once

#include "envd/calls.hpp"
#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace sandboxkit::envd {

// A decoder and the bytes behind it. A Decoder has feed(), next() with std::optional<std::variant<First, Event>>, and
// truncated().
template <class Decoder>
struct EventSource {
    EventSource(net::HttpStream s, Decoder d, const ClientLimits& given)
        : stream(std::move(s)), decoder(std::move(d)), limits(given), patience(given.answer) {}
    net::HttpStream stream;
    Decoder decoder;
    const ClientLimits limits;
    // How long all reads together may still wait, whatever keepalives come: a sandbox that lies is not waited for for ever.
    // What is there already costs no waiting, so a slow caller loses nothing.
    std::chrono::steady_clock::duration patience;
};
template <class Decoder>
using EventSourcePtr = std::shared_ptr<EventSource<Decoder>>;

inline Error out_of_patience() {
    return {ErrorClass::timeout, "guest_timeout", "the sandbox did not do in time what it was asked to", "", "", {}};
}

template <class Decoder>
Task<typename Decoder::Item> next_item(EventSourcePtr<Decoder> source) {
    using std::chrono::milliseconds;
    for (;;) {
        auto item = source->decoder.next();
        if (!item) co_return item.error();
        if (*item) co_return std::move(**item);
        const auto begin = std::chrono::steady_clock::now();
        const auto left = std::chrono::ceil<milliseconds>(source->patience);
        auto bytes = co_await source->stream.read_some(std::min(source->limits.silence, left));
        source->patience -= std::chrono::steady_clock::now() - begin;
        if (source->patience <= source->patience.zero()) co_return out_of_patience();
        if (!bytes) co_return bytes.error();
        if (bytes->empty()) co_return source->decoder.truncated();
        source->decoder.feed(*bytes);
    }
}

// Sends the request and waits for the first item. `make` makes the decoder from the answer's head.
template <class Decoder, class Make>
Task<std::pair<typename Decoder::First, EventSourcePtr<Decoder>>> open_events(CorePtr core, Result<net::HttpRequest> request,
                                                                              std::string name, Make make) {
    if (request) request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    auto stream = co_await core->http.stream(std::move(*request), core->limits.answer);
    if (!stream) co_return stream.error();
    const net::HttpHead& head = stream->head();
    core->learn(head);
    if (head.status != 200) {
        auto refusal = co_await read_refusal(*stream, name, Route::rpc, core->limits.refusal);
        co_return refusal;
    }
    if (!net::has_media_type(head.headers, "application/connect+json"))
        co_return protocol_error("the sandbox answered '" + name + "' with something that is not a Connect stream");
    for (const std::string_view header : {"Content-Encoding", "Connect-Content-Encoding"}) {
        const auto encoding = net::find_header(head.headers, header);
        if (encoding && *encoding != "identity")
            co_return protocol_error("the sandbox compressed its answer to '" + name + "', which was not asked for");
    }
    Result<Decoder> decoder = make(head);
    if (!decoder) co_return decoder.error();
    auto source = std::make_shared<EventSource<Decoder>>(std::move(*stream), std::move(*decoder), core->limits);
    auto item = co_await next_item(source);
    if (!item) co_return item.error();
    auto* first = std::get_if<0>(&*item);
    if (first == nullptr) co_return protocol_error("the sandbox began its answer to '" + name + "' in the middle");
    co_return std::pair(std::move(*first), std::move(source));
}

// Hands out the events of a source to one caller at a time.
template <class Decoder>
class EventStream {
public:
    using Event = typename Decoder::Event;
    // Another source that goes on where this one broke, or the error to end with.
    using Resume = std::function<Task<EventSourcePtr<Decoder>>(EventSourcePtr<Decoder> broken, Error why)>;

    // `over`: what calls after the end are told.
    EventStream(EventSourcePtr<Decoder> source, Error over, Resume resume = {})
        : source_(std::move(source)), over_(std::move(over)), resume_(std::move(resume)) {}
    ~EventStream() { close(); }
    EventStream(const EventStream&) = delete;
    EventStream& operator=(const EventStream&) = delete;

    // Cancelling ends the waiting only: the next call goes on where this one was.
    static Task<Event> next(std::shared_ptr<EventStream> self) {
        if (!self->source_) co_return self->over_;
        if (self->busy_)
            co_return Error{ErrorClass::invalid, "stream_busy", "another call already waits for the next event", "", "", {}};
        // A frame that is destroyed in the middle, or left by an exception, ends the stream like a failure.
        struct Turn {
            std::shared_ptr<EventStream> stream;
            bool finished = false;
            explicit Turn(std::shared_ptr<EventStream> s) : stream(std::move(s)) { stream->busy_ = true; }
            Turn(const Turn&) = delete;
            Turn& operator=(const Turn&) = delete;
            ~Turn() {
                stream->busy_ = false;
                if (!finished) stream->end({ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}});
            }
        } turn(self);
        const auto failed = [&](const Error& why) {
            turn.finished = true;
            if (why.kind != ErrorClass::cancelled) self->end(why);
            return why;
        };
        for (;;) {
            // Known from an earlier call, too, that was given up meanwhile: of a connection that has ended nothing can be read.
            if (self->broken_) {
                auto resumed = co_await self->resume_(self->source_, *self->broken_);
                if (!resumed) co_return failed(resumed.error());
                self->source_->stream.close();
                self->source_ = std::move(*resumed);
                self->broken_.reset();
            }
            auto item = co_await next_item(self->source_);
            if (!item && item.error().kind == ErrorClass::unavailable && self->resume_) {
                self->broken_ = item.error();
                continue;
            }
            if (!item) co_return failed(item.error());
            turn.finished = true;
            auto* event = std::get_if<1>(&*item);
            if (event == nullptr) {
                Error error = protocol_error("the sandbox began a stream twice");
                self->end(error);
                co_return error;
            }
            if (Decoder::ends(*event)) self->close();
            co_return std::move(*event);
        }
    }

private:
    void close() {
        if (source_) source_->stream.close();
        source_.reset();
    }
    void end(Error why) {
        close();
        over_ = std::move(why);
    }

    EventSourcePtr<Decoder> source_; // null when the stream is over
    Error over_;
    std::optional<Error> broken_; // why the source has ended, while it can be resumed
    Resume resume_;
    bool busy_ = false;
};

} // namespace sandboxkit::envd
