// SPDX-License-Identifier: Apache-2.0
#include "guest/upload.hpp"

#include "guest/paths.hpp"
#include "guest/rpc_error.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr int link_limit = 40; // as the kernel's

std::string temporary_name() {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
        static std::uint64_t counter = 0;
        number = ++counter; // the file is made exclusively: a guess gains nothing, a collision is tried again
    }
    return std::string(Upload::prefix) + std::to_string(number);
}

// Where a path leads when its last component is a link, also one to nothing.
int follow_links(std::string& path) {
    for (int i = 0; i < link_limit; ++i) {
        std::array<char, PATH_MAX> target;
        const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
        if (n < 0) return errno == EINVAL || errno == ENOENT ? 0 : errno;
        if (static_cast<std::size_t>(n) == target.size()) return ENAMETOOLONG;
        const std::string_view to(target.data(), static_cast<std::size_t>(n));
        path = to.starts_with('/') ? std::string(to) : join_path(parent_path(path), to);
        while (path.size() > 1 && path.back() == '/') path.pop_back();
        if (path.size() >= PATH_MAX) return ENAMETOOLONG;
    }
    return ELOOP;
}

// Whether another file in its place is the same to everybody: it has no other names, and the user can give it its owner.
bool can_be_replaced(const struct stat& status, const Identity& user) {
    if (!S_ISREG(status.st_mode) || status.st_nlink > 1) return false;
    return user.uid == 0 ||
           (status.st_uid == user.uid && std::find(user.groups.begin(), user.groups.end(), status.st_gid) != user.groups.end());
}

} // namespace

UploadFailure Upload::fail(int error, const std::string& what) const {
    return {error, "error " + what + " '" + path_ + "': " + std::string(describe(error))};
}

UploadFailure Upload::begin(const std::string& path, const Identity& user, const FileMetadata& metadata) {
    auto failure = open(path, user);
    if (failure.error != 0) return failure;
    if (const int error = replace_metadata(file_.get(), metadata); error != 0) {
        failure = fail(error, "storing the metadata of");
        discard();
    }
    return failure;
}

UploadFailure Upload::open(const std::string& path, const Identity& user) {
    path_ = path;
    user_ = user;
    const ActingAs acting(user);
    if (acting.error() != 0) return fail(acting.error(), "becoming the user to write");

    std::string target = path;
    if (const int error = follow_links(target); error != 0) return fail(error, "resolving");
    name_ = std::string(base_name(target));
    if (name_ == "/" || name_ == "." || name_ == "..") return {EISDIR, "path '" + path_ + "' is a directory"};
    const std::string parent(parent_path(target));
    if (const int error = make_directories(parent); error != 0) return fail(error, "creating the directories of");
    directory_.reset(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // A directory may be writable and not readable.
    if (!directory_ && errno == EACCES) directory_.reset(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory_) return fail(errno, "opening the directory of");

    struct stat existing {};
    const bool exists = ::fstatat(directory_.get(), name_.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0;
    // To open a FIFO or a socket could wait for somebody.
    const auto refusal = [&]() -> UploadFailure {
        if (S_ISDIR(existing.st_mode)) return {EISDIR, "path '" + path_ + "' is a directory"};
        if (!S_ISREG(existing.st_mode) && !S_ISCHR(existing.st_mode))
            return {EINVAL, "path '" + path_ + "' is neither a regular file nor a character device"};
        return {};
    };
    FileDescriptor present;
    if (exists) {
        if (auto refused = refusal(); refused.error != 0) return refused;
        // Also to replace it: a file that the user may not write stays.
        present.reset(::openat(directory_.get(), name_.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (!present && errno != ETXTBSY) return fail(errno, "opening");
        // It may be another one by now.
        if (present && ::fstat(present.get(), &existing) != 0) return fail(errno, "opening");
        if (auto refused = refusal(); refused.error != 0) return refused;
    }
    if (!present || can_be_replaced(existing, user)) {
        auto failure = make_temporary(exists ? &existing : nullptr);
        // Who may write the file need not be allowed to write its directory.
        const bool forbidden = !file_ && (failure.error == EACCES || failure.error == EPERM || failure.error == EROFS);
        if (!present || !forbidden) return failure;
    }
    // Files of procfs act on whoever writes them: this program.
    struct statfs file_system {};
    if (::fstatfs(present.get(), &file_system) != 0) return fail(errno, "opening");
    if (file_system.f_type == PROC_SUPER_MAGIC) return fail(EPERM, "opening");
    if (S_ISREG(existing.st_mode) && ::ftruncate(present.get(), 0) != 0) return fail(errno, "emptying");
    file_ = std::move(present);
    return {};
}

UploadFailure Upload::make_temporary(const struct stat* existing) {
    for (int i = 0; i < 8 && !file_; ++i) {
        temporary_ = temporary_name();
        file_.reset(::openat(directory_.get(), temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file_ && errno != EEXIST) break;
    }
    if (!file_) {
        temporary_.clear();
        return fail(errno, "creating a file beside");
    }
    // Who may not give files away owns what it writes.
    if (existing != nullptr && (existing->st_uid != user_.uid || existing->st_gid != user_.gid) &&
        ::fchown(file_.get(), existing->st_uid, existing->st_gid) != 0 && errno != EPERM)
        return fail(errno, "setting the owner of");
    if (::fchmod(file_.get(), existing != nullptr ? existing->st_mode & 07777 : 0644) != 0)
        return fail(errno, "setting the mode of");
    return {};
}

UploadFailure Upload::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const int error = n < 0 ? errno : ENOSPC;
            discard();
            return fail(error, "writing");
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

UploadFailure Upload::commit() {
    // Some file systems say only now that there was no space.
    if (::close(file_.release()) != 0 && errno != EINTR) {
        const int error = errno;
        discard();
        return fail(error, "writing");
    }
    if (temporary_.empty()) return {};
    int error = 0;
    {
        const ActingAs acting(user_);
        error = acting.error();
        if (error == 0 && ::renameat(directory_.get(), temporary_.c_str(), directory_.get(), name_.c_str()) != 0) error = errno;
    }
    if (error != 0) {
        discard();
        return fail(error, "replacing");
    }
    temporary_.clear();
    directory_.reset();
    return {};
}

void Upload::discard() {
    file_.reset();
    if (temporary_.empty()) return;
    const ActingAs acting(user_);
    if (acting.error() == 0) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
    temporary_.clear();
}

Upload::~Upload() {
    discard();
}

} // namespace sandboxkit::guest
