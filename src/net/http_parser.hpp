// SPDX-License-Identifier: Apache-2.0
// Reads one HTTP/1.1 response from bytes, however they are cut. No I/O: every step can be tested without a socket.
#pragma once

#include "net/http_message.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::net {

class HttpResponseParser {
public:
    static constexpr std::size_t head_limit = 64 * 1024;       // bytes of status line and headers
    static constexpr std::size_t interim_responses_limit = 16; // 1xx before the response

    HttpResponseParser();
    ~HttpResponseParser();
    HttpResponseParser(const HttpResponseParser&) = delete;
    HttpResponseParser& operator=(const HttpResponseParser&) = delete;

    // Takes the next bytes and appends what they hold of the body, with the chunk framing removed, to `body`.
    // Keeps at most an unfinished head or chunk line. An error ("peer_protocol") is final.
    Result<void> feed(std::string_view bytes, std::string& body);

    // The peer closed. True: the message was one that ends with the connection, and is complete now.
    // False: it was cut off.
    bool finish();

    [[nodiscard]] bool head_done() const;            // head() is complete
    [[nodiscard]] bool done() const;                 // the whole message was read
    [[nodiscard]] bool reusable() const;             // done, and the connection may carry another request
    [[nodiscard]] bool ends_with_connection() const; // neither a length nor chunks say where the body ends
    [[nodiscard]] const HttpHead& head() const;

private:
    class Message;
    Result<void> restart_after_interim();

    std::unique_ptr<Message> message_;
    std::string pending_; // bytes of an unfinished head or chunk line
    std::size_t interim_responses_ = 0;
    std::size_t field_bytes_ = 0; // of an unfinished head or trailer
    bool excess_ = false;         // the peer sent more than the message
};

} // namespace sandboxkit::net
