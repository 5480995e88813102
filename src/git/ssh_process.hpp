// SPDX-License-Identifier: Apache-2.0
// The `ssh` program running git-upload-pack on a server.
#pragma once

#include "git/transport.hpp"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::git {

// Its arguments, argv[0] included. Nothing of the user's ssh configuration is read; without a key in the request only
// the agent's keys are offered; an unknown host key is refused; nothing is asked for and nothing forwarded.
[[nodiscard]] Result<std::vector<std::string>> ssh_arguments(const RemoteUrl& url, const CloneRequest& request);

// What ssh's messages (with LogLevel=DEBUG1) and its exit code say about a failure; `exit_code` is -1 when not known.
[[nodiscard]] Error explain_ssh(std::string_view messages, int exit_code, const RemoteUrl& url);

class SshProcess {
public:
    explicit SshProcess(Access& access) : access_(access) {}
    ~SshProcess();
    SshProcess(const SshProcess&) = delete;
    SshProcess& operator=(const SshProcess&) = delete;

    [[nodiscard]] Result<void> start();
    // Waits for bytes, at most as long as the watch has patience, and at once to its end when the caller cancels.
    // 0: the end, with the reason left as the watch's suspicion.
    [[nodiscard]] Result<std::size_t> read(char* buffer, std::size_t size);
    [[nodiscard]] Result<void> write(const char* bytes, std::size_t size);

private:
    enum class Ready { peer, woken, late };
    Ready wait_for(short events);
    Result<void> not_ready(Ready why);
    void drain_messages();
    int end();
    // Waits for its end. The exit code, -1 when there is none or the host application has taken it.
    int reap();

    Access& access_;
    pid_t pid_ = -1;
    int process_ = -1;  // a pidfd
    int channel_ = -1;  // a socket: the program's standard input and output
    int messages_ = -1; // its standard error
    int wake_ = -1;     // an eventfd that the stop token writes to
    std::string text_;  // of messages_, bounded
};

} // namespace sandboxkit::git
