// SPDX-License-Identifier: Apache-2.0
// A port on the sandbox's loopback whose connections the host answers. The host comes with connections that wait, each for one
// client of the port, and then carry the bytes of both; nothing is read of them here.
//
// The clients are the processes of the sandbox: how many connections there are is bounded, and how long each may be silent.
#pragma once

#include "guest/file_descriptor.hpp"
#include "guest/rpc_error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>

namespace sandboxkit::guest {

class Tunnel;

class Tunnels {
public:
    static constexpr std::size_t tunnels_limit = 64; // that wait or carry
    static constexpr std::size_t clients_limit = 32; // without a tunnel yet
    // How long a client waits for one. The host brings another as soon as one is taken, if it is there at all.
    static constexpr std::chrono::seconds client_time{5};

    explicit Tunnels(boost::asio::any_io_executor executor);
    ~Tunnels();
    Tunnels(const Tunnels&) = delete;
    Tunnels& operator=(const Tunnels&) = delete;

    // The port, which the kernel chooses at the first call, and which stays. From then on, a client that nobody comes for is told
    // so in HTTP.
    Answer<std::uint16_t> listen();

    [[nodiscard]] bool full() const { return tunnels_.size() >= tunnels_limit; }

    // A connection of the host, from now on for a client, whose bytes follow the head of the answer that is sent here.
    void add(FileDescriptor host);

private:
    friend class Tunnel;
    struct Client {
        FileDescriptor socket;
        std::chrono::steady_clock::time_point until;
    };

    void accept();
    void accept_waiting();
    void match();
    void watch_clients();
    void forget(Tunnel& tunnel);

    boost::asio::any_io_executor executor_;
    boost::asio::posix::stream_descriptor listener_;
    boost::asio::steady_timer accept_again_, clients_timer_;
    std::uint16_t port_ = 0;
    std::deque<Client> clients_; // the longest waiting first
    std::unordered_map<Tunnel*, std::shared_ptr<Tunnel>> tunnels_;
};

} // namespace sandboxkit::guest
