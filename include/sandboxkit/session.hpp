// SPDX-License-Identifier: Apache-2.0
// What a session is, and what can be run in one.
#pragma once

#include <sandboxkit/error.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class SessionState : std::uint8_t {
    starting, // recorded; its sandbox is being made
    running,
    stopped,  // the compute ended, its writable layer still exists: can be resumed
    removing, // recorded; its sandbox is being destroyed
    removed,  // nothing is left but the record
    failed,   // the start failed; nothing is left but the record and its error
};

constexpr std::string_view to_string(SessionState s) noexcept {
    constexpr std::string_view names[] = {"starting", "running", "stopped", "removing", "removed", "failed"};
    return names[static_cast<std::size_t>(s)];
}

// starting -> stopped is a resume that failed: the writable layer is kept.
constexpr bool may_become(SessionState from, SessionState to) noexcept {
    using enum SessionState;
    switch (from) {
    case starting: return to == running || to == failed || to == stopped || to == removing;
    case running: return to == stopped || to == removing;
    case stopped: return to == starting || to == removing;
    case removing: return to == removed;
    default: return false;
    }
}

// In characters, each at least 1.
struct TerminalSize {
    std::uint16_t columns = 80, rows = 24;
};

// A command to run in a sandbox.
struct ExecRequest {
    // argv[0] is looked up on the sandbox's PATH unless it contains a slash. Not empty, no NUL bytes.
    std::vector<std::string> argv{};
    std::optional<std::string> cwd{};                   // absolute; absent: the default working directory
    std::map<std::string, std::string> environment{};   // on top of the session's
    std::optional<std::string> user{};                  // a name in the sandbox's /etc/passwd; absent: root
    bool standard_input = false;                        // false: /dev/null; true: a pipe, written by Process::write
    std::optional<std::chrono::milliseconds> timeout{}; // the command's process group is killed then; absent: none
    // A terminal in place of all three pipes: its output is one stream, standard_output, and it always takes input.
    std::optional<TerminalSize> terminal{};
};

enum class Stream : std::uint8_t { standard_output, standard_error };

// The end of a process.
struct ProcessEnd {
    int exit_code = 0; // 0..255; -1 when a signal ended it
    int signal = 0;    // the signal that ended it, 0 when it exited
    bool timed_out = false;
    // The exit code as a shell reports it: 128 + signal for a death by signal.
    [[nodiscard]] constexpr int shell_code() const noexcept { return signal != 0 ? 128 + signal : exit_code; }
    friend bool operator==(const ProcessEnd&, const ProcessEnd&) = default;
};

// A chunk of output (end is absent) or the end of the process (bytes is empty).
struct ProcessEvent {
    Stream stream = Stream::standard_output;
    std::string bytes;
    // Where the bytes begin in the output of the process, all its streams together, in bytes. More than where the chunk before
    // ended: what is between was dropped, since nobody read it and it was too much to keep. Where the sandbox does not number
    // the output it counts from where this reading of it began.
    std::uint64_t offset = 0;
    std::optional<ProcessEnd> end;
};

// A process that somebody started in a session and that runs.
struct ProcessInfo {
    std::string id;        // for attach_process: what its start was given as Process::id, else its pid in decimal
    std::uint32_t pid = 0; // in the sandbox
    std::vector<std::string> argv;
};

// The collected form.
struct ExecResult {
    ProcessEnd end;
    std::string standard_output; // at most the limit asked for; the rest is counted, not kept
    std::string standard_error;
    std::uint64_t dropped_bytes = 0; // of both streams, beyond the limit
};

} // namespace sandboxkit
