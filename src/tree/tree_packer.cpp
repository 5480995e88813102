// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_packer.hpp"

#include "tree/tar_writer.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace sandboxkit::tree {
namespace {

constexpr std::size_t piece_size = 128 << 10;
constexpr std::size_t map_node_size = 96; // bytes that a remembered name takes besides itself

std::string_view base_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1); // 0 where there is none
}

bool is_of_the_kernel(int directory) {
    struct statfs status {};
    if (::fstatfs(directory, &status) != 0) return false;
    switch (static_cast<unsigned long>(status.f_type)) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC: return true;
    default: return false;
    }
}

} // namespace

TreePacker::~TreePacker() {
    for (const Level& level : levels_) ::closedir(level.directory);
}

TreeFailure TreePacker::fail(int error, const char* what) const {
    return {error, "error " + std::string(what) + " '" + name_ + "': " + std::string(describe(error))};
}

TreeFailure TreePacker::pack(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {ENOENT, "path '" + path + "' does not exist"};
        return {errno, "error reading '" + path + "': " + std::string(describe(errno))};
    }
    TreeFailure failure;
    if (S_ISDIR(status.st_mode)) {
        name_ = "./";
        FileDescriptor root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!root || ::fstat(root.get(), &status) != 0) return fail(errno, "reading");
        if (is_of_the_kernel(root.get()))
            return {EINVAL, "path '" + path + "' is in a file system of the kernel, whose files are not packed"};
        failure = add_directory(std::move(root), status, status.st_dev);
    } else {
        if (S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
            return {EINVAL, "path '" + path + "' is a socket or a device, which is not packed"};
        name_ = "./";
        failure = add(AT_FDCWD, path.c_str(), status.st_dev);
    }
    while (failure.error == 0 && !levels_.empty()) {
        const Level& level = levels_.back();
        name_.resize(level.name_size);
        errno = 0;
        const dirent* entry = ::readdir(level.directory);
        if (entry == nullptr && errno != 0) return fail(errno, "reading");
        if (entry == nullptr) {
            ::closedir(level.directory);
            levels_.pop_back();
            continue;
        }
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        failure = add(::dirfd(level.directory), entry->d_name, level.device);
    }
    if (failure.error != 0) return failure;
    append_tar_end(out_);
    return flush();
}

TreeFailure TreePacker::add(int parent, const char* name, dev_t parents_device) {
    name_ += base_name(name);
    if (name_.size() >= tar_name_limit)
        return {ENAMETOOLONG, "the path of an entry is longer than " + std::to_string(tar_name_limit) + " bytes"};
    struct stat status {};
    if (::fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? TreeFailure{} : fail(errno, "reading"); // removed meanwhile
    if (S_ISDIR(status.st_mode)) {
        name_ += '/';
        FileDescriptor directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory && errno == ENOENT) return {};
        if (!directory || ::fstat(directory.get(), &status) != 0) return fail(errno, "reading");
        return add_directory(std::move(directory), status, parents_device);
    }
    if (S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) return {};

    TarEntry entry = entry_of(status);
    if (status.st_nlink > 1) {
        if (const std::string* first = known_as(status)) {
            entry.type = TarEntry::Type::hard_link;
            entry.link = *first;
            return put(entry);
        }
        if (remembered_ > tree_memory_limit)
            return {EINVAL, "the tree has too many files with several names: those of more than " +
                                std::to_string(tree_memory_limit >> 20) + " MiB would have to be remembered"};
    }
    if (S_ISREG(status.st_mode)) return add_file(parent, name, std::move(entry));
    if (S_ISFIFO(status.st_mode)) {
        entry.type = TarEntry::Type::fifo;
        return put(entry);
    }
    entry.type = TarEntry::Type::symbolic_link;
    std::array<char, PATH_MAX> target;
    const ssize_t n = ::readlinkat(parent, name, target.data(), target.size());
    if (n < 0) return errno == ENOENT ? TreeFailure{} : fail(errno, "reading");
    entry.link.assign(target.data(), static_cast<std::size_t>(n));
    return put(entry);
}

