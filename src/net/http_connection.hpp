// SPDX-License-Identifier: Apache-2.0
// One connection of the HTTP client: a socket with a time limit, and with TLS on it where the target asks for that.
// Everything runs on one executor, a strand or a single thread. After a failed or cancelled call only close() makes
// sense; a cancelled read may be followed by another.
#pragma once

#include "net/http_client.hpp"
#include "net/tls_engine.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::net {

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
public:
    static constexpr std::size_t read_size = 64 * 1024;

    // `tls` is null where the target has none.
    HttpConnection(boost::asio::any_io_executor executor, std::shared_ptr<const HttpTarget> target,
                   std::shared_ptr<TlsContext> tls);

    // All calls until the next expire_after() or expire_never() end with ErrorClass::timeout then.
    void expire_after(std::chrono::milliseconds limit);
    void expire_never();
    // Ends the timer too, so that a connection kept for later is no outstanding work of the executor.
    void rest();

    // Ready for a request: name, connection, proxy and TLS within the target's limit.
    static boost::asio::awaitable<Result<void>> connect(std::shared_ptr<HttpConnection> self);

    // What became of a write that failed: the peer may still have sent its answer.
    struct Written {
        bool complete = false;
        bool broken = false; // the peer closed its end; reading may still give its answer
        Result<void> result;
    };
    static boost::asio::awaitable<Written> write(std::shared_ptr<HttpConnection> self, std::string_view head,
                                                 std::string_view body);

    struct Read {
        std::string_view bytes; // valid until the next read; empty at the end, which over TLS the peer has to announce
        bool reset = false;     // the peer closed before it read all that was sent to it
        Result<void> result;
    };
    static boost::asio::awaitable<Read> read(std::shared_ptr<HttpConnection> self);

    // Nothing was received and the peer has not closed: an idle connection that may be used again.
    [[nodiscard]] bool idle_and_open();
    [[nodiscard]] bool is_unix() const { return !target_->unix_socket.empty(); }
    void close();

private:
    using Buffers = std::array<boost::asio::const_buffer, 2>;

    boost::asio::awaitable<Result<void>> connect_unix();
    boost::asio::awaitable<Result<void>> connect_dialled();
    boost::asio::awaitable<Result<void>> connect_tcp();
    static boost::asio::awaitable<Result<void>> tunnel(std::shared_ptr<HttpConnection> self);
    static boost::asio::awaitable<Result<void>> handshake(std::shared_ptr<HttpConnection> self);
    // To and from the socket itself.
    static boost::asio::awaitable<Written> write_raw(std::shared_ptr<HttpConnection> self, Buffers& buffers);
    static boost::asio::awaitable<Written> write_pending(std::shared_ptr<HttpConnection> self);
    static boost::asio::awaitable<Read> read_raw(std::shared_ptr<HttpConnection> self);
    void expire_at(std::chrono::steady_clock::time_point when);
    void arm(std::chrono::steady_clock::time_point when);
    void on_timer(std::uint64_t generation);
    Error failure(const boost::system::error_code& error) const;
    Error not_connected(const boost::system::error_code& error) const;
    Error tls_failure() const;

    boost::asio::generic::stream_protocol::socket socket_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<const HttpTarget> target_;
    std::unique_ptr<TlsEngine> tls_;
    bool secured_ = false; // the handshake is done
    bool sending_ = false; // what TLS has to send
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
    std::chrono::steady_clock::time_point armed_for_ = std::chrono::steady_clock::time_point::max();
    std::uint64_t generation_ = 0; // of the timer: an earlier one's late handler is not heard
    bool expired_ = false;
    std::unique_ptr<char[]> buffer_;
};

} // namespace sandboxkit::net
