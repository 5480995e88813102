// SPDX-License-Identifier: Apache-2.0
// The client against a scripted peer that replays a real envd's bytes, cuts them, lies, stalls and floods.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "envd/client.hpp"
#include "envd/recorded.hpp"
#include "net/loop.hpp"
#include "net/result_text.hpp"
#include "net/scripted_peer.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>

using namespace sandboxkit;
using envd::Client;
using envd::ProcessInput;
using test::Loop;
using test::PeerConnection;
using test::ScriptedPeer;
namespace asio = boost::asio;
namespace recorded = sandboxkit::test::recorded;

namespace {

Endpoint endpoint_of(const ScriptedPeer& peer) {
    Endpoint endpoint;
    endpoint.unix_socket = peer.path();
    return endpoint;
}

std::string target_of(const std::string& request) {
    const auto begin = request.find(' ') + 1;
    return request.substr(begin, request.find(' ', begin) - begin);
}

// The recorded answer to each request.
std::string recorded_answer(const std::string& request) {
    static const std::map<std::string, std::string> answers = {
        {"/health", std::string(recorded::health)},
        {"/init", std::string(recorded::init)},
        {"/process.Process/Start", recorded::command()},
        {"/process.Process/Connect", recorded::command()},
        {"/process.Process/List", recorded::json(recorded::processes_body)},
        {"/process.Process/SendInput", recorded::json("{}")},
        {"/process.Process/CloseStdin", recorded::json("{}")},
        {"/process.Process/SendSignal", recorded::json("{}")},
        {"/process.Process/Update", recorded::json("{}")},
        {"/filesystem.Filesystem/Stat", recorded::json(recorded::entry_body)},
        {"/filesystem.Filesystem/MakeDir", recorded::json(recorded::entry_body)},
        {"/filesystem.Filesystem/Move", recorded::json(recorded::entry_body)},
        {"/filesystem.Filesystem/ListDir", recorded::json(recorded::entries_body)},
        {"/filesystem.Filesystem/Remove", recorded::json("{}")},
    };
    if (request.starts_with("GET /files?")) return recorded::answer("200 OK", "text/plain; charset=utf-8", "hello");
    if (request.starts_with("POST /files?"))
        return recorded::answer("200 OK", "text/plain; charset=utf-8", recorded::written_body);
    const auto found = answers.find(target_of(request));
    return found != answers.end() ? found->second
                                  : recorded::answer("404 Not Found", "text/plain; charset=utf-8", "404 page not found\n");
}

void serve_recorded(PeerConnection& peer) {
    for (;;) {
        const auto request = peer.read_request();
        if (request.empty() || !peer.send(recorded_answer(request))) return;
        if (request.find("connect+json") != std::string::npos) return;
    }
}

struct Collected {
    std::uint32_t pid = 0;
    std::string out, err;
    ProcessEnd end;
};

Task<Collected> collect(std::shared_ptr<envd::ProcessStream> process) {
    Collected collected;
    collected.pid = process->pid();
    for (;;) {
        auto event = co_await process->next();
        if (!event) co_return event.error();
        if (event->end) {
            collected.end = *event->end;
            co_return collected;
        }
        (event->stream == Stream::standard_error ? collected.err : collected.out) += event->bytes;
    }
}

Task<Collected> run(std::shared_ptr<Client> client, ExecRequest request) {
    auto process = co_await client->start(std::move(request));
    if (!process) co_return process.error();
    auto collected = co_await collect(*process);
    co_return collected;
}

ExecRequest command() {
    ExecRequest request;
    request.argv = {"/bin/bash", "-c", "echo out"};
    return request;
}

template <class T>
Task<void> ignore_value(Task<T> task) {
    auto result = co_await std::move(task);
    if (!result) co_return result.error();
    co_return Result<void>{};
}

using Work = std::function<Task<void>(std::shared_ptr<Client>)>;

// Every operation of the interface; the streams are read to their end.
const std::pair<std::string, Work> operations[] = {
    {"health", [](auto client) { return client->health(); }},
    {"init", [](auto client) { return client->init({}); }},
    {"start", [](auto client) { return ignore_value(run(client, command())); }},
    {"connect",
     [](auto client) -> Task<void> {
         auto process = co_await client->connect(envd::ProcessSelector(7659));
         if (!process) co_return process.error();
         auto all = co_await collect(*process);
         if (!all) co_return all.error();
         co_return Result<void>{};
     }},
    {"list", [](auto client) { return ignore_value(client->list()); }},
    {"send_input", [](auto client) { return client->send_input(7, "abc", ProcessInput::standard_input); }},
    {"close_stdin", [](auto client) { return client->close_stdin(7); }},
    {"send_signal", [](auto client) { return client->send_signal(7, 15); }},
    {"stat", [](auto client) { return ignore_value(client->stat("/a")); }},
    {"make_dir", [](auto client) { return ignore_value(client->make_dir("/a")); }},
    {"list_dir", [](auto client) { return ignore_value(client->list_dir("/a")); }},
    {"move", [](auto client) { return ignore_value(client->move("/a", "/b")); }},
    {"remove", [](auto client) { return client->remove("/a"); }},
    {"read_file", [](auto client) { return ignore_value(client->read_file("/a")); }},
    {"write_file", [](auto client) { return ignore_value(client->write_file("/a", "bytes")); }},
    {"resize",
     [](auto client) {
         return client->resize(7, {80, 24});
     }},
};

bool is_stream(std::string_view name) {
    return name == "start" || name == "connect";
}

void expect(const Error& error, ErrorClass kind, std::string_view code) {
    CHECK(to_string(error.kind) == to_string(kind));
    CHECK(error.code == code);
}

} // namespace

