// SPDX-License-Identifier: Apache-2.0
// What the sandbox's refusals mean: Connect codes, plain HTTP statuses, and their bodies.
#pragma once

#include "net/http_message.hpp"

#include <sandboxkit/error.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <string_view>

namespace sandboxkit::envd {

// The class of a Connect code; internal for one that is not in the protocol. The peer's "canceled" is unavailable:
// ErrorClass::cancelled means that our caller cancelled.
[[nodiscard]] ErrorClass class_of_connect_code(std::string_view code);

// The Connect code that a status stands for when nothing better is said; envd and its proxies do not follow the
// protocol's own table here (403 permission_denied, 404 not_found, 429 resource_exhausted, ...).
[[nodiscard]] std::string_view connect_code_of_status(unsigned status);

// Error::code is "guest_" and the Connect code, Error::detail the peer's message.
[[nodiscard]] Error guest_error(std::string_view operation, std::string_view connect_code, std::string_view peer_message);

// The "error" object of an end frame. Wrong types in it are a protocol error.
[[nodiscard]] Error error_of_end_frame(std::string_view operation, const boost::json::object& error);

// An answer whose status is not the expected one. A body that is no JSON is only text. To an RPC, a 404 in plain text
// is the router's: the server does not know the method.
enum class Route : std::uint8_t { rpc, plain };
[[nodiscard]] Error error_of_response(std::string_view operation, Route route, const net::HttpResponse& response);

} // namespace sandboxkit::envd
