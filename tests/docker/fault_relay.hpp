// SPDX-License-Identifier: Apache-2.0
// Stands between a provider and its daemon, and does something to one answer: cuts it, delays it, or sends it twice. The daemon
// has acted by then.
#pragma once

#include "net/scripted_peer.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace sandboxkit::test {

class FaultRelay {
public:
    struct Fault {
        std::string request;        // text in the request whose answer it is
        std::size_t cut = SIZE_MAX; // bytes of the answer that are passed on before the connection breaks
        std::string cut_after;      // the same, but after this text of the answer, and `cut` bytes; empty: from the beginning
        std::chrono::milliseconds delay{};
        bool twice = false;
    };

    explicit FaultRelay(std::filesystem::path daemon) : daemon_(std::move(daemon)) {}

    [[nodiscard]] std::string endpoint() const { return "unix://" + peer_.path().string(); }
    // For the next such request, once.
    void plan(Fault fault) {
        std::lock_guard lock(mutex_);
        fault_ = std::move(fault);
        struck_ = false;
    }
    [[nodiscard]] bool struck() const { return struck_; }

private:
    bool take(std::string_view request, Fault& fault) {
        std::lock_guard lock(mutex_);
        if (fault_.request.empty() || request.find(fault_.request) == std::string_view::npos) return false;
        fault = std::exchange(fault_, {});
        return struck_ = true;
    }
    void serve(PeerConnection& client) {
        const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        daemon_.string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) pump(client, server);
        ::close(server);
    }
    void pump(PeerConnection& client, int server) {
        Fault fault;
        bool armed = false;
        std::string answer; // of the armed request, so far
        char buffer[65536];
        for (;;) {
            pollfd waits[2] = {{client.fd(), POLLIN, 0}, {server, POLLIN, 0}};
            if (::poll(waits, 2, -1) < 0) return;
            if (waits[0].revents != 0) {
                const auto n = ::recv(client.fd(), buffer, sizeof buffer, 0);
                if (n <= 0) return;
                if (!armed) armed = take({buffer, static_cast<std::size_t>(n)}, fault);
                if (::send(server, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) return;
            }
            if (waits[1].revents == 0) continue;
            const auto n = ::recv(server, buffer, sizeof buffer, 0);
            if (n <= 0) return;
            std::string_view bytes(buffer, static_cast<std::size_t>(n));
            if (!armed) {
                if (!client.send(bytes)) return;
                continue;
            }
            if (fault.delay.count() > 0) {
                std::this_thread::sleep_for(fault.delay);
                armed = false;
                if (!client.send(bytes)) return;
                continue;
            }
            if (fault.twice) {
                client.send(std::string(bytes) + std::string(bytes));
                armed = false;
                continue;
            }
            const std::size_t before = answer.size();
            answer += bytes;
            std::size_t end = fault.cut;
            if (!fault.cut_after.empty()) {
                const auto at = answer.find(fault.cut_after);
                end = at == std::string::npos || fault.cut == SIZE_MAX ? SIZE_MAX : at + fault.cut_after.size() + fault.cut;
            }
            if (answer.size() >= end) {
                if (end > before) client.send(bytes.substr(0, end - before));
                return;
            }
            if (!client.send(bytes)) return;
        }
    }

    std::filesystem::path daemon_;
    std::mutex mutex_;
    Fault fault_;
    std::atomic<bool> struck_ = false;
    ScriptedPeer peer_{[this](PeerConnection& client) { serve(client); }};
};

} // namespace sandboxkit::test
