// SPDX-License-Identifier: Apache-2.0
#include "conformance/listener.hpp"

#include "tree/file_descriptor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace sandboxkit::conformance {
namespace {

constexpr int patience_ms = 2000;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const std::string& text, std::uint16_t port) {
    Address result;
    sockaddr_in four{};
    sockaddr_in6 six{};
    if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&result.storage, &four, sizeof four);
        result.size = sizeof four;
    } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&result.storage, &six, sizeof six);
        result.size = sizeof six;
    }
    return result;
}

tree::FileDescriptor connect_to(const std::string& text, std::uint16_t port) {
    const auto address = address_of(text, port);
    tree::FileDescriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return {};
    if (::connect(socket.get(), address.get(), address.size) == 0) return socket;
    if (errno != EINPROGRESS) return {};
    pollfd waiting{socket.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (::poll(&waiting, 1, patience_ms) != 1 || ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
        error != 0)
        return {};
    return socket;
}

} // namespace

std::unique_ptr<Listener> Listener::tcp(std::string word) {
    // Both families, where there are both.
    for (const char* any : {"::", "0.0.0.0"}) {
        const auto address = address_of(any, 0);
        tree::FileDescriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int no = 0;
        if (!socket) continue;
        if (address.storage.ss_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
        if (::bind(socket.get(), address.get(), address.size) != 0 || ::listen(socket.get(), 64) != 0) continue;
        sockaddr_storage bound{};
        socklen_t size = sizeof bound;
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size);
        std::unique_ptr<Listener> made(new Listener(socket.release(), std::move(word)));
        made->port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                        : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
        return made;
    }
    return nullptr;
}

std::unique_ptr<Listener> Listener::unix_socket(const std::filesystem::path& path, std::string word) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) return nullptr;
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    tree::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), 64) != 0)
        return nullptr;
    return std::unique_ptr<Listener>(new Listener(socket.release(), std::move(word)));
}

Listener::Listener(int socket, std::string word) : socket_(socket) {
    thread_ = std::thread([this, word = std::move(word)] {
        for (;;) {
            const tree::FileDescriptor peer(::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC));
            if (!peer) {
                if (errno == EINTR || errno == ECONNABORTED) continue;
                return;
            }
            ++accepted_;
            (void)::send(peer.get(), word.data(), word.size(), MSG_NOSIGNAL);
        }
    });
}

Listener::~Listener() {
    ::shutdown(socket_, SHUT_RDWR); // wakes accept
    thread_.join();
    ::close(socket_);
}

std::vector<std::string> host_addresses() {
    std::vector<std::string> result{"127.0.0.1"};
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return result;
    for (const auto* each = all; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr) continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (each->ifa_addr->sa_family == AF_INET) {
            ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text.data(), text.size());
        } else if (each->ifa_addr->sa_family == AF_INET6) {
            const auto& six = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&six)) continue;
            ::inet_ntop(AF_INET6, &six, text.data(), text.size());
        } else {
            continue;
        }
        if (std::ranges::find(result, text.data()) == result.end()) result.emplace_back(text.data());
    }
    ::freeifaddrs(all);
    return result;
}

std::string ask(const std::string& address, std::uint16_t port) {
    const auto socket = connect_to(address, port);
    if (!socket) return {};
    std::string said;
    std::array<char, 256> buffer{};
    for (;;) {
        pollfd waiting{socket.get(), POLLIN, 0};
        if (::poll(&waiting, 1, patience_ms) != 1) return said;
        const auto count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (count <= 0) return said;
        said.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

bool reaches(const std::string& address, std::uint16_t port) {
    return static_cast<bool>(connect_to(address, port));
}

} // namespace sandboxkit::conformance
