// SPDX-License-Identifier: Apache-2.0
#include "net/peer_errors.hpp"

#include <boost/asio/error.hpp>

#include <utility>

namespace sandboxkit::net {

namespace {

namespace asio = boost::asio;

Error unavailable(const HttpTarget& target, const char* code, std::string message, std::string remedy, std::string detail) {
    return Error{ErrorClass::unavailable, target.code_prefix + code, std::move(message),
                 std::move(remedy),       std::move(detail),         {}};
}

} // namespace

Error cancelled() {
    return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

Error bad_target(const HttpTarget& target) {
    return Error{ErrorClass::invalid,
                 "http_target",
                 "the address of " + target.name + " is neither a Unix socket nor a host and port",
                 "",
                 "",
                 {}};
}

Error timed_out(const HttpTarget& target) {
    return Error{ErrorClass::timeout, target.code_prefix + "_timeout", target.name + " did not answer in time", "", "", {}};
}

Error disconnected(const HttpTarget& target, std::string detail) {
    return unavailable(target, "_disconnected", "the connection to " + target.name + " broke", "check that it is still running",
                       std::move(detail));
}

Error answer_too_large(const HttpTarget& target, std::size_t limit) {
    return Error{ErrorClass::quota,
                 target.code_prefix + "_answer_too_large",
                 target.name + " answered with more than " + std::to_string(limit) + " bytes",
                 "",
                 "",
                 {}};
}

Error not_connected(const HttpTarget& target, const boost::system::error_code& error, std::string detail) {
    if (!target.unix_socket.empty())
        return unavailable(target, "_unreachable", "no connection to " + target.name + " could be made",
                           "check that it is running", std::move(detail));
    if (error == asio::error::timed_out) {
        Error late = timed_out(target);
        late.detail = std::move(detail);
        return late;
    }
    if (error == asio::error::connection_refused)
        return unavailable(target, "_refused", "nothing listens where " + target.name + " should answer",
                           "check that it is running, and its port", std::move(detail));
    if (error == asio::error::host_not_found || error == asio::error::host_not_found_try_again || error == asio::error::no_data ||
        error == asio::error::no_recovery || error == asio::error::service_not_found)
        return unavailable(target, "_name_not_found", "the host name of " + target.name + " has no address",
                           "check the name, and this machine's resolver", std::move(detail));
    return unavailable(target, "_unreachable", "no connection to " + target.name + " could be made",
                       "check the network between this machine and it", std::move(detail));
}

Error proxy_failed(const HttpTarget& target, std::string detail) {
    return unavailable(target, "_proxy_failed", "the proxy on the way to " + target.name + " makes no connection",
                       "check the proxy's address, and whether it allows this host and port", std::move(detail));
}

Error proxy_refused(const HttpTarget& target, unsigned status) {
    std::string detail = "HTTP status " + std::to_string(status);
    if (status != 407) return proxy_failed(target, std::move(detail));
    return Error{ErrorClass::permission,
                 target.code_prefix + "_proxy_credentials",
                 "the proxy on the way to " + target.name + " wants credentials, or others",
                 "give a user and a password that it accepts",
                 std::move(detail),
                 {}};
}

Error not_secured(const HttpTarget& target, const TlsFailure& failure) {
    switch (failure.fault) {
    case TlsFault::untrusted:
        return unavailable(target, "_certificate_untrusted",
                           "the certificate of " + target.name + " is not of a trusted authority",
                           "give the certificate of the authority that issued it, if that is to be trusted", failure.detail);
    case TlsFault::wrong_host:
        return unavailable(target, "_certificate_wrong_host",
                           "the certificate of " + target.name + " is not for the host '" + target.host + "'",
                           "use the host name that the certificate is for", failure.detail);
    case TlsFault::expired:
        return unavailable(target, "_certificate_expired", "the certificate of " + target.name + " is not valid at this time",
                           "have it renewed, or set this machine's clock", failure.detail);
    case TlsFault::client_certificate:
        return Error{ErrorClass::permission,
                     target.code_prefix + "_client_certificate_refused",
                     target.name + " wants a client certificate, or another one",
                     "give a certificate and key that it accepts",
                     failure.detail,
                     {}};
    case TlsFault::refused: break;
    }
    return unavailable(target, "_tls_refused", "there is no TLS 1.2 or newer with " + target.name,
                       "check that its port is one for TLS, and the versions of TLS that it allows", failure.detail);
}

} // namespace sandboxkit::net
