// SPDX-License-Identifier: Apache-2.0
#include "guest/tunnels.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::guest {

using boost::system::error_code;
using Descriptor = boost::asio::posix::stream_descriptor;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t piece_size = 32 << 10; // of each way of a tunnel
constexpr auto silence_limit = 15min;        // of both sides of a tunnel
constexpr auto farewell_time = 5s;           // of a client to whom nothing more is said
constexpr int turns_limit = 16;              // then others want to be served, too

constexpr std::string_view nobody =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 109\r\n"
    "Retry-After: 10\r\nConnection: close\r\n\r\n"
    "the engine of this session does not answer: its git access works again once a process has opened that engine\n";
static_assert(nobody.size() - nobody.find("\r\n\r\n") - 4 == 109);

bool later(int error) {
    return error == EAGAIN || error == EINTR;
}

// What the client has said by now is read: a socket that is closed with unread bytes in it would take the answer with it.
void refuse(const FileDescriptor& client) {
    std::array<char, 16 << 10> said{};
    [[maybe_unused]] const ssize_t ignored = ::recv(client.get(), said.data(), said.size(), MSG_DONTWAIT);
    [[maybe_unused]] const ssize_t sent = ::send(client.get(), nobody.data(), nobody.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(client.get(), SHUT_WR);
}

} // namespace

class Tunnel : public std::enable_shared_from_this<Tunnel> {
public:
    Tunnel(Tunnels& owner, FileDescriptor host)
        : owner_(owner), host_(owner.executor_, host.release()), client_(owner.executor_), silence_(owner.executor_) {}

    [[nodiscard]] bool waits() const { return !client_.is_open(); }

    // False: the host is gone already.
    bool greet(std::uint16_t port) {
        const std::string head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nSandboxkit-Port: " + std::to_string(port) +
            "\r\nConnection: close\r\n\r\n";
        const ssize_t n = ::send(host_.native_handle(), head.data(), head.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return n == static_cast<ssize_t>(head.size());
    }

    // Until there is a client the host has nothing to say, and is gone when there is something to read.
    void wait() {
        host_.async_wait(Descriptor::wait_read, [self = shared_from_this()](const error_code&) {
            if (self->waits()) self->close();
        });
    }

    void carry(FileDescriptor client) {
        error_code ec;
        client_.assign(client.get(), ec);
        if (ec) return close();
        client.release();
        watch_silence();
        advance(out_, client_, host_);
        if (host_.is_open()) advance(in_, host_, client_);
    }

    void close() {
        if (!host_.is_open() && !client_.is_open()) return;
        const auto self = shared_from_this();
        error_code ignored;
        host_.close(ignored);
        client_.close(ignored);
        silence_.cancel();
        owner_.forget(*this);
    }

private:
    // One way, with the bytes that are on it.
    struct Way {
        std::vector<char> bytes = std::vector<char>();
        std::size_t begin = 0, end = 0;
        bool over = false; // nothing more comes
    };

    void advance(Way& way, Descriptor& from, Descriptor& to) {
        way.bytes.resize(piece_size);
        for (int turn = 0;; ++turn) {
            const bool full = way.begin < way.end;
            if (!full && way.over) return finish(way, to);
            if (turn == turns_limit) return go_on(way, from, to, full);
            const ssize_t n =
                full ? ::send(to.native_handle(), way.bytes.data() + way.begin, way.end - way.begin, MSG_NOSIGNAL | MSG_DONTWAIT)
                     : ::recv(from.native_handle(), way.bytes.data(), way.bytes.size(), MSG_DONTWAIT);
            if (n < 0 && later(errno)) return go_on(way, from, to, full);
            if (n < 0) return close();
            if (full) {
                way.begin += static_cast<std::size_t>(n);
            } else {
                way.begin = 0;
                way.end = static_cast<std::size_t>(n);
                way.over = n == 0;
            }
            if (n > 0) progress_ = Clock::now();
        }
    }

    void go_on(Way& way, Descriptor& from, Descriptor& to, bool full) {
        (full ? to : from)
            .async_wait(full ? Descriptor::wait_write : Descriptor::wait_read,
                        [self = shared_from_this(), &way, &from, &to](const error_code& ec) {
                            if (ec || !from.is_open() || !to.is_open()) return self->close();
                            self->advance(way, from, to);
                        });
    }

    // What one side said last has arrived at the other. The client may still be heard; the host, which ended its connection, not.
    void finish(const Way& way, const Descriptor& to) {
        ::shutdown(const_cast<Descriptor&>(to).native_handle(), SHUT_WR);
        if (in_.over && out_.over) return close();
        if (&way == &in_) until_ = Clock::now() + farewell_time;
        watch_silence();
    }

    void watch_silence() {
        silence_.expires_at(std::min(until_, progress_ + silence_limit));
        silence_.async_wait([self = shared_from_this()](const error_code& ec) {
            if (ec) return;
            if (Clock::now() >= std::min(self->until_, self->progress_ + silence_limit)) return self->close();
            self->watch_silence();
        });
    }

    Tunnels& owner_;
    Descriptor host_, client_;
    boost::asio::steady_timer silence_;
    Way in_, out_; // into the sandbox, out of it
    Clock::time_point progress_ = Clock::now();
    Clock::time_point until_ = Clock::time_point::max();
};

Tunnels::Tunnels(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)), listener_(executor_), accept_again_(executor_), clients_timer_(executor_) {}

