// SPDX-License-Identifier: Apache-2.0
#include "net/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::net {

namespace {

template <auto release>
struct Release {
    template <class T>
    void operator()(T* object) const {
        release(object);
    }
};
using Certificate = std::unique_ptr<X509, Release<&X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<&EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Release<&BIO_free>>;

Error bad_options(std::string message) {
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    ERR_clear_error();
    return Error{ErrorClass::invalid,
                 "tls_options",
                 std::move(message),
                 "give certificates and keys as PEM text",
                 reason != nullptr ? reason : "",
                 {}};
}

Bio reader_of(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return nullptr;
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL's own would ask on the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

// All certificates of a text; none when one of them cannot be read.
std::vector<Certificate> read_certificates(std::string_view pem) {
    std::vector<Certificate> certificates;
    const Bio reader = reader_of(pem);
    while (reader) {
        Certificate certificate(PEM_read_bio_X509(reader.get(), nullptr, &no_passphrase, nullptr));
        if (!certificate) break;
        certificates.push_back(std::move(certificate));
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return {};
    if (!certificates.empty()) ERR_clear_error();
    return certificates;
}

// Read once in a process, which takes tens of milliseconds; null: cannot be read.
X509_STORE* system_authorities() {
    static X509_STORE* const store = [] {
        X509_STORE* made = X509_STORE_new();
        if (made != nullptr && X509_STORE_set_default_paths(made) == 1) return made;
        X509_STORE_free(made);
        return static_cast<X509_STORE*>(nullptr);
    }();
    return store;
}

Result<void> trust(SSL_CTX* context, const TlsOptions& options) {
    if (options.ca.empty() && options.ca_file.empty()) {
        X509_STORE* system = system_authorities();
        if (system == nullptr || X509_STORE_up_ref(system) != 1)
            return bad_options("the system's certificate authorities cannot be read");
        SSL_CTX_set_cert_store(context, system);
        return {};
    }
    if (!options.ca_file.empty() && SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1)
        return bad_options("the file of certificate authorities '" + options.ca_file.string() + "' cannot be read");
    if (options.system && SSL_CTX_set_default_verify_paths(context) != 1)
        return bad_options("the system's certificate authorities cannot be read");
    if (options.ca.empty()) return {};
    const auto authorities = read_certificates(options.ca);
    if (authorities.empty()) return bad_options("the certificate authorities are no certificates in PEM");
    for (const auto& authority : authorities)
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1)
            return bad_options("a certificate authority cannot be used");
    return {};
}

Result<void> identify(SSL_CTX* context, const TlsOptions& options) {
    if (options.certificate.empty() != options.private_key.empty())
        return bad_options("a client certificate and its private key only go together");
    if (options.certificate.empty()) return {};
    const auto chain = read_certificates(options.certificate);
    if (chain.empty()) return bad_options("the client certificate is no certificate in PEM");
    if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) return bad_options("the client certificate cannot be used");
    for (std::size_t i = 1; i < chain.size(); ++i)
        if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1)
            return bad_options("the client certificate's chain cannot be used");
    const Bio reader = reader_of(options.private_key);
    const Key key(reader ? PEM_read_bio_PrivateKey(reader.get(), nullptr, &no_passphrase, nullptr) : nullptr);
    if (!key) return bad_options("the private key is not PEM, or is encrypted");
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
        return bad_options("the private key is not that of the client certificate");
    return {};
}

} // namespace

TlsContext::TlsContext() : context_(SSL_CTX_new(TLS_client_method())) {
    if (context_ == nullptr) throw std::bad_alloc();
}

TlsContext::~TlsContext() {
    SSL_SESSION_free(session_);
    SSL_CTX_free(context_);
}

int TlsContext::on_new_session(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    SSL_SESSION_free(std::exchange(self->session_, session));
    return 1; // it is ours now
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsOptions& options) {
    ERR_clear_error();
    std::shared_ptr<TlsContext> made(new TlsContext);
    SSL_CTX* context = made->context_;
    static constexpr unsigned char http_1_1[] = "\x08http/1.1";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(context, http_1_1, sizeof http_1_1 - 1) != 0)
        return bad_options("TLS 1.2 cannot be set up");
    SSL_CTX_set_app_data(context, made.get());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &on_new_session);
    auto trusted = trust(context, options);
    if (!trusted) return trusted.error();
    auto identified = identify(context, options);
    if (!identified) return identified.error();
    ERR_clear_error();
    return made;
}

} // namespace sandboxkit::net
