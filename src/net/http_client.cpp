// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.hpp"

#include "async/without_exceptions.hpp"
#include "net/http_connection.hpp"
#include "net/http_parser.hpp"
#include "net/peer_errors.hpp"
#include "net/tls_context.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace sandboxkit::net {

namespace asio = boost::asio;

namespace {

std::string host_header(const HttpTarget& target) {
    if (target.host.empty()) return "localhost";
    std::string authority = authority_of(target.host, target.port);
    // Some proxies route by this header and take a port that goes without saying for a part of the name.
    if (target.port == (target.tls ? 443 : 80)) authority.erase(authority.rfind(':'));
    return authority;
}

bool announces_more_than(const HttpHead& head, std::size_t limit) {
    const auto text = find_header(head.headers, "Content-Length");
    if (!text) return false;
    std::uint64_t length = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), length);
    return parsed.ec == std::errc{} && length > limit;
}

} // namespace

struct HttpClient::State {
    using Clock = std::chrono::steady_clock;
    struct Kept {
        std::shared_ptr<HttpConnection> connection;
        Clock::time_point until;
    };

    asio::any_io_executor executor;
    std::shared_ptr<const HttpTarget> target;
    std::string host;
    Result<std::shared_ptr<TlsContext>> tls{nullptr}; // null: without TLS
    std::vector<Kept> idle;                           // the newest at the back

    void drop_old() {
        const auto fresh = std::ranges::find_if(idle, [now = Clock::now()](const Kept& kept) { return kept.until > now; });
        for (auto kept = idle.begin(); kept != fresh; ++kept) kept->connection->close();
        idle.erase(idle.begin(), fresh);
    }
    std::shared_ptr<HttpConnection> take_idle() {
        drop_old();
        while (!idle.empty()) {
            auto connection = std::move(idle.back().connection);
            idle.pop_back();
            if (connection->idle_and_open()) return connection;
            connection->close();
        }
        return nullptr;
    }
    void keep(std::shared_ptr<HttpConnection> connection) {
        drop_old();
        if (idle.size() >= idle_connections_limit) return connection->close();
        connection->rest();
        idle.push_back({std::move(connection), Clock::now() + target->idle_limit});
    }
};

HttpClient::HttpClient(asio::any_io_executor executor, HttpTarget target) : state_(std::make_shared<State>()) {
    state_->executor = std::move(executor);
    state_->host = host_header(target);
    if (target.tls) state_->tls = TlsContext::make(*target.tls);
    state_->target = std::make_shared<const HttpTarget>(std::move(target));
}

asio::awaitable<Result<HttpResponse>> HttpClient::unary(HttpRequest request, HttpLimits limits) {
    return async::without_exceptions(run_unary(state_, std::move(request), limits));
}

asio::awaitable<Result<HttpStream>> HttpClient::stream(HttpRequest request, std::chrono::milliseconds limit) {
    return async::without_exceptions(run_stream(state_, std::move(request), limit, false));
}

asio::awaitable<Result<HttpStream>> HttpClient::attach(HttpRequest request, std::chrono::milliseconds limit) {
    return async::without_exceptions(run_stream(state_, std::move(request), limit, true));
}

asio::awaitable<Result<HttpResponse>> HttpClient::upload(HttpRequest request, HttpBodySource source, HttpLimits limits) {
    return async::without_exceptions(run_upload(state_, std::move(request), std::move(source), limits));
}

asio::awaitable<Result<HttpStream>> HttpClient::transfer(HttpRequest request, HttpBodySource source,
                                                         std::chrono::milliseconds limit) {
    return async::without_exceptions(run_transfer(state_, std::move(request), std::move(source), limit));
}

