// SPDX-License-Identifier: Apache-2.0
#include "envd/client.hpp"

#include "async/without_exceptions.hpp"
#include "envd/entry_decoder.hpp"
#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"
#include "envd/process_events.hpp"
#include "envd/requests.hpp"
#include "net/http_client.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace sandboxkit::envd {

namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* health_name = "health";
constexpr std::size_t answer_limit = 8U << 20;
constexpr std::size_t listing_limit = 64U << 20;
constexpr std::size_t refusal_limit = 64U << 10; // of the text of an error
// Input waits for the process to read it. A connection that breaks ends the wait at once.
constexpr milliseconds input_limit = std::chrono::hours(1);
constexpr std::size_t input_piece = 64U << 10;
constexpr std::uint64_t slowest_transfer = 256U << 10; // bytes a second of a file

milliseconds transfer_limit(const ClientLimits& limits, std::uint64_t bytes) {
    return limits.answer + seconds(static_cast<std::int64_t>(bytes / slowest_transfer));
}

net::HttpTarget target_of(const Endpoint& endpoint) {
    net::HttpTarget target;
    target.unix_socket = endpoint.unix_socket;
    target.host = endpoint.host;
    target.port = endpoint.port;
    if (endpoint.tls) {
        target.tls.emplace();
        target.tls->ca = endpoint.tls_ca;
    }
    target.name = "the sandbox";
    target.code_prefix = "guest";
    return target;
}

// By its name alone: what the resolver says is not believed.
bool is_this_machine(const std::string& host) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(host, error);
    return host == "localhost" || (!error && address.is_loopback());
}

Result<void> check(const Endpoint& endpoint, bool has_token) {
    if (!endpoint.tls && !endpoint.tls_ca.empty())
        return Error{ErrorClass::invalid,
                     "guest_endpoint",
                     "the sandbox's address has certificate authorities, but is without TLS",
                     "set `tls`",
                     "",
                     {}};
    if (has_token && !endpoint.host.empty() && !endpoint.tls && !endpoint.token_in_the_clear && !is_this_machine(endpoint.host))
        return Error{ErrorClass::invalid,
                     "guest_token_in_the_clear",
                     "the sandbox's access token would cross the network without encryption",
                     "use TLS, or say that the network is to be trusted (`token_in_the_clear`)",
                     "",
                     {}};
    return {};
}

// What a client's calls share; each holds it, so a call outlives the client's handle.
struct Core {
    Core(asio::any_io_executor executor, Endpoint given, const ClientLimits& l)
        : http(std::move(executor), target_of(given)), limits(l), endpoint(std::move(given)),
          access_token(endpoint.access_token) {}

    net::HttpClient http;
    const ClientLimits limits;
    const Endpoint endpoint;
    std::string access_token; // the endpoint's, or the one that init() set
    bool probed = false;      // /health answered, where a server that has our extensions announces them
    bool extensions = false;  // it announced them, there or elsewhere

    void learn(const net::HttpHead& head) {
        extensions = extensions || net::find_header(head.headers, "Sandboxkit-Extensions") == std::string_view("1");
    }
    Result<net::HttpRequest> complete(net::HttpRequest request) const {
        auto checked = check(endpoint, !access_token.empty());
        if (!checked) return checked.error();
        auto common = common_headers(endpoint, access_token);
        request.headers.insert(request.headers.end(), std::make_move_iterator(common.begin()),
                               std::make_move_iterator(common.end()));
        return request;
    }
};
using CorePtr = std::shared_ptr<Core>;

struct Call {
    std::string name; // for people, in errors
    Route route = Route::rpc;
    unsigned expected_status = 200;
    std::size_t body = answer_limit;     // bytes of the answer
    std::optional<milliseconds> total{}; // absent: ClientLimits::answer
};

