// SPDX-License-Identifier: Apache-2.0
// Long work told on standard error: on a terminal one line that is redrawn, elsewhere plain lines; the setup script's output
// passes through in both.
#pragma once

#include <sandboxkit/engine.hpp>

#include <chrono>
#include <mutex>
#include <string>

namespace sandboxkit::cli {

// Thread-safe: handler() is called on the engine's threads.
class ProgressDisplay {
public:
    ProgressDisplay();
    ~ProgressDisplay(); // erases its line
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;

    // Outlived by this object.
    [[nodiscard]] ProgressHandler handler();
    // Whether any output of the setup script passed through.
    [[nodiscard]] bool output_shown() const;

private:
    void show(const Progress& progress);
    void erase();

    mutable std::mutex mutex_;
    bool terminal_;
    bool drawn_ = false; // the redrawn line is on the screen
    bool output_shown_ = false;
    bool within_a_line_ = false; // the output passed through ended without a newline
    std::string told_;           // phase and message of the last plain line
    std::chrono::steady_clock::time_point next_draw_{};
};

// "12.3 MiB"
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

} // namespace sandboxkit::cli
