// SPDX-License-Identifier: Apache-2.0
#include "providers/local/tree_copy.hpp"
#include "providers/local/tree_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <vector>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr std::size_t copy_chunk = 8 << 20; // between two looks at the stop token

Error marked(const std::string& path, std::string_view why) {
    return {ErrorClass::invalid,
            "overlay_marks",
            shown(path) + " " + std::string(why) + ": it would hide files of other layers",
            "use a root file system, not a layer of an overlay",
            "",
            {}};
}

Error vanished(int number, const std::string& what) {
    if (number != ENOENT && number != ELOOP && number != ENOTDIR) return system_error(number, what);
    return {ErrorClass::conflict,
            "tree_changed",
            what + ": it changed while it was copied",
            "try again when nothing writes to it",
            "",
            {}};
}

class Copier final : public TreeVisitor {
public:
    // `cursor` is `root` opened once more.
    Copier(int source, int root, FileHandle cursor, const CopyOptions& options, std::stop_token stop)
        : source_(source), root_(root), cursor_(std::move(cursor)), options_(options), stop_(std::move(stop)) {}

    Result<void> begin() {
        if (::fstat(source_, &source_status_) != 0) return system_error(errno, "cannot read a directory's status");
        if (options_.excluded >= 0 && ::fstat(options_.excluded, &excluded_) != 0)
            return system_error(errno, "cannot read a directory's status");
        auto mark = opaque_mark(source_, "", "/");
        if (!mark) return mark.error();
        return {};
    }

    Result<bool> entry(const TreeEntry& entry) override {
        const auto& status = entry.status;
        if (S_ISSOCK(status.st_mode)) return false;
        if (is_whiteout(status)) return whiteout(entry);
        if (S_ISDIR(status.st_mode)) return directory(entry);

        auto mark = opaque_mark(entry.directory, entry.name, entry.path);
        if (!mark) return mark.error();
        auto cleared = clear(entry);
        if (!cleared) return cleared.error();
        if (status.st_nlink > 1) {
            const auto [first, fresh] = links_.try_emplace({status.st_dev, status.st_ino}, entry.path);
            if (!fresh) {
                if (::linkat(root_, first->second.c_str(), cursor_.get(), entry.name.c_str(), 0) != 0)
                    return system_error(errno, "cannot make the hard link " + shown(entry.path));
                return false;
            }
        }
        auto made = make(entry);
        if (!made) return made.error();
        return false;
    }

    Result<void> entered(int) override { return {}; }

    Result<void> left(const TreeEntry& entry) override {
        if (entered_.back()) {
            auto up = cursor_.leave();
            if (!up) return up;
        }
        entered_.pop_back();
        return copy_attributes(entry.directory, entry.name, entry.status, cursor_.get(), entry.name);
    }

    Result<void> end() { return copy_attributes(source_, "", source_status_, root_, ""); }

private:
    [[nodiscard]] bool onto() const { return options_.marks != CopyMarks::refused; }

    Result<bool> opaque_mark(int directory, const std::string& name, const std::string& path) {
        auto attributes = read_attributes(directory, name);
        if (!attributes) return attributes.error();
        if (!onto())
            for (const auto& attribute : *attributes)
                if (attribute.first.starts_with(overlay_attribute_prefix) && !is_overlay_bookkeeping(attribute.first))
                    return marked(path, "has the extended attribute " + attribute.first);
        return is_opaque(*attributes);
    }

    // Removes what the target has under this name.
    Result<void> clear(const TreeEntry& entry) {
        if (!onto()) return {};
        return remove_tree_at(cursor_.get(), entry.name);
    }

    Result<bool> whiteout(const TreeEntry& entry) {
        if (!onto()) return marked(entry.path, "is a character device 0:0, which is overlayfs' whiteout");
        auto cleared = clear(entry);
        if (!cleared) return cleared.error();
        if (options_.marks == CopyMarks::stacked && ::mknodat(cursor_.get(), entry.name.c_str(), S_IFCHR, 0) != 0)
            return system_error(errno, "cannot make the whiteout " + shown(entry.path));
        return false;
    }