TreeFailure TreePacker::add_directory(FileDescriptor directory, const struct stat& status, dev_t parents_device) {
    TarEntry entry = entry_of(status);
    entry.type = TarEntry::Type::directory;
    if (auto failure = put(entry); failure.error != 0) return failure;
    if (status.st_dev != parents_device && is_of_the_kernel(directory.get())) return {};
    if (levels_.size() == tree_depth_limit)
        return {EINVAL, "the tree is more than " + std::to_string(tree_depth_limit) + " levels deep at '" + name_ + "'"};
    DIR* stream = ::fdopendir(directory.get());
    if (stream == nullptr) return fail(errno, "reading");
    directory.release();
    levels_.push_back({stream, name_.size(), status.st_dev});
    return {};
}

TreeFailure TreePacker::add_file(int parent, const char* name, TarEntry entry) {
    const FileDescriptor file(::openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file && errno == ENOENT) return {};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return fail(errno, "reading");
    if (!S_ISREG(status.st_mode)) return {EAGAIN, "'" + name_ + "' became something else while it was read"};
    entry.size = static_cast<std::uint64_t>(status.st_size);
    // Fewer blocks than bytes: there may be holes.
    if (static_cast<std::uint64_t>(status.st_blocks) * 512 < entry.size)
        if (auto failure = find_extents(file.get(), entry); failure.error != 0) return failure;
    if (auto failure = put(entry); failure.error != 0) return failure;
    std::uint64_t content = 0;
    for (const TarExtent& extent : entry.extents.value_or(std::vector<TarExtent>{{0, entry.size}})) {
        if (auto failure = copy(file.get(), extent.offset, extent.size); failure.error != 0) return failure;
        content += extent.size;
    }
    out_.append(tar_padding(content), '\0');
    return {};
}

TreeFailure TreePacker::find_extents(int file, TarEntry& entry) const {
    std::vector<TarExtent> extents;
    const auto size = static_cast<off_t>(entry.size);
    for (off_t at = 0; at < size;) {
        const off_t data = ::lseek(file, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break; // a hole to the end
        if (data < 0) return {};               // a file system that does not tell
        const off_t hole = ::lseek(file, data, SEEK_HOLE);
        if (hole < 0) return fail(errno, "reading");
        if (data >= size) break;
        if (extents.size() == tar_extent_limit - 1)
            return {EINVAL, "'" + name_ + "' has more than " + std::to_string(tar_extent_limit) + " pieces between its holes"};
        at = std::min(hole, size);
        extents.push_back({static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(at - data)});
    }
    if (extents.size() != 1 || extents[0].offset != 0 || extents[0].size != entry.size) entry.extents = std::move(extents);
    return {};
}

TreeFailure TreePacker::copy(int file, std::uint64_t offset, std::uint64_t size) {
    for (std::uint64_t left = size; left > 0;) {
        if (out_.size() >= piece_size)
            if (auto failure = flush(); failure.error != 0) return failure;
        const std::size_t before = out_.size();
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_size));
        out_.resize(before + wanted);
        const ssize_t n = ::pread(file, out_.data() + before, wanted, static_cast<off_t>(offset));
        const int error = errno;
        out_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 && error == EINTR) continue;
        if (n < 0) return fail(error, "reading");
        if (n == 0) return {EAGAIN, "'" + name_ + "' became shorter while it was read"};
        offset += static_cast<std::uint64_t>(n);
        left -= static_cast<std::uint64_t>(n);
        count_.bytes += static_cast<std::uint64_t>(n);
    }
    return {};
}

TreeFailure TreePacker::put(const TarEntry& entry) {
    if (++count_.entries > tree_entry_limit)
        return {EINVAL, "the tree has more than " + std::to_string(tree_entry_limit) + " entries"};
    append_tar_header(out_, entry);
    return out_.size() >= piece_size ? flush() : TreeFailure{};
}

TreeFailure TreePacker::flush() {
    auto failure = sink_(out_);
    out_.clear();
    return failure;
}

const std::string* TreePacker::known_as(const struct stat& status) {
    const auto [it, fresh] = linked_.try_emplace({status.st_dev, status.st_ino}, name_);
    if (fresh) remembered_ += name_.size() + map_node_size;
    return fresh ? nullptr : &it->second;
}

TarEntry TreePacker::entry_of(const struct stat& status) const {
    TarEntry entry;
    entry.name = name_;
    entry.mode = status.st_mode & 07777;
    entry.modified = status.st_mtim;
    owner_(status, entry);
    return entry;
}

} // namespace sandboxkit::tree
