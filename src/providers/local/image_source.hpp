// SPDX-License-Identifier: Apache-2.0
// What a user names as the origin of an image, opened with care: paths of this host, at any of which something else may be.
#pragma once

#include "providers/local/file_handle.hpp"

#include <string>

namespace sandboxkit::local {

// No component of an absolute path to a directory image may be a symbolic link: invalid "image_path_symlink".
[[nodiscard]] Result<FileHandle> open_source_directory(const std::string& path);
// A regular file, through symbolic links too (as in rootfs-latest.tar); never waits for the writer of a pipe.
[[nodiscard]] Result<FileHandle> open_source_archive(const std::string& path);

} // namespace sandboxkit::local