    Result<bool> directory(const TreeEntry& entry) {
        const auto& status = entry.status;
        if (options_.excluded >= 0 && status.st_dev == excluded_.st_dev && status.st_ino == excluded_.st_ino)
            return Error{ErrorClass::invalid,
                         "source_contains_store",
                         "the directory contains the state directory, at " + shown(entry.path),
                         "name a directory without it, or move the state directory",
                         "",
                         {}};
        auto opaque = opaque_mark(entry.directory, entry.name, entry.path);
        if (!opaque) return opaque.error();

        bool hides = *opaque;
        struct stat there {};
        bool exists = onto() && ::fstatat(cursor_.get(), entry.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
        if (exists && (hides || !S_ISDIR(there.st_mode))) {
            // A directory where a lower layer has a file or a whiteout shows nothing of what is further below.
            hides = true;
            auto cleared = clear(entry);
            if (!cleared) return cleared.error();
            exists = false;
        }
        if (!exists && ::mkdirat(cursor_.get(), entry.name.c_str(), 0700) != 0)
            return system_error(errno, "cannot make the directory " + shown(entry.path));
        if (hides && options_.marks == CopyMarks::stacked &&
            ::setxattr(descriptor_path(cursor_.get(), entry.name).c_str(), overlay_opaque, "y", 1, 0) != 0)
            return system_error(errno, "cannot make the directory " + shown(entry.path) + " opaque");
        // The walk does not enter other file systems, and calls left() at once then.
        entered_.push_back(status.st_dev == source_status_.st_dev);
        if (entered_.back()) {
            auto down = cursor_.enter(entry.name);
            if (!down) return down.error();
        }
        return true;
    }

    Result<void> make(const TreeEntry& entry) {
        const auto& status = entry.status;
        const auto what = "cannot copy " + shown(entry.path);
        if (S_ISREG(status.st_mode)) return regular(entry, what);
        if (S_ISLNK(status.st_mode)) {
            std::string target(4096, '\0');
            const auto size = ::readlinkat(entry.directory, entry.name.c_str(), target.data(), target.size());
            if (size < 0) return vanished(errno, what);
            target.resize(static_cast<std::size_t>(size));
            if (::symlinkat(target.c_str(), cursor_.get(), entry.name.c_str()) != 0) return system_error(errno, what);
        } else if (::mknodat(cursor_.get(), entry.name.c_str(), status.st_mode & (S_IFMT | 0700), status.st_rdev) != 0) {
            return system_error(errno, what);
        }
        return copy_attributes(entry.directory, entry.name, status, cursor_.get(), entry.name);
    }

    Result<void> regular(const TreeEntry& entry, const std::string& what) {
        FileHandle from(
            ::openat(entry.directory, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
        if (!from) return vanished(errno, what);
        struct stat status {};
        if (::fstat(from.get(), &status) != 0) return system_error(errno, what);
        if (!S_ISREG(status.st_mode)) return vanished(ENOENT, what);
        FileHandle to(::openat(cursor_.get(), entry.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!to) return system_error(errno, what);
        if (::ioctl(to.get(), FICLONE, from.get()) != 0) {
            auto copied = contents(from.get(), to.get(), static_cast<std::uint64_t>(status.st_size), what);
            if (!copied) return copied;
        }
        return copy_attributes(entry.directory, entry.name, status, cursor_.get(), entry.name);
    }

    Result<void> contents(int from, int to, std::uint64_t size, const std::string& what) {
        if (::ftruncate(to, static_cast<off_t>(size)) != 0) return system_error(errno, what);
        std::uint64_t at = 0;
        while (at < size) {
            if (stop_.stop_requested()) return cancelled_error();
            std::uint64_t end = size;
            const auto data = ::lseek(from, static_cast<off_t>(at), SEEK_DATA);
            if (data < 0 && errno == ENXIO) break; // only a hole is left
            if (data >= 0) {
                at = static_cast<std::uint64_t>(data);
                const auto hole = ::lseek(from, data, SEEK_HOLE);
                if (hole > 0) end = std::min<std::uint64_t>(size, static_cast<std::uint64_t>(hole));
            }
            while (at < end) {
                if (stop_.stop_requested()) return cancelled_error();
                auto got = chunk(from, to, at, std::min<std::uint64_t>(copy_chunk, end - at), what);
                if (!got) return got.error();
                if (*got == 0) return vanished(ENOENT, what);
                at += *got;
            }
        }
        return {};
    }

    // Copies up to `size` bytes at one offset; 0 at the end of the file.
    Result<std::size_t> chunk(int from, int to, std::uint64_t at, std::size_t size, const std::string& what) {
        auto in = static_cast<off_t>(at);
        auto out = static_cast<off_t>(at);
        const auto copied = ::copy_file_range(from, &in, to, &out, size, 0);
        if (copied >= 0) return static_cast<std::size_t>(copied);
        if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP && errno != EINTR)
            return system_error(errno, what);
        buffer_.resize(256 << 10);
        ssize_t got = 0;
        do got = ::pread(from, buffer_.data(), std::min(size, buffer_.size()), static_cast<off_t>(at));
        while (got < 0 && errno == EINTR);
        if (got < 0) return system_error(errno, what);
        for (ssize_t done = 0; done < got;) {
            const auto written =
                ::pwrite(to, buffer_.data() + done, static_cast<std::size_t>(got - done), static_cast<off_t>(at) + done);
            if (written < 0 && errno != EINTR) return system_error(errno, what);
            if (written > 0) done += written;
        }
        return static_cast<std::size_t>(got);
    }

    int source_;
    int root_;
    TreeCursor cursor_;
    CopyOptions options_;
    std::stop_token stop_;
    struct stat source_status_ {};
    struct stat excluded_ {};
    std::vector<bool> entered_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_; // files with several names -> the first one's path
    std::vector<char> buffer_;
};

} // namespace

Result<void> copy_attributes(int source, const std::string& source_name, const struct stat& status, int target,
                             const std::string& target_name) {
    const auto what = "cannot copy the attributes of " + shown(target_name.empty() ? "/" : target_name);
    const auto path = descriptor_path(target, target_name);
    const bool itself = target_name.empty();
    const int follow = itself ? 0 : AT_SYMLINK_NOFOLLOW;
    if (::fchownat(AT_FDCWD, path.c_str(), status.st_uid, status.st_gid, follow) != 0) return system_error(errno, what);

    // After the owner: changing it drops file capabilities and set-user-id bits.
    auto wanted = read_attributes(source, source_name);
    if (!wanted) return wanted.error();
    auto present = read_attributes(target, target_name);
    if (!present) return present.error();
    const auto ours = [](const std::string& name) { return name.starts_with(overlay_attribute_prefix); };
    for (const auto& inherited : *present) {
        const std::string& name = inherited.first;
        // Such as an access control list that the target inherited from its directory.
        const bool kept =
            ours(name) || name == "security.selinux" ||
            std::any_of(wanted->begin(), wanted->end(), [&](const auto& attribute) { return attribute.first == name; });
        if (!kept && (itself ? ::removexattr : ::lremovexattr)(path.c_str(), name.c_str()) != 0)
            return system_error(errno, what + ": " + name);
    }
    for (const auto& attribute : *wanted) {
        if (ours(attribute.first) || std::find(present->begin(), present->end(), attribute) != present->end()) continue;
        if ((itself ? ::setxattr : ::lsetxattr)(path.c_str(), attribute.first.c_str(), attribute.second.data(),
                                                attribute.second.size(), 0) != 0)
            return system_error(errno, what + ": " + attribute.first);
    }
    if (!S_ISLNK(status.st_mode) && ::chmod(path.c_str(), status.st_mode & 07777) != 0) return system_error(errno, what);
    const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    if (::utimensat(AT_FDCWD, path.c_str(), times.data(), follow) != 0) return system_error(errno, what);
    return {};
}

Result<void> copy_tree(int source, int target, const CopyOptions& options, std::stop_token stop) {
    FileHandle again(::openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return system_error(errno, "cannot open a directory");
    Copier copier(source, target, std::move(again), options, stop);
    auto begun = copier.begin();
    if (!begun) return begun;
    auto walked = walk_tree(source, copier, stop);
    if (!walked) return walked;
    return copier.end();
}

} // namespace sandboxkit::local
