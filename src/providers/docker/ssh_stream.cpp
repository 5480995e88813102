// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/ssh_stream.hpp"

#include "envd/bounded_text.hpp"
#include "net/http_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace sandboxkit::docker {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t said_limit = 4096;
constexpr std::chrono::seconds ending_limit{2}; // for an ssh whose connection was closed to end by itself

Error failed(int error, const char* what) {
    return {error == ENOENT ? ErrorClass::unsupported : ErrorClass::unavailable,
            error == ENOENT ? "docker_ssh_missing" : "docker_ssh_failed",
            what,
            error == ENOENT ? "install the ssh client" : "",
            std::strerror(error),
            {}};
}

// A running ssh: watched until it has ended, and collected. It keeps itself alive.
class SshProcess : public std::enable_shared_from_this<SshProcess> {
public:
    SshProcess(asio::any_io_executor executor, pid_t pid, int pidfd, int errors, int its_end)
        : pid_(pid), process_(executor, pidfd), errors_(executor, errors), its_end_(executor, its_end), timer_(executor),
          ended_(executor, std::chrono::steady_clock::time_point::max()) {}
    ~SshProcess() { // with the executor's context, while it runs
        if (collected_) return;
        ::kill(pid_, SIGKILL);
        collect();
    }
    SshProcess(const SshProcess&) = delete;
    SshProcess& operator=(const SshProcess&) = delete;

    void watch() {
        read_errors();
        process_.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](const error_code& error) {
            if (!error) self->on_end();
        });
        // The other end of the pair is closed by whoever has it: then nobody needs this ssh any more.
        its_end_.async_wait(asio::posix::descriptor_base::wait_error, [self = shared_from_this()](const error_code& error) {
            if (!error && !self->collected_) self->end_soon();
        });
    }
    [[nodiscard]] asio::steady_timer& ended() { return ended_; }
    [[nodiscard]] bool has_ended() const { return collected_; }
    [[nodiscard]] const std::string& said() const { return said_; }
    [[nodiscard]] int exit_code() const { return exit_code_; }

private:
    void read_errors() {
        errors_.async_read_some(asio::buffer(piece_), [self = shared_from_this()](const error_code& error, std::size_t n) {
            if (error) {
                self->finish();
                return;
            }
            self->said_.append(self->piece_.data(), std::min(n, said_limit - std::min(said_limit, self->said_.size())));
            self->read_errors();
        });
    }
    void end_soon() {
        timer_.expires_after(ending_limit);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error && !self->collected_) ::kill(self->pid_, SIGKILL);
        });
    }
    void collect() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        collected_ = true;
    }
    void on_end() {
        collect();
        error_code ignored;
        timer_.cancel();
        its_end_.close(ignored); // now the other end sees its end
        // A child of ssh that lives on may keep its errors open: what it says is not waited for.
        timer_.expires_after(std::chrono::milliseconds(200));
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            error_code nothing;
            if (!error) self->errors_.close(nothing);
        });
    }
    void finish() {
        if (collected_) return announce();
        process_.async_wait(asio::posix::descriptor_base::wait_read,
                            [self = shared_from_this()](const error_code&) { self->announce(); });
    }
    void announce() {
        timer_.cancel();
        ended_.expires_at(std::chrono::steady_clock::time_point::min());
    }

    pid_t pid_;
    asio::posix::stream_descriptor process_, errors_, its_end_;
    asio::steady_timer timer_, ended_; // the latter expires when all is known
    std::array<char, 1024> piece_{};
    std::string said_;
    int exit_code_ = -1;
    bool collected_ = false;
};

struct Started {
    std::shared_ptr<SshProcess> process;
    int socket = -1;
};

struct Pipes {
    std::array<int, 2> pair{-1, -1}, errors{-1, -1};
    ~Pipes() {
        for (const int fd : {pair[0], pair[1], errors[0], errors[1]})
            if (fd >= 0) ::close(fd);
    }
};

Result<Started> start_ssh(const asio::any_io_executor& executor, const std::vector<std::string>& arguments) {
    Pipes pipes;
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes.pair.data()) != 0 ||
        ::pipe2(pipes.errors.data(), O_CLOEXEC) != 0)
        return failed(errno, "cannot make a socket");
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, pipes.pair[1], 0);
    ::posix_spawn_file_actions_adddup2(&actions, pipes.pair[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, pipes.errors[1], 2);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3); // what the host application left open is not its business
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    // A session of its own: without a terminal, nobody is asked anything.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    std::string name = "ssh";
    std::vector<char*> argv{name.data()};
    for (const auto& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, "ssh", &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) return failed(error, "cannot start ssh");
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const int why = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return failed(why, "cannot watch ssh");
    }
    for (const int fd : {pipes.pair[0], pipes.errors[0]}) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    auto process =
        std::make_shared<SshProcess>(executor, pid, pidfd, std::exchange(pipes.errors[0], -1), std::exchange(pipes.pair[1], -1));
    process->watch();
    return Started{std::move(process), std::exchange(pipes.pair[0], -1)};
}

// The handler of a timer may be on its way already when the socket goes.
struct Deadline {
    asio::local::stream_protocol::socket* socket = nullptr;
    bool expired = false;
};
struct Disarm {
    std::shared_ptr<Deadline> deadline;
    explicit Disarm(std::shared_ptr<Deadline> d) : deadline(std::move(d)) {}
    Disarm(const Disarm&) = delete;
    Disarm& operator=(const Disarm&) = delete;
    ~Disarm() { deadline->socket = nullptr; }
};

} // namespace