Tunnels::~Tunnels() = default;

Answer<std::uint16_t> Tunnels::listen() {
    if (port_ != 0) return port_;
    const auto failed = [] {
        return RpcError{Code::unavailable, "cannot listen on the sandbox's loopback: " + std::string(describe(errno))};
    };
    FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return failed();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, size) != 0 || ::listen(socket.get(), clients_limit) != 0 ||
        ::getsockname(socket.get(), generic, &size) != 0)
        return failed();
    error_code ec;
    listener_.assign(socket.get(), ec);
    if (ec) return RpcError{Code::unavailable, "cannot wait for clients of the sandbox's loopback"};
    socket.release();
    port_ = ntohs(address.sin_port);
    accept();
    return port_;
}

void Tunnels::add(FileDescriptor host) {
    const auto tunnel = std::make_shared<Tunnel>(*this, std::move(host));
    if (!tunnel->greet(port_)) return;
    tunnels_.emplace(tunnel.get(), tunnel);
    tunnel->wait();
    match();
}

void Tunnels::accept() {
    listener_.async_wait(Descriptor::wait_read, [this](const error_code& ec) {
        if (!ec) accept_waiting();
    });
}

void Tunnels::accept_waiting() {
    for (int turn = 0; turn < turns_limit; ++turn) {
        FileDescriptor client(::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client && (later(errno) || errno == ECONNABORTED)) break;
        if (!client) { // no descriptors or no memory now: others wait in the queue of the kernel meanwhile
            accept_again_.expires_after(50ms);
            accept_again_.async_wait([this](const error_code& ec) {
                if (!ec) accept();
            });
            return;
        }
        if (clients_.size() >= clients_limit)
            refuse(client);
        else
            clients_.push_back({std::move(client), Clock::now() + client_time});
        match();
    }
    accept();
}

void Tunnels::match() {
    while (!clients_.empty()) {
        const auto free = std::find_if(tunnels_.begin(), tunnels_.end(), [](const auto& each) { return each.second->waits(); });
        if (free == tunnels_.end()) break;
        const auto tunnel = free->second;
        FileDescriptor client = std::move(clients_.front().socket);
        clients_.pop_front();
        tunnel->carry(std::move(client));
    }
    watch_clients();
}

void Tunnels::watch_clients() {
    if (clients_.empty()) {
        clients_timer_.cancel();
        return;
    }
    if (clients_timer_.expiry() == clients_.front().until) return;
    clients_timer_.expires_at(clients_.front().until);
    clients_timer_.async_wait([this](const error_code& ec) {
        if (ec) return;
        const auto now = Clock::now();
        for (; !clients_.empty() && clients_.front().until <= now; clients_.pop_front()) refuse(clients_.front().socket);
        watch_clients();
    });
}

void Tunnels::forget(Tunnel& tunnel) {
    tunnels_.erase(&tunnel);
}

} // namespace sandboxkit::guest
