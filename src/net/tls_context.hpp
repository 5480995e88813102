// SPDX-License-Identifier: Apache-2.0
// What the TLS connections to one peer share: trust, the client's certificate, and the session to resume.
#pragma once

#include "net/tls_options.hpp"

#include <sandboxkit/error.hpp>

#include <memory>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace sandboxkit::net {

class TlsContext {
public:
    // Reads all that the options name. What is no PEM, a key that is not the certificate's, or one that is encrypted is
    // ErrorClass::invalid "tls_options"; no message holds any of it.
    static Result<std::shared_ptr<TlsContext>> make(const TlsOptions& options);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    [[nodiscard]] ssl_ctx_st* handle() const { return context_; }
    // A session of an earlier, verified connection, which saves the next one most of its handshake; null: none yet.
    [[nodiscard]] ssl_session_st* session() const { return session_; }

private:
    TlsContext();
    static int on_new_session(ssl_st* ssl, ssl_session_st* session);

    ssl_ctx_st* context_;
    ssl_session_st* session_ = nullptr;
};

} // namespace sandboxkit::net