std::vector<std::string> ssh_arguments(const DaemonEndpoint& endpoint, const SshOptions& options) {
    std::vector<std::string> arguments{"-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=30"};
    const auto option = [&](const char* name, std::string value) {
        arguments.emplace_back(name);
        arguments.push_back(std::move(value));
    };
    if (!options.identity.empty()) {
        option("-o", "IdentitiesOnly=yes");
        option("-i", options.identity.string());
    }
    if (!options.known_hosts.empty()) option("-o", "UserKnownHostsFile=\"" + options.known_hosts.string() + "\"");
    if (endpoint.port != 0) option("-p", std::to_string(endpoint.port));
    if (!endpoint.user.empty()) option("-l", endpoint.user);
    for (const char* each : {"--", endpoint.host.c_str(), "docker", "system", "dial-stdio"}) arguments.emplace_back(each);
    return arguments;
}

Error ssh_failure(std::string_view said, int exit_code, const std::string& daemon) {
    std::string detail(said);
    std::erase(detail, '\r'); // it thinks of a terminal
    detail = envd::bounded_text(detail, said_limit);
    const auto says = [&](const char* text) { return said.find(text) != std::string_view::npos; };
    const auto error = [&](ErrorClass kind, const char* code, const char* why, const char* remedy) {
        return Error{kind, code, daemon + ": " + why, remedy, std::move(detail), {}};
    };
    if (says("Host key verification failed") || says("IDENTIFICATION HAS CHANGED") || says("host key is known for"))
        return error(ErrorClass::permission, "docker_ssh_host_key", "ssh does not know the key of the host, or knows another one",
                     "compare the key with the host's own, and add it to the known hosts");
    if (says("Permission denied") || says("Too many authentication failures"))
        return error(ErrorClass::permission, "docker_ssh_login", "the host refuses the login", "check the user and the identity");
    if (says("Could not resolve hostname"))
        return error(ErrorClass::unavailable, "docker_name_not_found", "the name of the host is not known", "check the name");
    if (says("Connection refused"))
        return error(ErrorClass::unavailable, "docker_refused", "the host refuses the connection",
                     "check that its ssh server runs");
    if (exit_code == 127 || says("command not found"))
        return error(ErrorClass::unsupported, "docker_ssh_no_docker", "the host has no docker command",
                     "install it there, 18.09 or later");
    if (says("Cannot connect to the Docker daemon") || says("docker.sock"))
        return error(ErrorClass::unavailable, "docker_unreachable", "the Docker daemon of the host is not reached",
                     "check that it runs, and that the user may use it");
    return error(ErrorClass::unavailable, "docker_ssh_failed", "ssh ended before the Docker daemon answered", "try ssh by hand");
}

Task<int> dial_ssh(asio::any_io_executor executor, DaemonEndpoint endpoint, SshOptions options, std::chrono::milliseconds limit) {
    const std::string name = "the Docker daemon " + to_string(endpoint);
    auto started = start_ssh(executor, ssh_arguments(endpoint, options));
    if (!started) co_return started.error();
    const auto process = started->process;
    asio::local::stream_protocol::socket socket(executor);
    error_code error;
    socket.assign(asio::local::stream_protocol(), started->socket, error);
    if (error) {
        ::close(started->socket);
        co_return failed(error.value(), "cannot watch a socket");
    }
    const auto deadline = std::make_shared<Deadline>();
    deadline->socket = &socket;
    const Disarm disarm{deadline};
    asio::steady_timer timer(executor, limit);
    timer.async_wait([deadline](const error_code& waited) {
        if (waited || deadline->socket == nullptr) return;
        deadline->expired = true;
        error_code ignored;
        deadline->socket->cancel(ignored);
    });
    // The daemon is asked for a sign of life: whatever goes wrong on the way is told here, by ssh's own words, and not by a
    // connection that breaks without any.
    const std::string ping = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
    std::size_t written = 0;
    while (!error && written < ping.size())
        written += co_await socket.async_write_some(asio::buffer(ping.data() + written, ping.size() - written),
                                                    asio::redirect_error(asio::use_awaitable, error));
    net::HttpResponseParser parser;
    std::string body;
    Result<void> fed{};
    std::array<char, 4096> piece;
    while (!error && fed && !parser.done()) {
        const std::size_t n =
            co_await socket.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
        if (!error) fed = parser.feed(std::string_view(piece.data(), n), body);
        if (body.size() > 4096) break;
    }
    if (fed && parser.done() && parser.reusable()) {
        timer.cancel();
        const int fd = socket.release(error);
        if (error) co_return failed(error.value(), "cannot hand a socket over");
        co_return fd;
    }
    error_code ignored;
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        co_return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
    if (deadline->expired)
        co_return Error{ErrorClass::timeout, "docker_timeout", name + " did not answer in time", "try again", "", {}};
    socket.close(ignored);
    if (!fed) co_return fed.error();
    co_await process->ended().async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    timer.cancel();
    co_return ssh_failure(process->said(), process->exit_code(), name);
}

} // namespace sandboxkit::docker
