// SPDX-License-Identifier: Apache-2.0
// Something in the middle of a connection.
#pragma once

#include "net/scripted_peer.hpp"

#include <algorithm>

namespace sandboxkit::test {

// Passes bytes between the client and a port of 127.0.0.1, at most `limit` of them to the client. `before` speaks with the
// client first, `after` when that many were passed.
struct Relay {
    using Speak = std::function<void(PeerConnection&)>;
    static void nothing(PeerConnection&) {}

    explicit Relay(std::uint16_t to, Speak before = nothing, Speak after = nothing)
        : peer(
              [this, to, before = std::move(before), after = std::move(after)](PeerConnection& client) {
                  before(client);
                  if (pass(client, to) == limit) after(client);
              },
              ScriptedPeer::Kind::tcp) {}

    std::atomic<std::size_t> limit = SIZE_MAX;
    ScriptedPeer peer;

private:
    std::size_t pass(PeerConnection& client, std::uint16_t to) {
        std::size_t passed = 0;
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(to);
        if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) passed = pump(client, server);
        ::close(server);
        return passed;
    }
    std::size_t pump(PeerConnection& client, int server) {
        std::size_t passed = 0;
        char buffer[65536];
        while (passed < limit) {
            pollfd waits[2] = {{client.fd(), POLLIN, 0}, {server, POLLIN, 0}};
            if (::poll(waits, 2, -1) < 0) break;
            if (waits[1].revents != 0) {
                const auto n = ::recv(server, buffer, sizeof buffer, 0);
                if (n <= 0) break;
                const auto some = std::min(limit - passed, static_cast<std::size_t>(n));
                if (!client.send({buffer, some})) break;
                passed += some;
            }
            if (waits[0].revents != 0) {
                const auto n = ::recv(client.fd(), buffer, sizeof buffer, 0);
                if (n <= 0 || ::send(server, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) break;
            }
        }
        return passed;
    }
};

} // namespace sandboxkit::test
