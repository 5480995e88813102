// SPDX-License-Identifier: Apache-2.0
// Standard input and output as a connection to a Unix socket: the way in where the host can run a program in the sandbox but not
// reach its files.
#pragma once

#include <string>

namespace sandboxkit::guest {

// Passes bytes both ways until the socket's other side has ended, or nobody reads standard output any more. Gives up every
// capability first. Empty, or what is wrong.
[[nodiscard]] std::string relay(const std::string& socket_path);

} // namespace sandboxkit::guest