TEST_CASE("every operation against recorded answers") {
    ScriptedPeer peer(serve_recorded);
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    for (const auto& entry : operations) {
        const auto& name = entry.first; // clang 14 lets no lambda have a structured binding
        const auto& work = entry.second;
        CAPTURE(name);
        CHECK(loop.run(work(client)));
    }
    CHECK(peer.connections() == 3); // one kept for all unary calls, one for each stream
    const auto result = loop.run(run(client, command()));
    REQUIRE(result);
    CHECK(result->pid == 7659);
    CHECK(result->out == "out\nbar 1 /tmp /root\n");
    CHECK(result->err == "err\n");
    CHECK(result->end == ProcessEnd{3, 0, false});
    CHECK(*loop.run(client->read_file("/a")) == "hello");
    CHECK(loop.run(client->write_file("/a", "12345"))->size == 5);
    CHECK(loop.run(client->list())->at(0).argv.at(0) == "/bin/cat");
    CHECK(loop.run(client->stat("/a"))->type == FileType::directory);
}

TEST_CASE("answers that come byte by byte") {
    ScriptedPeer peer([](PeerConnection& connection) {
        const auto request = connection.read_request();
        for (const char c : recorded_answer(request)) connection.send(std::string_view(&c, 1));
    });
    for (const auto& entry : operations) {
        const auto& name = entry.first;
        const auto& work = entry.second;
        CAPTURE(name);
        Loop loop;
        CHECK(loop.run(work(Client::make(loop.executor(), endpoint_of(peer)))));
    }
}

TEST_CASE("a connection that closes at every byte of every answer") {
    std::atomic<std::size_t> limit = 0;
    std::atomic<std::size_t> size = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        const auto request = connection.read_request();
        if (request.empty()) return;
        const auto answer = recorded_answer(request);
        size = answer.size();
        connection.send(std::string_view(answer).substr(0, limit));
    });
    for (const auto& entry : operations) {
        const auto& name = entry.first;
        const auto& work = entry.second;
        CAPTURE(name);
        bool done = false;
        for (limit = 0; !done; ++limit) {
            CAPTURE(limit.load());
            Loop loop;
            const auto result = loop.run(work(Client::make(loop.executor(), endpoint_of(peer))));
            // After a stream's end frame nothing is waited for.
            const std::size_t enough = is_stream(name) ? size - std::string_view("\r\n0\r\n\r\n").size() : size.load();
            done = limit == enough;
            REQUIRE(result.has_value() == done);
            if (!result) expect(result.error(), ErrorClass::unavailable, "guest_disconnected");
        }
    }
}

TEST_CASE("nobody there") {
    test::TemporaryDirectory directory;
    Endpoint endpoint;
    endpoint.unix_socket = directory.path() / "none.sock";
    for (const auto& entry : operations) {
        const auto& name = entry.first;
        const auto& work = entry.second;
        CAPTURE(name);
        Loop loop;
        const auto result = loop.run(work(Client::make(loop.executor(), endpoint)));
        REQUIRE(!result);
        expect(result.error(), ErrorClass::unavailable, "guest_unreachable");
    }
}

