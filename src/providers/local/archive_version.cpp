// SPDX-License-Identifier: Apache-2.0
#include "providers/local/archive_version.hpp"

#include <sandboxkit/digest.hpp>

#include <cerrno>
#include <memory>
#include <string_view>

#include <unistd.h>

namespace sandboxkit::local {

static constexpr std::size_t piece_size = 1 << 20;

Result<ArchiveVersion> ArchiveVersion::of(const FileHandle& file, std::string path, std::stop_token stop) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error(errno, "cannot read the status of the archive");
    ArchiveVersion version(std::move(path), status);
    const auto piece = std::make_unique_for_overwrite<char[]>(piece_size);
    Sha256 digest;
    for (off_t at = 0;;) {
        if (stop.stop_requested()) return cancelled_error();
        const ssize_t n = ::pread(file.get(), piece.get(), piece_size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error(errno, "cannot read the archive " + shown(version.path_));
        if (n == 0) break;
        digest.update(std::string_view(piece.get(), static_cast<std::size_t>(n)));
        at += n;
    }
    version.digest_ = "sha256:" + digest.finish();
    return version;
}

Result<void> ArchiveVersion::still(const FileHandle& file) const {
    struct stat now {};
    if (::fstat(file.get(), &now) != 0) return system_error(errno, "cannot read the status of the archive");
    const auto same = [](const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; };
    if (now.st_size == status_.st_size && same(now.st_mtim, status_.st_mtim) && same(now.st_ctim, status_.st_ctim)) return {};
    return Error{ErrorClass::conflict,
                 "image_changed",
                 "the archive " + shown(path_) + " was changed while it was read",
                 "write a new one beside it and rename it",
                 "",
                 {}};
}

} // namespace sandboxkit::local
