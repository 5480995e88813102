// SPDX-License-Identifier: Apache-2.0
#include "providers/local/guest_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace {

Result<sockaddr_un> address_in(int directory) {
    const std::string path = descriptor_path(directory, guest_socket_name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return system_error(ENAMETOOLONG, "cannot name the socket of the guest");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

Error died() {
    return {ErrorClass::unavailable,
            "guest_died",
            "the guest program ended before it answered",
            "see the detail, and sandboxkit doctor",
            "",
            {}};
}

} // namespace

Result<FileHandle> listen_for_guest(int directory) {
    auto address = address_in(directory);
    if (!address) return address.error();
    if (::unlinkat(directory, guest_socket_name, 0) != 0 && errno != ENOENT)
        return system_error(errno, "cannot remove an old socket");
    FileHandle socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return system_error(errno, "cannot make the socket of the guest");
    // The mode of the descriptor becomes that of the file: at no time may others connect.
    if (::fchmod(socket.get(), 0600) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
        ::listen(socket.get(), 512) != 0)
        return system_error(errno, "cannot listen on the socket of the guest");
    return socket;
}

Result<void> wait_for_guest(int directory, const FileHandle& process, std::chrono::milliseconds limit, int stop) {
    auto address = address_in(directory);
    if (!address) return address.error();
    FileHandle socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return system_error(errno, "cannot make a socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        if (errno == ECONNREFUSED) return died();
        return system_error(errno, "cannot connect to the guest");
    }
    constexpr std::string_view request = "GET /health HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n";
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return died();

    const auto end = std::chrono::steady_clock::now() + limit;
    std::string answer;
    constexpr std::string_view expected = "HTTP/1.1 2";
    for (;;) {
        std::array<pollfd, 3> waiting{pollfd{socket.get(), POLLIN, 0}, pollfd{process.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
        const int count = ::poll(waiting.data(), waiting.size(), static_cast<int>(left < 0 ? 0 : left));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0)
            return Error{ErrorClass::timeout,
                         "guest_not_ready",
                         "the guest program did not answer in time",
                         "see the detail, and sandboxkit doctor",
                         "",
                         {}};
        if (waiting[2].revents != 0) return cancelled_error();
        if (waiting[0].revents == 0) return died();
        std::array<char, 512> buffer{};
        const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size <= 0) return died();
        answer.append(buffer.data(), static_cast<std::size_t>(size));
        if (answer.size() < expected.size()) continue;
        if (answer.starts_with(expected)) return {};
        return Error{ErrorClass::internal,
                     "peer_protocol",
                     "the guest program is not well",
                     "use the guest program of this version",
                     shown(answer),
                     {}};
    }
}

} // namespace sandboxkit::local