TEST_CASE("an access token without encryption stays on this machine") {
    ScriptedPeer peer(serve_recorded, ScriptedPeer::Kind::tcp);
    Endpoint endpoint;
    endpoint.port = peer.port();
    endpoint.access_token = "the-secret";
    for (const std::string host : {"127.0.0.1", "localhost"}) {
        Loop loop;
        endpoint.host = host;
        CHECK(loop.run(Client::make(loop.executor(), endpoint)->health()));
    }
    for (const std::string host : {"192.0.2.1", "2001:db8::1", "localhost.invalid", "0.0.0.0", "no-such-host.invalid"}) {
        CAPTURE(host);
        endpoint.host = host;
        for (const auto& entry : operations) {
            CAPTURE(entry.first);
            Loop loop;
            const auto result = loop.run(entry.second(Client::make(loop.executor(), endpoint)));
            REQUIRE(!result);
            expect(result.error(), ErrorClass::invalid, "guest_token_in_the_clear");
            CHECK((result.error().message + result.error().detail).find("the-secret") == std::string::npos);
        }
    }
    Loop loop;
    auto without = endpoint;
    without.access_token.clear();
    envd::InitRequest init;
    init.access_token = "the-secret";
    expect(loop.run(Client::make(loop.executor(), without)->init(init)).error(), ErrorClass::invalid, "guest_token_in_the_clear");
    endpoint.token_in_the_clear = true; // now the name is looked up
    expect(loop.run(Client::make(loop.executor(), endpoint)->health()).error(), ErrorClass::unavailable, "guest_name_not_found");
    without.tls_ca = "authorities";
    expect(loop.run(Client::make(loop.executor(), without)->health()).error(), ErrorClass::invalid, "guest_endpoint");
}

