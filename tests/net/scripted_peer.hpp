// SPDX-License-Identifier: Apache-2.0
// A peer that says and does what a test wants, over a Unix socket or TCP on 127.0.0.1, one thread a connection.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::test {

// A directory that goes away with its object.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "sandboxkit-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// The peer's side of one connection. Calls block; after the client closed, or the test ended, they return at once.
class PeerConnection {
public:
    PeerConnection(int fd, std::size_t index) : fd_(fd), index_(index) {}

    [[nodiscard]] std::size_t index() const { return index_; } // 0 is the first connection
    [[nodiscard]] int fd() const { return fd_; }

    // A whole request, head and body; empty when the client closed.
    std::string read_request() {
        for (;;) {
            const auto end = received_.find("\r\n\r\n");
            if (end != std::string::npos) {
                std::size_t length = 0;
                const auto field = received_.find("Content-Length: ");
                if (field != std::string::npos && field < end) length = std::stoul(received_.substr(field + 16));
                if (received_.size() >= end + 4 + length) {
                    std::string request = received_.substr(0, end + 4 + length);
                    received_.erase(0, request.size());
                    return request;
                }
            }
            if (!read_some()) return {};
        }
    }
    // All that comes until the end of a body in chunks; empty when the client closed before.
    std::string read_chunked_request() {
        while (!received_.ends_with("\r\n0\r\n\r\n"))
            if (!read_some()) return {};
        return std::exchange(received_, {});
    }
    bool read_some() {
        char buffer[65536];
        const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n <= 0) return false;
        received_.append(buffer, static_cast<std::size_t>(n));
        return true;
    }
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    // Waits until the client closes its end.
    void wait_for_close() {
        while (read_some()) received_.clear();
    }

private:
    int fd_;
    std::size_t index_;
    std::string received_;
};

inline std::string ok(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline void echo_requests(PeerConnection& peer) {
    for (;;) {
        const auto request = peer.read_request();
        if (request.empty() || !peer.send(ok(request))) return;
    }
}

// What a peer's thread is to do at some point, set by the test's.
class Trigger {
public:
    void set(std::function<void()> action) {
        std::lock_guard lock(mutex_);
        action_ = std::move(action);
    }
    void operator()() {
        std::lock_guard lock(mutex_);
        action_();
    }

private:
    std::mutex mutex_;
    std::function<void()> action_;
};

class ScriptedPeer {
public:
    using Serve = std::function<void(PeerConnection&)>; // the connection is closed when it returns
    enum class Kind { unix_socket, tcp };

    explicit ScriptedPeer(Serve serve, Kind kind = Kind::unix_socket) : serve_(std::move(serve)) {
        stop_ = ::eventfd(0, EFD_CLOEXEC);
        if (kind == Kind::unix_socket)
            listen_unix();
        else
            listen_tcp();
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~ScriptedPeer() {
        const std::uint64_t one = 1;
        if (::write(stop_, &one, sizeof one) < 0) std::abort();
        acceptor_.join();
        {
            std::lock_guard lock(mutex_);
            for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
        }
        for (auto& thread : threads_) thread.join();
        ::close(listener_);
        ::close(stop_);
    }
    ScriptedPeer(const ScriptedPeer&) = delete;
    ScriptedPeer& operator=(const ScriptedPeer&) = delete;

    [[nodiscard]] std::filesystem::path path() const { return directory_.path() / "peer.sock"; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::size_t connections() const { return accepted_; }

private:
    void listen_unix() {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 64) != 0)
            throw std::runtime_error("listen");
    }
    void listen_tcp() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("listen");
        port_ = ntohs(address.sin_port);
    }
    void accept_all() {
        for (;;) {
            pollfd waits[2] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
            if (::poll(waits, 2, -1) < 0) continue;
            if (waits[1].revents != 0) return;
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            const std::size_t index = accepted_++;
            {
                std::lock_guard lock(mutex_);
                open_.push_back(fd);
            }
            threads_.emplace_back([this, fd, index] {
                PeerConnection connection(fd, index);
                serve_(connection);
                std::lock_guard lock(mutex_);
                std::erase(open_, fd);
                ::close(fd);
            });
        }
    }

    TemporaryDirectory directory_;
    Serve serve_;
    int listener_ = -1;
    int stop_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> accepted_ = 0;
    std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::thread> threads_; // of the acceptor thread until it was joined
    std::thread acceptor_;
};

} // namespace sandboxkit::test
