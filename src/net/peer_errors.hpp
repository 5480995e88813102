// SPDX-License-Identifier: Apache-2.0
// What goes wrong with a peer: each with its class, its code after the target's prefix, and what to do.
#pragma once

#include "net/http_client.hpp"
#include "net/tls_engine.hpp"

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <string>

namespace sandboxkit::net {

// One state for all callers of the client: ErrorClass::cancelled "cancelled".
[[nodiscard]] Error cancelled();
[[nodiscard]] Error bad_target(const HttpTarget& target);                          // invalid "http_target"
[[nodiscard]] Error timed_out(const HttpTarget& target);                           // timeout "_timeout"
[[nodiscard]] Error disconnected(const HttpTarget& target, std::string detail);    // unavailable "_disconnected"
[[nodiscard]] Error answer_too_large(const HttpTarget& target, std::size_t limit); // quota "_answer_too_large"

// No connection: unavailable "_name_not_found", "_refused" or "_unreachable"; timeout "_timeout" when the kernel gave up. A Unix
// socket is only ever "_unreachable".
[[nodiscard]] Error not_connected(const HttpTarget& target, const boost::system::error_code& error, std::string detail);

// No way through the proxy: permission "_proxy_credentials" when it asks for them, or for others; else unavailable
// "_proxy_failed".
[[nodiscard]] Error proxy_failed(const HttpTarget& target, std::string detail);
[[nodiscard]] Error proxy_refused(const HttpTarget& target, unsigned status);

// No trust: unavailable "_certificate_untrusted", "_certificate_wrong_host", "_certificate_expired" or "_tls_refused"; permission
// "_client_certificate_refused".
[[nodiscard]] Error not_secured(const HttpTarget& target, const TlsFailure& failure);

} // namespace sandboxkit::net
