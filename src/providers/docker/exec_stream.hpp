// SPDX-License-Identifier: Apache-2.0
// A connection to a guest that this host shares nothing with: the daemon runs the guest program once more in the sandbox, as a
// relay to the socket, and carries the bytes.
#pragma once

#include "providers/docker/daemon.hpp"

#include <chrono>

namespace sandboxkit::docker {

// A stream socket, the caller's; closing it ends the relay.
Task<int> dial_guest(DaemonPtr daemon, std::string sandbox, std::chrono::milliseconds limit);

} // namespace sandboxkit::docker
