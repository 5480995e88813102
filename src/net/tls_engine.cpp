// SPDX-License-Identifier: Apache-2.0
#include "net/tls_engine.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

namespace sandboxkit::net {

namespace {

constexpr std::size_t name_limit = 512; // bytes of a subject or issuer

std::string text_of(const X509_NAME* name) {
    BIO* bio = BIO_new(BIO_s_mem());
    if (bio == nullptr) throw std::bad_alloc();
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); // escapes control characters and all that is not ASCII
    char* begin = nullptr;
    const long length = BIO_get_mem_data(bio, &begin);
    std::string text;
    if (length > 0) text.assign(begin, std::min(static_cast<std::size_t>(length), name_limit));
    BIO_free(bio);
    return text;
}

TlsFault fault_of_verification(int error) {
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TlsFault::wrong_host;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return TlsFault::expired;
    default: return TlsFault::untrusted;
    }
}

// RFC 8446, 6: the alerts by which a peer refuses what the client showed of itself.
bool is_about_client_certificate(int alert) {
    constexpr std::array alerts = {SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
                                   SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,     SSL_AD_UNKNOWN_CA,
                                   SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
    return std::ranges::find(alerts, alert) != alerts.end();
}

} // namespace

TlsEngine::TlsEngine(std::shared_ptr<TlsContext> context, const std::string& host)
    : context_(std::move(context)), ssl_(SSL_new(context_->handle())), input_(BIO_new(BIO_s_mem())),
      written_(BIO_new(BIO_s_mem())) {
    if (ssl_ == nullptr || input_ == nullptr || written_ == nullptr) {
        SSL_free(ssl_);
        BIO_free(input_);
        BIO_free(written_);
        throw std::bad_alloc();
    }
    SSL_set_bio(ssl_, input_, written_);
    SSL_set_connect_state(ssl_);
    SSL_set_app_data(ssl_, this);
    SSL_set_verify(ssl_, SSL_VERIFY_PEER, &on_verify);
    SSL_set_cert_cb(ssl_, &on_certificate_request, this);
    X509_VERIFY_PARAM* expected = SSL_get0_param(ssl_);
    // RFC 9525: the names are those of subjectAltName; a common name is none.
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1;
    // An empty name would mean to OpenSSL that none is to be checked.
    const bool is_name = !is_address && !host.empty() && X509_VERIFY_PARAM_set1_host(expected, host.data(), host.size()) == 1 &&
                         SSL_set_tlsext_host_name(ssl_, host.c_str()) == 1;
    ERR_clear_error();
    if (!is_address && !is_name) {
        failed_ = true;
        failure_ = {TlsFault::wrong_host, "the host is neither a name nor an address"};
    }
    if (SSL_SESSION* session = context_->session()) SSL_set_session(ssl_, session);
}

TlsEngine::~TlsEngine() {
    SSL_free(ssl_);
}

// Only takes note: what OpenSSL decided stands.
int TlsEngine::on_verify(int preverified, X509_STORE_CTX* store) {
    if (preverified == 1) return preverified;
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* self = static_cast<TlsEngine*>(SSL_get_app_data(ssl));
    const int error = X509_STORE_CTX_get_error(store);
    self->failed_ = true;
    self->failure_.fault = fault_of_verification(error);
    self->failure_.detail = X509_verify_cert_error_string(error);
    if (const X509* certificate = X509_STORE_CTX_get_current_cert(store))
        self->failure_.detail += "; subject: " + text_of(X509_get_subject_name(certificate)) +
                                 "; issuer: " + text_of(X509_get_issuer_name(certificate));
    return preverified;
}

int TlsEngine::on_certificate_request(SSL*, void* self) {
    static_cast<TlsEngine*>(self)->certificate_asked_ = true;
    return 1; // with the one that there is, or none
}

TlsEngine::Step TlsEngine::outcome(int returned) {
    const int kind = SSL_get_error(ssl_, returned);
    collect_output();
    if (kind == SSL_ERROR_NONE) return Step::done;
    if (kind == SSL_ERROR_WANT_READ) return Step::needs_input;
    if (kind == SSL_ERROR_ZERO_RETURN) return Step::closed;
    const unsigned long code = ERR_peek_error();
    if (!failed_) {
        failed_ = true;
        const int alert = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET : -1;
        // TLS 1.2 has no alert of its own for a certificate that is missing.
        const bool missing = certificate_asked_ && alert == SSL_AD_HANDSHAKE_FAILURE;
        failure_.fault = is_about_client_certificate(alert) || missing ? TlsFault::client_certificate : TlsFault::refused;
        const char* reason = ERR_reason_error_string(code);
        failure_.detail = reason != nullptr ? reason : "TLS failed";
    }
    ERR_clear_error();
    return Step::failed;
}

TlsEngine::Step TlsEngine::handshake() {
    if (failed_) return Step::failed;
    ERR_clear_error();
    return outcome(SSL_do_handshake(ssl_));
}

TlsEngine::Step TlsEngine::write(std::string_view plaintext) {
    if (failed_) return Step::failed;
    ERR_clear_error();
    std::size_t length = 0;
    return outcome(SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &length));
}

TlsEngine::Step TlsEngine::read(char* into, std::size_t size, std::size_t& length) {
    length = 0;
    Step step = failed_ ? Step::failed : Step::done;
    while (step == Step::done && length < size) {
        ERR_clear_error();
        std::size_t record = 0;
        step = outcome(SSL_read_ex(ssl_, into + length, size - length, &record));
        length += record;
    }
    return length > 0 ? Step::done : step; // what ended it is told by the next call
}

void TlsEngine::close() {
    if (failed_ || SSL_is_init_finished(ssl_) != 1) return;
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
    collect_output();
}

void TlsEngine::feed(std::string_view ciphertext) {
    if (ciphertext.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
        BIO_write(input_, ciphertext.data(), static_cast<int>(ciphertext.size())) != static_cast<int>(ciphertext.size()))
        throw std::bad_alloc();
}

void TlsEngine::collect_output() {
    const std::size_t pending = BIO_ctrl_pending(written_);
    if (pending == 0) return;
    const std::size_t begin = output_.size();
    output_.resize(begin + pending);
    BIO_read(written_, output_.data() + begin, static_cast<int>(pending));
}

void TlsEngine::sent(std::size_t bytes) {
    sent_ += bytes;
    if (sent_ < output_.size()) return;
    output_.clear();
    sent_ = 0;
}

bool TlsEngine::quiet() const {
    return !failed_ && BIO_ctrl_pending(input_) == 0 && SSL_has_pending(ssl_) == 0 && SSL_get_shutdown(ssl_) == 0;
}

} // namespace sandboxkit::net
