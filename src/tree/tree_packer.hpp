// SPDX-License-Identifier: Apache-2.0
// A tree of files as a tar stream. It blocks, and reads with the rights of its process.
#pragma once

#include "tree/file_descriptor.hpp"
#include "tree/tar_entry.hpp"
#include "tree/tree_failure.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::tree {

inline constexpr std::size_t tree_depth_limit = 512;          // levels of directories, each an open descriptor
inline constexpr std::uint64_t tree_entry_limit = 10'000'000; // of one archive
inline constexpr std::size_t tree_memory_limit = 64 << 20;    // about; for what has to be remembered of a tree

struct TreeCount {
    std::uint64_t entries = 0, bytes = 0; // bytes: of content, without holes
};

class TreePacker {
public:
    // Takes all of a piece of the archive. Before the first, failures leave nothing.
    using Sink = std::function<TreeFailure(std::string_view)>;
    // Says in an entry whose it is.
    using Owner = std::function<void(const struct stat& status, TarEntry& entry)>;

    TreePacker(Sink sink, Owner owner) : sink_(std::move(sink)), owner_(std::move(owner)) {}
    ~TreePacker();
    TreePacker(const TreePacker&) = delete;
    TreePacker& operator=(const TreePacker&) = delete;

    // What is below `path`, which is absolute; a link is not followed. Sockets and devices are left out, and so is the content
    // of the kernel's own file systems.
    TreeFailure pack(const std::string& path);
    [[nodiscard]] const TreeCount& count() const { return count_; }

private:
    struct Level {
        DIR* directory;
        std::size_t name_size; // of name_, for the directory itself
        dev_t device;
    };

    TreeFailure add(int parent, const char* name, dev_t parents_device);
    TreeFailure add_file(int parent, const char* name, TarEntry entry);
    TreeFailure add_directory(FileDescriptor directory, const struct stat& status, dev_t parents_device);
    TreeFailure find_extents(int file, TarEntry& entry) const;
    TreeFailure copy(int file, std::uint64_t offset, std::uint64_t size);
    TreeFailure put(const TarEntry& entry);
    TreeFailure flush();
    // Whether it is another name of a file that was packed: then that one's.
    const std::string* known_as(const struct stat& status);
    [[nodiscard]] TarEntry entry_of(const struct stat& status) const;
    [[nodiscard]] TreeFailure fail(int error, const char* what) const;

    Sink sink_;
    Owner owner_;
    std::string name_; // in the archive, of what is being packed
    std::vector<Level> levels_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
    std::size_t remembered_ = 0; // bytes, about
    std::string out_;
    TreeCount count_;
};

} // namespace sandboxkit::tree
