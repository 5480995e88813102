// SPDX-License-Identifier: Apache-2.0
// Connections of the loopback that the host answers, and what becomes of them when either side does not behave.
#include "live_guest.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

using namespace sandboxkit::guest::test;

namespace {

// A process of the sandbox, to the port.
class Local {
public:
    explicit Local(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    ~Local() {
        if (fd_ >= 0) ::close(fd_);
    }
    Local(Local&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Local(const Local&) = delete;
    Local& operator=(const Local&) = delete;

    void send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            REQUIRE(n > 0);
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void end() const { ::shutdown(fd_, SHUT_WR); }
    [[nodiscard]] std::string read(std::size_t size) const {
        std::string bytes;
        while (bytes.size() < size) {
            const std::string more = read_some(size - bytes.size());
            REQUIRE(!more.empty());
            bytes += more;
        }
        return bytes;
    }
    [[nodiscard]] std::string read_to_end() const {
        std::string bytes;
        for (std::string more = read_some(65536); !more.empty(); more = read_some(65536)) bytes += more;
        return bytes;
    }

private:
    [[nodiscard]] std::string read_some(std::size_t size) const {
        pollfd one{fd_, POLLIN, 0};
        REQUIRE(::poll(&one, 1, 60'000) == 1);
        std::string bytes(size, '\0');
        const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
        bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return bytes;
    }
    int fd_;
};

// One that waits, and the port.
std::pair<Client, int> tunnel(const LiveGuest& guest) {
    Client client = guest.connect();
    client.send(request_bytes("POST", "/sandboxkit/tunnel", {}, {}));
    const Reply reply = client.read_head();
    REQUIRE(reply.status == 200);
    return {std::move(client), std::stoi(reply.headers.at("sandboxkit-port"))};
}

} // namespace

TEST_CASE("a tunnel carries the bytes of one client, both ways and to the end") {
    const LiveGuest guest;
    auto [host, port] = tunnel(guest);
    auto [other, same] = tunnel(guest);
    CHECK(port == same);
    const Local first(port), second(port);
    first.send("one");
    second.send("two");
    const std::string heard = host.read_exactly(3), heard_too = other.read_exactly(3);
    CHECK(((heard == "one" && heard_too == "two") || (heard == "two" && heard_too == "one")));
    Client& ones = heard == "one" ? host : other;
    ones.send("answer");
    CHECK(first.read(6) == "answer");

    // More than all buffers on the way, while both sides send.
    std::string large(20'000'000, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 + i / 4096);
    std::thread sender([&] { first.send(large); });
    std::thread answerer([&] { ones.send(large); });
    std::string there, back;
    std::thread reader([&] { back = first.read(large.size()); });
    there = ones.read_exactly(large.size());
    sender.join();
    answerer.join();
    reader.join();
    CHECK((there == large));
    CHECK((back == large));

    first.end(); // it has nothing more to say, and still listens
    CHECK(ones.read_to_end() == "");
    ones.send("last");
    CHECK(first.read(4) == "last");
    ones.close();
    CHECK(first.read_to_end() == "");
}

TEST_CASE("a client that nobody comes for is told so, in HTTP") {
    const LiveGuest guest;
    auto [host, port] = tunnel(guest);
    host.close();
    const Local local(port);
    local.send("GET / HTTP/1.1\r\n\r\n");
    const std::string answer = local.read_to_end();
    CHECK(answer.starts_with("HTTP/1.1 503 "));
    CHECK(answer.find("text/plain") != std::string::npos);
    CHECK(answer.find("engine of this session does not answer") != std::string::npos);
}

TEST_CASE("a client that came first waits for a tunnel") {
    const LiveGuest guest;
    auto [host, port] = tunnel(guest);
    host.close();
    const Local local(port);
    local.send("hello");
    auto [late, same] = tunnel(guest);
    CHECK(late.read_exactly(5) == "hello");
}

TEST_CASE("however many come, the guest answers") {
    const LiveGuest guest;
    auto [host, port] = tunnel(guest);
    host.close();
    std::vector<Local> crowd;
    for (int i = 0; i < 200; ++i) crowd.emplace_back(port);
    // Those beyond the limit are sent away at once, and the others when their time is over.
    for (const auto& one : crowd) CHECK(one.read_to_end().starts_with("HTTP/1.1 503 "));

    std::vector<Client> tunnels;
    int refused = 0;
    for (int i = 0; i < 100; ++i) {
        Client client = guest.connect();
        client.send(request_bytes("POST", "/sandboxkit/tunnel", {}, {}));
        const int status = client.read_head().status;
        refused += status == 503 ? 1 : 0;
        if (status == 200) tunnels.push_back(std::move(client));
    }
    CHECK(tunnels.size() == 64);
    CHECK(refused == 36);
    CHECK(guest.request("GET", "/health").status == 204);
    CHECK(guest.request("GET", "/sandboxkit/tunnel").status == 405);
    tunnels.clear();
    CHECK(guest.request("GET", "/health").status == 204);
}

TEST_CASE("a host that speaks before there is a client is let go") {
    const LiveGuest guest;
    auto [host, port] = tunnel(guest);
    host.send("too early");
    CHECK(host.read_to_end() == "");
}

TEST_CASE("tunnels are for who has the token") {
    const LiveGuest guest;
    REQUIRE(guest.request("POST", "/init", {}, R"({"accessToken":"t"})").status == 204);
    CHECK(guest.request("POST", "/sandboxkit/tunnel").status == 401);
}
