// SPDX-License-Identifier: Apache-2.0
#include "net/unix_path.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sandboxkit::net {
namespace {

struct Descriptor {
    int fd;
    explicit Descriptor(int number) : fd(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd < 0) return;
        const int saved = errno;
        ::close(fd);
        errno = saved;
    }
    int release() {
        const int taken = fd;
        fd = -1;
        return taken;
    }
};

} // namespace

int connect_unix_path(const std::filesystem::path& path) {
    const Descriptor place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (place.fd < 0) return -1;
    struct stat info {};
    if (::fstat(place.fd, &info) != 0) return -1;
    if (!S_ISSOCK(info.st_mode)) {
        errno = S_ISLNK(info.st_mode) ? ELOOP : ENOTSOCK;
        return -1;
    }
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.fd < 0) return -1;
    // The magic link leads to the very inode that was looked at, and is short whatever the path was.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place.fd);
    if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    return socket.release();
}

} // namespace sandboxkit::net
