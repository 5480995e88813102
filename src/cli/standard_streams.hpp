// SPDX-License-Identifier: Apache-2.0
// The descriptors 0, 1 and 2: that they are there, and that what is written to them arrives.
#pragma once

#include <sandboxkit/error.hpp>

#include <string_view>

namespace sandboxkit::cli {

// To be called before anything is opened: a number that the caller of this program closed would go to the next file that
// is opened, and what is meant for a standard stream to that file. Reading and writing such a stream fails as before.
void occupy_closed_streams();

// Writes all of it, and waits where the descriptor does not block. Returns 0, or the errno that it broke off with.
int write_all(int fd, std::string_view bytes);

// What to say when standard output or standard error broke off, other than with EPIPE: who closed a pipe needs no message.
[[nodiscard]] Error output_error(int fd, int number);

} // namespace sandboxkit::cli
