// SPDX-License-Identifier: Apache-2.0
#include "envd/client.hpp"

#include "async/without_exceptions.hpp"
#include "envd/calls.hpp"
#include "envd/entry_decoder.hpp"
#include "envd/event_stream.hpp"
#include "envd/process_stream.hpp"
#include "envd/requests.hpp"
#include "envd/trees.hpp"
#include "envd/watch_events.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace sandboxkit::envd {

namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t listing_limit = 64U << 20;
// Input waits for the process to read it. A connection that breaks ends the wait at once.
constexpr milliseconds input_limit = std::chrono::hours(1);
constexpr std::size_t input_piece = 64U << 10;
constexpr std::uint64_t slowest_transfer = 256U << 10; // bytes a second of a file

milliseconds transfer_limit(const ClientLimits& limits, std::uint64_t bytes) {
    return limits.answer + seconds(static_cast<std::int64_t>(bytes / slowest_transfer));
}

Task<void> run_init(CorePtr core, InitRequest init) {
    auto checked = check_endpoint(core->endpoint, !init.access_token.empty());
    if (!checked) co_return checked.error();
    Call call{"init", Route::plain, 204};
    auto done = co_await perform_void(core, init_request(init), std::move(call));
    if (done && !init.access_token.empty()) core->access_token = init.access_token;
    co_return done;
}

Task<void> run_send_input(CorePtr core, std::uint32_t pid, std::string bytes, ProcessInput where) {
    bool to_terminal = where == ProcessInput::terminal;
    for (std::size_t at = 0; at < bytes.size(); at += input_piece) {
        Call call{"SendInput"};
        call.total = input_limit;
        const auto piece = std::string_view(bytes).substr(at, input_piece);
        auto sent = co_await perform_void(core, input_request(pid, piece, to_terminal), call);
        // A terminal refuses what is sent to a pipe, and takes none of it.
        if (!sent && sent.error().kind == ErrorClass::internal && where == ProcessInput::either && at == 0) {
            to_terminal = true;
            auto typed = co_await perform_void(core, input_request(pid, piece, to_terminal), call);
            if (typed) continue;
        }
        if (!sent) co_return sent;
    }
    co_return Result<void>{};
}

Task<void> run_send_signal(CorePtr core, std::uint32_t pid, int signal) {
    auto request = signal_request(pid, signal);
    if (!request) co_return request.error();
    const bool everywhere = signal == 9 || signal == 15;
    if (!everywhere) {
        Error otherwise{ErrorClass::unsupported,
                        "signal_not_supported",
                        "this sandbox can be sent the signals 9 and 15 only, not " + std::to_string(signal),
                        "send 15 to end or 9 to kill it",
                        "",
                        {}};
        auto able = co_await need_extensions(core, std::move(otherwise));
        if (!able) co_return able;
    }
    Call call{"SendSignal"};
    auto sent = co_await perform_void(core, std::move(request), std::move(call));
    co_return sent;
}

class Watch final : public WatchStream {
public:
    explicit Watch(EventSourcePtr<WatchEventDecoder> source)
        : events_(std::make_shared<EventStream<WatchEventDecoder>>(
              std::move(source), Error{ErrorClass::invalid, "watch_ended", "the watch has ended", "watch again", "", {}})) {}
    Task<FileEvent> next() override { return EventStream<WatchEventDecoder>::next(events_); }

private:
    std::shared_ptr<EventStream<WatchEventDecoder>> events_;
};

Task<std::shared_ptr<WatchStream>> run_watch(CorePtr core, std::string path, bool recursive) {
    const auto make = [](const net::HttpHead&) { return Result<WatchEventDecoder>(WatchEventDecoder()); };
    auto opened = co_await open_events<WatchEventDecoder>(core, watch_request(path, recursive), "WatchDir", make);
    if (!opened) co_return opened.error();
    opened->second->patience = opened->second->patience.max();
    co_return std::make_shared<Watch>(std::move(opened->second));
}

Task<std::string> run_read_file(CorePtr core, std::string path, std::uint64_t limit) {
    Call call{"read_file", Route::plain};
    call.body = static_cast<std::size_t>(std::min<std::uint64_t>(limit, std::numeric_limits<std::size_t>::max()));
    call.total = transfer_limit(core->limits, std::min<std::uint64_t>(limit, 1ULL << 40));
    auto response = co_await perform(core, read_file_request(path), std::move(call));
    if (!response) {
        Error error = response.error();
        if (error.code == "guest_answer_too_large") {
            error.code = "file_too_large";
            error.message = "the file is larger than the limit of " + std::to_string(limit) + " bytes";
        }
        co_return error;
    }
    co_return std::move(response->body);
}

Task<FileInfo> run_write_file(CorePtr core, std::string path, std::string bytes) {
    const std::uint64_t size = bytes.size();
    Call call{"write_file", Route::plain};
    call.total = transfer_limit(core->limits, size);
    auto entry =
        co_await perform_decoded(core, write_file_request(path, std::move(bytes)), std::move(call), &decode_written_file);
    if (entry) entry->size = size;
    co_return entry;
}

