// SPDX-License-Identifier: Apache-2.0
// The HTTP client over TLS, against a real terminator and peers that do what they should not.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "net/http_client.hpp"
#include "net/loop.hpp"
#include "net/tls_terminator.hpp"

#include <cstdio>
#include <future>

using namespace sandboxkit;
using net::HttpClient;
using net::HttpRequest;
using net::HttpTarget;
using net::TlsOptions;
using test::Authority;
using test::Loop;
using test::PeerConnection;
using test::ScriptedPeer;
using test::TlsTerminator;
using namespace std::chrono_literals;

namespace {
const Authority* system_authority; // what OpenSSL takes for the system's
}

int main(int count, char** words) {
    if (!TlsTerminator::available()) {
        std::puts("SKIPPED: there is no haproxy");
        return 77;
    }
    const Authority authority("System");
    system_authority = &authority;
    ::setenv("SSL_CERT_FILE", authority.file("authority.pem").c_str(), 1);
    return doctest::Context(count, words).run();
}

namespace {

constexpr const char* here = "DNS:localhost,IP:127.0.0.1";

HttpTarget target_of(std::uint16_t port, TlsOptions tls, std::string host = "localhost") {
    HttpTarget target;
    target.host = std::move(host);
    target.port = port;
    target.tls = std::move(tls);
    return target;
}

TlsOptions trusting(const Authority& authority) {
    TlsOptions tls;
    tls.ca = authority.text("authority.pem");
    return tls;
}

HttpRequest get() {
    return {"GET", "/", {}, "", true};
}

std::string ok(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

void echo_requests(PeerConnection& peer) {
    for (;;) {
        const auto request = peer.read_request();
        if (request.empty() || !peer.send(ok(request))) return;
    }
}

void expect(const Error& error, ErrorClass kind, std::string_view code) {
    CHECK(to_string(error.kind) == to_string(kind));
    CHECK(error.code == code);
}

Result<net::HttpResponse> ask(HttpTarget target) {
    Loop loop;
    HttpClient client(loop.executor(), std::move(target));
    return loop.run(client.unary(get()));
}

Error failure(HttpTarget target) {
    Loop loop;
    HttpClient client(loop.executor(), std::move(target));
    auto unary = loop.run(client.unary(get()));
    auto stream = loop.run(client.stream(get()));
    REQUIRE(!unary);
    REQUIRE(!stream);
    CHECK(stream.error().code == unary.error().code);
    return unary.error();
}

// Passes bytes between the client and a port of 127.0.0.1, at most `limit` of them to the client.
struct Relay {
    explicit Relay(std::uint16_t to) : peer([this, to](PeerConnection& client) { pass(client, to); }, ScriptedPeer::Kind::tcp) {}

    std::atomic<std::size_t> limit = SIZE_MAX;
    std::atomic<bool> complete = false; // the other side closed and all it sent was passed on
    ScriptedPeer peer;

private:
    void pass(PeerConnection& client, std::uint16_t to) {
        complete = false;
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(to);
        if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) pump(client, server);
        ::close(server);
    }
    void pump(PeerConnection& client, int server) {
        std::size_t left = limit;
        char buffer[65536];
        while (left > 0) {
            pollfd waits[2] = {{client.fd(), POLLIN, 0}, {server, POLLIN, 0}};
            if (::poll(waits, 2, -1) < 0) return;
            if (waits[1].revents != 0) {
                const auto n = ::recv(server, buffer, sizeof buffer, 0);
                complete = n == 0;
                if (n <= 0) return;
                const auto some = std::min(left, static_cast<std::size_t>(n));
                if (!client.send({buffer, some})) return;
                left -= some;
            }
            if (waits[0].revents != 0) {
                const auto n = ::recv(client.fd(), buffer, sizeof buffer, 0);
                if (n <= 0 || ::send(server, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) return;
            }
        }
    }
};

} // namespace

TEST_CASE("an authority of one's own, as text or file; the peer by name or address; one kept connection") {
    const Authority authority;
    authority.issue("server", here);
    for (const std::string host : {"localhost", "127.0.0.1"}) {
        ScriptedPeer peer(echo_requests);
        const TlsTerminator terminator(authority.file("server.both"), peer.path());
        TlsOptions by_file;
        by_file.ca_file = authority.file("authority.pem");
        CHECK(ask(target_of(terminator.port(), by_file, host)));
        Loop loop;
        HttpClient client(loop.executor(), target_of(terminator.port(), trusting(authority), host));
        for (int i = 0; i < 20; ++i) {
            const auto response = loop.run(client.unary({"POST", "/", {}, std::string(100'000, 'x'), false}));
            REQUIRE(response);
            CHECK(response->body.ends_with("xxx"));
            CHECK(response->body.find("Host: " + host + ":" + std::to_string(terminator.port()) + "\r\n") != std::string::npos);
        }
        CHECK(peer.connections() == 2);
    }
}

TEST_CASE("the system's authorities are trusted where none are named, and only there") {
    system_authority->issue("server", here);
    ScriptedPeer peer(echo_requests);
    const TlsTerminator terminator(system_authority->file("server.both"), peer.path());
    CHECK(ask(target_of(terminator.port(), {})));
    const Authority other;
    expect(failure(target_of(terminator.port(), trusting(other))), ErrorClass::unavailable, "peer_certificate_untrusted");
    TlsOptions by_file;
    by_file.ca_file = other.file("authority.pem");
    expect(failure(target_of(terminator.port(), by_file)), ErrorClass::unavailable, "peer_certificate_untrusted");
}

TEST_CASE("a certificate that does not prove who the peer is") {
    const Authority authority;
    const Authority stranger("Stranger");
    authority.issue("server", here);
    authority.issue("localhost", "DNS:other.example,IP:127.0.0.2"); // the common name counts for nothing
    authority.issue("old", here, -1);
    authority.issue_by_itself("alone", here);
    ScriptedPeer peer(echo_requests);
    const auto refused = [&](const std::string& certificate, const TlsOptions& tls, std::string_view code) {
        const TlsTerminator terminator(authority.file(certificate + ".both"), peer.path());
        for (const std::string host : {"localhost", "127.0.0.1"}) {
            const auto error = failure(target_of(terminator.port(), tls, host));
            expect(error, ErrorClass::unavailable, code);
            CHECK(!error.remedy.empty());
            CHECK(error.detail.find("subject: CN=" + certificate) != std::string::npos);
        }
    };
    refused("server", {}, "peer_certificate_untrusted");
    refused("server", trusting(stranger), "peer_certificate_untrusted");
    refused("alone", trusting(authority), "peer_certificate_untrusted");
    refused("localhost", trusting(authority), "peer_certificate_wrong_host");
    refused("old", trusting(authority), "peer_certificate_expired");
    CHECK(peer.connections() == 0); // not a byte of a request was sent
    TlsOptions alone;
    alone.ca = authority.text("alone.pem");
    const TlsTerminator terminator(authority.file("alone.both"), peer.path());
    CHECK(ask(target_of(terminator.port(), alone)));
}

TEST_CASE("a peer that wants a client certificate") {
    const Authority authority;
    const Authority stranger("Stranger");
    authority.issue("server", here);
    authority.issue("client", "DNS:client.example");
    stranger.issue("client", "DNS:client.example");
    ScriptedPeer peer(echo_requests);
    const auto with = [&](const Authority& issuer) {
        auto tls = trusting(authority);
        tls.certificate = issuer.text("client.pem");
        tls.private_key = issuer.text("client.key");
        return tls;
    };
    for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
        CAPTURE(version);
        const TlsTerminator terminator(authority.file("server.both"), peer.path(),
                                       "verify required ca-file " + authority.file("authority.pem").string() + " ssl-min-ver " +
                                           version + " ssl-max-ver " + version);
        CHECK(ask(target_of(terminator.port(), with(authority))));
        expect(failure(target_of(terminator.port(), trusting(authority))), ErrorClass::permission,
               "peer_client_certificate_refused");
        expect(failure(target_of(terminator.port(), with(stranger))), ErrorClass::permission, "peer_client_certificate_refused");
    }
}

TEST_CASE("TLS older than 1.2") {
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer(echo_requests);
    const TlsTerminator terminator(authority.file("server.both"), peer.path(),
                                   "ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.1 ciphers ALL:@SECLEVEL=0");
    expect(failure(target_of(terminator.port(), trusting(authority))), ErrorClass::unavailable, "peer_tls_refused");
}

TEST_CASE("TLS on one side only") {
    ScriptedPeer plain([](PeerConnection& peer) { peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"); },
                       ScriptedPeer::Kind::tcp);
    expect(failure(target_of(plain.port(), {})), ErrorClass::unavailable, "peer_tls_refused");
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer(echo_requests);
    const TlsTerminator terminator(authority.file("server.both"), peer.path());
    auto target = target_of(terminator.port(), {});
    target.tls.reset();
    expect(failure(target), ErrorClass::unavailable, "peer_disconnected");
    CHECK(peer.connections() == 0);
}

TEST_CASE("a peer that stalls in the handshake") {
    test::Trigger cancel;
    cancel.set([] {});
    ScriptedPeer peer(
        [&](PeerConnection& connection) {
            connection.read_some();
            cancel();
            connection.wait_for_close();
        },
        ScriptedPeer::Kind::tcp);
    auto target = target_of(peer.port(), {});
    target.connect_limit = 50ms;
    expect(failure(target), ErrorClass::timeout, "peer_timeout");
    target.connect_limit = 1h;
    Loop loop;
    HttpClient client(loop.executor(), target);
    auto operation = loop.start(client.unary(get()));
    cancel.set([operation]() mutable { operation.cancel(); });
    const auto response = loop.finish(operation);
    REQUIRE(!response);
    expect(response.error(), ErrorClass::cancelled, "cancelled");
    cancel.set([] {});
}

TEST_CASE("a peer that floods the handshake") {
    // Records of a handshake: of no sense; each with many requests to begin, which a client ignores; a message without an end.
    const auto record = [](std::string body) { return std::string("\x16\x03\x03\x40", 4) + std::string(1, '\0') + body; };
    const std::string floods[] = {std::string(0x4000, 'x'), record(std::string(0x4000, 'x')), record(std::string(0x4000, '\0')),
                                  record(std::string("\x02\xff\xff\xff", 4) + std::string(0x4000 - 4, 'x')),
                                  std::string("\x15\x03\x03\x00\x02\x01\x5a", 7)};
    for (const auto& flood : floods) {
        ScriptedPeer peer(
            [&](PeerConnection& connection) {
                while (connection.send(flood)) {
                }
            },
            ScriptedPeer::Kind::tcp);
        auto target = target_of(peer.port(), {});
        target.connect_limit = 200ms;
        const auto response = ask(target);
        REQUIRE(!response);
        const bool told = response.error().code == "peer_tls_refused" || response.error().code == "peer_timeout";
        CHECK(told);
    }
}

TEST_CASE("a connection cut at any byte is never a whole answer") {
    const Authority authority;
    authority.issue("server", here);
    // Only the end of the connection ends this body: TLS has to say that it is one.
    ScriptedPeer peer([](PeerConnection& connection) {
        if (!connection.read_request().empty()) connection.send("HTTP/1.1 200 OK\r\n\r\nhello");
    });
    for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
        const TlsTerminator terminator(authority.file("server.both"), peer.path(),
                                       "ssl-min-ver " + version + " ssl-max-ver " + version);
        Relay relay(terminator.port());
        std::size_t cut = 0;
        bool whole = false;
        for (; cut < 100'000 && !whole; cut += 7) {
            CAPTURE(cut);
            relay.limit = cut;
            const auto response = ask(target_of(relay.peer.port(), trusting(authority)));
            whole = response.has_value();
            if (whole) {
                CHECK(response->body == "hello");
            } else {
                expect(response.error(), ErrorClass::unavailable, "peer_disconnected");
            }
        }
        // The last bytes one by one: the alert that ends the connection has more than seven.
        REQUIRE(whole);
        const std::size_t enough = cut;
        for (cut = enough - 40; cut < enough; ++cut) {
            relay.limit = cut;
            const auto response = ask(target_of(relay.peer.port(), trusting(authority)));
            if (response) CHECK(response->body == "hello");
        }
    }
}

TEST_CASE("an answer with a length that is cut off") {
    const Authority authority;
    authority.issue("server", here);
    // The backend closes, so that the terminator ends TLS as it should, in the middle of the answer.
    ScriptedPeer peer([](PeerConnection& connection) {
        if (!connection.read_request().empty()) connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello");
    });
    const TlsTerminator terminator(authority.file("server.both"), peer.path());
    const auto response = ask(target_of(terminator.port(), trusting(authority)));
    REQUIRE(!response);
    expect(response.error(), ErrorClass::unavailable, "peer_disconnected");
}

TEST_CASE("a flood of an answer") {
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer([](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        while (connection.send(std::string(65536, 'x'))) {
        }
    });
    const TlsTerminator terminator(authority.file("server.both"), peer.path());
    const auto response = ask(target_of(terminator.port(), trusting(authority)));
    REQUIRE(!response);
    expect(response.error(), ErrorClass::quota, "peer_answer_too_large");
}

TEST_CASE("a kept connection that the peer closed is replaced") {
    const Authority authority;
    authority.issue("server", here);
    std::atomic<int> requests = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        ++requests;
        connection.send(ok("x"));
    });
    const TlsTerminator terminator(authority.file("server.both"), peer.path());
    Loop loop;
    HttpClient client(loop.executor(), target_of(terminator.port(), trusting(authority)));
    for (int i = 1; i <= 20; ++i) {
        REQUIRE(loop.run(client.unary(get())));
        CHECK(requests == i);
    }
}

TEST_CASE("later connections resume the first one's session") {
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer(echo_requests);
    for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
        CAPTURE(version);
        const TlsTerminator terminator(authority.file("server.both"), peer.path(),
                                       "alpn h2,http/1.1 ssl-min-ver " + version + " ssl-max-ver " + version, "http",
                                       " http-request set-header Resumed %[ssl_fc_is_resumed]\n"
                                       " http-request set-header Protocol %[ssl_fc_alpn]\n");
        Loop loop;
        HttpClient client(loop.executor(), target_of(terminator.port(), trusting(authority)));
        for (int i = 0; i < 4; ++i) {
            auto stream = loop.run(client.stream(get()));
            REQUIRE(stream);
            const auto body = loop.run(stream->read_some(1h));
            REQUIRE(body);
            CHECK(body->find("resumed: " + std::to_string(i > 0)) != std::string::npos);
            CHECK(body->find("protocol: http/1.1") != std::string::npos);
            stream->close();
        }
    }
}

TEST_CASE("options that cannot be used are refused before anything is connected") {
    const Authority authority;
    authority.issue("one", here);
    authority.issue("two", here);
    authority.encrypt_key("one");
    const auto refused = [](auto&& change) {
        TlsOptions tls;
        change(tls);
        const auto error = failure(target_of(1, tls));
        expect(error, ErrorClass::invalid, "tls_options");
        CHECK((error.message + error.detail + error.remedy).find("PRIVATE") == std::string::npos);
    };
    refused([](TlsOptions& tls) { tls.ca = "no certificate"; });
    refused([&](TlsOptions& tls) { tls.ca = authority.text("authority.pem") + authority.text("authority.pem").substr(0, 100); });
    refused([&](TlsOptions& tls) { tls.ca_file = authority.file("missing"); });
    refused([&](TlsOptions& tls) { tls.certificate = authority.text("one.pem"); });
    refused([&](TlsOptions& tls) { tls.private_key = authority.text("one.key"); });
    refused([&](TlsOptions& tls) {
        tls.certificate = authority.text("one.pem");
        tls.private_key = authority.text("two.key");
    });
    refused([&](TlsOptions& tls) {
        tls.certificate = authority.text("one.pem");
        tls.private_key = authority.text("locked.key");
    });
    refused([&](TlsOptions& tls) {
        tls.certificate = authority.text("one.key");
        tls.private_key = authority.text("one.key");
    });
}
