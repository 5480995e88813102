// SPDX-License-Identifier: Apache-2.0
#include "credentials/command_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sandboxkit::credentials {

namespace {

using std::chrono::steady_clock;

constexpr std::size_t longest_output = 128U << 10;

Error failed(std::string message) {
    return {ErrorClass::unavailable,
            "credential_command_failed",
            std::move(message),
            "run the command by hand to see what it says",
            "",
            {}};
}

class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }
    [[nodiscard]] int get() const { return fd_; }
    void reset(int fd) {
        close();
        fd_ = fd;
    }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_;
};

class Process {
public:
    ~Process() { (void)end(); }
    Process() = default;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    Result<void> start(const CommandRun& run) {
        std::array<int, 2> channel{};
        // A socket, as writing to a pipe that nobody reads would be a signal to the whole program.
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel.data()) < 0)
            return failed(std::string("the credential command cannot be started: ") + std::strerror(errno));
        channel_.reset(channel[0]);
        const Descriptor theirs(channel[1]);
        ::fcntl(theirs.get(), F_SETFL, 0); // it may wait
        std::vector<char*> argv, envp;
        for (const auto& word : run.argv) argv.push_back(const_cast<char*>(word.c_str()));
        for (const auto& variable : run.environment) envp.push_back(const_cast<char*>(variable.c_str()));
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        const int number = spawn(argv, envp, theirs.get());
        if (number != 0) {
            pid_ = -1;
            return failed("the credential command " + run.argv.front() + " cannot be started: " + std::strerror(number));
        }
        // By its descriptor: a host application may wait for any child, and its number be used again.
        process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U)));
        if (process_.get() < 0) return failed(std::string("the credential command cannot be watched: ") + std::strerror(errno));
        return {};
    }

    // Its output, until it has ended.
    Result<std::string> converse(const CommandRun& run) {
        std::size_t written = 0;
        const auto until = steady_clock::now() + run.limit;
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count();
            if (left <= 0)
                return Error{ErrorClass::timeout,
                             "credential_command_timeout",
                             "the credential command did not end in " +
                                 std::to_string(std::chrono::duration_cast<std::chrono::seconds>(run.limit).count()) + " s",
                             "see what it waits for, or give it more time",
                             "",
                             {}};
            const short events = static_cast<short>(POLLIN | (written < run.input.size() ? POLLOUT : 0));
            std::array<pollfd, 2> fds{{{open_ ? channel_.get() : -1, events, 0}, {process_.get(), POLLIN, 0}}};
            if (::poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR)
                return failed(std::string("the credential command cannot be watched: ") + std::strerror(errno));
            const bool ended = fds[1].revents != 0;
            if ((fds[0].revents & POLLOUT) != 0) written = write_some(run.input, written);
            if (!read_all())
                return Error{ErrorClass::quota,
                             "credential_command_output",
                             "the credential command wrote more than 128 KiB",
                             "have it answer as a credential helper",
                             "",
                             {}};
            if (!ended) continue;
            // What its children still hold open is not waited for.
            const int status = end();
            if (status != 0)
                return failed(
                    status > 0 ? "the credential command exited with code " + std::to_string(status)
                               : std::string("the credential command was ended by a signal, or somebody else has waited for it"));
            return std::move(output_);
        }
    }

    void forget() { ::OPENSSL_cleanse(output_.data(), output_.size()); }

private:
    int spawn(std::vector<char*>& argv, std::vector<char*>& envp, int theirs) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, theirs, 0);
        posix_spawn_file_actions_adddup2(&actions, theirs, 1);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addclosefrom_np(&actions, 3); // whatever the host application has open
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        // A session of its own: no terminal to ask on, and a group to kill.
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        const int number = ::posix_spawn(&pid_, argv.front(), &actions, &attributes, argv.data(), envp.data());
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return number;
    }

    std::size_t write_some(const std::string& input, std::size_t written) const {
        const auto n = ::send(channel_.get(), input.data() + written, input.size() - written, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? written : input.size(); // it does not want to know
        written += static_cast<std::size_t>(n);
        if (written == input.size()) ::shutdown(channel_.get(), SHUT_WR);
        return written;
    }

    // False: it was too much.
    bool read_all() {
        std::array<char, 4096> buffer{};
        bool fits = true;
        while (open_ && fits) {
            const auto n = ::recv(channel_.get(), buffer.data(), buffer.size(), 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) break;
            if (n <= 0) {
                open_ = false;
                break;
            }
            if (output_.capacity() == 0) output_.reserve(longest_output); // growing would leave copies behind
            fits = output_.size() + static_cast<std::size_t>(n) <= longest_output;
            if (fits) output_.append(buffer.data(), static_cast<std::size_t>(n));
        }
        ::OPENSSL_cleanse(buffer.data(), buffer.size());
        return fits;
    }

    // Its exit code; -1 after a signal, and when somebody else has waited for it.
    int end() {
        if (pid_ < 0) return -1;
        // While nobody has waited for it its number is its own, and so is the group's.
        siginfo_t info{};
        int waited = 0;
        do waited = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG);
        while (waited < 0 && errno == EINTR);
        if (waited == 0) {
            ::kill(-pid_, SIGKILL);
            do waited = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
            while (waited < 0 && errno == EINTR);
        }
        pid_ = -1;
        return waited == 0 && info.si_code == CLD_EXITED ? info.si_status : -1;
    }

    Descriptor channel_, process_;
    pid_t pid_ = -1;
    bool open_ = true;
    std::string output_;
};

} // namespace

Result<std::string> run_command(const CommandRun& run) {
    if (!run.argv.front().starts_with('/')) return failed("the program of the credential command is not an absolute path");
    Process process;
    if (auto started = process.start(run); !started) return started.error();
    auto output = process.converse(run);
    if (!output) process.forget();
    return output;
}

} // namespace sandboxkit::credentials
