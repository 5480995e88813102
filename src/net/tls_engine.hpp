// SPDX-License-Identifier: Apache-2.0
// The client's side of one TLS connection, without I/O: ciphertext goes in and comes out as bytes, so that sockets, time
// limits and cancellation are those of every other connection. (Asio's ssl::stream does not hear total cancellation.)
#pragma once

#include "net/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;
struct bio_st;
struct x509_store_ctx_st;

namespace sandboxkit::net {

enum class TlsFault : std::uint8_t {
    refused,            // no agreement on TLS 1.2 or newer, or no TLS at all
    untrusted,          // the peer's certificate is not of a trusted authority
    wrong_host,         // it is for another name or address
    expired,            // it is not valid at this time
    client_certificate, // the peer wants one of the client, or not this one
};

struct TlsFailure {
    TlsFault fault = TlsFault::refused;
    std::string detail; // OpenSSL's text, with the certificate's subject and issuer; a stranger's, but printable ASCII
};

class TlsEngine {
public:
    enum class Step : std::uint8_t {
        done,
        needs_input, // feed() what the socket gives, then call again
        closed,      // the peer ended the connection as TLS wants it
        failed,      // failure() says why; final
    };

    // `host` is a name or an address, as the peer's certificate must have it.
    TlsEngine(std::shared_ptr<TlsContext> context, const std::string& host);
    ~TlsEngine();
    TlsEngine(const TlsEngine&) = delete;
    TlsEngine& operator=(const TlsEngine&) = delete;

    Step handshake();
    // After the handshake. Takes all of it, into output().
    Step write(std::string_view plaintext);
    // Up to `size` bytes of plaintext; `done` with at least one.
    Step read(char* into, std::size_t size, std::size_t& length);
    // Tells the peer that nothing more comes.
    void close();

    void feed(std::string_view ciphertext);
    // What is to be sent, after every call; of that, the first bytes that were.
    [[nodiscard]] std::string_view output() const { return std::string_view(output_).substr(sent_); }
    void sent(std::size_t bytes);

    // Nothing that the peer sent is left to be read, and it has not closed.
    [[nodiscard]] bool quiet() const;
    [[nodiscard]] const TlsFailure& failure() const { return failure_; }

private:
    static int on_verify(int preverified, x509_store_ctx_st* store);
    static int on_certificate_request(ssl_st* ssl, void* self);
    Step outcome(int returned);
    void collect_output();

    std::shared_ptr<TlsContext> context_;
    ssl_st* ssl_;
    bio_st* input_;   // owned by ssl_
    bio_st* written_; // owned by ssl_
    std::string output_;
    std::size_t sent_ = 0;
    bool failed_ = false;
    bool certificate_asked_ = false;
    TlsFailure failure_;
};

} // namespace sandboxkit::net
