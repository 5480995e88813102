// SPDX-License-Identifier: Apache-2.0
// What is said about the files of a sandbox.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxkit {

enum class FileType : std::uint8_t { file, directory, symlink, other };

constexpr std::string_view to_string(FileType t) noexcept {
    constexpr std::string_view names[] = {"file", "directory", "symlink", "other"};
    return names[static_cast<std::size_t>(t)];
}

struct FileInfo {
    std::string name, path; // path: absolute
    FileType type = FileType::file;
    std::uint64_t size = 0;     // bytes
    std::uint32_t mode = 0;     // permission bits
    std::string permissions;    // "-rw-r--r--"
    std::string owner, group;   // names in the sandbox
    std::string symlink_target; // of a symlink
    std::string modified;       // RFC 3339
};

enum class FileChange : std::uint8_t { created, written, removed, renamed, attributes };

constexpr std::string_view to_string(FileChange c) noexcept {
    constexpr std::string_view names[] = {"created", "written", "removed", "renamed", "attributes"};
    return names[static_cast<std::size_t>(c)];
}

struct FileEvent {
    FileChange change = FileChange::created; // renamed: this name is gone; what it became is told as created
    std::string name;                        // relative to the directory that is watched
};

// What is taken of a tree that a sandbox sends.
struct TreeLimits {
    std::uint64_t entries = 10'000'000;   // at most that
    std::uint64_t bytes = 1ULL << 40;     // of files, without holes
    std::uint64_t file_size = 1ULL << 44; // of one file, with its holes
};

// What was packed or unpacked of a tree.
struct TreeSummary {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0; // of files, without holes
};

} // namespace sandboxkit
