// SPDX-License-Identifier: Apache-2.0
// StreamInput: the input of a process as a stream of messages.
#include "live_guest.hpp"

#include "guest/encoding.hpp"
#include "net/connect_envelope.hpp"

#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

using namespace sandboxkit::guest::test;
using sandboxkit::net::encode_envelope;
using sandboxkit::net::EnvelopeDecoder;

namespace {

const Headers stream_type = {{"Content-Type", "application/connect+json"}, {"Connect-Protocol-Version", "1"}};

std::string select_process(std::uint32_t pid) {
    return encode_envelope(0, R"({"start":{"process":{"pid":)" + std::to_string(pid) + "}}}");
}

std::string input(std::string_view bytes, std::string_view kind = "stdin") {
    std::string text = R"({"data":{"input":{")" + std::string(kind) + R"(":")";
    sandboxkit::guest::append_base64(text, bytes);
    return encode_envelope(0, text + "\"}}}");
}

const std::string keepalive = encode_envelope(0, R"({"keepalive":{}})");

// A request whose body has no end yet.
Client begin(const LiveGuest& guest) {
    Client client = guest.connect();
    client.send("POST /process.Process/StreamInput HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
    return client;
}

std::string chunk(std::string_view bytes) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return size + std::string(bytes) + "\r\n";
}

// The code of the error at the end of the stream; empty when there was none.
std::string refusal(const Reply& reply) {
    CHECK(reply.status == 200);
    CHECK(reply.headers.at("content-type") == "application/connect+json");
    EnvelopeDecoder decoder(1 << 20);
    decoder.feed(reply.body);
    auto envelope = decoder.next().value().value();
    if (envelope.flags == 0) {
        CHECK(envelope.payload == "{}");
        envelope = decoder.next().value().value();
    }
    CHECK(envelope.flags == 2);
    CHECK(decoder.at_boundary());
    const auto end = boost::json::parse(envelope.payload).as_object();
    return end.empty() ? std::string() : std::string(end.at("error").at("code").as_string());
}

std::ptrdiff_t sockets_of(pid_t pid) {
    std::error_code gone_meanwhile;
    return std::ranges::count_if(
        std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"),
        [&](const auto& fd) { return std::filesystem::read_symlink(fd, gone_meanwhile).string().starts_with("socket:"); });
}

} // namespace

TEST_CASE("the recorded stream of input") {
    const LiveGuest guest;
    EventStream cat = guest.start(R"({"process":{"cmd":"/bin/cat"},"tag":"cat1"})");
    const Reply reply = guest.request("POST", "/process.Process/StreamInput", stream_type,
                                      encode_envelope(0, R"({"start":{"process":{"tag":"cat1"}}})") + input("abc\n") + keepalive);
    CHECK(reply.body == std::string("\0\0\0\0\2{}\2\0\0\0\2{}", 14));
    CHECK(guest.unary("/process.Process/CloseStdin", R"({"process":{"tag":"cat1"}})").status == 200);
    CHECK(cat.rest().out == "abc\n");
    CHECK(refusal(guest.request("POST", "/process.Process/StreamInput", stream_type, "")).empty());
    CHECK(guest.request("POST", "/process.Process/StreamInput", {{"Content-Type", "application/json"}}, "{}").status == 415);
}

TEST_CASE("each message arrives when it is sent, however it is cut, and the connection goes on") {
    const LiveGuest guest;
    EventStream cat = guest.start(R"({"process":{"cmd":"cat"}})");
    Client client = begin(guest);
    const std::string messages = select_process(cat.pid) + input("one") + keepalive;
    for (const char byte : messages) client.send(chunk(std::string_view(&byte, 1)));
    CHECK(cat.next().first.at("event").at("data").at("stdout") == "b25l");
    client.send(chunk(input("two")));
    CHECK(cat.next().first.at("event").at("data").at("stdout") == "dHdv");
    client.send("0\r\n\r\n");
    CHECK(refusal(client.read_reply()).empty());
    CHECK(client.request("GET", "/health").status == 204);

    EventStream terminal = guest.start(R"({"process":{"cmd":"cat"},"pty":{"size":{"cols":80,"rows":24}}})");
    CHECK(refusal(guest.request("POST", "/process.Process/StreamInput", stream_type,
                                select_process(terminal.pid) + input("typed\n", "pty") + input("\x04", "pty")))
              .empty());
    CHECK(terminal.rest().terminal == "typed\r\ntyped\r\n");
}

