// SPDX-License-Identifier: Apache-2.0
#include "git/ssh_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sandboxkit::git {

namespace {

constexpr std::size_t messages_limit = 64U << 10;

Error failure(std::string message, int number) {
    return Error{ErrorClass::internal, "ssh_failed", std::move(message) + ": " + std::strerror(number), "", "", {}};
}

// As git quotes a path for the server's shell.
std::string shell_quote(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '!') {
            out += "'\\";
            out += c;
            out += '\'';
        } else {
            out += c;
        }
    }
    return out + '\'';
}

// A path as the value of an ssh option: quoted, and '%' doubled, which would be a token.
Result<std::string> option_path(const std::filesystem::path& path) {
    std::string out = "\"";
    for (const char c : path.string()) {
        if (c == '"' || c == '\n' || c == '\\' || c == '$')
            return Error{ErrorClass::invalid,  "bad_path", "the path of an SSH file contains a quote, backslash or '$'",
                         "use a plainer path", "",         {}};
        out += c;
        if (c == '%') out += c;
    }
    return out + '"';
}

std::string_view line_with(std::string_view text, std::string_view what) {
    const auto at = text.find(what);
    if (at == std::string_view::npos) return {};
    auto line = text.substr(at, text.find('\n', at) - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

} // namespace

Result<std::vector<std::string>> ssh_arguments(const RemoteUrl& url, const CloneRequest& request) {
    const auto seconds = std::to_string(std::max<std::int64_t>(1, std::min(request.limits.stall, request.limits.total).count()));
    std::vector<std::string> arguments{"ssh", "-F", "none", "-T", "-x", "-a"};
    for (const auto* option :
         {"BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "VerifyHostKeyDNS=no", "PasswordAuthentication=no",
          "KbdInteractiveAuthentication=no", "PreferredAuthentications=publickey", "ClearAllForwardings=yes", "ControlMaster=no",
          "ControlPath=none", "PermitLocalCommand=no", "ProxyCommand=none", "EscapeChar=none", "LogLevel=DEBUG1",
          "ServerAliveCountMax=1"})
        arguments.insert(arguments.end(), {"-o", option});
    arguments.insert(arguments.end(), {"-o", "ConnectTimeout=" + seconds, "-o", "ServerAliveInterval=" + seconds});
    if (!request.known_hosts.empty()) {
        auto path = option_path(request.known_hosts);
        if (!path) return path.error();
        arguments.insert(arguments.end(), {"-o", "UserKnownHostsFile=" + *path, "-o", "GlobalKnownHostsFile=none"});
    }
    if (request.ssh_private_key.empty()) {
        arguments.insert(arguments.end(), {"-o", "IdentityFile=none"}); // the agent's only
    } else {
        auto path = option_path(request.ssh_private_key);
        if (!path) return path.error();
        arguments.insert(arguments.end(),
                         {"-o", "IdentityFile=" + *path, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"});
    }
    if (url.port) arguments.insert(arguments.end(), {"-p", std::to_string(*url.port)});
    arguments.insert(arguments.end(),
                     {"--", url.user.empty() ? url.host : url.user + '@' + url.host, "git-upload-pack " + shell_quote(url.path)});
    return arguments;
}

Error explain_ssh(std::string_view messages, int exit_code, const RemoteUrl& url) {
    const auto says = [&](std::string_view text) { return messages.find(text) != std::string_view::npos; };
    std::string detail; // without ssh's own chatter
    for (std::size_t begin = 0; begin < messages.size();) {
        const auto end = std::min(messages.find('\n', begin), messages.size());
        const auto line = messages.substr(begin, end - begin);
        if (!line.starts_with("debug") && !line.starts_with("OpenSSH_") && !line.starts_with("Authenticated to") &&
            !line.starts_with("Transferred:") && !line.starts_with("Bytes per second"))
            detail.append(line).append("\n");
        begin = end + 1;
    }
    const auto make = [&](ErrorClass kind, std::string code, std::string message, std::string remedy) {
        return Error{kind, std::move(code), std::move(message), std::move(remedy), detail, {}};
    };
    const auto at_host = "ssh to " + url.host;
    if (says("REMOTE HOST IDENTIFICATION HAS CHANGED"))
        return make(ErrorClass::permission, "host_key_changed", at_host + ": the server's host key is not the known one",
                    "find out why before connecting; if the change is right, replace the key in the known_hosts file");
    if (says("Host key verification failed")) {
        constexpr std::string_view marker = "Server host key: ";
        auto key = line_with(messages, marker); // "Server host key: ssh-ed25519 SHA256:..."
        key.remove_prefix(std::min(marker.size(), key.size()));
        return make(
            ErrorClass::permission, "unknown_host_key", at_host + ": the server's host key " + std::string(key) + " is not known",
            "check this fingerprint with the server's owner, then add the key to the known_hosts file (ssh-keyscan prints it)");
    }
    if (says("Permission denied") && !says("Authenticated to"))
        return make(
            ErrorClass::permission, "credentials_required", at_host + ": the server did not accept this user's keys",
            "start an ssh agent with a key that the server knows (SSH_AUTH_SOCK), or use a connection that gives credentials");
    if (says("Could not resolve hostname"))
        return make(ErrorClass::unavailable, "host_not_found", at_host + ": no such host", "check the URL and the network");
    if (says("timed out") || says("not responding"))
        return make(ErrorClass::timeout, "server_stalled", at_host + ": the server did not answer in time", "try again later");
    if (says("does not appear to be a git repository") || says("epository not found") || says("does not exist") ||
        says("not a git repository") || says("no such repository"))
        return make(ErrorClass::not_found, "repository_not_found", at_host + ": the server has no such repository",
                    "check the URL");
    if (says("git-upload-pack: not found") || says("git-upload-pack: command not found"))
        return make(ErrorClass::unavailable, "no_git_on_server", at_host + ": the server has no git",
                    "install git on the server");
    return make(ErrorClass::unavailable, "server_unavailable",
                exit_code == 255 || exit_code < 0
                    ? at_host + ": the server cannot be reached or broke off"
                    : at_host + ": the server ended the transfer with code " + std::to_string(exit_code),
                "check the URL and the network, then try again");
}

SshProcess::~SshProcess() {
    end();
}

int SshProcess::end() {
    for (int* fd : {&channel_, &messages_, &wake_}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
    if (pid_ < 0) return -1;
    // What it had to say was read; a process that has ended already keeps its exit code. By its descriptor: a host
    // application that ignores SIGCHLD or waits for any child has ended processes reaped, and their numbers used again.
    ::syscall(SYS_pidfd_send_signal, process_, SIGKILL, nullptr, 0U);
    return reap();
}

int SshProcess::reap() {
    siginfo_t info{};
    int result = 0;
    do result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    while (result < 0 && errno == EINTR);
    if (process_ >= 0) ::close(process_);
    process_ = pid_ = -1;
    return result == 0 && info.si_code == CLD_EXITED ? info.si_status : -1;
}

Result<void> SshProcess::start() {
    auto arguments = ssh_arguments(access_.url, access_.request);
    if (!arguments) return arguments.error();

    std::array<int, 2> channel{}, messages{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel.data()) < 0) return failure("socketpair", errno);
    channel_ = channel[0];
    if (::pipe2(messages.data(), O_CLOEXEC) < 0) {
        const int number = errno;
        ::close(channel[1]);
        return failure("pipe", number);
    }
    messages_ = messages[0];
    ::fcntl(channel_, F_SETFL, O_NONBLOCK);
    ::fcntl(messages_, F_SETFL, O_NONBLOCK);
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    std::vector<std::string> environment{"LC_ALL=C"};
    for (const auto* name : {"PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"})
        if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + '=' + value);
    std::vector<char*> argv, envp;
    for (auto& a : *arguments) argv.push_back(a.data());
    for (auto& e : environment) envp.push_back(e.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel[1], 0);
    posix_spawn_file_actions_adddup2(&actions, channel[1], 1);
    posix_spawn_file_actions_adddup2(&actions, messages[1], 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A session of its own: no terminal to ask on, and the terminal's Ctrl-C reaches the caller only.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    const int number = ::posix_spawnp(&pid_, "ssh", &actions, &attributes, argv.data(), envp.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(channel[1]);
    ::close(messages[1]);
    if (number == 0) {
        process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U));
        if (process_ >= 0) return {};
        const int missing = errno;
        ::kill(pid_, SIGKILL);
        reap();
        return failure("cannot watch ssh", missing);
    }
    pid_ = -1;
    if (number == ENOENT)
        return Error{ErrorClass::unsupported,
                     "ssh_missing",
                     "cloning over SSH needs the ssh program, which is not installed",
                     "install the package openssh-client",
                     "",
                     {}};
    return failure("cannot start ssh", number);
}

SshProcess::Ready SshProcess::wait_for(short events) {
    const std::stop_callback waker(access_.watch.stop(), [this] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
    });
    const auto until = std::chrono::steady_clock::now() + access_.watch.patience();
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
        if (left <= 0) return Ready::late;
        std::array<pollfd, 3> fds{{{channel_, events, 0}, {wake_, POLLIN, 0}, {messages_, POLLIN, 0}}};
        const int n = ::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left, 1 << 30)));
        if (n < 0 && errno != EINTR) return Ready::late;
        if (n <= 0) continue;
        if (fds[1].revents != 0) return Ready::woken;
        if (fds[0].revents != 0) return Ready::peer;
        drain_messages(); // what it says is no progress: a server may say things for ever
    }
}

