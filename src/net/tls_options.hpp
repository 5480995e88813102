// SPDX-License-Identifier: Apache-2.0
// How a peer over TLS is trusted, and who the client says it is.
#pragma once

#include <filesystem>
#include <string>

namespace sandboxkit::net {

// The peer's certificate chain and its host name or address are always verified: nothing here turns that off.
// Trusted are the system's certificate authorities, read once in a process; or, when any are named here, those alone, unless
// `system` is set: who names the authority of one peer does not mean that every other may vouch for it too.
struct TlsOptions {
    std::filesystem::path ca_file; // of certificates in PEM; empty: none
    std::string ca;                // certificates in PEM; empty: none
    bool system = false;           // beside those that are named: the system's
    std::string certificate;       // the client's own in PEM, then its chain; empty: none
    std::string private_key;       // of `certificate`, in PEM, without a passphrase; a secret
};

} // namespace sandboxkit::net
