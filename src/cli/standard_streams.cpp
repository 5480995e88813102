// SPDX-License-Identifier: Apache-2.0
#include "cli/standard_streams.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sandboxkit::cli {

void occupy_closed_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0) // opened the wrong way round, and with the lowest number that is free: this one
            (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) { // someone else's O_NONBLOCK on a shared terminal
            pollfd writable{fd, POLLOUT, 0};
            ::poll(&writable, 1, -1);
            continue;
        }
        if (n <= 0) return n < 0 ? errno : EIO;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
}

Error output_error(int fd, int number) {
    return {ErrorClass::unavailable,
            "output_not_written",
            std::string("cannot write standard ") + (fd == STDOUT_FILENO ? "output: " : "error: ") + std::strerror(number),
            "what was asked for may have been done all the same",
            "",
            {}};
}

} // namespace sandboxkit::cli