TEST_CASE("a guest that answers garbage") {
    std::string flood = "HTTP/1.1 200 OK\r\n";
    while (flood.size() < 100'000) flood += "X-Flood: yes\r\n";
    const std::string garbage[] = {
        "\x16\x03\x01 this is not HTTP\r\n\r\n",
        flood,
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/connect+json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/connect+json\r\nConnect-Content-Encoding: gzip\r\nContent-Length: "
        "2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/connect+json\r\nContent-Length: 5\r\n\r\n" +
            std::string("\0\xff\xff\xff\xff", 5),
        recorded::stream(std::string("\0\0\0\0\x02{}", 7)),
        recorded::stream(recorded::end_frame),
        recorded::stream(recorded::start_event),
        recorded::stream(recorded::start_event, recorded::exit_zero_event),
        recorded::stream(recorded::start_event, recorded::end_frame),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    };
    for (const auto& bytes : garbage) {
        ScriptedPeer peer([&](PeerConnection& connection) {
            for (;;)
                if (connection.read_request().empty() || !connection.send(bytes)) return;
        });
        for (const auto& entry : operations) {
            const auto& name = entry.first;
            const auto& work = entry.second;
            if (name == "read_file" && bytes.starts_with("HTTP/1.1 200")) continue; // any bytes are a file
            CAPTURE(bytes.substr(0, 150));
            CAPTURE(name);
            Loop loop;
            const auto result = loop.run(work(Client::make(loop.executor(), endpoint_of(peer))));
            REQUIRE(!result);
            expect(result.error(), ErrorClass::internal, "peer_protocol");
        }
    }
}

TEST_CASE("a file larger than its limit is a matter of quota, whatever the guest announces") {
    for (const bool announced : {true, false}) {
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            connection.send(announced ? "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\n");
            while (connection.send(std::string(4096, 'x'))) {
            }
        });
        Loop loop;
        const auto result = loop.run(Client::make(loop.executor(), endpoint_of(peer))->read_file("/big", 100'000));
        REQUIRE(!result);
        expect(result.error(), ErrorClass::quota, "file_too_large");
    }
}

TEST_CASE("refusals keep their class and the guest's words") {
    ScriptedPeer peer([](PeerConnection& connection) {
        for (;;) {
            const auto request = connection.read_request();
            if (request.empty()) return;
            const auto target = target_of(request);
            if (target.ends_with("Start") && request.find("Basic bm91c2VyOg==") != std::string::npos)
                connection.send(recorded::bad_user);
            else if (target.ends_with("Start"))
                connection.send(
                    recorded::answer("401 Unauthorized", "application/json; charset=utf-8", recorded::unauthorized_body));
            else if (target.ends_with("Stat"))
                connection.send(
                    recorded::answer("404 Not Found", "application/json", R"({"code":"not_found","message":"file not found"})"));
            else if (target.ends_with("MakeDir"))
                connection.send(
                    recorded::answer("409 Conflict", "application/json", R"({"code":"already_exists","message":"x"})"));
            else if (target.starts_with("/files"))
                connection.send(
                    recorded::answer("507 Insufficient Storage", "application/json", R"({"code":507,"message":"no space"})"));
            else
                connection.send(recorded::answer("404 Not Found", "text/plain; charset=utf-8", "404 page not found\n"));
        }
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    const auto start = loop.run(client->start(command()));
    REQUIRE(!start);
    expect(start.error(), ErrorClass::permission, "guest_unauthenticated");
    auto with_user = command();
    with_user.user = "nouser";
    const auto user = loop.run(client->start(with_user));
    REQUIRE(!user);
    expect(user.error(), ErrorClass::permission, "guest_unauthenticated");
    CHECK(user.error().detail == "invalid username: 'nouser'");
    const auto stat = loop.run(client->stat("/a"));
    REQUIRE(!stat);
    expect(stat.error(), ErrorClass::not_found, "guest_not_found");
    CHECK(stat.error().detail == "file not found");
    expect(loop.run(client->make_dir("/a")).error(), ErrorClass::conflict, "guest_already_exists");
    expect(loop.run(client->write_file("/a", "x")).error(), ErrorClass::quota, "guest_resource_exhausted");
    expect(loop.run(client->list()).error(), ErrorClass::unsupported, "guest_unimplemented");
}

TEST_CASE("signals other than 9 and 15 are sent only where the server has them") {
    for (const bool ours : {false, true}) {
        std::mutex mutex;
        std::string seen;
        ScriptedPeer peer([&](PeerConnection& connection) {
            for (;;) {
                const auto request = connection.read_request();
                if (request.empty()) return;
                {
                    std::lock_guard lock(mutex);
                    seen += target_of(request) + request.substr(request.find("\r\n\r\n") + 4) + "\n";
                }
                auto answer = recorded_answer(request);
                if (ours) answer.insert(answer.find("\r\n") + 2, "Sandboxkit-Extensions: 1\r\n");
                connection.send(answer);
            }
        });
        Loop loop;
        const auto client = Client::make(loop.executor(), endpoint_of(peer));
        const auto sent = loop.run(client->send_signal(7, 2)); // asks /health first: nothing was heard of the server yet
        CHECK(loop.run(client->send_signal(7, 9)));
        std::lock_guard lock(mutex);
        if (ours) {
            CHECK(sent);
            CHECK(seen == "/health\n/process.Process/SendSignal{\"process\":{\"pid\":7},\"signalNumber\":2}\n"
                          "/process.Process/SendSignal{\"process\":{\"pid\":7},\"signal\":\"SIGNAL_SIGKILL\"}\n");
        } else {
            REQUIRE(!sent);
            expect(sent.error(), ErrorClass::unsupported, "signal_not_supported");
            CHECK(seen == "/health\n/process.Process/SendSignal{\"process\":{\"pid\":7},\"signal\":\"SIGNAL_SIGKILL\"}\n");
        }
    }
}

TEST_CASE("what a server without our extensions cannot do is said before anything is done") {
    ScriptedPeer peer(serve_recorded);
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    expect(loop.run(client->connect(envd::ProcessSelector(7659), 0)).error(), ErrorClass::unsupported, "replay_not_supported");
    const auto none = [](auto...) -> Task<void> { co_return Result<void>{}; };
    expect(loop.run(client->download_tree("/a", none)).error(), ErrorClass::unsupported, "trees_not_supported");
    const auto nothing = []() -> Task<std::string> { co_return std::string(); };
    expect(loop.run(client->upload_tree("/a", nothing)).error(), ErrorClass::unsupported, "trees_not_supported");
    // And a stream that breaks is broken.
    ScriptedPeer cut([&](PeerConnection& connection) {
        if (connection.read_request().empty()) return;
        const auto answer = recorded::command();
        connection.send(std::string_view(answer).substr(0, answer.size() / 2));
    });
    const auto second = Client::make(loop.executor(), endpoint_of(cut));
    expect(loop.run(run(second, command())).error(), ErrorClass::unavailable, "guest_disconnected");
    CHECK(cut.connections() == 1);
}

TEST_CASE("the token that init sets is used from then on") {
    std::mutex mutex;
    std::vector<bool> authorized;
    ScriptedPeer peer([&](PeerConnection& connection) {
        for (;;) {
            const auto request = connection.read_request();
            if (request.empty()) return;
            {
                std::lock_guard lock(mutex);
                authorized.push_back(request.find("X-Access-Token: ea_tok\r\n") != std::string::npos);
            }
            connection.send(recorded_answer(request));
        }
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    REQUIRE(loop.run(client->health()));
    envd::InitRequest init;
    init.access_token = "ea_tok";
    REQUIRE(loop.run(client->init(init)));
    REQUIRE(loop.run(client->list()));
    std::lock_guard lock(mutex);
    CHECK(authorized == std::vector<bool>{false, false, true});
}

TEST_CASE("input longer than one request is sent in pieces, and none at all is sent not at all") {
    std::atomic<int> requests = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        for (;;) {
            const auto request = connection.read_request();
            if (request.empty()) return;
            ++requests;
            connection.send(recorded::json("{}"));
        }
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    REQUIRE(loop.run(client->send_input(7, std::string(200'000, 'x'), ProcessInput::standard_input)));
    REQUIRE(loop.run(client->send_input(7, "", ProcessInput::standard_input)));
    CHECK(requests == 4);
}

TEST_CASE("after the end, and after a failure") {
    ScriptedPeer peer([](PeerConnection& connection) {
        if (connection.index() == 0) return serve_recorded(connection);
        connection.read_request();
        connection.send(std::string(recorded::stream_head) + recorded::chunk(recorded::start_event));
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    auto process = loop.run(client->start(command()));
    REQUIRE(process);
    REQUIRE(loop.run(collect(*process)));
    const auto after = loop.run((*process)->next());
    REQUIRE(!after);
    expect(after.error(), ErrorClass::invalid, "process_ended");
    auto broken = loop.run(client->start(command()));
    REQUIRE(broken);
    for (int i = 0; i < 2; ++i) {
        const auto event = loop.run((*broken)->next());
        REQUIRE(!event);
        expect(event.error(), ErrorClass::unavailable, "guest_disconnected");
    }
}

TEST_CASE("one reader at a time; a dropped stream closes its connection") {
    std::atomic<bool> closed = false;
    ScriptedPeer peer([&](PeerConnection& connection) {
        connection.read_request();
        connection.send(std::string(recorded::stream_head) + recorded::chunk(recorded::start_event));
        connection.wait_for_close();
        closed = true;
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    auto process = loop.run(client->start(command()));
    REQUIRE(process);
    auto first = loop.start((*process)->next());
    while (loop.context().poll_one() > 0) {
    }
    const auto second = loop.run((*process)->next());
    REQUIRE(!second);
    expect(second.error(), ErrorClass::invalid, "stream_busy");
    CHECK(!first.done());
    first.cancel();
    CHECK(!loop.finish(first));
    CHECK(!closed);
    process->reset();
    while (!closed) std::this_thread::yield();
}

TEST_CASE("a flood of events that say nothing can be cancelled") {
    ScriptedPeer peer([](PeerConnection& connection) {
        connection.read_request();
        connection.send(std::string(recorded::stream_head) + recorded::chunk(recorded::start_event));
        while (connection.send(recorded::chunk(recorded::keepalive_event))) {
        }
    });
    Loop loop;
    const auto client = Client::make(loop.executor(), endpoint_of(peer));
    auto process = loop.run(client->start(command()));
    REQUIRE(process);
    auto operation = loop.start((*process)->next());
    for (int i = 0; i < 100; ++i) loop.context().run_one();
    CHECK(!operation.done());
    operation.cancel();
    const auto event = loop.finish(operation);
    REQUIRE(!event);
    expect(event.error(), ErrorClass::cancelled, "cancelled");
}

TEST_CASE("waiting for output can be given up and taken up again") {
    std::promise<void> given_up;
    ScriptedPeer peer([&](PeerConnection& connection) {
        connection.read_request();
        const auto started = recorded::stream_head.size() + recorded::chunk(recorded::command_chunks[0]).size();
        connection.send(recorded::command().substr(0, started));
        given_up.get_future().wait();
        connection.send(recorded::command().substr(started));
    });
    Loop loop;
    auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer))->start(command()));
    REQUIRE(process);
    auto operation = loop.start((*process)->next());
    loop.context().run_one();
    operation.cancel();
    const auto nothing = loop.finish(operation);
    REQUIRE(!nothing);
    expect(nothing.error(), ErrorClass::cancelled, "cancelled");
    given_up.set_value();
    const auto all = loop.run(collect(*process));
    REQUIRE(all);
    CHECK(all->out == "out\nbar 1 /tmp /root\n");
}

// Of a server that numbers the output.
std::string numbered_head(std::uint64_t offset) {
    std::string head(recorded::stream_head);
    return head.insert(head.size() - 2, "Sandboxkit-Output-Offset: " + std::to_string(offset) + "\r\n");
}

TEST_CASE("going on after a broken connection can be given up as often as one likes, and taken up again") {
    constexpr std::size_t times = 8;
    std::atomic<std::size_t> asked = 0;
    ScriptedPeer peer([&](PeerConnection& connection) {
        connection.read_request();
        if (connection.index() > 0 && connection.index() <= times) {
            ++asked;
            return connection.wait_for_close();
        }
        connection.send(numbered_head(0) + recorded::chunk(recorded::start_event));
        if (connection.index() == 0) return;
        connection.send(recorded::chunk(recorded::command_chunks[1]) + recorded::chunk(recorded::exit_zero_event) +
                        recorded::chunk(recorded::end_frame) + "0\r\n\r\n");
    });
    Loop loop;
    auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer))->start(command()));
    REQUIRE(process);
    for (std::size_t i = 1; i <= times; ++i) {
        auto operation = loop.start((*process)->next());
        loop.context().restart();
        while (asked < i && !operation.done()) loop.context().poll_one();
        operation.cancel();
        const auto nothing = loop.finish(operation);
        REQUIRE(!nothing);
        expect(nothing.error(), ErrorClass::cancelled, "cancelled");
    }
    const auto all = loop.run(collect(*process));
    REQUIRE(all);
    CHECK(all->out == "out\n");
}

TEST_CASE("a sandbox that keeps the connection alive and does nothing is not waited for for ever") {
    const auto flood = [](PeerConnection& connection) {
        while (connection.send(recorded::chunk(recorded::keepalive_event))) {
        }
    };
    const auto trickle = [](PeerConnection& connection) { // a refusal that never ends
        while (connection.send("x")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    envd::ClientLimits limits;
    limits.answer = limits.refusal = limits.grace = std::chrono::milliseconds(50);
    Loop loop;
    SUBCASE("before the process starts") {
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            connection.send(std::string(recorded::stream_head));
            flood(connection);
        });
        auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer), limits)->start(command()));
        REQUIRE(!process);
        expect(process.error(), ErrorClass::timeout, "guest_timeout");
    }
    SUBCASE("after the time limit of the command") {
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            connection.send(std::string(recorded::stream_head) + recorded::chunk(recorded::start_event));
            flood(connection);
        });
        auto request = command();
        request.timeout = std::chrono::milliseconds(50);
        auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer), limits)->start(request));
        REQUIRE(process);
        const auto event = loop.run((*process)->next());
        REQUIRE(!event);
        expect(event.error(), ErrorClass::timeout, "guest_timeout");
    }
    SUBCASE("with connections that break after a byte each") {
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            if (connection.index() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
            connection.send(numbered_head(4 * connection.index()) + recorded::chunk(recorded::start_event) +
                            recorded::chunk(recorded::command_chunks[1]));
        });
        auto request = command();
        request.timeout = std::chrono::milliseconds(50);
        auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer), limits)->start(request));
        REQUIRE(process);
        const auto all = loop.run(collect(*process));
        REQUIRE(!all);
        expect(all.error(), ErrorClass::timeout, "guest_timeout");
        CHECK(peer.connections() < 10); // each took of the time
    }
    SUBCASE("in the text of a refusal") {
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            connection.send("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n");
            trickle(connection);
        });
        auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer), limits)->start(command()));
        REQUIRE(!process);
        CHECK(process.error().kind == ErrorClass::not_found);
    }
    SUBCASE("with frames that hold nothing") {
        limits.silence = std::chrono::milliseconds(50);
        ScriptedPeer peer([&](PeerConnection& connection) {
            connection.read_request();
            connection.send(std::string(recorded::stream_head) + recorded::chunk(recorded::start_event) + "1000;");
            trickle(connection);
        });
        auto process = loop.run(Client::make(loop.executor(), endpoint_of(peer), limits)->start(command()));
        REQUIRE(process);
        const auto event = loop.run((*process)->next());
        REQUIRE(!event);
    }
}

