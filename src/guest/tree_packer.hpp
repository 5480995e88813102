// SPDX-License-Identifier: Apache-2.0
// A tree of files as a tar stream. It blocks: it runs in a child of its own (see tree_worker.hpp), as the user whose rights
// count.
#pragma once

#include "guest/accounts.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/tar_entry.hpp"
#include "guest/upload.hpp"

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

namespace sandboxkit::guest {

inline constexpr std::size_t tree_depth_limit = 512;          // levels of directories, each an open descriptor
inline constexpr std::uint64_t tree_entry_limit = 10'000'000; // of one archive
inline constexpr std::size_t tree_memory_limit = 64 << 20;    // about; for what has to be remembered of a tree

struct TreeCount {
    std::uint64_t entries = 0, bytes = 0; // bytes: of content, without holes
};

class TreePacker {
public:
    // `out`: where the archive is written. `begun` is called before the first byte of it: failures before that leave nothing.
    TreePacker(int out, std::function<void()> begun) : out_fd_(out), begun_(std::move(begun)) {}
    ~TreePacker();
    TreePacker(const TreePacker&) = delete;
    TreePacker& operator=(const TreePacker&) = delete;

    // What is below `path`, which is absolute; a link is not followed. Sockets and devices are left out, and so is the content
    // of the kernel's own file systems.
    UploadFailure pack(const std::string& path);
    [[nodiscard]] const TreeCount& count() const { return count_; }

private:
    struct Level {
        DIR* directory;
        std::size_t name_size; // of name_, for the directory itself
        dev_t device;
    };

    UploadFailure add(int parent, const char* name, dev_t parents_device);
    UploadFailure add_file(int parent, const char* name, TarEntry entry);
    UploadFailure add_directory(FileDescriptor directory, const struct stat& status, dev_t parents_device);
    UploadFailure find_extents(int file, TarEntry& entry) const;
    UploadFailure copy(int file, std::uint64_t offset, std::uint64_t size);
    UploadFailure put(const TarEntry& entry);
    UploadFailure flush();
    // Whether it is another name of a file that was packed: then that one's.
    const std::string* known_as(const struct stat& status);
    [[nodiscard]] TarEntry entry_of(const struct stat& status) const;
    [[nodiscard]] UploadFailure fail(int error, const char* what) const;

    int out_fd_;
    std::function<void()> begun_;
    OwnerNames owners_;
    std::string name_; // in the archive, of what is being packed
    std::vector<Level> levels_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
    std::size_t remembered_ = 0; // bytes, about
    std::string out_;
    TreeCount count_;
};

} // namespace sandboxkit::guest
