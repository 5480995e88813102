// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages as plain values, and the encoding of a request's head.
#pragma once

#include <sandboxkit/error.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>; // in order; names compare without case

struct HttpRequest {
    std::string method = "GET";
    std::string target = "/"; // path and query, already percent-encoded
    HttpHeaders headers;      // Content-Length and Connection are the client's; Host unless given here
    std::string body;
    bool chunked = false;    // the body follows in chunks, and `body` is empty
    bool idempotent = false; // sending it twice does what sending it once does
};

struct HttpHead {
    unsigned status = 0; // 200..599
    HttpHeaders headers;
};

struct HttpResponse {
    HttpHead head;
    std::string body;
};

// The first header of that name, compared without case.
[[nodiscard]] std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

// Whether a Content-Type names this media type, its parameters left aside.
[[nodiscard]] bool has_media_type(const HttpHeaders& headers, std::string_view media_type);

// Everything before the body. What could change the framing or smuggle a second header is ErrorClass::invalid
// "http_request"; the message never contains a header's value, which may be a secret.
[[nodiscard]] Result<std::string> encode_request_head(const HttpRequest& request, std::string_view host);

// RFC 3986: everything but unreserved characters and '/' becomes %XX, so that any bytes are a valid path.
[[nodiscard]] std::string percent_encode_path(std::string_view bytes);

} // namespace sandboxkit::net
