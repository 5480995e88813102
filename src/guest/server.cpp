// SPDX-License-Identifier: Apache-2.0
#include "guest/server.hpp"

#include <malloc.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

namespace sandboxkit::guest {
namespace {

using namespace std::chrono_literals;

// Descriptors that processes may not take: connections, and files that are open for a moment; and both ends of tunnels, where
// there are that many.
constexpr int reserved_descriptors = 64;
constexpr int tunnel_descriptors = static_cast<int>(2 * Tunnels::tunnels_limit + Tunnels::clients_limit);

int descriptors_for_processes(int limit) {
    const int left = limit > 2 * reserved_descriptors ? limit - reserved_descriptors : limit / 2;
    return left > 2 * tunnel_descriptors ? left - tunnel_descriptors : left;
}

} // namespace

Server::Server(boost::asio::io_context& loop, FileDescriptor listener, FileDescriptor signals, ServerOptions options)
    : loop_(loop), listener_fd_(std::move(listener)), signals_fd_(std::move(signals)), acceptor_(loop), signals_(loop),
      accept_again_(loop), stalled_(loop), trim_(loop),
      processes_(loop.get_executor(), std::move(options.spawn), descriptors_for_processes(options.descriptor_limit)),
      service_(loop.get_executor(), processes_, std::move(options.workdir), std::move(options.environment)) {}

Server::~Server() = default;

bool Server::start() {
    boost::system::error_code ec;
    acceptor_.assign(boost::asio::local::stream_protocol(), listener_fd_.get(), ec);
    if (ec) return false;
    listener_fd_.release();
    acceptor_.non_blocking(true, ec);
    if (ec) return false;
    signals_.assign(signals_fd_.get(), ec);
    if (ec) return false;
    signals_fd_.release();
    accept();
    wait_for_signal();
    return true;
}

void Server::accept() {
    if (accepting_ || connections_.size() >= connection_limit) return;
    accepting_ = true;
    acceptor_.async_wait(boost::asio::socket_base::wait_read, [this](const boost::system::error_code& ec) {
        accepting_ = false;
        if (!ec) accept_one();
    });
}

// Not by async_accept, whose sockets are not close-on-exec.
void Server::accept_one() {
    FileDescriptor fd(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    Connection::Socket socket(loop_);
    boost::system::error_code ec;
    if (fd) socket.assign(boost::asio::local::stream_protocol(), fd.get(), ec);
    if (!fd && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return accept();
    if (!fd || ec) {
        // No descriptors or no memory now: others wait in the queue of the kernel meanwhile.
        accept_again_.expires_after(50ms);
        accept_again_.async_wait([this](const boost::system::error_code& cancelled) {
            if (!cancelled) accept();
        });
        return;
    }
    fd.release();
    const auto connection = std::make_shared<Connection>(std::move(socket), service_, [this](Connection& closed) {
        connections_.erase(&closed);
        give_back_memory();
        accept();
    });
    connections_.emplace(connection.get(), connection);
    connection->start();
    watch(connection->deadline());
    accept();
}

void Server::wait_for_signal() {
    signals_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& ec) {
        if (ec) return;
        signalfd_siginfo info{};
        bool terminate = false;
        while (::read(signals_.native_handle(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
            // A process of the sandbox (PID 1's own namespace) does not end the sandbox; from outside the sender has no number.
            terminate = terminate || (info.ssi_signo != SIGCHLD && (::getpid() != 1 || info.ssi_pid == 0));
        reap();
        if (terminate) {
            processes_.shut_down();
            return loop_.stop();
        }
        wait_for_signal();
    });
}

// Also the orphans, which the kernel gives to PID 1.
void Server::reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG))
        processes_.child_exited(pid, status);
}

// One timer for all connections. Deadlines move at every request, so it only looks when the first of them could have
// passed, and otherwise sleeps on.
void Server::watch(Connection::Clock::time_point deadline) {
    if (stalled_.expiry() > Connection::Clock::now() && stalled_.expiry() <= deadline) return;
    stalled_.expires_at(deadline);
    stalled_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec) close_stalled();
    });
}

void Server::close_stalled() {
    const auto now = Connection::Clock::now();
    // A deadline that is moved nearer later (a head has begun on an idle connection) is found within this time.
    auto next = now + 60s;
    std::vector<std::shared_ptr<Connection>> stalled;
    for (const auto& [pointer, weak] : connections_) {
        const auto connection = weak.lock();
        if (!connection) continue;
        if (connection->deadline() <= now)
            stalled.push_back(connection);
        else
            next = std::min(next, connection->deadline());
    }
    for (const auto& connection : stalled) connection->close();
    if (!connections_.empty()) watch(next);
}

// Output that waited for a slow client was in many pieces, and the C library gives back only what is free at the end of the
// heap. A while after a connection closed, so that it is done once for many of them.
void Server::give_back_memory() {
    if (std::exchange(trim_due_, true)) return;
    trim_.expires_after(1s);
    trim_.async_wait([this](const boost::system::error_code& ec) {
        trim_due_ = false;
        if (!ec) ::malloc_trim(0);
    });
}

} // namespace sandboxkit::guest
