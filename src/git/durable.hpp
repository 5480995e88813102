// SPDX-License-Identifier: Apache-2.0
// Files that are whole after a crash of the machine, and the errors of writing them.
#pragma once

#include <sandboxkit/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace sandboxkit::git {

// A failed system call on a file; a full disk is a quota error.
[[nodiscard]] Error file_error(ErrorClass kind, std::string message, const std::filesystem::path& path, int number);

// Replaces a file by renaming a synced one over it.
[[nodiscard]] Result<void> write_durably(const std::filesystem::path& path, std::string_view text);

// Syncs a directory and the regular files in it.
[[nodiscard]] Result<void> sync_directory(const std::filesystem::path& path);

} // namespace sandboxkit::git