Task<Tunnel> run_tunnel(CorePtr core) {
    auto request = tunnel_request();
    if (request) request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    auto stream = co_await core->http.attach(std::move(*request), core->limits.answer);
    if (!stream) co_return stream.error();
    if (stream->head().status == 404)
        co_return Error{ErrorClass::unsupported,
                        "tunnels_not_supported",
                        "this sandbox does not bring connections of its processes to the engine",
                        "use a provider whose sandboxes have the guest of this version",
                        "",
                        {}};
    if (stream->head().status != 200) {
        auto refusal = co_await read_refusal(*stream, "tunnel", Route::plain, core->limits.refusal);
        co_return refusal;
    }
    const auto text = net::find_header(stream->head().headers, "Sandboxkit-Port").value_or("");
    std::uint16_t port = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || port == 0)
        co_return protocol_error("the sandbox does not say at which port it listens");
    co_return Tunnel{port, std::move(*stream)};
}

class WireClient final : public Client {
public:
    explicit WireClient(CorePtr core) : core_(std::move(core)) {}

    Task<void> health() override {
        return async::without_exceptions(perform_void(core_, health_request(), Call{health_name, Route::plain, 204}));
    }
    Task<void> init(InitRequest request) override { return async::without_exceptions(run_init(core_, std::move(request))); }

    Task<std::shared_ptr<ProcessStream>> start(ExecRequest request, std::string tag) override {
        return async::without_exceptions(start_process(core_, std::move(request), std::move(tag)));
    }
    Task<std::shared_ptr<ProcessStream>> connect(ProcessSelector process, std::optional<std::uint64_t> offset) override {
        return async::without_exceptions(connect_process(core_, std::move(process), offset));
    }
    Task<std::vector<ProcessInfo>> list() override {
        return async::without_exceptions(perform_decoded(core_, list_request(), Call{"List"}, &decode_processes));
    }
    Task<void> send_input(std::uint32_t pid, std::string bytes, ProcessInput where) override {
        return async::without_exceptions(run_send_input(core_, pid, std::move(bytes), where));
    }
    Task<void> resize(std::uint32_t pid, TerminalSize size) override {
        return async::without_exceptions(perform_void(core_, resize_request(pid, size), Call{"Update"}));
    }
    Task<void> close_stdin(std::uint32_t pid) override {
        return async::without_exceptions(perform_void(core_, close_stdin_request(pid), Call{"CloseStdin"}));
    }
    Task<void> send_signal(std::uint32_t pid, int signal) override {
        return async::without_exceptions(run_send_signal(core_, pid, signal));
    }

    Task<FileInfo> stat(std::string path) override {
        return entry_call(path_request("filesystem.Filesystem/Stat", path, true), "Stat");
    }
    Task<FileInfo> make_dir(std::string path) override {
        return entry_call(path_request("filesystem.Filesystem/MakeDir", path, false), "MakeDir");
    }
    Task<std::vector<FileInfo>> list_dir(std::string path, std::uint32_t depth) override {
        Call call{"ListDir"};
        call.body = listing_limit;
        return async::without_exceptions(perform_decoded(core_, list_dir_request(path, depth), std::move(call), &decode_entries));
    }
    Task<FileInfo> move(std::string source, std::string destination) override {
        return entry_call(move_request(source, destination), "Move");
    }
    Task<void> remove(std::string path) override {
        return async::without_exceptions(
            perform_void(core_, path_request("filesystem.Filesystem/Remove", path, true), Call{"Remove"}));
    }
    Task<std::shared_ptr<WatchStream>> watch(std::string path, bool recursive) override {
        return async::without_exceptions(run_watch(core_, std::move(path), recursive));
    }
    Task<std::string> read_file(std::string path, std::uint64_t limit) override {
        return async::without_exceptions(run_read_file(core_, std::move(path), limit));
    }
    Task<FileInfo> write_file(std::string path, std::string bytes) override {
        return async::without_exceptions(run_write_file(core_, std::move(path), std::move(bytes)));
    }

    Task<void> download_tree(std::string path, std::function<Task<void>(std::string)> sink) override {
        return async::without_exceptions(envd::download_tree(core_, std::move(path), std::move(sink)));
    }
    Task<TreeSummary> upload_tree(std::string path, std::function<Task<std::string>()> source) override {
        return async::without_exceptions(envd::upload_tree(core_, std::move(path), std::move(source)));
    }
    Task<Tunnel> tunnel() override { return async::without_exceptions(run_tunnel(core_)); }

private:
    Task<FileInfo> entry_call(Result<net::HttpRequest> request, std::string name) {
        return async::without_exceptions(perform_decoded(core_, std::move(request), Call{std::move(name)}, &decode_entry));
    }
    CorePtr core_;
};

} // namespace

std::shared_ptr<Client> Client::make(asio::any_io_executor executor, Endpoint endpoint, const ClientLimits& limits) {
    return std::make_shared<WireClient>(std::make_shared<Core>(std::move(executor), std::move(endpoint), limits));
}

} // namespace sandboxkit::envd
