// SPDX-License-Identifier: Apache-2.0
// Something in the middle of a connection.
#pragma once

#include "net/scripted_peer.hpp"

#include <algorithm>

namespace sandboxkit::test {

// Passes bytes between the client and a port of 127.0.0.1, at most `limit` of them to the client;
// `before` speaks with the client first.
struct Relay {
    explicit Relay(
        std::uint16_t to, std::function<void(PeerConnection&)> before = [](PeerConnection&) {})
        : peer(
              [this, to, before = std::move(before)](PeerConnection& client) {
                  before(client);
                  pass(client, to);
              },
              ScriptedPeer::Kind::tcp) {}

    std::atomic<std::size_t> limit = SIZE_MAX;
    ScriptedPeer peer;

private:
    void pass(PeerConnection& client, std::uint16_t to) {
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

} // namespace sandboxkit::test
