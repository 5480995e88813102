// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.hpp"

#include "net/http_parser.hpp"
#include "net/name_lookup.hpp"
#include "net/peer_errors.hpp"
#include "net/unix_path.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace sandboxkit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

HttpConnection::HttpConnection(asio::any_io_executor executor, std::shared_ptr<const HttpTarget> target,
                               std::shared_ptr<TlsContext> tls)
    : socket_(executor), timer_(executor), target_(std::move(target)) {
    if (tls) tls_ = std::make_unique<TlsEngine>(std::move(tls), target_->host);
}

void HttpConnection::expire_after(std::chrono::milliseconds limit) {
    expire_at(Clock::now() + limit);
}

// The timer is moved only to an earlier time: a limit that is set anew for every read costs no system call.
void HttpConnection::expire_at(Clock::time_point when) {
    deadline_ = when;
    if (deadline_ < armed_for_) arm(deadline_);
}

void HttpConnection::expire_never() {
    deadline_ = Clock::time_point::max();
}

void HttpConnection::rest() {
    deadline_ = armed_for_ = Clock::time_point::max();
    ++generation_;
    timer_.cancel();
}

void HttpConnection::arm(Clock::time_point when) {
    armed_for_ = when;
    ++generation_;
    timer_.expires_at(when);
    timer_.async_wait([weak = weak_from_this(), generation = generation_](const error_code&) {
        if (const auto self = weak.lock()) self->on_timer(generation);
    });
}

void HttpConnection::on_timer(std::uint64_t generation) {
    if (generation != generation_) return;
    armed_for_ = Clock::time_point::max();
    if (deadline_ == Clock::time_point::max()) return;
    if (Clock::now() < deadline_) return arm(deadline_);
    expired_ = true;
    error_code ignored;
    socket_.cancel(ignored);
}

Error HttpConnection::failure(const error_code& error) const {
    if (expired_) return timed_out(*target_);
    if (error == asio::error::operation_aborted) return cancelled();
    return disconnected(*target_, error.message());
}

Error HttpConnection::not_connected(const error_code& error) const {
    if (expired_ || error == asio::error::operation_aborted) return failure(error);
    return net::not_connected(*target_, error, error.message());
}

// A peer may refuse the client's certificate as late as with its first bytes; anything else then is a connection that broke.
Error HttpConnection::tls_failure() const {
    const TlsFailure& why = tls_->failure();
    if (secured_ && why.fault == TlsFault::refused) return disconnected(*target_, why.detail);
    return not_secured(*target_, why);
}

asio::awaitable<Result<void>> HttpConnection::connect(std::shared_ptr<HttpConnection> self) {
    const HttpTarget& target = *self->target_;
    const bool by_name = !target.host.empty();
    if (int(by_name) + int(self->is_unix()) + int(target.dial != nullptr) != 1 || by_name != (target.port != 0) ||
        (!by_name && (target.tls || target.proxy)) || (target.proxy && (target.proxy->host.empty() || target.proxy->port == 0)))
        co_return bad_target(target);
    self->expire_after(target.connect_limit);
    if (target.dial) {
        auto connected = co_await self->connect_dialled();
        co_return connected;
    }
    if (self->is_unix()) {
        auto connected = co_await self->connect_unix();
        co_return connected;
    }
    auto connected = co_await self->connect_tcp();
    if (!connected) co_return connected;
    if (target.proxy) {
        auto through = co_await tunnel(self);
        if (!through) co_return through;
    }
    if (!self->tls_) co_return connected;
    auto secured = co_await handshake(self);
    co_return secured;
}

asio::awaitable<Result<void>> HttpConnection::connect_unix() {
    // A Unix socket connects at once or not at all. Asio's own connect takes a full backlog for success.
    std::chrono::milliseconds pause(1);
    for (;;) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return cancelled();
        const int fd = connect_unix_path(target_->unix_socket);
        if (fd >= 0) {
            error_code error;
            socket_.assign(asio::generic::stream_protocol(AF_UNIX, 0), fd, error);
            if (error) co_return not_connected(error);
            co_return Result<void>{};
        }
        const error_code error(errno, boost::system::system_category());
        if (error != asio::error::would_block && error != asio::error::try_again) co_return not_connected(error);
        if (expired_ || Clock::now() >= deadline_) {
            expired_ = true;
            co_return not_connected(error);
        }
        asio::steady_timer backlog(socket_.get_executor(), pause);
        error_code waited;
        co_await backlog.async_wait(asio::redirect_error(asio::use_awaitable, waited));
        pause = std::min(pause * 2, std::chrono::milliseconds(50));
    }
}

