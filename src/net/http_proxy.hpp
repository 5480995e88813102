// SPDX-License-Identifier: Apache-2.0
// A way to a peer through an HTTP proxy: RFC 9110, 9.3.6.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <string>

namespace sandboxkit::net {

// Never taken from the environment. The connection to the proxy itself is plain TCP.
struct HttpProxy {
    std::string host;       // name or address, an IPv6 address without brackets
    std::uint16_t port = 0; // 1..65535
    std::string user;       // without ':'; empty: no credentials
    std::string password;   // a secret; the proxy, and who is between, can read it
};

// "name:port", an IPv6 address in brackets.
[[nodiscard]] std::string authority_of(const std::string& host, std::uint16_t port);

// The request for a tunnel to that host and port. What could change its framing is ErrorClass::invalid "http_target".
[[nodiscard]] Result<std::string> encode_connect(const HttpProxy& proxy, const std::string& host, std::uint16_t port);

} // namespace sandboxkit::net
