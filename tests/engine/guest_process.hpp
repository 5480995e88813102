// SPDX-License-Identifier: Apache-2.0
// The real guest program as a child process: the in-sandbox API of a sandbox that is none. It goes with its owner.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <thread>

namespace sandboxkit::test {

class GuestProcess {
public:
    // Returns when it takes connections.
    GuestProcess() {
        std::string directory = (std::filesystem::temp_directory_path() / "sandboxkit-engine-XXXXXX").string();
        if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        directory_ = directory;
        std::string program = SANDBOXKIT_GUEST, option = "--listen-unix", path = socket().string(),
                    leaks = "ASAN_OPTIONS=detect_leaks=0", search = "PATH=/usr/bin:/bin";
        char* const arguments[] = {program.data(), option.data(), path.data(), nullptr};
        char* const environment[] = {leaks.data(), search.data(), nullptr};
        if (::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environment) != 0)
            throw std::runtime_error("the guest cannot be started");
        while (!listens()) {
            if (::waitpid(pid_, nullptr, WNOHANG) != 0) throw std::runtime_error("the guest did not start");
            std::this_thread::yield();
        }
    }
    ~GuestProcess() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    GuestProcess(const GuestProcess&) = delete;
    GuestProcess& operator=(const GuestProcess&) = delete;

    [[nodiscard]] std::filesystem::path socket() const { return directory_ / "s"; }

private:
    [[nodiscard]] bool listens() const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket().string().copy(address.sun_path, sizeof address.sun_path - 1);
        const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return connected;
    }

    std::filesystem::path directory_;
    pid_t pid_ = -1;
};

} // namespace sandboxkit::test
