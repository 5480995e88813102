// SPDX-License-Identifier: Apache-2.0
#include "cli/passthrough.hpp"

#include "cli/exit_code.hpp"

#include <sandboxkit/strict_json.hpp>

#include <boost/json/object.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

namespace sandboxkit::cli {

namespace {

// Streams standard input to the process on a thread of its own, until it ends or this object does.
class InputPump {
public:
    explicit InputPump(Process& process) : process_(process), wake_(::eventfd(0, EFD_CLOEXEC)) {
        thread_ = std::thread([this] { run(); });
    }
    ~InputPump() {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
        {
            std::lock_guard lock(mutex_);
            ended_ = true;
            if (writing_) writing_->cancel();
        }
        thread_.join();
        ::close(wake_);
    }
    InputPump(const InputPump&) = delete;
    InputPump& operator=(const InputPump&) = delete;

private:
    // False when there is no more to do: the process has ended, or does not read.
    bool finish(Operation<void> operation) {
        {
            std::lock_guard lock(mutex_);
            if (ended_) operation.cancel();
            writing_ = operation;
        }
        const auto done = operation.get();
        std::lock_guard lock(mutex_);
        writing_.reset();
        return done.has_value() && !ended_;
    }

    void run() {
        std::array<char, 65536> buffer{};
        for (;;) {
            std::array<pollfd, 2> fds{{{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}}};
            if (::poll(fds.data(), fds.size(), -1) < 0) {
                if (errno == EINTR) continue;
                return;
            }
            if (fds[1].revents != 0) return;
            const auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (n <= 0) {
                finish(process_.close_stdin());
                return;
            }
            if (!finish(process_.write(std::string(buffer.data(), static_cast<std::size_t>(n))))) return;
        }
    }

    Process& process_;
    int wake_;
    std::mutex mutex_;
    bool ended_ = false;
    std::optional<Operation<void>> writing_;
    std::thread thread_;
};

bool write_out(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) { // someone else's O_NONBLOCK on a shared terminal
            pollfd writable{fd, POLLOUT, 0};
            ::poll(&writable, 1, -1);
            continue;
        }
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

int end_code(const ProcessEnd& end) {
    if (end.timed_out) std::cerr << "error: the command was ended: its time was over\n";
    return end.shell_code();
}

// JSON is text: what is no UTF-8 goes as base64, under another name.
void add_output(boost::json::object& out, const std::string& name, const std::string& bytes) {
    if (invalid_utf8_at(bytes) == std::string_view::npos) {
        out[name] = bytes;
        return;
    }
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : digits[group >> (18 - 6 * k) & 63];
    }
    out[name + "_base64"] = text;
}

int run_collected(const Settings& settings, Engine& engine, const std::string& session, ExecRequest request) {
    auto result = wait(settings, engine.exec(settings.who(), session, std::move(request)));
    if (!result) return settings.fail(result.error());
    boost::json::object answer{{"exit_code", result->end.shell_code()},
                               {"signal", result->end.signal},
                               {"timed_out", result->end.timed_out},
                               {"dropped_bytes", result->dropped_bytes}};
    add_output(answer, "standard_output", result->standard_output);
    add_output(answer, "standard_error", result->standard_error);
    settings.answer(std::move(answer), "");
    return result->end.shell_code();
}

} // namespace

int run_command(const Settings& settings, Engine& engine, const std::string& session, ExecRequest request, bool pass_input) {
    if (settings.json) return run_collected(settings, engine, session, std::move(request));
    request.standard_input = pass_input;
    auto process = wait(settings, engine.start_process(settings.who(), session, std::move(request)));
    if (!process) return settings.fail_aside(process.error());

    // The command decides what a signal means; like ssh, this process waits for its answer.
    const Signals::Scope signals(*settings.signals, [&process](int number) { (void)process->signal(number); });
    std::optional<InputPump> input;
    if (pass_input) input.emplace(*process);
    bool broken_pipe = false;
    for (;;) {
        auto event = process->next().get();
        if (!event) return settings.fail_aside(event.error());
        if (event->end) return broken_pipe ? 128 + SIGPIPE : end_code(*event->end);
        const int fd = event->stream == Stream::standard_output ? STDOUT_FILENO : STDERR_FILENO;
        if (broken_pipe || write_out(fd, event->bytes)) continue;
        // Nobody reads any more: the command hears of it as it would on this machine.
        broken_pipe = true;
        (void)process->signal(SIGPIPE);
    }
}

} // namespace sandboxkit::cli
