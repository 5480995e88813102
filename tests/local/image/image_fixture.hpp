// SPDX-License-Identifier: Apache-2.0
// What the tests of images share: a directory of their own, trees written down in one line each, archives, and mounts.
#pragma once

#include "providers/local/image_store.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace sandboxkit::local::test {

// A directory on a real file system, removed with all in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view contents, mode_t mode = 0644);
std::string read_file(const std::filesystem::path& path);
void set_attribute(const std::filesystem::path& path, const char* name, std::string_view value);
std::string get_attribute(const std::filesystem::path& path, const char* name); // "" when there is none

// Everything below a directory, one line each: path, type, mode, owner, size or target; files with their contents.
std::map<std::string, std::string> snapshot_of(const std::filesystem::path& directory);

// One entry of an archive, as libarchive writes it.
struct ArchiveItem {
    std::string path;
    mode_t type = 0100000;  // AE_IFREG
    std::string contents{}; // or the link's target
    mode_t mode = 0644;
    std::string hard_link{};
    unsigned device_major = 0;
    unsigned device_minor = 0;
    std::map<std::string, std::string> attributes{};
    long uid = 0;
    long sparse_size = 0; // a hole of this size before the contents
};
// `filter`: "none", "gzip", "xz" or "zstd".
void write_archive(const std::filesystem::path& path, const std::vector<ArchiveItem>& items, const std::string& filter = "none");

// Runs `work` in a child process that has a mount namespace of its own; returns its exit code (128 + signal when killed).
// The mounts vanish with the child. What `work` prints with REQUIRE-like checks is lost: it returns a number.
int in_mount_namespace(const std::function<int()>& work);
// Mounts an overlay of a plan's stack with the options that sandboxes use; lowers topmost first. True when it worked.
bool mount_overlay(const std::vector<std::filesystem::path>& lowers, const std::filesystem::path& upper,
                   const std::filesystem::path& work, const std::filesystem::path& target);
// Runs a shell command line with the root directory changed to `root`; the exit code.
int run_in(const std::filesystem::path& root, const std::string& command);

// What is left in incoming/, by name.
std::vector<std::string> incoming_of(const std::filesystem::path& store);
std::size_t count_in(const std::filesystem::path& directory);

} // namespace sandboxkit::local::test
