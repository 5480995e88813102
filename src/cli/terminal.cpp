// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace sandboxkit::cli {

Result<std::unique_ptr<RawTerminal>> RawTerminal::take() {
    termios before{};
    if (::isatty(STDOUT_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before) != 0)
        return Error{ErrorClass::invalid,
                     "no_terminal",
                     "standard input and standard output are no terminal",
                     "leave --terminal out, or run this in a terminal",
                     "",
                     {}};
    termios raw = before;
    ::cfmakeraw(&raw);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    return std::make_unique<RawTerminal>(before);
}

RawTerminal::~RawTerminal() {
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

TerminalSize RawTerminal::size() const {
    winsize now{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) return {};
    return {now.ws_col, now.ws_row};
}

} // namespace sandboxkit::cli
