// SPDX-License-Identifier: Apache-2.0
// Reads one HTTP/1.1 request from bytes, however they are cut. No I/O: every step can be tested without a socket.
#pragma once

#include "net/http_message.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::net {

struct HttpRequestHead {
    std::string method;
    std::string target; // as sent
    HttpHeaders headers;
    bool keep_alive = true;
    bool expects_continue = false;
};

class HttpRequestParser {
public:
    static constexpr std::size_t head_limit = 16 * 1024; // bytes of the request line and the headers

    HttpRequestParser();
    ~HttpRequestParser();
    HttpRequestParser(const HttpRequestParser&) = delete;
    HttpRequestParser& operator=(const HttpRequestParser&) = delete;

    // Takes the next bytes and appends what they hold of the body, with the chunk framing removed, to `body`. Keeps at most an
    // unfinished head or chunk line. Final: invalid "http_request", also for bytes beyond the request, since a client waits for
    // the answer before it sends another.
    Result<void> feed(std::string_view bytes, std::string& body);

    [[nodiscard]] bool head_done() const;
    [[nodiscard]] bool done() const;
    [[nodiscard]] const HttpRequestHead& head() const; // complete when head_done()

private:
    class Message;
    std::unique_ptr<Message> message_;
    std::string pending_;         // bytes of an unfinished head or chunk line
    std::size_t field_bytes_ = 0; // of an unfinished head or trailer
};

} // namespace sandboxkit::net
