// SPDX-License-Identifier: Apache-2.0
#include "providers/local/image_source.hpp"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>

namespace sandboxkit::local {

Result<FileHandle> open_source_directory(const std::string& path) {
    FileHandle source(open_resolved(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY, Resolve::no_symlinks));
    if (source) return source;
    if (errno == ELOOP) {
        std::error_code failure;
        const auto real = std::filesystem::canonical(path, failure);
        return Error{ErrorClass::invalid,
                     "image_path_symlink",
                     "the image directory " + shown(path) + " is reached through a symbolic link",
                     failure ? "name the directory by its real path" : "name it by its real path: directory:" + real.string(),
                     "",
                     {}};
    }
    if (errno == ENOTDIR)
        return Error{ErrorClass::invalid, "image_not_directory", shown(path) + " is not a directory", "", "", {}};
    return system_error(errno, "cannot open the image directory " + shown(path));
}

Result<FileHandle> open_source_archive(const std::string& path) {
    // Not blocking: it may be a pipe that nobody writes to.
    FileHandle source(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!source) return system_error(errno, "cannot open the archive " + shown(path));
    struct stat status {};
    if (::fstat(source.get(), &status) != 0) return system_error(errno, "cannot read the status of the archive");
    if (!S_ISREG(status.st_mode))
        return Error{ErrorClass::invalid, "image_not_file", shown(path) + " is not a regular file", "", "", {}};
    return source;
}

} // namespace sandboxkit::local