Task<net::HttpResponse> perform(CorePtr core, Result<net::HttpRequest> request, Call call) {
    if (request) request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    const net::HttpLimits limits{call.body, call.total.value_or(core->limits.answer)};
    auto response = co_await core->http.unary(std::move(*request), limits);
    if (!response) co_return response.error();
    core->learn(response->head);
    if (call.name == health_name) core->probed = true;
    if (response->head.status != call.expected_status) {
        if (response->head.status >= 400) co_return error_of_response(call.name, call.route, *response);
        co_return protocol_error("the sandbox answered '" + call.name + "' with the HTTP status " +
                                 std::to_string(response->head.status));
    }
    if (call.route == Route::rpc && !net::has_media_type(response->head.headers, "application/json"))
        co_return protocol_error("the sandbox answered '" + call.name + "' with something that is not JSON");
    const auto encoding = net::find_header(response->head.headers, "Content-Encoding");
    if (encoding && *encoding != "identity")
        co_return protocol_error("the sandbox compressed its answer to '" + call.name + "', which was not asked for");
    co_return std::move(*response);
}

// An RPC whose body must be too large to be believed breaks the protocol; for files it is the caller's limit.
Error as_protocol_error(Error error) {
    if (error.code != "guest_answer_too_large") return error;
    error.kind = ErrorClass::internal;
    error.code = "peer_protocol";
    return error;
}

Task<void> perform_void(CorePtr core, Result<net::HttpRequest> request, Call call) {
    const Route route = call.route;
    auto response = co_await perform(std::move(core), std::move(request), std::move(call));
    if (!response) co_return as_protocol_error(response.error());
    if (route == Route::plain) co_return Result<void>{};
    co_return with_json_object(response->body, [](const boost::json::object&) -> Result<void> { return {}; });
}

template <class T>
Task<T> perform_decoded(CorePtr core, Result<net::HttpRequest> request, Call call, Result<T> (*decode)(std::string_view)) {
    auto response = co_await perform(std::move(core), std::move(request), std::move(call));
    if (!response) co_return as_protocol_error(response.error());
    co_return decode(response->body);
}

Error out_of_patience() {
    return {ErrorClass::timeout, "guest_timeout", "the sandbox did not do in time what it was asked to", "", "", {}};
}

// The decoder and the bytes behind it.
struct Events {
    Events(net::HttpStream s, std::string operation, bool has_timeout, const ClientLimits& given)
        : stream(std::move(s)), decoder(std::move(operation), has_timeout), limits(given), patience(given.answer) {}
    net::HttpStream stream;
    ProcessEventDecoder decoder;
    const ClientLimits limits;
    // How long all reads together may still wait, whatever keepalives come: a sandbox that lies is not waited for for ever.
    // What is there already costs no waiting, so a slow caller loses nothing.
    std::chrono::steady_clock::duration patience;
};

Task<ProcessItem> next_item(std::shared_ptr<Events> events) {
    for (;;) {
        auto item = events->decoder.next();
        if (!item) co_return item.error();
        if (*item) co_return std::move(**item);
        const auto begin = std::chrono::steady_clock::now();
        const auto left = std::chrono::ceil<milliseconds>(events->patience);
        auto bytes = co_await events->stream.read_some(std::min(events->limits.silence, left));
        events->patience -= std::chrono::steady_clock::now() - begin;
        if (events->patience <= events->patience.zero()) co_return out_of_patience();
        if (!bytes) co_return bytes.error();
        if (bytes->empty()) co_return events->decoder.truncated();
        events->decoder.feed(*bytes);
    }
}

class Processes final : public ProcessStream {
public:
    Processes(std::uint32_t pid, std::shared_ptr<Events> events) : state_(std::make_shared<State>()), pid_(pid) {
        state_->events = std::move(events);
    }
    ~Processes() override {
        if (state_->events) state_->events->stream.close();
    }

    [[nodiscard]] std::uint32_t pid() const override { return pid_; }
    Task<ProcessEvent> next() override { return run_next(state_); }

private:
    struct State {
        std::shared_ptr<Events> events; // null when the stream is over
        Error over{ErrorClass::invalid, "process_ended", "the process has ended and its end was already told", "", "", {}};
        bool busy = false;
        void close(const Error& why) {
            if (events) events->stream.close();
            events.reset();
            over = why;
        }
    };

