// SPDX-License-Identifier: Apache-2.0
// A pseudo-terminal for one process. When this program's end is closed, the terminal hangs up.
#pragma once

#include "guest/accounts.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/messages.hpp"
#include "guest/rpc_error.hpp"

namespace sandboxkit::guest {

struct Terminal {
    FileDescriptor own;    // does not block
    FileDescriptor childs; // standard input, output and error of the child, which makes it its controlling terminal
};

// `descriptor_limit`: numbers from there on are not used. Errors: resource_exhausted when there is no terminal or descriptor
// to give; failed_precondition when the sandbox has no terminals.
[[nodiscard]] Answer<Terminal> open_terminal(const TerminalSize& size, const Identity& user, int descriptor_limit);

// Tells the foreground processes by SIGWINCH. `terminal` is this program's end.
[[nodiscard]] Answer<void> resize_terminal(int terminal, const TerminalSize& size);

} // namespace sandboxkit::guest
