// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "net/http_client.hpp"
#include "net/loop.hpp"
#include "net/scripted_peer.hpp"

#include <atomic>
#include <future>
#include <optional>
#include <sys/stat.h>

using namespace sandboxkit;
using net::HttpClient;
using net::HttpLimits;
using net::HttpRequest;
using net::HttpTarget;
using test::echo_requests;
using test::Loop;
using test::ok;
using test::PeerConnection;
using test::ScriptedPeer;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

HttpTarget unix_target(const std::filesystem::path& path) {
    HttpTarget target;
    target.unix_socket = path;
    return target;
}
HttpTarget tcp_target(std::string host, std::uint16_t port) {
    HttpTarget target;
    target.host = std::move(host);
    target.port = port;
    return target;
}

HttpRequest get(bool idempotent = true) {
    return {"GET", "/", {}, "", idempotent};
}
HttpRequest post(std::string body) {
    return {"POST", "/", {}, std::move(body), false};
}

void expect(const Error& error, ErrorClass kind, std::string_view code) {
    CHECK(to_string(error.kind) == to_string(kind));
    CHECK(error.code == code);
}

} // namespace

TEST_CASE("requests over a Unix socket share one kept connection") {
    ScriptedPeer peer(echo_requests);
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    for (int i = 0; i < 20; ++i) {
        const auto response = loop.run(client.unary(post("hello")));
        REQUIRE(response);
        CHECK(response->head.status == 200);
        CHECK(response->body == "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    }
    CHECK(peer.connections() == 1);
}

TEST_CASE("TCP, by address and by name") {
    ScriptedPeer peer(echo_requests, ScriptedPeer::Kind::tcp);
    for (const std::string host : {"127.0.0.1", "localhost"}) {
        Loop loop;
        HttpClient client(loop.executor(), tcp_target(host, peer.port()));
        const auto response = loop.run(client.unary(get()));
        REQUIRE(response);
        CHECK(response->body.find("Host: " + host + ":" + std::to_string(peer.port()) + "\r\n") != std::string::npos);
    }
}

TEST_CASE("what cannot be reached") {
    test::TemporaryDirectory directory;
    Loop loop;
    const auto failure = [&](HttpTarget target) {
        HttpClient client(loop.executor(), std::move(target));
        auto unary = loop.run(client.unary(get()));
        auto stream = loop.run(client.stream(get()));
        REQUIRE(!unary);
        REQUIRE(!stream);
        CHECK(stream.error().code == unary.error().code);
        return unary.error();
    };
    const auto missing = directory.path() / "missing.sock";
    expect(failure(unix_target(missing)), ErrorClass::unavailable, "peer_unreachable");
    expect(failure(unix_target(directory.path())), ErrorClass::unavailable, "peer_unreachable");
    {
        ScriptedPeer closed(echo_requests);
        std::filesystem::create_symlink(closed.path(), directory.path() / "link.sock");
        expect(failure(unix_target(directory.path() / "link.sock")), ErrorClass::unavailable, "peer_unreachable");
    }
    std::uint16_t port = 0;
    {
        ScriptedPeer closed(echo_requests, ScriptedPeer::Kind::tcp);
        port = closed.port();
    }
    expect(failure(tcp_target("127.0.0.1", port)), ErrorClass::unavailable, "peer_refused");
    expect(failure(tcp_target("::1", port)), ErrorClass::unavailable, "peer_refused");
    expect(failure(tcp_target("localhost", port)), ErrorClass::unavailable, "peer_refused");
    expect(failure(tcp_target("255.255.255.255", 80)), ErrorClass::unavailable, "peer_unreachable");
    expect(failure(tcp_target("no-such-host.invalid", 80)), ErrorClass::unavailable, "peer_name_not_found");
    expect(failure(tcp_target("127.0.0.1", 0)), ErrorClass::invalid, "http_target");
    expect(failure(HttpTarget{}), ErrorClass::invalid, "http_target");
    auto both = tcp_target("127.0.0.1", 80);
    both.unix_socket = missing;
    expect(failure(both), ErrorClass::invalid, "http_target");
    auto tls = unix_target(missing);
    tls.tls.emplace();
    expect(failure(tls), ErrorClass::invalid, "http_target");
}

TEST_CASE("a path that is longer than a socket address") {
    ScriptedPeer peer(echo_requests);
    test::TemporaryDirectory directory;
    auto deep = directory.path();
    for (int i = 0; i < 10; ++i) deep /= std::string(50, 'd');
    std::filesystem::create_directories(deep);
    std::filesystem::rename(peer.path(), deep / "peer.sock");
    Loop loop;
    HttpClient client(loop.executor(), unix_target(deep / "peer.sock"));
    CHECK(loop.run(client.unary(get())));
}

TEST_CASE("a full backlog is waited for, up to the time limit") {
    test::TemporaryDirectory directory;
    const auto path = directory.path() / "peer.sock";
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener, 0) == 0);
    const int first = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(first, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0); // fills it
    auto target = unix_target(path);
    target.connect_limit = 100ms;
    Loop loop;
    {
        HttpClient client(loop.executor(), target);
        const auto response = loop.run(client.unary(get()));
        REQUIRE(!response);
        expect(response.error(), ErrorClass::timeout, "peer_timeout");
    }
    {
        target.connect_limit = 1h;
        HttpClient client(loop.executor(), target);
        auto operation = loop.start(client.unary(get()));
        while (loop.context().poll_one() > 0) {
        }
        operation.cancel();
        const auto response = loop.finish(operation);
        REQUIRE(!response);
        expect(response.error(), ErrorClass::cancelled, "cancelled");
    }
    {
        HttpClient client(loop.executor(), target);
        auto operation = loop.start(client.unary(get()));
        while (loop.context().poll_one() > 0) {
        }
        std::thread server([&] {
            for (int i = 0; i < 2; ++i) {
                const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                PeerConnection peer(fd, 0);
                if (i == 1 && !peer.read_request().empty()) peer.send(ok("late"));
                ::close(fd);
            }
        });
        const auto response = loop.finish(operation);
        server.join();
        REQUIRE(response);
        CHECK(response->body == "late");
    }
    ::close(first);
    ::close(listener);
}

