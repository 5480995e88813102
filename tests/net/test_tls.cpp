// SPDX-License-Identifier: Apache-2.0
// The HTTP client over TLS, against a real terminator and peers that do what they should not.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "net/http_client.hpp"
#include "net/loop.hpp"
#include "net/relay.hpp"
#include "net/tls_terminator.hpp"

#include <cstdio>
#include <mutex>

using namespace sandboxkit;
using net::HttpClient;
using net::HttpRequest;
using net::HttpTarget;
using net::TlsOptions;
using test::Authority;
using test::echo_requests;
using test::Loop;
using test::ok;
using test::PeerConnection;
using test::Relay;
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
    by_file.system = true; // now both
    CHECK(ask(target_of(terminator.port(), by_file)));
    other.issue("server", here);
    const TlsTerminator of_the_other(other.file("server.both"), peer.path());
    CHECK(ask(target_of(of_the_other.port(), by_file)));
}

TEST_CASE("a certificate that does not prove who the peer is") {
    const Authority authority;
    const Authority stranger("Stranger");
    authority.issue("server", here);
    authority.issue("other", "DNS:other.example,DNS:*.localhost,IP:127.0.0.2");
    authority.issue("localhost", ""); // the common name counts for nothing
    authority.issue_expired("old", here);
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
    refused("other", trusting(authority), "peer_certificate_wrong_host");
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

TEST_CASE("cancelling at every stage closes the connection and says so") {
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer(echo_requests);
    for (const std::string version : {"TLSv1.2", "TLSv1.3"}) {
        const TlsTerminator terminator(authority.file("server.both"), peer.path(),
                                       "ssl-min-ver " + version + " ssl-max-ver " + version);
        bool whole = false;
        for (std::size_t stage = 0; !whole; stage += 61) {
            CAPTURE(stage);
            test::Trigger cancel;
            std::atomic<bool> closed = false;
            Relay relay(terminator.port(), Relay::nothing, [&](PeerConnection& client) {
                cancel();
                client.wait_for_close();
                closed = true;
            });
            relay.limit = stage;
            Loop loop;
            HttpClient client(loop.executor(), target_of(relay.peer.port(), trusting(authority)));
            auto operation = loop.start(client.unary(get()));
            cancel.set([operation]() mutable { operation.cancel(); });
            const auto response = loop.finish(operation);
            whole = response.has_value();
            if (whole) continue;
            expect(response.error(), ErrorClass::cancelled, "cancelled");
            while (!closed) std::this_thread::yield(); // with the client alive: nothing was kept
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

TEST_CASE("through a proxy") {
    const Authority authority;
    authority.issue("server", here);
    ScriptedPeer peer(echo_requests);
    const TlsTerminator terminator(authority.file("server.both"), peer.path());
    std::mutex mutex;
    std::string asked;
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    Relay proxy(terminator.port(), [&](PeerConnection& client) {
        const auto request = client.read_request();
        const std::lock_guard lock(mutex);
        asked = request;
        client.send(answer);
    });
    const auto last_asked = [&] {
        const std::lock_guard lock(mutex);
        return asked;
    };
    const auto answer_with = [&](const std::string& text) {
        const std::lock_guard lock(mutex);
        answer = text;
    };
    auto target = target_of(terminator.port(), trusting(authority));
    const auto host = "localhost:" + std::to_string(terminator.port());
    target.proxy = {"127.0.0.1", proxy.peer.port(), "", ""};
    REQUIRE(ask(target));
    CHECK(last_asked() == "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    target.proxy = {"localhost", proxy.peer.port(), "Aladdin", "open sesame"}; // RFC 7617's example
    REQUIRE(ask(target));
    CHECK(last_asked().ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"));
    target.tls->ca = Authority("Stranger").text("authority.pem");
    expect(failure(target), ErrorClass::unavailable, "peer_certificate_untrusted");

    answer_with("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    expect(failure(target), ErrorClass::permission, "peer_proxy_credentials");
    const std::string failures[] = {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 Conn",
                                    "SSH-2.0-OpenSSH\r\n", ""};
    for (const auto& each : failures) {
        CAPTURE(each);
        answer_with(each);
        proxy.limit = 0;
        expect(failure(target), ErrorClass::unavailable, "peer_proxy_failed");
    }
    CHECK(peer.connections() == 2); // no request but the first two
    target.host = "a host";
    expect(failure(target), ErrorClass::invalid, "http_target");
    target.host = "localhost";
    target.proxy->user = "a:b";
    expect(failure(target), ErrorClass::invalid, "http_target");
    target.proxy->port = 0;
    expect(failure(target), ErrorClass::invalid, "http_target");
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
