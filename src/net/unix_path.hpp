// SPDX-License-Identifier: Apache-2.0
// Connecting to a Unix socket by a path of any length.
#pragma once

#include <filesystem>

namespace sandboxkit::net {

// A new non-blocking, close-on-exec stream socket connected to `path`, owned by the caller; or -1 and errno.
// EAGAIN: the listener's backlog is full, and the kernel has no event for when it is not.
// ELOOP: the last component is a symbolic link. ENOTSOCK: it is not a socket.
// The path is resolved once and the socket found there is the one connected to: it cannot be exchanged in between.
int connect_unix_path(const std::filesystem::path& path);

} // namespace sandboxkit::net
