// SPDX-License-Identifier: Apache-2.0
#include "cli/passthrough.hpp"

#include "cli/standard_streams.hpp"
#include "cli/terminal.hpp"

#include <sandboxkit/strict_json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
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

// The sandbox's refusal in words of this program's options; its own are the error's detail.
Error start_error(Error error) {
    if (error.code != "guest_unauthenticated" && error.code != "guest_invalid_argument") return error;
    error.message = "the sandbox did not start the command";
    error.remedy = error.code == "guest_unauthenticated" ? "--user takes a name from the sandbox's /etc/passwd"
                                                         : "--cwd takes a directory that the sandbox has";
    return error;
}

// What the command wrote, for the JSON answer.
class Collected {
public:
    void add(Stream stream, std::string_view bytes) {
        auto& kept = streams_[static_cast<std::size_t>(stream)];
        const auto taken = std::min(bytes.size(), collected_bytes - kept.bytes.size());
        kept.bytes += bytes.substr(0, taken);
        kept.dropped += bytes.size() - taken;
    }
    // `dropped`: of both streams, before it came here.
    [[nodiscard]] boost::json::object answer(const ProcessEnd& end, std::uint64_t dropped) const {
        boost::json::object out{{"exit_code", end.shell_code()}, {"signal", end.signal}, {"timed_out", end.timed_out}};
        if (dropped > 0) out["dropped_bytes"] = dropped;
        for (const auto stream : {Stream::standard_output, Stream::standard_error}) {
            const auto& kept = streams_[static_cast<std::size_t>(stream)];
            const std::string name = stream == Stream::standard_output ? "standard_output" : "standard_error";
            add_output(out, name, kept.bytes);
            out[name + "_dropped_bytes"] = kept.dropped;
        }
        return out;
    }

private:
    static constexpr std::size_t collected_bytes = std::size_t{16} << 20;
    struct Kept {
        std::string bytes;
        std::uint64_t dropped = 0;
    };
    std::array<Kept, 2> streams_; // by Stream
};

// While it lives, the process has this program's terminal.
class TerminalPassing {
public:
    TerminalPassing(Signals& signals, Process& process, const RawTerminal& terminal) : signals_(signals) {
        const auto tell = [&process, &terminal] { (void)process.resize(terminal.size()); };
        signals_.on_resize(tell);
        tell(); // it may have changed before anybody heard of it
    }
    ~TerminalPassing() { signals_.on_resize(nullptr); }
    TerminalPassing(const TerminalPassing&) = delete;
    TerminalPassing& operator=(const TerminalPassing&) = delete;

private:
    Signals& signals_;
};

// Passes on what the process says, until its end. `expected`: where its output begins; none: wherever it does.
Result<CommandEnd> pass_output(const Settings& settings, Process& process, bool interruptible,
                               std::optional<std::uint64_t> expected) {
    Collected collected;
    int broken = 0, broken_fd = -1; // why nothing can be written any more, and which it was
    std::uint64_t dropped = 0;
    for (;;) {
        auto event = interruptible ? wait(settings, process.next()) : process.next().get();
        if (!event) return event.error();
        if (expected && event->offset > *expected) {
            dropped += event->offset - *expected;
            if (!settings.json) std::cerr << "note: " << event->offset - *expected << " bytes of output were dropped here\n";
        }
        expected = event->offset + event->bytes.size();
        if (event->end) {
            if (broken == EPIPE) return CommandEnd{128 + SIGPIPE, {}};
            if (broken != 0) return output_error(broken_fd, broken);
            if (settings.json) return CommandEnd{event->end->shell_code(), collected.answer(*event->end, dropped)};
            if (event->end->timed_out) std::cerr << "error: the command was ended: its time was over\n";
            return CommandEnd{event->end->shell_code(), {}};
        }
        if (settings.json) {
            collected.add(event->stream, event->bytes);
        } else if (broken == 0) {
            broken_fd = event->stream == Stream::standard_output ? STDOUT_FILENO : STDERR_FILENO;
            broken = write_all(broken_fd, event->bytes);
            if (broken != 0 && interruptible) // nobody reads any more, which is nothing to the process
                return broken == EPIPE ? Result<CommandEnd>(CommandEnd{128 + SIGPIPE, {}}) : output_error(broken_fd, broken);
            // The command hears of it as it would on this machine.
            if (broken != 0) (void)process.signal(SIGPIPE);
        }
    }
}

Result<CommandEnd> pass(const Settings& settings, Process& process, const Passing& passing, const RawTerminal* terminal,
                        bool with_signals, std::optional<std::uint64_t> offset) {
    std::optional<TerminalPassing> size;
    if (terminal != nullptr) size.emplace(*settings.signals, process, *terminal);
    // The command decides what a signal means; like ssh, this process waits for its answer.
    std::optional<Signals::Scope> signals;
    if (with_signals) signals.emplace(*settings.signals, [&process](int number) { (void)process.signal(number); });
    std::optional<InputPump> input;
    if (passing.input || terminal != nullptr) input.emplace(process);
    return pass_output(settings, process, !with_signals, offset);
}

} // namespace

Result<CommandEnd> run_command(const Settings& settings, Engine& engine, const std::string& session, ExecRequest request,
                               const Passing& passing) {
    std::unique_ptr<RawTerminal> terminal;
    if (passing.terminal) {
        auto taken = RawTerminal::take();
        if (!taken) return taken.error();
        terminal = std::move(*taken);
        request.terminal = terminal->size();
        if (const char* name = std::getenv("TERM"); name != nullptr) request.environment.try_emplace("TERM", name);
    } else {
        request.standard_input = passing.input;
    }
    auto process = wait(settings, engine.start_process(settings.who(), session, std::move(request)));
    if (!process) return start_error(process.error());
    return pass(settings, *process, passing, terminal.get(), true, 0);
}

Result<CommandEnd> attach_command(const Settings& settings, Engine& engine, const std::string& session,
                                  const std::string& process, std::optional<std::uint64_t> offset, const Passing& passing) {
    std::unique_ptr<RawTerminal> terminal;
    if (passing.terminal) {
        auto taken = RawTerminal::take();
        if (!taken) return taken.error();
        terminal = std::move(*taken);
    }
    auto attached = wait(settings, engine.attach_process(settings.who(), session, process, offset));
    if (!attached) return attached.error();
    return pass(settings, *attached, passing, terminal.get(), passing.input || passing.terminal, offset);
}

} // namespace sandboxkit::cli