namespace {

// Closes a connection that leaves its scope in the middle of an exchange, by error, cancellation or exception.
struct Closing {
    std::shared_ptr<HttpConnection> connection;
    explicit Closing(std::shared_ptr<HttpConnection> c) : connection(std::move(c)) {}
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;
    ~Closing() {
        if (connection) connection->close();
    }
    std::shared_ptr<HttpConnection> release() { return std::exchange(connection, nullptr); }
};

struct Exchange {
    Result<HttpResponse> result{HttpResponse{}};
    bool reusable = false;  // the connection
    bool untouched = false; // nothing was received
    bool unread = false;    // the peer cannot have read the whole request
};

// The answer to what was `written` of the request.
asio::awaitable<Exchange> read_answer(std::shared_ptr<HttpConnection> connection, std::shared_ptr<const HttpTarget> target,
                                      HttpConnection::Written written, HttpLimits limits) {
    Exchange out;
    if (!written.complete && !written.broken) {
        out.result = written.result.error();
        co_return out;
    }
    HttpResponseParser parser;
    HttpResponse response;
    bool checked_length = false;
    bool received = false;
    while (!parser.done()) {
        auto read = co_await HttpConnection::read(connection);
        if (!read.result || read.bytes.empty()) {
            if (read.result && parser.finish()) break;
            out.untouched = !received;
            out.unread = !written.complete || (connection->is_unix() && read.reset);
            out.result = !read.result
                             ? read.result.error()
                             : disconnected(*target, received ? "the answer was cut off" : "the peer closed without an answer");
            co_return out;
        }
        received = true;
        auto fed = parser.feed(read.bytes, response.body);
        if (!fed) {
            out.result = fed.error();
            co_return out;
        }
        if (parser.head_done() && !checked_length) {
            checked_length = true;
            if (announces_more_than(parser.head(), limits.body)) {
                out.result = answer_too_large(*target, limits.body);
                co_return out;
            }
        }
        if (response.body.size() > limits.body) {
            out.result = answer_too_large(*target, limits.body);
            co_return out;
        }
    }
    response.head = parser.head();
    out.reusable = written.complete && parser.reusable();
    out.result = std::move(response);
    co_return out;
}

asio::awaitable<Exchange> exchange(std::shared_ptr<HttpConnection> connection, std::shared_ptr<const HttpTarget> target,
                                   const std::string& head, const std::string& body, HttpLimits limits) {
    connection->expire_after(limits.total);
    auto written = co_await HttpConnection::write(connection, head, body);
    auto out = co_await read_answer(std::move(connection), std::move(target), std::move(written), limits);
    co_return out;
}

std::string chunk_head(std::size_t size) {
    std::array<char, 18> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), size, 16).ptr;
    return std::string(text.data(), end) + "\r\n";
}

// The head and then what the source gives, in chunks. An error is the source's; what became of the peer is in the value.
asio::awaitable<Result<HttpConnection::Written>> write_chunks(std::shared_ptr<HttpConnection> connection, std::string head,
                                                              HttpBodySource source, std::chrono::milliseconds limit) {
    connection->expire_after(limit);
    auto written = co_await HttpConnection::write(connection, head, {});
    for (bool last = false; written.complete && !last;) {
        connection->expire_never(); // the source takes the time it needs
        auto piece = co_await source();
        if (!piece) co_return piece.error();
        last = piece->empty();
        const std::string size = chunk_head(piece->size());
        *piece += "\r\n";
        connection->expire_after(limit);
        written = co_await HttpConnection::write(connection, size, *piece);
    }
    co_return written;
}

} // namespace

asio::awaitable<Result<HttpResponse>> HttpClient::run_unary(std::shared_ptr<State> state, HttpRequest request,
                                                            HttpLimits limits) {
    const auto head = encode_request_head(request, state->host);
    if (!head) co_return head.error();
    if (!state->tls) co_return state->tls.error();
    for (bool fresh = false;; fresh = true) {
        Closing closing(fresh ? nullptr : state->take_idle());
        const bool reused = closing.connection != nullptr;
        if (!reused) {
            closing.connection = std::make_shared<HttpConnection>(state->executor, state->target, *state->tls);
            auto connected = co_await HttpConnection::connect(closing.connection);
            if (!connected) co_return connected.error();
        }
        auto done = co_await exchange(closing.connection, state->target, *head, request.body, limits);
        if (done.result) {
            if (done.reusable) state->keep(closing.release());
            co_return std::move(done.result);
        }
        const bool gone = done.result.error().kind == ErrorClass::unavailable;
        const bool again = reused && gone && done.untouched && (request.idempotent || done.unread);
        if (!again) co_return std::move(done.result);
    }
}

asio::awaitable<Result<HttpResponse>> HttpClient::run_upload(std::shared_ptr<State> state, HttpRequest request,
                                                             HttpBodySource source, HttpLimits limits) {
    request.chunked = true;
    auto head = encode_request_head(request, state->host);
    if (!head) co_return head.error();
    if (!state->tls) co_return state->tls.error();
    Closing closing(std::make_shared<HttpConnection>(state->executor, state->target, *state->tls));
    const auto& connection = closing.connection;
    auto connected = co_await HttpConnection::connect(connection);
    if (!connected) co_return connected.error();
    auto written = co_await write_chunks(connection, std::move(*head), std::move(source), limits.total);
    if (!written) co_return written.error();
    auto done = co_await read_answer(connection, state->target, std::move(*written), limits);
    co_return std::move(done.result);
}