    static Task<ProcessEvent> run_next(std::shared_ptr<State> state) {
        if (!state->events) co_return state->over;
        if (state->busy)
            co_return Error{
                ErrorClass::invalid, "process_stream_busy", "another call already waits for this process's output", "", "", {}};
        // A frame that is destroyed in the middle, or left by an exception, ends the stream like a failure.
        struct Turn {
            std::shared_ptr<State> state;
            bool finished = false;
            explicit Turn(std::shared_ptr<State> s) : state(std::move(s)) { state->busy = true; }
            Turn(const Turn&) = delete;
            Turn& operator=(const Turn&) = delete;
            ~Turn() {
                state->busy = false;
                if (!finished) state->close({ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}});
            }
        } turn(state);
        auto item = co_await next_item(state->events);
        turn.finished = true;
        if (!item) {
            if (item.error().kind != ErrorClass::cancelled) state->close(item.error());
            co_return item.error();
        }
        auto* event = std::get_if<ProcessEvent>(&*item);
        if (event == nullptr) {
            Error error = protocol_error("the sandbox reported the start of a process twice");
            state->close(error);
            co_return error;
        }
        if (event->end) state->close(State().over);
        co_return std::move(*event);
    }

    std::shared_ptr<State> state_;
    std::uint32_t pid_;
};

Task<net::HttpResponse> read_refusal(net::HttpStream stream, milliseconds limit) {
    net::HttpResponse response;
    response.head = stream.head();
    const auto end = std::chrono::steady_clock::now() + limit;
    while (response.body.size() < refusal_limit) {
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) break;
        auto bytes = co_await stream.read_some(left);
        if (!bytes) {
            if (bytes.error().kind == ErrorClass::cancelled) co_return bytes.error();
            break; // the status alone says enough
        }
        if (bytes->empty()) break;
        response.body += *bytes;
    }
    co_return response;
}

Task<std::shared_ptr<ProcessStream>> open_process(CorePtr core, Result<net::HttpRequest> request, std::string name,
                                                  std::optional<milliseconds> timeout = {}) {
    if (request) request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    auto stream = co_await core->http.stream(std::move(*request), core->limits.answer);
    if (!stream) co_return stream.error();
    const net::HttpHead& head = stream->head();
    core->learn(head);
    if (head.status != 200) {
        auto refusal = co_await read_refusal(*stream, core->limits.refusal);
        if (!refusal) co_return refusal.error();
        if (refusal->head.status >= 400) co_return error_of_response(name, Route::rpc, *refusal);
        co_return protocol_error("the sandbox answered '" + name + "' with the HTTP status " +
                                 std::to_string(refusal->head.status));
    }
    if (!net::has_media_type(head.headers, "application/connect+json"))
        co_return protocol_error("the sandbox answered '" + name + "' with something that is not a Connect stream");
    for (const std::string_view header : {"Content-Encoding", "Connect-Content-Encoding"}) {
        const auto encoding = net::find_header(head.headers, header);
        if (encoding && *encoding != "identity")
            co_return protocol_error("the sandbox compressed its answer to '" + name + "', which was not asked for");
    }
    auto events = std::make_shared<Events>(std::move(*stream), name, timeout.has_value(), core->limits);
    auto item = co_await next_item(events);
    if (!item) co_return item.error();
    const auto* started = std::get_if<ProcessStarted>(&*item);
    if (started == nullptr) co_return protocol_error("the sandbox sent output before the start of the process");
    events->patience = timeout ? *timeout + core->limits.grace : events->patience.max();
    std::shared_ptr<ProcessStream> process = std::make_shared<Processes>(started->pid, std::move(events));
    co_return process;
}

Task<void> run_init(CorePtr core, InitRequest init) {
    auto checked = check(core->endpoint, !init.access_token.empty());
    if (!checked) co_return checked.error();
    Call call{"init", Route::plain, 204};
    auto done = co_await perform_void(core, init_request(init), std::move(call));
    if (done && !init.access_token.empty()) core->access_token = init.access_token;
    co_return done;
}

Task<void> run_send_input(CorePtr core, std::uint32_t pid, std::string bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += input_piece) {
        Call call{"SendInput"};
        call.total = input_limit;
        auto request = input_request(pid, std::string_view(bytes).substr(at, input_piece));
        auto sent = co_await perform_void(core, std::move(request), std::move(call));
        if (!sent) co_return sent;
    }
    co_return Result<void>{};
}

