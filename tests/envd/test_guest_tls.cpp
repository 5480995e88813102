// SPDX-License-Identifier: Apache-2.0
// The client against the real guest behind real TLS, as a sandbox that is elsewhere is reached.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "envd/guest_process.hpp"
#include "net/result_text.hpp"
#include "net/tls_terminator.hpp"

#include <cstdio>

using namespace sandboxkit;
using test::Authority;
using test::collect;
using test::Guest;
using test::Loop;
using test::run;
using test::shell;
using test::sleeping;
using test::TlsTerminator;

int main(int count, char** words) {
    if (!TlsTerminator::available()) {
        std::puts("SKIPPED: there is no haproxy");
        return 77;
    }
    return doctest::Context(count, words).run();
}

namespace {

class SecureGuest {
public:
    SecureGuest() {
        authority_.issue("server", "DNS:localhost");
        terminator_.emplace(authority_.file("server.both"), guest_->socket_path());
    }
    [[nodiscard]] bool running() const { return guest_->running(); }
    [[nodiscard]] std::string directory() const { return guest_->files().string(); }
    [[nodiscard]] Endpoint endpoint() const {
        Endpoint endpoint;
        endpoint.host = "localhost";
        endpoint.port = terminator_->port();
        endpoint.tls = true;
        endpoint.tls_ca = authority_.text("authority.pem");
        return endpoint;
    }
    [[nodiscard]] std::shared_ptr<envd::Client> client(Loop& loop) const {
        return envd::Client::make(loop.executor(), endpoint());
    }
    void end() { guest_.reset(); }

private:
    Authority authority_;
    std::optional<Guest> guest_{std::in_place};
    std::optional<TlsTerminator> terminator_;
};

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 999);
    return bytes;
}

} // namespace

TEST_CASE("a command's output as it comes, and its input") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request = shell("echo ready; read line; echo got $line; exit 3");
    request.standard_input = true;
    auto process = loop.run(client->start(request));
    REQUIRE(process);
    const auto first = loop.run((*process)->next());
    REQUIRE(first);
    CHECK(first->bytes == "ready\n");
    REQUIRE(loop.run(client->send_input((*process)->pid(), "it\n", envd::ProcessInput::standard_input)));
    const auto rest = loop.run(collect(*process));
    REQUIRE(rest);
    CHECK(rest->out == "got it\n");
    CHECK(rest->end == ProcessEnd{3, 0, false});
}

TEST_CASE("cancelling the wait for output loses nothing of it") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request = shell("read line; echo got $line");
    request.standard_input = true;
    auto process = loop.run(client->start(request));
    REQUIRE(process);
    for (int i = 0; i < 3; ++i) {
        auto waiting = loop.start((*process)->next());
        while (loop.context().poll_one() > 0) {
        }
        waiting.cancel();
        const auto event = loop.finish(waiting);
        REQUIRE(!event);
        CHECK(event.error().kind == ErrorClass::cancelled);
    }
    REQUIRE(loop.run(client->send_input((*process)->pid(), "it\n", envd::ProcessInput::standard_input)));
    const auto rest = loop.run(collect(*process));
    REQUIRE(rest);
    CHECK(rest->out == "got it\n");
}

TEST_CASE("a time limit, and a signal") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto limited = sleeping();
    limited.timeout = std::chrono::milliseconds(50);
    const auto result = loop.run(run(client, limited));
    REQUIRE(result);
    CHECK(result->end.timed_out);
    auto process = loop.run(client->start(sleeping()));
    REQUIRE(process);
    REQUIRE(loop.run(client->send_signal((*process)->pid(), SIGTERM)));
    CHECK(loop.run(collect(*process))->end == ProcessEnd{-1, SIGTERM, false});
}

TEST_CASE("much of everything: files there and back, and output") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    const std::string bytes = pattern(64U << 20);
    const auto file = guest.directory() + "/large";
    REQUIRE(loop.run(client->write_file(file, bytes)));
    const auto read = loop.run(client->read_file(file));
    REQUIRE(read);
    CHECK((*read == bytes));
    const auto output = loop.run(run(client, shell("exec cat '" + file + "'")));
    REQUIRE(output);
    CHECK((output->out == bytes));
}

TEST_CASE("an access token") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    envd::InitRequest init;
    init.access_token = "the-secret";
    REQUIRE(loop.run(client->init(init)));
    CHECK(loop.run(client->list()));
    const auto stranger = loop.run(guest.client(loop)->list());
    REQUIRE(!stranger);
    CHECK(stranger.error().kind == ErrorClass::permission);
    auto endpoint = guest.endpoint();
    endpoint.access_token = "the-secret";
    CHECK(loop.run(envd::Client::make(loop.executor(), endpoint)->list()));
}

TEST_CASE("a server that is not the one that was meant") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    auto endpoint = guest.endpoint();
    endpoint.tls_ca = Authority("Stranger").text("authority.pem");
    CHECK(loop.run(envd::Client::make(loop.executor(), endpoint)->health()).error().code == "guest_certificate_untrusted");
    endpoint = guest.endpoint();
    endpoint.host = "127.0.0.1";
    CHECK(loop.run(envd::Client::make(loop.executor(), endpoint)->health()).error().code == "guest_certificate_wrong_host");
}

TEST_CASE("a guest that dies in the middle") {
    SecureGuest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto process = loop.run(client->start(sleeping()));
    REQUIRE(process);
    const auto pid = static_cast<pid_t>((*process)->pid());
    auto output = loop.start(collect(*process));
    guest.end();
    const auto result = loop.finish(output);
    REQUIRE(!result);
    CHECK(result.error().code == "guest_disconnected");
    CHECK(loop.run(client->health()).error().code == "guest_disconnected");
    ::kill(-pid, SIGKILL); // what the guest left: it was no PID 1 here
    ::kill(pid, SIGKILL);
}