TEST_CASE("what is no stream of input is refused at once") {
    const LiveGuest guest;
    const EventStream cat = guest.start(R"({"process":{"cmd":"cat"}})");
    const std::string start = select_process(cat.pid);
    const auto answer = [&](const std::string& body) {
        Client client = begin(guest);
        client.send(chunk(body));
        const std::string code = refusal(client.read_reply()); // the body has not ended
        client.shut_down_writing();
        CHECK(client.read_to_end().empty());
        return code;
    };
    CHECK(answer(input("x")) == "invalid_argument");
    CHECK(answer(select_process(4000000000)) == "not_found");
    CHECK(answer(start + input("x", "pty")) == "internal");
    CHECK(answer(start + encode_envelope(0, "{}")) == "invalid_argument");
    CHECK(answer(start + encode_envelope(0, R"({"data":{"input":{}}})")) == "invalid_argument");
    CHECK(answer(start + encode_envelope(0, R"({"data":{"input":{"stdin":"%"}}})")) == "invalid_argument");
    CHECK(answer(start + encode_envelope(0, R"({"keepalive":{},"start":{"process":{"pid":1}}})")) == "invalid_argument");
    CHECK(answer(start + encode_envelope(0, "garbage")) == "invalid_argument");
    CHECK(answer(start + encode_envelope(1, "{}")) == "unimplemented");
    CHECK(answer(start + encode_envelope(2, "{}")) == "invalid_argument");
    CHECK(answer(start + std::string("\0\xff\xff\xff\xff", 5)) == "resource_exhausted");
    CHECK(refusal(guest.request("POST", "/process.Process/StreamInput", stream_type, start.substr(0, 20))) == "invalid_argument");
}

TEST_CASE("the connection is read as fast as the process reads") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    ::mkfifo(go.c_str(), 0600);
    EventStream counter =
        guest.start(R"({"process":{"cmd":"/bin/sh","args":["-c",)" + json_string("read x < " + go + "; exec wc -c") + "]}}");
    constexpr std::size_t pieces = 800;
    Client client = begin(guest);
    std::thread sender([&] {
        const std::string message = chunk(input(std::string(60'000, 'x')));
        client.send(chunk(select_process(counter.pid)));
        for (std::size_t i = 0; i < pieces; ++i) client.send(message);
        client.send("0\r\n\r\n");
    });
    for (int i = 0; i < 20; ++i) CHECK(guest.request("GET", "/health").status == 204);
    std::ofstream(go) << "x\n";
    sender.join();
    CHECK(refusal(client.read_reply()).empty());
    CHECK(guest.unary("/process.Process/CloseStdin", R"({"process":{"pid":)" + std::to_string(counter.pid) + "}}").status == 200);
    CHECK(counter.rest().out == std::to_string(pieces * 60'000) + "\n");
}

TEST_CASE("a stream that waits ends with its process, and with its client") {
    const LiveGuest guest;
    const auto idle = sockets_of(guest.pid());
    EventStream deaf = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
    Client leaves = begin(guest);
    leaves.send(chunk(select_process(deaf.pid) + input(std::string(500'000, 'x'))));
    Client stays = begin(guest);
    stays.send(chunk(select_process(deaf.pid) + input(std::string(500'000, 'x'))));
    leaves.close();
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (sockets_of(guest.pid()) > idle + 2 && std::chrono::steady_clock::now() < end) ::usleep(2000);
    CHECK(sockets_of(guest.pid()) == idle + 2); // the output's and the other's
    CHECK(guest
              .unary("/process.Process/SendSignal",
                     R"({"process":{"pid":)" + std::to_string(deaf.pid) + R"(},"signal":"SIGNAL_SIGKILL"})")
              .status == 200);
    CHECK(refusal(stays.read_reply()) == "internal");
    CHECK(deaf.rest().end.at("signal") == 9);
}
