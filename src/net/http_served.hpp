// SPDX-License-Identifier: Apache-2.0
// The other side of HTTP/1.1: a connection on which a client asks and this program answers, one request after the other. The
// client is untrusted: the head of a request is bounded in size and time, and the reader of a body decides how much it takes.
// Executor and cancellation as for the HttpClient that made the stream; one call at a time.
#pragma once

#include "net/http_client.hpp"
#include "net/http_request_parser.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::net {

class HttpServed {
public:
    // `stream`: one that HttpClient::attach made.
    explicit HttpServed(HttpStream stream) : stream_(std::move(stream)) {}

    // The head of the next request; none when the client has ended the connection, or may not send another on it. Its first byte
    // may take as long as `idle` (0: any time). What was left of the body before is an error.
    boost::asio::awaitable<Result<std::optional<HttpRequestHead>>> next(std::chrono::milliseconds idle);

    // The next bytes of the body, at most about 64 KiB; empty at its end. A client that waits to be told to send it is told.
    boost::asio::awaitable<Result<std::string>> read_body();

    // The whole answer. Of a body that was not read, the client may not get to see it.
    boost::asio::awaitable<Result<void>> respond(unsigned status, HttpHeaders headers, std::string body);
    // Or its head, and then its body in pieces; an empty one is its end.
    boost::asio::awaitable<Result<void>> begin(unsigned status, HttpHeaders headers);
    boost::asio::awaitable<Result<void>> write(std::string piece);

    void close() { stream_.close(); }

private:
    HttpStream stream_;
    std::unique_ptr<HttpRequestParser> parser_; // of the request under way
    std::string body_;                          // of it, not read yet
    bool continued_ = false;
};

} // namespace sandboxkit::net
