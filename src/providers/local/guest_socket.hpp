// SPDX-License-Identifier: Apache-2.0
// The socket of a sandbox's guest. The host makes it and hands the descriptor in: nothing inside can replace it.
#pragma once

#include "providers/local/file_handle.hpp"

#include <chrono>

namespace sandboxkit::local {

inline constexpr const char* guest_socket_name = "guest.sock";

// Listens on `directory`/guest.sock, mode 0600, in the place of an older one. The path may be longer than sockets allow.
Result<FileHandle> listen_for_guest(int directory);

// Asks the guest GET /health. Errors: unavailable "guest_died" as soon as `process` ends, "guest_not_ready" after `limit`,
// internal "peer_protocol" for an answer that is not one, cancelled once `stop` can be read (-1: never).
Result<void> wait_for_guest(int directory, const FileHandle& process, std::chrono::milliseconds limit, int stop = -1);

} // namespace sandboxkit::local