asio::awaitable<Result<void>> HttpConnection::connect_dialled() {
    auto dialled = co_await target_->dial(target_->connect_limit);
    if (!dialled) co_return dialled.error();
    error_code error;
    socket_.assign(asio::generic::stream_protocol(AF_UNIX, 0), *dialled, error);
    if (error) {
        ::close(*dialled);
        co_return not_connected(error);
    }
    co_return Result<void>{};
}

namespace {

// A peer that vanished without a word (a suspended host, a forgotten address translation) is noticed on an idle stream too.
void set_options(asio::generic::stream_protocol::socket& socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    constexpr std::pair<int, int> probes[] = {{TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}}; // seconds, and how many
    for (const auto& [name, value] : probes) ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
}

} // namespace

asio::awaitable<Result<void>> HttpConnection::connect_tcp() {
    const auto deadline = deadline_;
    const std::string& host = target_->proxy ? target_->proxy->host : target_->host;
    const std::uint16_t port = target_->proxy ? target_->proxy->port : target_->port;
    auto addresses = co_await look_up(socket_.get_executor(), host, port, deadline);
    if (addresses.error == asio::error::timed_out) expired_ = true;
    if (addresses.error) co_return not_connected(addresses.error);
    // The first address is the preferred one: why it failed is the error, and the detail says it of all.
    error_code first = asio::error::host_not_found;
    std::ostringstream attempts;
    std::size_t left = addresses.endpoints.size();
    for (const auto& endpoint : addresses.endpoints) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return cancelled();
        // An address that swallows everything leaves its share of the time to the others.
        expired_ = false;
        const auto now = Clock::now();
        expire_at(now + (deadline - now) / static_cast<Clock::rep>(left));
        error_code error;
        socket_.close(error);
        const asio::generic::stream_protocol::endpoint generic(endpoint);
        co_await socket_.async_connect(generic, asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            expired_ = false;
            expire_at(deadline);
            set_options(socket_);
            co_return Result<void>{};
        }
        if (error == asio::error::operation_aborted) {
            if (!expired_) co_return cancelled();
            error = asio::error::timed_out;
        }
        if (left-- == addresses.endpoints.size()) first = error;
        attempts << (attempts.tellp() > 0 ? "; " : "") << endpoint << ": " << error.message();
    }
    co_return net::not_connected(*target_, first, attempts.str());
}

asio::awaitable<Result<void>> HttpConnection::tunnel(std::shared_ptr<HttpConnection> self) {
    const HttpTarget& target = *self->target_;
    auto request = encode_connect(*target.proxy, target.host, target.port);
    if (!request) co_return request.error();
    Buffers buffers{asio::buffer(*request), asio::const_buffer()};
    auto written = co_await write_raw(self, buffers);
    if (!written.complete && !written.broken) co_return written.result.error();
    HttpResponseParser parser;
    std::string early;
    while (!parser.head_done()) {
        auto read = co_await read_raw(self);
        if (!read.result && read.result.error().kind != ErrorClass::unavailable) co_return read.result.error();
        if (!read.result || read.bytes.empty()) co_return proxy_failed(target, "the proxy closed the connection");
        auto fed = parser.feed(read.bytes, early);
        if (!fed) co_return proxy_failed(target, fed.error().message);
    }
    const unsigned status = parser.head().status;
    if (status >= 300) co_return proxy_refused(target, status);
    // Neither TLS nor HTTP lets the peer speak first: these bytes would be the proxy's own.
    if (!early.empty()) co_return proxy_failed(target, "the proxy sent more than its answer");
    co_return Result<void>{};
}

asio::awaitable<Result<void>> HttpConnection::handshake(std::shared_ptr<HttpConnection> self) {
    for (;;) {
        const auto step = self->tls_->handshake();
        if (step == TlsEngine::Step::failed) co_return self->tls_failure(); // close() still sends the alert
        if (step == TlsEngine::Step::closed) co_return disconnected(*self->target_, "the peer ended TLS before it began");
        auto written = co_await write_pending(self);
        if (!written.complete && !written.broken) co_return written.result.error();
        if (step == TlsEngine::Step::done) break;
        auto read = co_await read_raw(self);
        if (!read.result) co_return read.result.error();
        if (read.bytes.empty()) co_return disconnected(*self->target_, "the peer closed in the middle of the TLS handshake");
        self->tls_->feed(read.bytes);
    }
    self->secured_ = true;
    co_return Result<void>{};
}

