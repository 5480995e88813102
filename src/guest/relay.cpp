// SPDX-License-Identifier: Apache-2.0
#include "guest/relay.hpp"

#include "guest/capabilities.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/rpc_error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace sandboxkit::guest {
namespace {

void set_non_blocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

bool later(int error) {
    return error == EAGAIN || error == EINTR;
}

// One way of the connection.
class Way {
public:
    Way(int from, int to) : from_(from), to_(to) {}

    // What to wait for; one of the two is always -1.
    [[nodiscard]] pollfd source() const { return {open_ && left() == 0 ? from_ : -1, POLLIN, 0}; }
    [[nodiscard]] pollfd sink() const { return {left() > 0 ? to_ : -1, POLLOUT, 0}; }

    void fill() {
        const ssize_t n = ::read(from_, buffer_.data(), buffer_.size());
        if (n < 0 && later(errno)) return;
        open_ = n > 0;
        begin_ = 0;
        end_ = n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    // False: nobody takes it any more.
    bool drain() {
        const ssize_t n = ::write(to_, buffer_.data() + begin_, left());
        if (n < 0) return later(errno);
        begin_ += static_cast<std::size_t>(n);
        return true;
    }
    // Everything was passed on, and there will be no more.
    [[nodiscard]] bool ended() const { return !open_ && left() == 0; }

private:
    [[nodiscard]] std::size_t left() const { return end_ - begin_; }

    int from_, to_;
    bool open_ = true;
    std::size_t begin_ = 0, end_ = 0;
    std::array<char, 64 << 10> buffer_{};
};

} // namespace

std::string relay(const std::string& socket_path) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (const int error = drop_capabilities(); error != 0)
        return "cannot give up its capabilities: " + std::string(describe(error));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path)
        return "--connect-unix: the path is longer than " + std::to_string(sizeof address.sun_path - 1) + " bytes";
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return "cannot make a socket: " + std::string(describe(errno));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return "cannot connect to " + socket_path + ": " + std::string(describe(errno));

    ::signal(SIGPIPE, SIG_IGN);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, socket.get()}) set_non_blocking(fd);
    Way in(STDIN_FILENO, socket.get());
    Way out(socket.get(), STDOUT_FILENO);
    bool told = false; // the other side, that there is no more input
    while (!out.ended()) {
        if (in.ended() && !told) {
            ::shutdown(socket.get(), SHUT_WR);
            told = true;
        }
        // The last one waits for nothing but the end of whoever reads.
        std::array<pollfd, 5> wait{in.source(), in.sink(), out.source(), out.sink(), pollfd{STDOUT_FILENO, 0, 0}};
        if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return "cannot wait: " + std::string(describe(errno));
        if (wait[0].revents != 0) in.fill();
        if (wait[1].revents != 0 && !in.drain()) break;
        if (wait[2].revents != 0) out.fill();
        if (wait[3].revents != 0 && !out.drain()) break;
        if ((wait[4].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) break;
    }
    return {};
}

} // namespace sandboxkit::guest
