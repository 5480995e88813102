// SPDX-License-Identifier: Apache-2.0
// The real guest on a Unix socket, and commands run in it.
#pragma once

#include "envd/client.hpp"
#include "net/loop.hpp"
#include "net/scripted_peer.hpp"

#include <csignal>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <string>

namespace sandboxkit::test {

// The guest as a child process; it goes with the test.
class Guest {
public:
    Guest() {
        const std::string path = socket_path();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execl(SANDBOXKIT_GUEST, SANDBOXKIT_GUEST, "--listen-unix", path.c_str(), nullptr);
            ::_exit(127);
        }
        // Until it listens; or until it ended, which the tests will see.
        while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
            Loop loop;
            if (loop.run(client(loop)->health())) return;
            std::this_thread::yield();
        }
        pid_ = -1;
    }
    ~Guest() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    [[nodiscard]] bool running() const { return pid_ > 0; }
    [[nodiscard]] std::string socket_path() const { return (directory_.path() / "guest.sock").string(); }
    [[nodiscard]] std::filesystem::path files() const { return directory_.path(); }
    [[nodiscard]] std::shared_ptr<envd::Client> client(Loop& loop) const {
        Endpoint endpoint;
        endpoint.unix_socket = socket_path();
        return envd::Client::make(loop.executor(), endpoint);
    }

private:
    TemporaryDirectory directory_;
    pid_t pid_ = -1;
};

struct Collected {
    std::string out, err;
    ProcessEnd end;
};

inline Task<Collected> collect(std::shared_ptr<envd::ProcessStream> process) {
    Collected collected;
    for (;;) {
        auto event = co_await process->next();
        if (!event) co_return event.error();
        if (event->end) {
            collected.end = *event->end;
            co_return collected;
        }
        (event->stream == Stream::standard_error ? collected.err : collected.out) += event->bytes;
    }
}

inline Task<Collected> run(std::shared_ptr<envd::Client> client, ExecRequest request) {
    auto process = co_await client->start(std::move(request));
    if (!process) co_return process.error();
    auto collected = co_await collect(*process);
    co_return collected;
}

// Not through a shell: one that is still starting may swallow a signal.
inline ExecRequest sleeping() {
    ExecRequest request;
    request.argv = {"sleep", "1000"};
    return request;
}

inline ExecRequest shell(std::string script) {
    ExecRequest request;
    request.argv = {"/bin/sh", "-c", std::move(script)};
    return request;
}

} // namespace sandboxkit::test