TEST_CASE("an address that swallows everything is waited for up to the time limit") {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener, 0) == 0);
    REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const int first = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(first, reinterpret_cast<sockaddr*>(&address), size) == 0); // fills it: the kernel drops what comes next
    auto target = tcp_target("127.0.0.1", ntohs(address.sin_port));
    target.connect_limit = 50ms;
    Loop loop;
    HttpClient client(loop.executor(), target);
    const auto response = loop.run(client.unary(get()));
    REQUIRE(!response);
    expect(response.error(), ErrorClass::timeout, "peer_timeout");
    target.connect_limit = 1h;
    HttpClient patient(loop.executor(), target);
    auto operation = loop.start(patient.unary(get()));
    while (loop.context().poll_one() > 0) {
    }
    operation.cancel();
    const auto stopped = loop.finish(operation);
    REQUIRE(!stopped);
    expect(stopped.error(), ErrorClass::cancelled, "cancelled");
    ::close(first);
    ::close(listener);
}

TEST_CASE("a peer that closes at every byte of its answer") {
    const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    std::atomic<std::size_t> limit = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        if (!connection.read_request().empty()) connection.send(std::string_view(answer).substr(0, limit));
    });
    for (; limit <= answer.size(); ++limit) {
        CAPTURE(limit.load());
        Loop loop;
        HttpClient client(loop.executor(), unix_target(peer.path()));
        const auto response = loop.run(client.unary(get()));
        REQUIRE(response.has_value() == (limit == answer.size()));
        if (!response) expect(response.error(), ErrorClass::unavailable, "peer_disconnected");
    }
    CHECK(peer.connections() == answer.size() + 1); // nothing was tried twice: no connection was a kept one
}

TEST_CASE("a kept connection that was closed is replaced before anything is sent") {
    std::atomic<int> requests = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        ++requests;
        connection.send(ok("x"));
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    for (int i = 1; i <= 20; ++i) {
        // The close may reach the client after it looked: then the request is retried, as the peer cannot have read it.
        REQUIRE(loop.run(client.unary(post("p"))));
        CHECK(requests == i);
    }
}

