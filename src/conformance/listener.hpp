// SPDX-License-Identifier: Apache-2.0
// A server on this host that says one word to whoever comes, and the asking of such a one.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sandboxkit::conformance {

class Listener {
public:
    // On all addresses of this host, at a port that is free; null when there is none.
    static std::unique_ptr<Listener> tcp(std::string word);
    static std::unique_ptr<Listener> unix_socket(const std::filesystem::path& path, std::string word);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] int accepted() const { return accepted_; }

private:
    Listener(int socket, std::string word);

    int socket_;
    std::uint16_t port_ = 0;
    std::atomic<int> accepted_ = 0;
    std::thread thread_;
};

// Of this host's interfaces, 127.0.0.1 the first; without link-local ones of IPv6, which mean nothing without an interface.
std::vector<std::string> host_addresses();
// What a server says to this host in two seconds; empty: nothing.
std::string ask(const std::string& address, std::uint16_t port);
// Whether this host itself gets a connection in two seconds.
bool reaches(const std::string& address, std::uint16_t port);

} // namespace sandboxkit::conformance
