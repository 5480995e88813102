// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

namespace sandboxkit::cli {

namespace {

std::atomic<int> pipe_to_write = -1;

void note(int number) {
    const int error = errno;
    const auto byte = static_cast<char>(number);
    [[maybe_unused]] const auto n = ::write(pipe_to_write.load(), &byte, 1);
    errno = error;
}

void nothing(int) {}

constexpr std::array numbers{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};

} // namespace

Signals::Signals() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
        pipe_ = ends[0];
        pipe_to_write = ends[1];
    }
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    for (const int number : numbers) ::sigaction(number, &action, nullptr);
    // Not SIG_IGN, which what the engine starts would inherit: writing to a closed pipe is an error here, not a death.
    action.sa_handler = nothing;
    ::sigaction(SIGPIPE, &action, nullptr);
    thread_ = std::thread([this] { run(); });
}

Signals::~Signals() {
    for (const int number : numbers) ::signal(number, SIG_DFL);
    ::close(pipe_to_write.exchange(-1));
    thread_.join();
    ::close(pipe_);
}

void Signals::run() {
    for (;;) {
        char byte = 0;
        const auto n = ::read(pipe_, &byte, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n != 1) return;
        const int number = byte;
        std::lock_guard lock(mutex_);
        if (number == SIGWINCH) {
            if (resized_) resized_();
            continue;
        }
        last_ = number;
        if (handler_)
            handler_(number);
        else
            ::_exit(128 + number);
    }
}

void Signals::on_resize(std::function<void()> resized) {
    std::lock_guard lock(mutex_);
    resized_ = std::move(resized);
}

int Signals::last() const {
    std::lock_guard lock(mutex_);
    return last_;
}

Signals::Scope::Scope(Signals& signals, Handler handler) : signals_(signals) {
    std::lock_guard lock(signals_.mutex_);
    before_ = std::exchange(signals_.handler_, std::move(handler));
}

Signals::Scope::~Scope() {
    std::lock_guard lock(signals_.mutex_);
    signals_.handler_ = std::move(before_);
}

} // namespace sandboxkit::cli
