// SPDX-License-Identifier: Apache-2.0
// Standard input and output as a connection to the guest's socket.
#include "live_guest.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <string_view>

using namespace sandboxkit::guest::test;

namespace {

// A relay in a process of its own, between two pipes.
class Relay {
public:
    explicit Relay(const std::string& socket) {
        int in[2], out[2];
        REQUIRE(::pipe(in) == 0);
        REQUIRE(::pipe(out) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
            ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
            ::execl("/proc/self/exe", "guest", "--guest", "--connect-unix", socket.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        in_ = in[1];
        out_ = out[0];
    }
    ~Relay() {
        end_input();
        end_output();
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    void send(std::string_view bytes) const { REQUIRE(::write(in_, bytes.data(), bytes.size()) == ssize_t(bytes.size())); }
    void end_input() { ::close(std::exchange(in_, -1)); }
    void end_output() { ::close(std::exchange(out_, -1)); }
    [[nodiscard]] std::string read_to_end() const {
        std::string all;
        std::array<char, 65536> piece{};
        for (ssize_t n = 0; (n = ::read(out_, piece.data(), piece.size())) > 0;) all.append(piece.data(), std::size_t(n));
        return all;
    }
    int exit_code() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_ = -1;
    int in_ = -1, out_ = -1;
};

} // namespace

TEST_CASE("a request through the relay is answered as on the socket, and it ends with the connection") {
    const LiveGuest guest;
    Relay relay(guest.socket());
    relay.send("GET /health HTTP/1.1\r\nHost: x\r\n");
    relay.send("Connection: close\r\n\r\n");
    CHECK(relay.read_to_end().starts_with("HTTP/1.1 204 "));
    CHECK(relay.exit_code() == 0);
}

TEST_CASE("ten megabytes come through the relay whole, also when nobody reads them at first") {
    const LiveGuest guest;
    REQUIRE(guest.shell("head -c 10000000 /dev/zero > " + guest.directory().path("zeros")).end.at("exited") == true);
    Relay relay(guest.socket());
    relay.send("GET /files?path=" + guest.directory().path("zeros") + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    relay.end_input(); // half of the connection: the answer still comes
    const std::string answer = relay.read_to_end();
    CHECK(answer.substr(0, 12) == "HTTP/1.1 200");
    CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == 10'000'000);
    CHECK(relay.exit_code() == 0);
}

TEST_CASE("a relay whose reader is gone ends by itself") {
    const LiveGuest guest;
    Relay relay(guest.socket());
    relay.end_output();
    CHECK(relay.exit_code() == 0);
}

TEST_CASE("a relay to nowhere says so") {
    const TemporaryDirectory directory;
    const auto result = run_guest({"--connect-unix", directory.path("nothing")});
    CHECK(result.first == 1);
    CHECK(result.second.find("cannot connect to " + directory.path("nothing") + ": No such file") != std::string::npos);
    CHECK(run_guest({"--connect-unix", "/" + std::string(200, 'x')}).second.find("longer than") != std::string::npos);
    CHECK(run_guest({"--connect-unix", "/x", "--workdir", "/"}).second.find("no other option") != std::string::npos);
}