Task<void> run_send_signal(CorePtr core, std::uint32_t pid, int signal) {
    auto request = signal_request(pid, signal);
    if (!request) co_return request.error();
    const bool everywhere = signal == 9 || signal == 15;
    if (!everywhere && !core->extensions && !core->probed) {
        Call probe{health_name, Route::plain, 204};
        auto healthy = co_await perform_void(core, health_request(), std::move(probe));
        if (!healthy) co_return healthy;
    }
    if (!everywhere && !core->extensions)
        co_return Error{ErrorClass::unsupported,
                        "signal_not_supported",
                        "this sandbox can be sent the signals 9 and 15 only, not " + std::to_string(signal),
                        "send 15 to end or 9 to kill it",
                        "",
                        {}};
    Call call{"SendSignal"};
    auto sent = co_await perform_void(core, std::move(request), std::move(call));
    co_return sent;
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

Task<EntryInfo> run_write_file(CorePtr core, std::string path, std::string bytes) {
    const std::uint64_t size = bytes.size();
    Call call{"write_file", Route::plain};
    call.total = transfer_limit(core->limits, size);
    auto entry =
        co_await perform_decoded(core, write_file_request(path, std::move(bytes)), std::move(call), &decode_written_file);
    if (entry) entry->size = size;
    co_return entry;
}

class WireClient final : public Client {
public:
    explicit WireClient(CorePtr core) : core_(std::move(core)) {}

    Task<void> health() override {
        return async::without_exceptions(perform_void(core_, health_request(), Call{health_name, Route::plain, 204}));
    }
    Task<void> init(InitRequest request) override { return async::without_exceptions(run_init(core_, std::move(request))); }

    Task<std::shared_ptr<ProcessStream>> start(ExecRequest request, std::string tag) override {
        return async::without_exceptions(open_process(core_, start_request(request, tag), "Start", request.timeout));
    }
    Task<std::shared_ptr<ProcessStream>> connect(std::uint32_t pid) override {
        return async::without_exceptions(open_process(core_, connect_request(pid), "Connect"));
    }
    Task<std::vector<ProcessInfo>> list() override {
        return async::without_exceptions(perform_decoded(core_, list_request(), Call{"List"}, &decode_processes));
    }
    Task<void> send_input(std::uint32_t pid, std::string bytes) override {
        return async::without_exceptions(run_send_input(core_, pid, std::move(bytes)));
    }
    Task<void> close_stdin(std::uint32_t pid) override {
        return async::without_exceptions(perform_void(core_, close_stdin_request(pid), Call{"CloseStdin"}));
    }
    Task<void> send_signal(std::uint32_t pid, int signal) override {
        return async::without_exceptions(run_send_signal(core_, pid, signal));
    }

    Task<EntryInfo> stat(std::string path) override {
        return entry_call(path_request("filesystem.Filesystem/Stat", path, true), "Stat");
    }
    Task<EntryInfo> make_dir(std::string path) override {
        return entry_call(path_request("filesystem.Filesystem/MakeDir", path, false), "MakeDir");
    }
    Task<std::vector<EntryInfo>> list_dir(std::string path, std::uint32_t depth) override {
        Call call{"ListDir"};
        call.body = listing_limit;
        return async::without_exceptions(perform_decoded(core_, list_dir_request(path, depth), std::move(call), &decode_entries));
    }
    Task<EntryInfo> move(std::string source, std::string destination) override {
        return entry_call(move_request(source, destination), "Move");
    }
    Task<void> remove(std::string path) override {
        return async::without_exceptions(
            perform_void(core_, path_request("filesystem.Filesystem/Remove", path, true), Call{"Remove"}));
    }
    Task<std::string> read_file(std::string path, std::uint64_t limit) override {
        return async::without_exceptions(run_read_file(core_, std::move(path), limit));
    }
    Task<EntryInfo> write_file(std::string path, std::string bytes) override {
        return async::without_exceptions(run_write_file(core_, std::move(path), std::move(bytes)));
    }

private:
    Task<EntryInfo> entry_call(Result<net::HttpRequest> request, std::string name) {
        return async::without_exceptions(perform_decoded(core_, std::move(request), Call{std::move(name)}, &decode_entry));
    }
    CorePtr core_;
};

} // namespace

std::shared_ptr<Client> Client::make(asio::any_io_executor executor, Endpoint endpoint, const ClientLimits& limits) {
    return std::make_shared<WireClient>(std::make_shared<Core>(std::move(executor), std::move(endpoint), limits));
}

} // namespace sandboxkit::envd
