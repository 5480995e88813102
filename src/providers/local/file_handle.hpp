// SPDX-License-Identifier: Apache-2.0
// Files and directories by descriptor: what the image store does to a file system, with errors as values.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <sys/stat.h>

namespace sandboxkit::local {

// Owns one descriptor; closes it.
class FileHandle {
public:
    FileHandle() = default;
    explicit FileHandle(int fd) noexcept : fd_(fd) {}
    FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileHandle& operator=(FileHandle&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~FileHandle() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    void reset(int fd = -1) noexcept;

private:
    int fd_ = -1;
};

// What a failed system call means to the caller. A full disk is quota "disk_full"; `what` says what was being done, as in
// "cannot copy 'etc/passwd'".
[[nodiscard]] Error system_error(int number, std::string_view what);
[[nodiscard]] Error cancelled_error();

// A name from an archive, a directory or a sandbox as it may be shown: quoted, control bytes escaped, at most 200 bytes.
[[nodiscard]] std::string shown(std::string_view name);

// How openat2 may resolve a path below `directory`.
enum class Resolve : std::uint8_t {
    beneath,    // no symbolic link anywhere, never out of the directory
    in_root,    // symbolic links as if the directory were "/"; the last component is not followed
    no_symlinks // any path, but no symbolic link in it
};
// -1 and errno. Never follows a magic link. Retries what the kernel asks to retry. `flags` get O_CLOEXEC.
[[nodiscard]] int open_resolved(int directory, const char* path, std::uint64_t flags, Resolve how);

[[nodiscard]] Result<FileHandle> open_directory(const std::filesystem::path& path);
[[nodiscard]] Result<FileHandle> open_directory_at(int directory, const std::string& name);

// Creates `name` with these contents, mode 0600, and fsyncs it.
[[nodiscard]] Result<void> write_file_at(int directory, const std::string& name, std::string_view contents);
// At most `limit` bytes; more is data_loss.
[[nodiscard]] Result<std::string> read_file_at(int directory, const std::string& name, std::size_t limit);
[[nodiscard]] Result<void> write_all(int fd, std::string_view bytes, std::string_view what);
[[nodiscard]] Result<void> sync_handle(int fd, std::string_view what);

// `length` characters of [a-z2-7] from the kernel's random numbers.
[[nodiscard]] std::string random_name(std::size_t length);

// overlayfs' mark for "nothing here": a character device 0:0.
[[nodiscard]] bool is_whiteout(const struct stat& status) noexcept;
// A path that names the child of an open directory for calls that know no descriptors.
[[nodiscard]] std::string descriptor_path(int directory, std::string_view name);

} // namespace sandboxkit::local