namespace {

// As a program would that never heard of throw_if_cancelled: exceptions and terminal cancellation.
Result<void> run_with_exceptions(Loop& loop, asio::cancellation_signal& signal, const std::function<Task<void>()>& work) {
    std::optional<Result<void>> result;
    const auto body = [&]() -> asio::awaitable<void> {
        auto r = co_await work();
        result.emplace(std::move(r));
    };
    asio::co_spawn(loop.context(), body(), asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
    loop.context().restart();
    while (!result) loop.context().run_one();
    while (loop.context().poll_one() > 0) {
    }
    return *result;
}

} // namespace

TEST_CASE("every operation can be cancelled: before it runs, when the peer stalls, and in the middle of an answer") {
    for (const auto& entry : operations) {
        const auto& name = entry.first;
        const auto& work = entry.second;
        CAPTURE(name);
        { // before anything was sent
            ScriptedPeer peer(serve_recorded);
            Loop loop;
            auto operation = loop.start(work(Client::make(loop.executor(), endpoint_of(peer))));
            operation.cancel();
            const auto result = loop.finish(operation);
            if (!result) expect(result.error(), ErrorClass::cancelled, "cancelled");
        }
        // The stall is after each of some numbers of bytes; 150 is past the head of every answer that has a body.
        for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{30}, std::size_t{150}, std::size_t{200}})
            for (const bool exceptions : {false, true}) {
                CAPTURE(limit);
                CAPTURE(exceptions);
                test::Trigger cancel;
                std::atomic<bool> closed = false;
                ScriptedPeer peer([&](PeerConnection& connection) {
                    const auto request = connection.read_request();
                    if (request.empty()) return;
                    const auto answer = recorded_answer(request);
                    connection.send(std::string_view(answer).substr(0, std::min(limit, answer.size() - 10)));
                    cancel();
                    connection.wait_for_close();
                    closed = true;
                });
                Loop loop;
                const auto client = Client::make(loop.executor(), endpoint_of(peer));
                std::optional<Result<void>> result;
                asio::cancellation_signal signal;
                if (exceptions) {
                    cancel.set([&] { asio::post(loop.context(), [&] { signal.emit(asio::cancellation_type::terminal); }); });
                    result = run_with_exceptions(loop, signal, [&] { return work(client); });
                } else {
                    auto operation = loop.start(work(client));
                    cancel.set([operation]() mutable { operation.cancel(); });
                    result = loop.finish(operation);
                }
                REQUIRE(!*result);
                expect(result->error(), ErrorClass::cancelled, "cancelled");
                while (!closed) std::this_thread::yield();
            }
    }
}

TEST_CASE("a call outlives the client's handle") {
    ScriptedPeer peer(serve_recorded);
    Loop loop;
    auto operation = loop.start(Client::make(loop.executor(), endpoint_of(peer))->health());
    CHECK(loop.finish(operation));
}

TEST_CASE("a header that would break the request is refused, and not shown") {
    ScriptedPeer peer(serve_recorded);
    auto endpoint = endpoint_of(peer);
    endpoint.access_token = "secret\r\nX: y";
    for (const auto& entry : operations) {
        const auto& work = entry.second;
        Loop loop;
        const auto result = loop.run(work(Client::make(loop.executor(), endpoint)));
        REQUIRE(!result);
        CHECK(result.error().kind == ErrorClass::invalid);
        CHECK(result.error().message.find("secret") == std::string::npos);
    }
    CHECK(peer.connections() == 0);
}