void SshProcess::drain_messages() {
    std::array<char, 4096> buffer{};
    while (messages_ >= 0) {
        const auto n = ::read(messages_, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return;
        if (n == 0) {
            ::close(messages_);
            messages_ = -1; // poll ignores it
            return;
        }
        text_.append(buffer.data(), std::min<std::size_t>(static_cast<std::size_t>(n), messages_limit - text_.size()));
    }
}

Result<void> SshProcess::not_ready(Ready why) {
    if (!access_.watch.go_on()) return *access_.watch.why();
    if (why == Ready::late)
        access_.watch.suspect({ErrorClass::timeout,
                               "server_stalled",
                               "ssh to " + access_.url.host + ": the server did not answer in time",
                               "try again later",
                               "",
                               {}});
    return *access_.watch.suspicion();
}

Result<std::size_t> SshProcess::read(char* buffer, std::size_t size) {
    for (;;) {
        if (const auto ready = wait_for(POLLIN); ready != Ready::peer) return not_ready(ready).error();
        const auto n = ::recv(channel_, buffer, size, 0);
        if (n > 0) return static_cast<std::size_t>(n);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        // The end, expected or not: hear what ssh has to say, until it ends or the patience does.
        const auto until = std::chrono::steady_clock::now() + access_.watch.patience();
        while (messages_ >= 0 && !access_.watch.stop().stop_requested()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
            if (left <= 0) break;
            pollfd fd{messages_, POLLIN, 0};
            ::poll(&fd, 1, static_cast<int>(std::min<std::int64_t>(left, 100))); // 100: to see a cancellation
            drain_messages();
        }
        const int exit_code = messages_ < 0 ? reap() : -1; // standard error closes only with its end
        access_.watch.suspect(explain_ssh(text_, exit_code, access_.url));
        return std::size_t{0};
    }
}

Result<void> SshProcess::write(const char* bytes, std::size_t size) {
    while (size > 0) {
        const auto n = ::send(channel_, bytes, size, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            size -= static_cast<std::size_t>(n);
        } else if (n < 0 && errno == EAGAIN) {
            if (const auto ready = wait_for(POLLOUT); ready != Ready::peer) return not_ready(ready);
        } else if (n < 0 && errno != EINTR) {
            char ignored = 0; // it has ended: reading tells why
            [[maybe_unused]] auto end_of_it = read(&ignored, 1);
            return access_.watch.suspicion() ? *access_.watch.suspicion() : failure("writing to ssh", EPIPE);
        }
    }
    return {};
}

} // namespace sandboxkit::git
