// SPDX-License-Identifier: Apache-2.0
// One entry of a tar archive, whatever its dialect.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::tree {

inline constexpr std::size_t tar_block = 512;
inline constexpr std::size_t tar_name_limit = 32 << 10;    // bytes of a name, and of what a link leads to
inline constexpr std::size_t tar_extent_limit = 1'000'000; // pieces of a sparse file

// A piece of a sparse file that is not a hole.
struct TarExtent {
    std::uint64_t offset = 0, size = 0;
};

struct TarEntry {
    enum class Type : std::uint8_t { file, directory, symbolic_link, hard_link, fifo };

    Type type = Type::file;
    std::string name; // as in the archive
    std::string link; // what a symbolic link says; the name of the entry that a hard link is another name of
    mode_t mode = 0;  // permissions, without the type
    std::uint64_t uid = 0, gid = 0;
    std::string user, group; // may be empty
    timespec modified{};
    std::uint64_t size = 0;                        // of a file, with its holes
    std::optional<std::vector<TarExtent>> extents; // of a sparse file, ascending and apart
};

// Bytes that fill up the last block of content.
[[nodiscard]] constexpr std::size_t tar_padding(std::uint64_t size) {
    return static_cast<std::size_t>((tar_block - size % tar_block) % tar_block);
}

} // namespace sandboxkit::tree
