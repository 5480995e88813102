// SPDX-License-Identifier: Apache-2.0
// The extensions of Start and Connect: output from an offset on, and in raw frames.
#include "live_guest.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <random>

using namespace sandboxkit::guest::test;

namespace {

const Headers extensions = {{"Sandboxkit-Extensions", "1"}};

Headers from(std::uint64_t offset) {
    return {{"Sandboxkit-Output-Offset", std::to_string(offset)}, {"Sandboxkit-Frames", "raw"}};
}

std::uint64_t offset_of(const EventStream& stream) {
    return std::stoull(stream.headers.at("sandboxkit-output-offset"));
}

std::string code_of(const EventStream& stream) {
    return stream.refusal.contains("error") ? std::string(stream.refusal.at("error").at("code").as_string()) : std::string();
}

void wait_for_all(const LiveGuest& guest) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!guest.unary("/process.Process/List", "{}").json().empty() && std::chrono::steady_clock::now() < end) ::usleep(2000);
}

} // namespace

TEST_CASE("output is told again from any byte on") {
    const LiveGuest guest;
    EventStream first =
        guest.start(shell_request("echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; exit 3"), extensions);
    CHECK(offset_of(first) == 0);
    CHECK(first.rest().out == "one\nthree\n");
    for (int times = 0; times < 2; ++times) {
        EventStream all = guest.attach(first.pid, from(0));
        CHECK(offset_of(all) == 0);
        const auto result = all.rest();
        CHECK(result.out == "one\nthree\n");
        CHECK(result.err == "two\n");
        CHECK(result.end.at("exitCode") == 3);
    }
    // Both streams are counted together.
    EventStream middle = guest.attach(first.pid, from(6));
    CHECK(offset_of(middle) == 6);
    const auto result = middle.rest();
    CHECK(result.err == "o\n");
    CHECK(result.out == "three\n");
    EventStream end = guest.attach(first.pid, from(14));
    CHECK(offset_of(end) == 14);
    CHECK(end.rest().end.at("exitCode") == 3);
    CHECK(code_of(guest.attach(first.pid, from(15))) == "invalid_argument");

    // Who does not ask gets what nobody was told, as ever, and learns where that is when it knows of it.
    EventStream late = guest.attach(first.pid, extensions);
    CHECK(offset_of(late) == 14);
    CHECK(late.rest().out.empty());
    EventStream plain = guest.attach(first.pid);
    CHECK(!plain.headers.contains("sandboxkit-output-offset"));
    CHECK(!plain.headers.contains("sandboxkit-frames"));
    CHECK(plain.rest().out.empty());
    CHECK(!guest.start(shell_request("true")).headers.contains("sandboxkit-output-offset"));
}

TEST_CASE("what is no offset and no kind of frames is refused, and starts nothing") {
    const LiveGuest guest;
    EventStream cat = guest.start(R"({"process":{"cmd":"cat"}})");
    for (const char* offset : {"-1", "+1", "x", "1x", "0x1", "1 2", "1.0", "18446744073709551616", "99999999999999999999",
                               "000000000000000000000", "18446744073709551615", "1"}) {
        const Headers headers = {{"Sandboxkit-Output-Offset", offset}};
        CHECK(code_of(guest.attach(cat.pid, headers)) == "invalid_argument");
        CHECK(code_of(guest.start(shell_request("sleep 1000"), headers)) == "invalid_argument");
    }
    for (const char* frames : {"", "Raw", "json", "raw, json", "1"}) {
        const Headers headers = {{"Sandboxkit-Frames", frames}};
        CHECK(code_of(guest.attach(cat.pid, headers)) == "invalid_argument");
        CHECK(code_of(guest.start(shell_request("sleep 1000"), headers)) == "invalid_argument");
    }
    CHECK(guest.unary("/process.Process/List", "{}").json().at("processes").as_array().size() == 1);
    CHECK(guest.start(shell_request("echo hi"), from(0)).rest().out == "hi\n");
}

