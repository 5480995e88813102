// SPDX-License-Identifier: Apache-2.0
#include "providers/local/incoming.hpp"
#include "providers/local/tree_walk.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr std::string_view owner_suffix = ".owner";

bool same_file(int fd, int directory, const std::string& name) {
    struct stat open_one {};
    struct stat named {};
    return ::fstat(fd, &open_one) == 0 && ::fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

Result<void> remove_entry(int incoming, const std::string& name) {
    auto removed = remove_tree_at(incoming, name);
    if (!removed) return removed;
    // Last: a directory never stands without its owner file.
    const auto owner = name + std::string(owner_suffix);
    if (::unlinkat(incoming, owner.c_str(), 0) != 0 && errno != ENOENT)
        return system_error(errno, "cannot remove " + shown(owner));
    return {};
}

} // namespace

Result<IncomingEntry> IncomingEntry::create(int incoming) {
    for (;;) {
        IncomingEntry entry;
        const auto name = random_name(20);
        const auto owner = name + std::string(owner_suffix);
        entry.owner_.reset(::openat(incoming, owner.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!entry.owner_) return system_error(errno, "cannot make a file in the image store");
        while (::flock(entry.owner_.get(), LOCK_EX) != 0)
            if (errno != EINTR) return system_error(errno, "cannot lock a file in the image store");
        // Between creation and lock another process may have taken it for an abandoned one.
        if (!same_file(entry.owner_.get(), incoming, owner)) continue;
        entry.incoming_ = incoming;
        entry.name_ = name;
        if (::mkdirat(incoming, name.c_str(), 0700) != 0)
            return system_error(errno, "cannot make a directory in the image store");
        auto directory = open_directory_at(incoming, name);
        if (!directory) return directory.error();
        entry.directory_ = std::move(*directory);
        return entry;
    }
}

IncomingEntry& IncomingEntry::operator=(IncomingEntry&& other) noexcept {
    if (this == &other) return *this;
    discard();
    incoming_ = other.incoming_;
    name_ = std::exchange(other.name_, {});
    owner_ = std::move(other.owner_);
    directory_ = std::move(other.directory_);
    return *this;
}

void IncomingEntry::discard() noexcept {
    if (name_.empty()) return;
    try {
        // What cannot be removed now is removed at the next open.
        static_cast<void>(remove_entry(incoming_, name_));
    } catch (const std::bad_alloc&) {
    }
    name_.clear();
}

Result<void> remove_abandoned(int incoming) {
    auto names = directory_names(incoming);
    if (!names) return names.error();
    for (const auto& listed : *names) {
        const bool is_owner = listed.ends_with(owner_suffix);
        const auto name = is_owner ? listed.substr(0, listed.size() - owner_suffix.size()) : listed;
        const auto owner = name + std::string(owner_suffix);
        FileHandle lock(::openat(incoming, owner.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
        if (lock) {
            if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
                if (errno == EWOULDBLOCK) continue; // its process lives
                return system_error(errno, "cannot lock " + shown(owner));
            }
        } else if (errno != ENOENT) {
            return system_error(errno, "cannot open " + shown(owner));
        }
        auto removed = remove_entry(incoming, name);
        if (!removed) return removed;
    }
    return {};
}

} // namespace sandboxkit::local