class HttpStream::Impl {
public:
    Impl(std::shared_ptr<HttpConnection> connection, std::shared_ptr<const HttpTarget> target)
        : connection_(std::move(connection)), target_(std::move(target)) {}
    ~Impl() { connection_->close(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    static asio::awaitable<Result<void>> read_head(std::shared_ptr<Impl> self, bool attach) {
        while (!self->parser_.head_done()) {
            auto read = co_await HttpConnection::read(self->connection_);
            if (!read.result) co_return read.result.error();
            if (read.bytes.empty()) co_return disconnected(*self->target_, "the peer closed without an answer");
            auto fed = self->parser_.feed(read.bytes, self->early_);
            if (!fed) co_return fed.error();
        }
        self->connection_->expire_never();
        self->attached_ = attach && self->head().status < 300 && self->parser_.ends_with_connection();
        co_return Result<void>{};
    }

    static asio::awaitable<Result<void>> write(std::shared_ptr<Impl> self, std::string bytes, std::chrono::milliseconds limit) {
        if (!self->attached_)
            co_return Error{ErrorClass::invalid, "http_stream", "the connection takes no bytes after its request", "", "", {}};
        if (limit.count() > 0) self->connection_->expire_after(limit);
        auto written = co_await HttpConnection::write(self->connection_, bytes, {});
        if (limit.count() > 0) self->connection_->expire_never();
        co_return written.result;
    }

    static asio::awaitable<Result<std::string>> read_some(std::shared_ptr<Impl> self, std::chrono::milliseconds silence) {
        if (!self->early_.empty()) co_return std::exchange(self->early_, {});
        std::string body;
        if (silence.count() > 0) self->connection_->expire_after(silence); // what frames the body is no progress
        while (body.empty() && !self->parser_.done()) {
            auto read = co_await HttpConnection::read(self->connection_);
            if (!read.result) {
                self->connection_->expire_never(); // a read that was cancelled may be followed by another
                // Silence where keepalives were asked for means that the other side is gone, not slow.
                if (read.result.error().kind == ErrorClass::timeout)
                    co_return disconnected(*self->target_, "no byte for " + std::to_string(silence.count()) + " ms");
                co_return read.result.error();
            }
            if (read.bytes.empty() && self->attached_) break;
            if (read.bytes.empty()) {
                // A body that only the connection's end would end cannot be told from one cut off.
                co_return disconnected(*self->target_, "the answer was cut off");
            }
            auto fed = self->parser_.feed(read.bytes, body);
            if (!fed) co_return fed.error();
        }
        self->connection_->expire_never();
        co_return body;
    }

    [[nodiscard]] const HttpHead& head() const { return parser_.head(); }
    void close() { connection_->close(); }

private:
    std::shared_ptr<HttpConnection> connection_;
    std::shared_ptr<const HttpTarget> target_;
    HttpResponseParser parser_;
    std::string early_;     // body bytes that came with the head
    bool attached_ = false; // the connection is no longer HTTP's
};

HttpStream::HttpStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
const HttpHead& HttpStream::head() const {
    return impl_->head();
}
void HttpStream::close() {
    impl_->close();
}

asio::awaitable<Result<std::string>> HttpStream::read_some(std::chrono::milliseconds silence) {
    return async::without_exceptions(Impl::read_some(impl_, silence));
}

asio::awaitable<Result<void>> HttpStream::write(std::string bytes, std::chrono::milliseconds limit) {
    return async::without_exceptions(Impl::write(impl_, std::move(bytes), limit));
}

asio::awaitable<Result<HttpStream>> HttpClient::run_stream(std::shared_ptr<State> state, HttpRequest request,
                                                           std::chrono::milliseconds limit, bool attach) {
    const auto head = encode_request_head(request, state->host);
    if (!head) co_return head.error();
    if (!state->tls) co_return state->tls.error();
    Closing closing(std::make_shared<HttpConnection>(state->executor, state->target, *state->tls));
    auto connected = co_await HttpConnection::connect(closing.connection);
    if (!connected) co_return connected.error();
    closing.connection->expire_after(limit);
    auto written = co_await HttpConnection::write(closing.connection, *head, request.body);
    if (!written.complete && !written.broken) co_return written.result.error();
    auto impl = std::make_shared<HttpStream::Impl>(closing.release(), state->target);
    auto read = co_await HttpStream::Impl::read_head(impl, attach);
    if (!read) co_return read.error();
    co_return HttpStream(std::move(impl));
}

asio::awaitable<Result<HttpStream>> HttpClient::run_transfer(std::shared_ptr<State> state, HttpRequest request,
                                                             HttpBodySource source, std::chrono::milliseconds limit) {
    request.chunked = true;
    auto head = encode_request_head(request, state->host);
    if (!head) co_return head.error();
    if (!state->tls) co_return state->tls.error();
    Closing closing(std::make_shared<HttpConnection>(state->executor, state->target, *state->tls));
    auto connected = co_await HttpConnection::connect(closing.connection);
    if (!connected) co_return connected.error();
    auto written = co_await write_chunks(closing.connection, std::move(*head), std::move(source), limit);
    if (!written) co_return written.error();
    if (!written->complete && !written->broken) co_return written->result.error();
    auto impl = std::make_shared<HttpStream::Impl>(closing.release(), state->target);
    auto read = co_await HttpStream::Impl::read_head(impl, false);
    if (!read) co_return read.error();
    co_return HttpStream(std::move(impl));
}

} // namespace sandboxkit::net
