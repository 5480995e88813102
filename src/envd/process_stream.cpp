// SPDX-License-Identifier: Apache-2.0
#include "envd/process_stream.hpp"

#include "async/without_exceptions.hpp"
#include "envd/event_stream.hpp"
#include "envd/process_events.hpp"
#include "envd/requests.hpp"

#include <charconv>
#include <chrono>
#include <utility>

namespace sandboxkit::envd {

namespace {

using Source = EventSource<ProcessEventDecoder>;
using SourcePtr = EventSourcePtr<ProcessEventDecoder>;

// Reconnections that bring no output, one after the other. With output, each costs the sandbox as much as us.
constexpr int fruitless_limit = 3;

struct Opened {
    std::uint32_t pid = 0;
    bool numbered = false; // the server numbers the output, and keeps some of it
    SourcePtr source;
};

Task<Opened> open(CorePtr core, Result<net::HttpRequest> request, std::string name, bool has_timeout,
                  std::uint64_t wanted_offset) {
    auto numbered = std::make_shared<bool>(false);
    const auto make = [name, has_timeout, wanted_offset, numbered](const net::HttpHead& head) -> Result<ProcessEventDecoder> {
        ProcessEventDecoder::Options options{name, has_timeout};
        options.raw = net::find_header(head.headers, "Sandboxkit-Frames") == std::string_view("raw");
        if (const auto text = net::find_header(head.headers, "Sandboxkit-Output-Offset")) {
            const auto parsed = std::from_chars(text->data(), text->data() + text->size(), options.offset);
            if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size() || options.offset < wanted_offset ||
                options.offset > std::uint64_t{1} << 62)
                return protocol_error("the sandbox numbered the output of a process wrongly", *text);
            *numbered = true;
        }
        return ProcessEventDecoder(std::move(options));
    };
    auto opened = co_await open_events<ProcessEventDecoder>(core, std::move(request), name, make);
    if (!opened) co_return opened.error();
    Opened result{opened->first.pid, *numbered, std::move(opened->second)};
    co_return result;
}

// Goes on where a broken connection was.
class Reconnecting {
public:
    Reconnecting(CorePtr core, ProcessSelector process, const Opened& first)
        : core_(std::move(core)), process_(std::move(process)), pid_(first.pid), reached_(first.source->decoder.offset()) {}

    static Task<SourcePtr> run(std::shared_ptr<Reconnecting> self, SourcePtr broken, Error why) {
        const std::uint64_t offset = broken->decoder.offset();
        const int fruitless = offset == self->reached_ ? self->fruitless_ + 1 : 0;
        if (fruitless > fruitless_limit) co_return why;
        const auto begin = std::chrono::steady_clock::now();
        auto again =
            co_await open(self->core_, connect_request(self->process_, offset), "Connect", broken->decoder.has_timeout(), offset);
        broken->patience -= std::chrono::steady_clock::now() - begin;
        if (broken->patience <= broken->patience.zero()) co_return out_of_patience();
        // Given up by our caller, which says nothing about the sandbox: the next call tries again.
        if (!again) co_return again.error();
        self->fruitless_ = fruitless;
        self->reached_ = offset;
        if (!again->numbered || again->pid != self->pid_) co_return why; // another server, or another process
        again->source->patience = broken->patience;
        co_return std::move(again->source);
    }

private:
    CorePtr core_;
    ProcessSelector process_;
    std::uint32_t pid_;
    std::uint64_t reached_;
    int fruitless_ = 0;
};

class Output final : public ProcessStream {
public:
    Output(CorePtr core, ProcessSelector process, Opened opened) : pid_(opened.pid) {
        EventStream<ProcessEventDecoder>::Resume resume;
        if (opened.numbered) {
            auto reconnecting = std::make_shared<Reconnecting>(std::move(core), std::move(process), opened);
            resume = [reconnecting](SourcePtr broken, Error why) {
                return Reconnecting::run(reconnecting, std::move(broken), std::move(why));
            };
        }
        events_ = std::make_shared<EventStream<ProcessEventDecoder>>(
            std::move(opened.source),
            Error{ErrorClass::invalid, "process_ended", "the process has ended and its end was already told", "", "", {}},
            std::move(resume));
    }

    [[nodiscard]] std::uint32_t pid() const override { return pid_; }
    Task<ProcessEvent> next() override { return EventStream<ProcessEventDecoder>::next(events_); }

private:
    std::uint32_t pid_;
    std::shared_ptr<EventStream<ProcessEventDecoder>> events_;
};

std::shared_ptr<ProcessStream> make_output(CorePtr core, ProcessSelector process, Opened opened,
                                           std::optional<std::chrono::milliseconds> timeout) {
    auto& patience = opened.source->patience;
    patience = timeout ? *timeout + core->limits.grace : patience.max();
    return std::make_shared<Output>(std::move(core), std::move(process), std::move(opened));
}

} // namespace

Task<std::shared_ptr<ProcessStream>> start_process(CorePtr core, ExecRequest request, std::string tag) {
    auto opened = co_await open(core, start_request(request, tag), "Start", request.timeout.has_value(), 0);
    if (!opened) co_return opened.error();
    ProcessSelector process(opened->pid, std::move(tag));
    auto output = make_output(std::move(core), std::move(process), std::move(*opened), request.timeout);
    co_return output;
}

Task<std::shared_ptr<ProcessStream>> connect_process(CorePtr core, ProcessSelector process, std::optional<std::uint64_t> offset) {
    auto opened = co_await open(core, connect_request(process, offset), "Connect", false, offset.value_or(0));
    if (!opened) co_return opened.error();
    if (offset && !opened->numbered)
        co_return Error{ErrorClass::unsupported,
                        "replay_not_supported",
                        "this sandbox does not keep the output of its processes",
                        "attach without an offset: what comes from now on is told",
                        "",
                        {}};
    auto output = make_output(std::move(core), std::move(process), std::move(*opened), {});
    co_return output;
}

} // namespace sandboxkit::envd
