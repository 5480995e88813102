// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include "cli/standard_streams.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace sandboxkit::cli {

namespace {

std::string describe(BuildPhase phase) {
    switch (phase) {
    case BuildPhase::queued: return "waiting for its turn";
    case BuildPhase::repositories: return "fetching the repositories";
    case BuildPhase::image: return "preparing the image";
    case BuildPhase::start: return "starting the build sandbox";
    case BuildPhase::setup_script: return "running the setup script";
    case BuildPhase::capture: return "capturing the snapshot";
    case BuildPhase::record: return "recording the snapshot";
    }
    return "working";
}

std::size_t terminal_width() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

} // namespace

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text.data();
}

ProgressDisplay::ProgressDisplay() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressDisplay::~ProgressDisplay() {
    std::lock_guard lock(mutex_);
    erase();
    if (within_a_line_) write_all(STDERR_FILENO, "\n");
}

ProgressHandler ProgressDisplay::handler() {
    return [this](const Progress& progress) { show(progress); };
}

bool ProgressDisplay::output_shown() const {
    std::lock_guard lock(mutex_);
    return output_shown_;
}

void ProgressDisplay::erase() {
    if (drawn_) write_all(STDERR_FILENO, "\r\033[K");
    drawn_ = false;
}

void ProgressDisplay::show(const Progress& progress) {
    std::lock_guard lock(mutex_);
    std::string line = progress.message.empty() ? describe(progress.phase) : progress.message;
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    const bool news = line != told_;

    if (!progress.output.empty()) {
        erase();
        write_all(STDERR_FILENO, progress.output);
        output_shown_ = true;
        within_a_line_ = progress.output.back() != '\n';
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_) { // one line for each thing it does; numbers, which stand behind a colon, now and then
        const auto thing = [](const std::string& text) { return text.substr(0, text.find(": ")); };
        if (!news || (thing(line) == thing(told_) && now < next_draw_)) return;
        next_draw_ = now + std::chrono::seconds(10);
        write_all(STDERR_FILENO, (within_a_line_ ? "\n" : "") + line + "\n");
        within_a_line_ = false;
        told_ = line;
        return;
    }
    if (within_a_line_ || (!news && now < next_draw_)) return;
    next_draw_ = now + std::chrono::milliseconds(100);
    told_ = line;
    if (progress.done > 0) line += "  " + bytes_text(progress.done);
    if (progress.total > 0) line += " of " + bytes_text(progress.total);
    const auto width = terminal_width();
    if (line.size() >= width) line.resize(width - 1);
    write_all(STDERR_FILENO, "\r\033[K" + line);
    drawn_ = true;
}

} // namespace sandboxkit::cli
