// SPDX-License-Identifier: Apache-2.0
// This program's terminal, while a command in a session has it.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/session.hpp>

#include <termios.h>

#include <memory>

namespace sandboxkit::cli {

// Passes every key on as it is typed, until it is destroyed.
class RawTerminal {
public:
    // Standard input and standard output have to be terminals: invalid "no_terminal".
    static Result<std::unique_ptr<RawTerminal>> take();
    explicit RawTerminal(const termios& before) : before_(before) {}
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    [[nodiscard]] TerminalSize size() const;

private:
    termios before_;
};

} // namespace sandboxkit::cli