TEST_CASE("a client whose connection breaks again and again loses nothing") {
    const LiveGuest guest;
    std::mt19937 random(11);
    std::optional<EventStream> stream =
        guest.start(shell_request("i=0; while [ $i -lt 30 ]; do seq 100000 110000; seq 1000 >&2; i=$((i+1)); done"),
                    {{"Sandboxkit-Extensions", "1"}, {"Sandboxkit-Frames", "raw"}});
    const std::uint32_t pid = stream->pid;
    std::string out;
    std::string err;
    int breaks = 0;
    for (bool end = false; !end;) {
        const std::size_t patience = random() % 300'000;
        for (std::size_t taken = 0; taken <= patience && !end;) {
            const auto envelope = stream->next_envelope();
            if (envelope.flags == 0x40) out += envelope.payload;
            if (envelope.flags == 0x41) err += envelope.payload;
            if (envelope.flags >= 0x40) taken += envelope.payload.size();
            end = envelope.flags == 2;
        }
        if (end) break;
        stream->close();
        stream.emplace(guest.attach(pid, from(out.size() + err.size())));
        CHECK(offset_of(*stream) == out.size() + err.size());
        ++breaks;
    }
    CHECK(breaks > 3);
    std::string lines;
    for (int i = 100'000; i <= 110'000; ++i) lines += std::to_string(i) + '\n';
    std::string expected;
    for (int i = 0; i < 30; ++i) expected += lines;
    CHECK(out == expected);
    CHECK(std::count(err.begin(), err.end(), '\n') == 30'000);
}

TEST_CASE("a client that comes too late is told from where on it has the output") {
    const LiveGuest guest;
    constexpr std::uint64_t size = 100'000'000;
    EventStream flood = guest.start(shell_request("head -c " + std::to_string(size) + " /dev/zero; printf last"));
    flood.close();
    wait_for_all(guest);
    EventStream late = guest.attach(flood.pid, from(0));
    const std::uint64_t first = offset_of(late);
    CHECK(first > 0);
    const auto result = late.rest();
    CHECK(first + result.out.size() == size + 4);
    CHECK(result.out.size() >= (56 << 20)); // of 64: small pieces are not cut, which leaves gaps
    CHECK(result.out.ends_with("last"));
    // Now it was told, and the last of it is kept all the same.
    EventStream again = guest.attach(flood.pid, from(0));
    CHECK(offset_of(again) > size - 1'000'000);
    CHECK(again.rest().out.size() >= (512 << 10));
}

TEST_CASE("what the disk does not take is lost from the oldest on, and nothing else is") {
    LaunchOptions options;
    options.file_size_limit = 1 << 20;
    const LiveGuest guest(options);
    EventStream flood = guest.start(shell_request("head -c 5000000 /dev/zero; printf last"));
    flood.close();
    wait_for_all(guest);
    EventStream late = guest.attach(flood.pid, from(0));
    const std::uint64_t first = offset_of(late);
    const auto result = late.rest();
    CHECK(first + result.out.size() == 5'000'004);
    CHECK(result.out.size() > 1'500'000);
    CHECK(result.out.size() < 2'500'000);
    CHECK(result.out.ends_with("last"));
}

TEST_CASE("from an offset on, and then what comes") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    ::mkfifo(go.c_str(), 0600);
    EventStream first = guest.start(shell_request("echo one; read x < " + go + "; echo two"));
    first.next();
    EventStream second = guest.attach(first.pid, {{"Sandboxkit-Output-Offset", "0"}});
    CHECK(second.next().first.at("event").at("data").at("stdout") == "b25lCg==");
    std::ofstream(go) << "x\n";
    CHECK(second.rest().out == "two\n");
    CHECK(first.rest().out == "two\n");
}

TEST_CASE("raw frames") {
    const LiveGuest guest;
    const Headers raw = {{"Sandboxkit-Frames", "raw"}};
    EventStream stream = guest.start(shell_request("printf 'a\\0b'; sleep 0.05; echo err >&2"), raw);
    CHECK(stream.headers.at("sandboxkit-frames") == "raw");
    CHECK(stream.headers.at("content-type") == "application/connect+json");
    auto envelope = stream.next_envelope();
    CHECK(int{envelope.flags} == 0x40);
    CHECK(envelope.payload == std::string("a\0b", 3));
    envelope = stream.next_envelope();
    CHECK(int{envelope.flags} == 0x41);
    CHECK(envelope.payload == "err\n");
    envelope = stream.next_envelope();
    CHECK(int{envelope.flags} == 0);
    CHECK(envelope.payload == R"({"event":{"end":{"exited":true,"status":"exit status 0"}}})");
    envelope = stream.next_envelope();
    CHECK(int{envelope.flags} == 2);
    CHECK(envelope.payload == "{}");

    EventStream terminal =
        guest.start(R"({"process":{"cmd":"/bin/sh","args":["-c","echo hi"]},"pty":{"size":{"cols":80,"rows":24}}})", raw);
    envelope = terminal.next_envelope();
    CHECK(int{envelope.flags} == 0x42);
    CHECK(envelope.payload == "hi\r\n");

    const auto large = guest.start(R"({"process":{"cmd":"head","args":["-c","30000000","/dev/zero"]}})", raw).rest();
    CHECK(large.out.size() == 30'000'000);
    CHECK(large.largest <= (64 << 10));
    CHECK(guest.start(shell_request("sleep 1.5"), {{"Sandboxkit-Frames", "raw"}, {"Keepalive-Ping-Interval", "1"}})
              .rest()
              .keepalives >= 1);
}
