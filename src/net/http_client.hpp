// SPDX-License-Identifier: Apache-2.0
// An asynchronous HTTP/1.1 client over a Unix socket, TCP, or TLS on TCP, for one peer.
//
// Unary requests share a small pool of kept-alive connections; every stream has a connection of its own.
// Executor: one that never runs two handlers at once (a strand, or a context run by one thread); every call is made
// from a coroutine on it. Lifetimes: what is under way keeps the client's state alive.
// Cancellation: total, at every suspension; the result is ErrorClass::cancelled, and a unary request's connection is closed.
// Errors, with <prefix> of the target (see peer_errors.hpp): no connection: unavailable "<prefix>_name_not_found",
// "<prefix>_refused", "<prefix>_unreachable"; through a proxy unavailable "<prefix>_proxy_failed", permission
// "<prefix>_proxy_credentials"; no trust: unavailable "<prefix>_certificate_untrusted",
// "<prefix>_certificate_wrong_host", "<prefix>_certificate_expired", "<prefix>_tls_refused", permission
// "<prefix>_client_certificate_refused"; it broke in the middle: unavailable "<prefix>_disconnected"; timeout "<prefix>_timeout";
// internal "peer_protocol" (not HTTP); quota "<prefix>_answer_too_large"; invalid "http_request" (see http_message.hpp),
// "http_target", "tls_options" (see tls_context.hpp).
#pragma once

#include "net/http_message.hpp"
#include "net/http_proxy.hpp"
#include "net/tls_options.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::net {

// The peer. Exactly one of `unix_socket`, `dial` and `host` is set.
struct HttpTarget {
    std::filesystem::path unix_socket; // of any length; its last component must not be a symbolic link
    // Makes a connection by other means, in at most the time given: a stream socket, which is then the client's.
    std::function<boost::asio::awaitable<Result<int>>(std::chrono::milliseconds limit)> dial;
    std::string host;                 // name or address, an IPv6 address without brackets
    std::uint16_t port = 0;           // 1..65535 with `host`
    std::optional<TlsOptions> tls;    // absent: none; only with `host`, which the certificate must be for
    std::optional<HttpProxy> proxy;   // only with `host`: the way to it, which TLS goes through unread
    std::string name = "the peer";    // how messages call it
    std::string code_prefix = "peer"; // of the error codes above
    std::chrono::milliseconds connect_limit = std::chrono::seconds(10); // > 0; for name, connection and TLS together
    // How long a kept-alive connection may have been idle to be used again: firewalls forget them without a word.
    std::chrono::milliseconds idle_limit = std::chrono::seconds(60);
};

struct HttpLimits {
    std::size_t body = 8U << 20;                                // bytes of the answer's body
    std::chrono::milliseconds total = std::chrono::seconds(60); // from the connected socket to the last byte
};

// The next piece of a body; empty: its end. An error ends the request, whose body the peer then sees cut off.
using HttpBodySource = std::function<boost::asio::awaitable<Result<std::string>>()>;

// The answer to a streaming request.
class HttpStream {
public:
    class Impl;
    explicit HttpStream(std::shared_ptr<Impl> impl);

    [[nodiscard]] const HttpHead& head() const;
    // The next bytes of the body, at most about 64 KiB; empty at its regular end. The socket is read only when asked.
    // No byte of it for as long as `silence` (0: no limit) is "<prefix>_disconnected". One read at a time.
    // Cancelling loses nothing: the next read goes on.
    boost::asio::awaitable<Result<std::string>> read_some(std::chrono::milliseconds silence);
    // Of one that HttpClient::attach made: to the peer; beside a read, one write at a time. After a failed or cancelled one only
    // close() makes sense.
    // With a `limit` of more than 0 only while nothing is read: then a peer that does not take them is a timeout.
    boost::asio::awaitable<Result<void>> write(std::string bytes, std::chrono::milliseconds limit = {});
    void close();

private:
    std::shared_ptr<Impl> impl_;
};

class HttpClient {
public:
    static constexpr std::size_t idle_connections_limit = 4;

    HttpClient(boost::asio::any_io_executor executor, HttpTarget target);

    // Sends, and reads the whole answer, whatever its status. Tried again, once and on a fresh connection, only when a kept-alive
    // connection turned out closed before any byte of the answer, and the request is idempotent or cannot have been read whole.
    boost::asio::awaitable<Result<HttpResponse>> unary(HttpRequest request, HttpLimits limits = {});

    // Sends on a connection of its own; returns with the answer's head, at most `limit` after connecting.
    boost::asio::awaitable<Result<HttpStream>> stream(HttpRequest request,
                                                      std::chrono::milliseconds limit = std::chrono::seconds(60));

    // As stream(), for a request after which the connection carries bytes both ways and HTTP no more: read_some() then gives
    // what the peer sends, and its end is a regular one. An answer that is none of that kind, an error say, is read as by
    // stream().
    boost::asio::awaitable<Result<HttpStream>> attach(HttpRequest request,
                                                      std::chrono::milliseconds limit = std::chrono::seconds(60));

    // Sends a body of unknown length in chunks, on a connection of its own, and reads the whole answer, which the peer may give
    // early. `limits.total` is for each piece to be taken, and for the answer after the last.
    boost::asio::awaitable<Result<HttpResponse>> upload(HttpRequest request, HttpBodySource source, HttpLimits limits = {});

    // As upload(), but returns with the answer's head, as stream() does. `limit` is for each piece to be taken, and for the head
    // after the last.
    boost::asio::awaitable<Result<HttpStream>> transfer(HttpRequest request, HttpBodySource source,
                                                        std::chrono::milliseconds limit = std::chrono::seconds(60));

private:
    struct State;
    static boost::asio::awaitable<Result<HttpResponse>> run_unary(std::shared_ptr<State> state, HttpRequest request,
                                                                  HttpLimits limits);
    static boost::asio::awaitable<Result<HttpStream>> run_stream(std::shared_ptr<State> state, HttpRequest request,
                                                                 std::chrono::milliseconds limit, bool attach);
    static boost::asio::awaitable<Result<HttpResponse>> run_upload(std::shared_ptr<State> state, HttpRequest request,
                                                                   HttpBodySource source, HttpLimits limits);
    static boost::asio::awaitable<Result<HttpStream>> run_transfer(std::shared_ptr<State> state, HttpRequest request,
                                                                   HttpBodySource source, std::chrono::milliseconds limit);
    std::shared_ptr<State> state_;
};

} // namespace sandboxkit::net
