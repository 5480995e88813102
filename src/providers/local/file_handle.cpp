// SPDX-License-Identifier: Apache-2.0
#include "providers/local/file_handle.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sandboxkit::local {

void FileHandle::reset(int fd) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Error system_error(int number, std::string_view what) {
    std::string message(what);
    const auto text = std::string(::strerrordesc_np(number) ? ::strerrordesc_np(number) : "unknown error");
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return {ErrorClass::quota,
                "disk_full",
                message + ": the disk is full",
                "free space in the file system of the state directory",
                text,
                {}};
    case EACCES:
    case EPERM:
        return {ErrorClass::permission, "file_permission", message + ": not permitted", "run with root privileges", text, {}};
    case ENOENT: return {ErrorClass::not_found, "file_not_found", message + ": it does not exist", "", text, {}};
    case EMFILE:
    case ENFILE:
    case ENOMEM: return {ErrorClass::unavailable, "resources_exhausted", message + ": " + text, "try again later", text, {}};
    case EIO: return {ErrorClass::data_loss, "disk_failed", message + ": the disk failed", "check the disk", text, {}};
    case EROFS:
        return {ErrorClass::permission,
                "read_only_file_system",
                message + ": the file system is read-only",
                "put the state directory on a writable file system",
                text,
                {}};
    default: return {ErrorClass::internal, "file_operation_failed", message + ": " + text, "", text, {}};
    }
}

Error cancelled_error() {
    return {ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

std::string shown(std::string_view name) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "'";
    const auto byte_at = [&](std::size_t i) { return i < name.size() ? static_cast<unsigned char>(name[i]) : 0U; };
    for (std::size_t i = 0; i < std::min<std::size_t>(name.size(), 200); ++i) {
        const char c = name[i];
        const auto byte = static_cast<unsigned char>(c);
        // U+0080 to U+009F, c2 80 to c2 9f in UTF-8, are control characters too: some terminals act on them.
        const bool c1 = (byte == 0xc2 && byte_at(i + 1) >= 0x80 && byte_at(i + 1) < 0xa0) ||
                        (i > 0 && byte_at(i - 1) == 0xc2 && byte >= 0x80 && byte < 0xa0);
        if (byte < 0x20 || byte == 0x7f || c1 || c == '\\') {
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 15];
        } else {
            text += c;
        }
    }
    // A cut in the middle of a UTF-8 sequence would make the message invalid UTF-8.
    if (name.size() > 200) {
        while (text.size() > 1 && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
        if (static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
        text += "...";
    }
    return text + "'";
}

int open_resolved(int directory, const char* path, std::uint64_t flags, Resolve how) {
    struct open_how request {};
    request.flags = flags | O_CLOEXEC;
    switch (how) {
    case Resolve::beneath: request.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; break;
    case Resolve::in_root:
        request.flags |= O_NOFOLLOW;
        request.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        break;
    case Resolve::no_symlinks: request.resolve = RESOLVE_NO_SYMLINKS; break;
    }
    for (;;) {
        // EAGAIN: a rename or mount elsewhere made the kernel unsure of a "..".
        const auto fd = ::syscall(SYS_openat2, directory, path, &request, sizeof request);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
    }
}

Result<FileHandle> open_directory(const std::filesystem::path& path) {
    FileHandle handle(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!handle) return system_error(errno, "cannot open the directory " + shown(path.native()));
    return handle;
}

Result<FileHandle> open_directory_at(int directory, const std::string& name) {
    FileHandle handle(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!handle) return system_error(errno, "cannot open the directory " + shown(name));
    return handle;
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view what) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return system_error(errno, what);
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> sync_handle(int fd, std::string_view what) {
    if (::fsync(fd) != 0) return system_error(errno, what);
    return {};
}

Result<void> write_file_at(int directory, const std::string& name, std::string_view contents) {
    const auto what = "cannot write " + shown(name);
    FileHandle file(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return system_error(errno, what);
    auto written = write_all(file.get(), contents, what);
    if (!written) return written;
    return sync_handle(file.get(), what);
}

Result<std::string> read_file_at(int directory, const std::string& name, std::size_t limit) {
    const auto what = "cannot read " + shown(name);
    FileHandle file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return system_error(errno, what);
    std::string contents;
    std::array<char, 16384> buffer;
    for (;;) {
        const auto got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0) {
            if (errno == EINTR) continue;
            return system_error(errno, what);
        }
        if (got == 0) return contents;
        contents.append(buffer.data(), static_cast<std::size_t>(got));
        if (contents.size() > limit)
            return Error{ErrorClass::data_loss, "file_too_large", what + ": it is too large", "", "", {}};
    }
}

std::string random_name(std::size_t length) {
    static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
    std::vector<unsigned char> bytes(length);
    std::size_t have = 0;
    while (have < length) {
        const auto got = ::getrandom(bytes.data() + have, length - have, 0);
        if (got > 0) have += static_cast<std::size_t>(got);
    }
    std::string name;
    name.reserve(length);
    for (const auto byte : bytes) name += letters[byte & 31];
    return name;
}

bool is_whiteout(const struct stat& status) noexcept {
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

std::string descriptor_path(int directory, std::string_view name) {
    std::string path = "/proc/self/fd/" + std::to_string(directory);
    if (!name.empty()) {
        path += '/';
        path += name;
    }
    return path;
}

} // namespace sandboxkit::local
