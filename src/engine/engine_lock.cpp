// SPDX-License-Identifier: Apache-2.0
#include "engine/engine_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

namespace sandboxkit::engine {

namespace fs = std::filesystem;

static fs::path lock_file(const fs::path& directory, std::string_view id) {
    return directory / (std::string(id) + ".lock");
}

Result<EngineLock> EngineLock::acquire(const fs::path& directory, std::string engine_id) {
    std::error_code ec;
    fs::create_directories(directory, ec);
    const auto file = lock_file(directory, engine_id);
    const auto cannot = [&](const std::string& what, int number) {
        return Error{ErrorClass::unavailable,
                     "engine_lock",
                     "cannot " + what + " " + file.string() + ": " + std::strerror(number),
                     "check that the state directory is writable, on a file system that has locks",
                     "",
                     {}};
    };
    // Another engine's sweep may hold the new file for a moment, and remove its name: then try again.
    int failed = EWOULDBLOCK;
    for (int attempt = 0; attempt < 100 && (failed == EWOULDBLOCK || failed == EINTR); ++attempt) {
        if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(attempt / 10));
        const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return cannot("create", errno);
        const bool locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (locked && ::access(file.c_str(), F_OK) == 0) return EngineLock(directory, std::move(engine_id), fd);
        failed = locked ? EWOULDBLOCK : errno;
        ::close(fd);
    }
    return cannot("lock", failed);
}

EngineLock::~EngineLock() {
    if (fd_ < 0) return;
    ::unlink(lock_file(directory_, id_).c_str());
    ::close(fd_);
}

bool EngineLock::is_dead(std::string_view engine_id) const {
    if (engine_id == id_) return false;
    const int fd = ::open(lock_file(directory_, engine_id).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT; // anything else: not known to be dead
    const bool dead = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
    ::close(fd);
    return dead;
}

void EngineLock::sweep() const {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(directory_, ec)) {
        if (entry.path().extension() != ".lock" || entry.path().stem() == id_) continue;
        const int fd = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) continue;
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str()); // while holding it: nobody takes it meanwhile
        ::close(fd);
    }
}

} // namespace sandboxkit::engine
