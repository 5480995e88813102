// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.hpp"

#include "net/unix_path.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <sys/socket.h>
#include <vector>

namespace sandboxkit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

Error cancelled_error() {
    return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

HttpConnection::HttpConnection(asio::any_io_executor executor, std::shared_ptr<const HttpTarget> target)
    : socket_(executor), timer_(executor), target_(std::move(target)) {}

// The timer is moved only to an earlier time: a limit that is set anew for every read costs no system call.
void HttpConnection::expire_after(std::chrono::milliseconds limit) {
    deadline_ = Clock::now() + limit;
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

Error HttpConnection::failure(const error_code& error, bool connecting) const {
    if (expired_)
        return Error{
            ErrorClass::timeout, target_->code_prefix + "_timeout", target_->name + " did not answer in time", "", "", {}};
    if (error == asio::error::operation_aborted) return cancelled_error();
    if (connecting)
        return Error{ErrorClass::unavailable,
                     target_->code_prefix + "_unreachable",
                     "no connection to " + target_->name + " could be made",
                     "check that it is running",
                     error.message(),
                     {}};
    return Error{ErrorClass::unavailable,
                 target_->code_prefix + "_disconnected",
                 "the connection to " + target_->name + " broke",
                 "check that it is still running",
                 error ? error.message() : std::string("the peer closed the connection"),
                 {}};
}

asio::awaitable<Result<void>> HttpConnection::connect(std::shared_ptr<HttpConnection> self) {
    if (self->target_->tls)
        co_return Error{ErrorClass::unsupported,
                        "tls_not_enacted",
                        "this build does not connect over TLS to " + self->target_->name,
                        "use a plain address on this machine or a Unix socket",
                        "",
                        {}};
    if (self->is_unix() != self->target_->host.empty() || (!self->is_unix() && self->target_->port == 0))
        co_return Error{ErrorClass::invalid,
                        "http_target",
                        "the address of " + self->target_->name + " is neither a Unix socket nor a host and port",
                        "",
                        "",
                        {}};
    self->expire_after(self->target_->connect_limit);
    if (self->is_unix()) {
        auto connected = co_await self->connect_unix();
        co_return connected;
    }
    auto connected = co_await self->connect_tcp();
    co_return connected;
}

asio::awaitable<Result<void>> HttpConnection::connect_unix() {
    // A Unix socket connects at once or not at all. Asio's own connect takes a full backlog for success.
    std::chrono::milliseconds pause(1);
    for (;;) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
        const int fd = connect_unix_path(target_->unix_socket);
        if (fd >= 0) {
            error_code error;
            socket_.assign(asio::generic::stream_protocol(AF_UNIX, 0), fd, error);
            if (error) co_return failure(error, true);
            co_return Result<void>{};
        }
        const error_code error(errno, boost::system::system_category());
        if (error != asio::error::would_block && error != asio::error::try_again) co_return failure(error, true);
        if (expired_ || Clock::now() >= deadline_) {
            expired_ = true;
            co_return failure(error, true);
        }
        asio::steady_timer backlog(socket_.get_executor(), pause);
        error_code waited;
        co_await backlog.async_wait(asio::redirect_error(asio::use_awaitable, waited));
        pause = std::min(pause * 2, std::chrono::milliseconds(50));
    }
}

namespace {

// A name's addresses. Asio's resolver knows no per-operation cancellation, so the coroutine waits on a timer that the
// resolver's handler ends; a lookup given up runs out by itself.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}
    asio::ip::tcp::resolver resolver;
    asio::steady_timer done;
    bool finished = false;
    error_code error;
    std::vector<asio::ip::tcp::endpoint> endpoints;
};

asio::awaitable<void> look_up(std::shared_ptr<Lookup> lookup, std::string host, std::uint16_t port, Clock::time_point deadline) {
    lookup->done.expires_at(deadline);
    lookup->resolver.async_resolve(host, std::to_string(port),
                                   [lookup](const error_code& error, const asio::ip::tcp::resolver::results_type& results) {
                                       lookup->finished = true;
                                       lookup->error = error;
                                       for (const auto& entry : results) lookup->endpoints.push_back(entry.endpoint());
                                       lookup->done.cancel();
                                   });
    error_code ended;
    co_await lookup->done.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (lookup->finished) co_return;
    lookup->error = ended ? error_code(asio::error::operation_aborted) : error_code(asio::error::timed_out);
    lookup->resolver.cancel();
}

} // namespace

asio::awaitable<Result<void>> HttpConnection::connect_tcp() {
    std::vector<asio::ip::tcp::endpoint> endpoints;
    error_code error;
    const auto address = asio::ip::make_address(target_->host, error);
    if (!error) {
        endpoints.emplace_back(address, target_->port);
    } else {
        auto lookup = std::make_shared<Lookup>(socket_.get_executor());
        co_await look_up(lookup, target_->host, target_->port, deadline_);
        if (lookup->error == asio::error::timed_out) expired_ = true;
        if (lookup->error) co_return failure(lookup->error, true);
        endpoints = lookup->endpoints;
    }
    error = asio::error::host_not_found;
    for (const auto& endpoint : endpoints) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
        error_code ignored;
        socket_.close(ignored);
        const asio::generic::stream_protocol::endpoint generic(endpoint);
        co_await socket_.async_connect(generic, asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
            co_return Result<void>{};
        }
        if (error == asio::error::operation_aborted) break;
    }
    co_return failure(error, true);
}

asio::awaitable<HttpConnection::Written> HttpConnection::write(std::shared_ptr<HttpConnection> self, std::string_view head,
                                                               std::string_view body) {
    // Not asio::async_write: it does not hear total cancellation.
    std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
    std::size_t left = head.size() + body.size();
    while (left > 0) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return Written{false, false, cancelled_error()};
        if (self->expired_) co_return Written{false, false, self->failure({}, false)};
        error_code error;
        std::size_t n = co_await self->socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, error));
        left -= n;
        const std::size_t of_head = std::min(n, buffers[0].size());
        buffers[0] += of_head;
        buffers[1] += n - of_head;
        if (error) {
            const bool closed = error == asio::error::broken_pipe || error == asio::error::connection_reset;
            co_return Written{false, closed, self->failure(error, false)};
        }
    }
    co_return Written{true, false, {}};
}

asio::awaitable<HttpConnection::Read> HttpConnection::read(std::shared_ptr<HttpConnection> self) {
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return Read{{}, false, cancelled_error()};
    if (self->expired_) co_return Read{{}, false, self->failure({}, false)};
    if (!self->buffer_) self->buffer_ = std::make_unique_for_overwrite<char[]>(read_size);
    error_code error;
    std::size_t n = co_await self->socket_.async_read_some(asio::buffer(self->buffer_.get(), read_size),
                                                           asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return Read{{}, false, {}};
    if (error) co_return Read{{}, error == asio::error::connection_reset, self->failure(error, false)};
    co_return Read{std::string_view(self->buffer_.get(), n), false, {}};
}

bool HttpConnection::idle_and_open() {
    char byte = 0;
    const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void HttpConnection::close() {
    rest();
    error_code ignored;
    socket_.close(ignored);
}

} // namespace sandboxkit::net