TEST_CASE("a kept connection closed before any byte of the answer") {
    std::atomic<int> requests = 0;
    // The second request of a connection is read, and not answered.
    ScriptedPeer peer([&](PeerConnection& connection) {
        for (int i = 0; i < 2; ++i) {
            if (connection.read_request().empty()) return;
            ++requests;
            if (i == 0) connection.send(ok("x"));
        }
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    REQUIRE(loop.run(client.unary(get())));
    SUBCASE("an idempotent request is sent again, once") {
        REQUIRE(loop.run(client.unary(get())));
        CHECK(requests == 3);
        CHECK(peer.connections() == 2);
    }
    SUBCASE("another is not: the peer may have acted on it") {
        const auto response = loop.run(client.unary(post("p")));
        REQUIRE(!response);
        expect(response.error(), ErrorClass::unavailable, "peer_disconnected");
        CHECK(requests == 2);
    }
}

namespace {

// Hands out the pieces, and then the end.
net::HttpBodySource pieces(std::vector<std::string> all) {
    auto next = std::make_shared<std::size_t>(0);
    auto kept = std::make_shared<std::vector<std::string>>(std::move(all));
    return [next, kept]() -> asio::awaitable<Result<std::string>> {
        std::string piece = *next < kept->size() ? (*kept)[(*next)++] : std::string();
        co_return piece;
    };
}

} // namespace

TEST_CASE("a body of unknown length goes in chunks") {
    ScriptedPeer peer([](PeerConnection& connection) {
        const auto request = connection.read_chunked_request();
        if (!request.empty()) connection.send(ok(request));
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    const auto response = loop.run(client.upload(post(""), pieces({"hello", std::string(1, '\0'), std::string(20, 'x')})));
    REQUIRE(response);
    CHECK(response->body == "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\nhello\r\n1\r\n" +
                                std::string(1, '\0') + "\r\n14\r\n" + std::string(20, 'x') + "\r\n0\r\n\r\n");
    CHECK(loop.run(client.upload(post(""), pieces({}))));
}

TEST_CASE("a peer that answers before the body's end is heard") {
    const std::string refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    ScriptedPeer peer([&](PeerConnection& connection) {
        (void)connection.read_some();
        connection.send(refusal);
        ::shutdown(connection.fd(), SHUT_RDWR);
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    int asked = 0;
    const auto endless = [&]() -> asio::awaitable<Result<std::string>> {
        ++asked;
        std::string piece(1 << 16, 'x');
        co_return piece;
    };
    const auto response = loop.run(client.upload(post(""), endless));
    REQUIRE(response);
    CHECK(response->head.status == 400);
    CHECK(response->body == "no");
}

TEST_CASE("an upload that its source gives up, that nobody takes, or that is cancelled") {
    {
        std::promise<bool> cut_off;
        ScriptedPeer peer([&](PeerConnection& connection) { cut_off.set_value(connection.read_chunked_request().empty()); });
        Loop loop;
        HttpClient client(loop.executor(), unix_target(peer.path()));
        const auto failing = []() -> asio::awaitable<Result<std::string>> {
            co_return Error{ErrorClass::not_found, "gone", "the file is gone", "", "", {}};
        };
        expect(loop.run(client.upload(post(""), failing)).error(), ErrorClass::not_found, "gone");
        CHECK(cut_off.get_future().get()); // the peer did not take it for complete
    }

    ScriptedPeer deaf([](PeerConnection& connection) {
        std::array<pollfd, 1> closed{{{connection.fd(), 0, 0}}}; // reads nothing
        ::poll(closed.data(), closed.size(), -1);
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(deaf.path()));
    const auto endless = []() -> asio::awaitable<Result<std::string>> {
        std::string piece(1 << 16, 'x');
        co_return piece;
    };
    expect(loop.run(client.upload(post(""), endless, {1024, 50ms})).error(), ErrorClass::timeout, "peer_timeout");
    auto running = loop.start(client.upload(post(""), endless, {1024, 60s}));
    running.cancel();
    expect(loop.finish(running).error(), ErrorClass::cancelled, "cancelled");
}

TEST_CASE("a connection that was kept for too long is not used again") {
    ScriptedPeer peer(echo_requests);
    Loop loop;
    auto target = unix_target(peer.path());
    target.idle_limit = 0ms;
    HttpClient client(loop.executor(), target);
    for (int i = 0; i < 3; ++i) REQUIRE(loop.run(client.unary(get())));
    CHECK(peer.connections() == 3);
}

TEST_CASE("an answer that began is never asked for again") {
    std::atomic<int> requests = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        for (int i = 0; i < 2; ++i) {
            if (connection.read_request().empty()) return;
            ++requests;
            connection.send(i == 0 ? ok("x") : std::string("H"));
        }
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    REQUIRE(loop.run(client.unary(get())));
    const auto response = loop.run(client.unary(get()));
    REQUIRE(!response);
    expect(response.error(), ErrorClass::unavailable, "peer_disconnected");
    CHECK(requests == 2);
}

TEST_CASE("an answer larger than the limit") {
    HttpLimits limits;
    limits.body = 1000;
    const auto run = [&](std::string head, std::size_t body) {
        ScriptedPeer peer([&](PeerConnection& connection) {
            if (connection.read_request().empty()) return;
            connection.send(head);
            for (std::size_t i = 0; i < body; ++i)
                if (!connection.send("x")) return;
            connection.wait_for_close();
        });
        Loop loop;
        HttpClient client(loop.executor(), unix_target(peer.path()));
        return loop.run(client.unary(get(), limits));
    };
    const auto announced = run("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", 0); // known before the first byte of it
    REQUIRE(!announced);
    expect(announced.error(), ErrorClass::quota, "peer_answer_too_large");
    const auto flooded = run("HTTP/1.1 200 OK\r\n\r\n", 1'000'000);
    REQUIRE(!flooded);
    expect(flooded.error(), ErrorClass::quota, "peer_answer_too_large");
    CHECK(run("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 1000));
}

TEST_CASE("time limits") {
    ScriptedPeer peer([](PeerConnection& connection) {
        const auto request = connection.read_request();
        if (request.starts_with("POST")) connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        connection.wait_for_close();
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    HttpLimits limits;
    limits.total = 30ms;
    const auto silent = loop.run(client.unary(get(), limits));
    REQUIRE(!silent);
    expect(silent.error(), ErrorClass::timeout, "peer_timeout");
    const auto half = loop.run(client.unary(post(""), limits));
    REQUIRE(!half);
    expect(half.error(), ErrorClass::timeout, "peer_timeout");
    const auto no_head = loop.run(client.stream(get(), 30ms));
    REQUIRE(!no_head);
    expect(no_head.error(), ErrorClass::timeout, "peer_timeout");
    auto stream = loop.run(client.stream(post(""), 30ms));
    REQUIRE(stream);
    const auto first = loop.run(stream->read_some(1h));
    REQUIRE(first);
    CHECK(*first == "x");
    const auto silence = loop.run(stream->read_some(30ms));
    REQUIRE(!silence);
    expect(silence.error(), ErrorClass::unavailable, "peer_disconnected");
}

TEST_CASE("a refusal before the request was read whole") {
    // More than any socket buffer: the rest of it cannot be written.
    const std::string large(8 << 20, 'x');
    ScriptedPeer peer([](PeerConnection& connection) {
        connection.read_some();
        connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    const auto response = loop.run(client.unary(post(large)));
    REQUIRE(response);
    CHECK(response->head.status == 413);
    CHECK(response->body == "no");
    ScriptedPeer silent([](PeerConnection& connection) { connection.read_some(); });
    HttpClient other(loop.executor(), unix_target(silent.path()));
    const auto nothing = loop.run(other.unary(post(large)));
    REQUIRE(!nothing);
    expect(nothing.error(), ErrorClass::unavailable, "peer_disconnected");
}

TEST_CASE("a stream gives its bytes as they come, and its end") {
    const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    std::atomic<std::size_t> limit = answer.size();
    ScriptedPeer peer([&](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        for (const char c : answer.substr(0, limit)) connection.send(std::string_view(&c, 1));
    });
    for (; limit > 0; --limit) {
        CAPTURE(limit.load());
        Loop loop;
        HttpClient client(loop.executor(), unix_target(peer.path()));
        auto stream = loop.run(client.stream(get()));
        if (limit < answer.find("\r\n\r\n") + 4) {
            REQUIRE(!stream);
            expect(stream.error(), ErrorClass::unavailable, "peer_disconnected");
            continue;
        }
        REQUIRE(stream);
        CHECK(stream->head().status == 200);
        std::string body;
        for (;;) {
            auto bytes = loop.run(stream->read_some(0ms));
            REQUIRE((bytes.has_value() || limit < answer.size()));
            if (!bytes) {
                expect(bytes.error(), ErrorClass::unavailable, "peer_disconnected");
                break;
            }
            if (bytes->empty()) break;
            body += *bytes;
        }
        if (limit == answer.size())
            CHECK(body == "hello world");
        else
            CHECK(std::string("hello world").starts_with(body));
    }
}

TEST_CASE("a stream reads its socket only when it is asked") {
    std::atomic<bool> blocked = false;
    std::atomic<std::size_t> sent = 0;
    const std::string piece = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    ScriptedPeer peer([&](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (;;) { // until the socket takes no more for a while
            pollfd wait{connection.fd(), POLLOUT, 0};
            if (::poll(&wait, 1, 300) == 0) break;
            const auto n = ::send(connection.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) sent += static_cast<std::size_t>(n);
            if (sent > (64U << 20)) break;
        }
        blocked = true;
        connection.wait_for_close();
    });
    Loop loop;
    HttpClient client(loop.executor(), unix_target(peer.path()));
    auto stream = loop.run(client.stream(get()));
    REQUIRE(stream);
    while (!blocked) loop.context().run_one_for(std::chrono::milliseconds(10));
    CHECK(sent < (16U << 20));
}

namespace {

enum class Mode { values, exceptions }; // the two ways to be cancelled

// Runs an operation, cancels it when the peer says so, and returns its result.
template <class T>
std::optional<Result<T>> cancel_when(Loop& loop, Mode mode, std::function<boost::asio::awaitable<Result<T>>()> work,
                                     test::Trigger& when) {
    if (mode == Mode::values) {
        auto operation = async::spawn<T>(loop.executor(), work());
        when.set([operation]() mutable { operation.cancel(); });
        loop.context().restart();
        while (!operation.done()) loop.context().run_one();
        return operation.get();
    }
    std::optional<Result<T>> result;
    asio::cancellation_signal signal;
    when.set([&] { asio::post(loop.context(), [&] { signal.emit(asio::cancellation_type::terminal); }); });
    const auto body = [&]() -> asio::awaitable<void> {
        auto r = co_await work();
        result.emplace(std::move(r));
    };
    asio::co_spawn(loop.context(), body(), asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
    loop.context().restart();
    while (!result) loop.context().run_one();
    while (loop.context().poll_one() > 0) {
    }
    return result;
}

} // namespace

TEST_CASE("cancelling at every stage closes the connection and says so") {
    const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (const auto mode : {Mode::values, Mode::exceptions})
        for (std::size_t limit = 0; limit < answer.size(); ++limit) {
            CAPTURE(limit);
            test::Trigger cancel;
            std::atomic<bool> closed = false;
            {
                ScriptedPeer peer([&](PeerConnection& connection) {
                    if (connection.read_request().empty()) return;
                    connection.send(std::string_view(answer).substr(0, limit));
                    cancel(); // set before the operation ran, and with it before this request was sent
                    connection.wait_for_close();
                    closed = true;
                });
                Loop loop;
                HttpClient client(loop.executor(), unix_target(peer.path()));
                const auto unary = cancel_when<net::HttpResponse>(
                    loop, mode, [&] { return client.unary(get()); }, cancel);
                REQUIRE(!*unary);
                expect(unary->error(), ErrorClass::cancelled, "cancelled");
                while (!closed) std::this_thread::yield(); // with the client alive: nothing was kept
            }
        }
}
