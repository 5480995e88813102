// SPDX-License-Identifier: Apache-2.0
#include "git/durable.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

int sync_path(const fs::path& path) { // 0 or an errno
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno;
    const int number = ::fsync(fd) < 0 ? errno : 0;
    ::close(fd);
    return number;
}

} // namespace

Error file_error(ErrorClass kind, std::string message, const fs::path& path, int number) {
    if (number == ENOSPC || number == EDQUOT)
        return Error{ErrorClass::quota,         "disk_full",   "no space is left on the disk",
                     "make room and try again", path.string(), {}};
    return Error{kind,
                 "file_failed",
                 std::move(message) + ": " + std::generic_category().message(number),
                 "check the directory's owner and permissions",
                 path.string(),
                 {}};
}

Result<void> write_durably(const fs::path& path, std::string_view text) {
    const fs::path temporary = path.string() + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return file_error(ErrorClass::internal, "writing a file failed", temporary, errno);
    int number = 0;
    while (!text.empty() && number == 0) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n > 0)
            text.remove_prefix(static_cast<std::size_t>(n));
        else if (n < 0 && errno != EINTR)
            number = errno;
    }
    if (number == 0 && ::fsync(fd) < 0) number = errno;
    ::close(fd);
    if (number == 0 && ::rename(temporary.c_str(), path.c_str()) < 0) number = errno;
    if (number == 0) number = sync_path(path.parent_path());
    if (number == 0) return {};
    ::unlink(temporary.c_str());
    return file_error(ErrorClass::internal, "writing a file failed", path, number);
}

Result<void> sync_directory(const fs::path& path) {
    std::error_code error;
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        if (!it->is_regular_file(ignored)) continue;
        if (const int number = sync_path(it->path()); number != 0)
            return file_error(ErrorClass::internal, "syncing a file failed", it->path(), number);
    }
    const int number = error ? error.value() : sync_path(path);
    if (number != 0) return file_error(ErrorClass::internal, "syncing a directory failed", path, number);
    return {};
}

} // namespace sandboxkit::git
