// SPDX-License-Identifier: Apache-2.0
#include "envd/signal_names.hpp"

#include <array>
#include <charconv>
#include <cstddef>

namespace sandboxkit::envd {
namespace {

// Go's syscall package, zerrors_linux_amd64.go; the index is the signal.
constexpr std::array<std::string_view, 32> names = {"",
                                                    "hangup",
                                                    "interrupt",
                                                    "quit",
                                                    "illegal instruction",
                                                    "trace/breakpoint trap",
                                                    "aborted",
                                                    "bus error",
                                                    "floating point exception",
                                                    "killed",
                                                    "user defined signal 1",
                                                    "segmentation fault",
                                                    "user defined signal 2",
                                                    "broken pipe",
                                                    "alarm clock",
                                                    "terminated",
                                                    "stack fault",
                                                    "child exited",
                                                    "continued",
                                                    "stopped (signal)",
                                                    "stopped",
                                                    "stopped (tty input)",
                                                    "stopped (tty output)",
                                                    "urgent I/O condition",
                                                    "CPU time limit exceeded",
                                                    "file size limit exceeded",
                                                    "virtual timer expired",
                                                    "profiling timer expired",
                                                    "window changed",
                                                    "I/O possible",
                                                    "power failure",
                                                    "bad system call"};

} // namespace

std::optional<int> signal_of_status(std::string_view status) {
    constexpr std::string_view prefix = "signal: ";
    constexpr std::string_view dumped = " (core dumped)";
    constexpr std::string_view numbered = "signal ";
    if (!status.starts_with(prefix)) return {};
    status.remove_prefix(prefix.size());
    if (status.ends_with(dumped)) status.remove_suffix(dumped.size());
    for (std::size_t i = 1; i < names.size(); ++i)
        if (names[i] == status) return static_cast<int>(i);
    if (!status.starts_with(numbered)) return {};
    status.remove_prefix(numbered.size());
    int number = 0;
    const auto parsed = std::from_chars(status.data(), status.data() + status.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != status.data() + status.size() || number < 1 || number > 64) return {};
    return number;
}

} // namespace sandboxkit::envd