asio::awaitable<HttpConnection::Written> HttpConnection::write(std::shared_ptr<HttpConnection> self, std::string_view head,
                                                               std::string_view body) {
    if (!self->tls_) {
        Buffers buffers{asio::buffer(head), asio::buffer(body)};
        auto written = co_await write_raw(self, buffers);
        co_return written;
    }
    const std::array parts{head, body};
    for (std::string_view part : parts) {
        while (!part.empty()) {
            const std::string_view piece = part.substr(0, read_size);
            part.remove_prefix(piece.size());
            if (self->tls_->write(piece) != TlsEngine::Step::done) co_return Written{false, false, self->tls_failure()};
            auto written = co_await write_pending(self);
            if (!written.complete) co_return written;
        }
    }
    co_return Written{true, false, {}};
}

asio::awaitable<HttpConnection::Written> HttpConnection::write_pending(std::shared_ptr<HttpConnection> self) {
    if (self->sending_) co_return Written{true, false, {}}; // a read and a write at once: the other one takes it along
    struct Sending {
        HttpConnection& connection;
        explicit Sending(HttpConnection& c) : connection(c) { c.sending_ = true; }
        ~Sending() { connection.sending_ = false; }
        Sending(const Sending&) = delete;
        Sending& operator=(const Sending&) = delete;
    } sending(*self);
    Written written{true, false, {}};
    while (written.complete && !self->tls_->output().empty()) {
        const std::string pending(self->tls_->output()); // more may be added meanwhile
        Buffers buffers{asio::buffer(pending), asio::const_buffer()};
        written = co_await write_raw(self, buffers);
        self->tls_->sent(pending.size() - buffers[0].size()); // the rest goes first another time
    }
    co_return written;
}

asio::awaitable<HttpConnection::Written> HttpConnection::write_raw(std::shared_ptr<HttpConnection> self, Buffers& buffers) {
    // Not asio::async_write: it does not hear total cancellation.
    while (asio::buffer_size(buffers) > 0) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return Written{false, false, cancelled()};
        if (self->expired_) co_return Written{false, false, self->failure({})};
        error_code error;
        std::size_t n = co_await self->socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, error));
        const std::size_t of_first = std::min(n, buffers[0].size());
        buffers[0] += of_first;
        buffers[1] += n - of_first;
        if (error) {
            const bool closed = error == asio::error::broken_pipe || error == asio::error::connection_reset;
            co_return Written{false, closed, self->failure(error)};
        }
    }
    co_return Written{true, false, {}};
}

asio::awaitable<HttpConnection::Read> HttpConnection::read(std::shared_ptr<HttpConnection> self) {
    if (!self->tls_) {
        auto read = co_await read_raw(self);
        co_return read;
    }
    if (!self->buffer_) self->buffer_ = std::make_unique_for_overwrite<char[]>(read_size);
    for (;;) {
        std::size_t length = 0;
        const auto step = self->tls_->read(self->buffer_.get(), read_size, length);
        if (step == TlsEngine::Step::done) co_return Read{std::string_view(self->buffer_.get(), length), false, {}};
        if (step == TlsEngine::Step::closed) co_return Read{{}, false, {}};
        if (step == TlsEngine::Step::failed) co_return Read{{}, false, self->tls_failure()};
        auto written = co_await write_pending(self); // TLS may have something to say of its own
        if (!written.complete && !written.broken) co_return Read{{}, false, written.result};
        auto read = co_await read_raw(self);
        if (!read.result) co_return read;
        if (read.bytes.empty())
            co_return Read{{}, false, disconnected(*self->target_, "the connection ended without the end that TLS wants")};
        self->tls_->feed(read.bytes);
    }
}

asio::awaitable<HttpConnection::Read> HttpConnection::read_raw(std::shared_ptr<HttpConnection> self) {
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return Read{{}, false, cancelled()};
    if (self->expired_) co_return Read{{}, false, self->failure({})};
    if (!self->buffer_) self->buffer_ = std::make_unique_for_overwrite<char[]>(read_size);
    error_code error;
    std::size_t n = co_await self->socket_.async_read_some(asio::buffer(self->buffer_.get(), read_size),
                                                           asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return Read{{}, false, {}};
    if (error) co_return Read{{}, error == asio::error::connection_reset, self->failure(error)};
    co_return Read{std::string_view(self->buffer_.get(), n), false, {}};
}

bool HttpConnection::idle_and_open() {
    if (tls_ && !tls_->quiet()) return false;
    char byte = 0;
    const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void HttpConnection::close() {
    rest();
    if (tls_ && socket_.is_open()) {
        tls_->close();
        const auto last = tls_->output(); // an end or an alert, as far as the socket takes it now
        ::send(socket_.native_handle(), last.data(), last.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    error_code ignored;
    socket_.close(ignored);
}

} // namespace sandboxkit::net
