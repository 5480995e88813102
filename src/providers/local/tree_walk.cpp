// SPDX-License-Identifier: Apache-2.0
#include "providers/local/tree_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

Error changed() {
    return {ErrorClass::conflict,
            "tree_changed",
            "the directory changed while it was read",
            "try again when nothing writes to it",
            "",
            {}};
}

using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

Result<DirectoryStream> read_directory(int directory) {
    // A descriptor of its own: the position in a directory belongs to the open file.
    const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) return system_error(errno, "cannot open a directory");
    DirectoryStream stream(::fdopendir(own));
    if (!stream) {
        const int number = errno;
        ::close(own);
        return system_error(number, "cannot read a directory");
    }
    return stream;
}

// The next name, but for "." and ".."; empty at the end.
Result<std::string_view> next_name(DIR* stream) {
    for (;;) {
        errno = 0;
        const auto* item = ::readdir(stream);
        if (item == nullptr && errno != 0) return system_error(errno, "cannot read a directory");
        if (item == nullptr) return std::string_view{};
        const std::string_view name = item->d_name;
        if (name != "." && name != "..") return name;
    }
}

// Removes files and empty directories, until `most` directories that are not empty have been met: their names.
Result<std::vector<std::string>> remove_simple_entries(int directory, std::size_t most) {
    auto stream = read_directory(directory);
    if (!stream) return stream.error();
    std::vector<std::string> full;
    while (full.size() < most) {
        auto name = next_name(stream->get());
        if (!name) return name.error();
        if (name->empty()) break;
        const std::string text(*name);
        if (::unlinkat(directory, text.c_str(), 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM)
            return system_error(errno, "cannot remove " + shown(text)); // EPERM: as POSIX has it
        if (::unlinkat(directory, text.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
        if (errno != ENOTEMPTY && errno != EEXIST) return system_error(errno, "cannot remove " + shown(text));
        full.push_back(text);
    }
    return full;
}

// Bottom up. Memory grows with the depth alone, whatever a sandbox wrote: no directory is ever listed as a whole. What
// cannot be removed is an error, never skipped.
Result<void> empty_directory(FileHandle root) {
    constexpr std::size_t at_once = 64;
    TreeCursor cursor(std::move(root));
    std::vector<std::vector<std::string>> pending(1); // of each level: directories that are not empty
    for (;;) {
        auto& here = pending.back();
        if (here.empty()) {
            auto full = remove_simple_entries(cursor.get(), at_once);
            if (!full) return full.error();
            here = std::move(*full);
        }
        if (!here.empty()) {
            auto down = cursor.enter(here.back());
            if (!down) return down;
            pending.emplace_back();
            continue;
        }
        if (pending.size() == 1) return {};
        pending.pop_back();
        auto up = cursor.leave();
        if (!up) return up;
        const std::string& name = pending.back().back();
        if (::unlinkat(cursor.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
            return system_error(errno, "cannot remove the directory " + shown(name));
        pending.back().pop_back();
    }
}

} // namespace

Result<void> TreeCursor::enter(const std::string& name) {
    struct stat here {};
    if (::fstat(current_.get(), &here) != 0) return system_error(errno, "cannot read a directory's status");
    auto child = open_directory_at(current_.get(), name);
    if (!child) return child.error();
    above_.push_back({here.st_dev, here.st_ino});
    current_ = std::move(*child);
    return {};
}

Result<void> TreeCursor::leave() {
    auto parent = open_directory_at(current_.get(), "..");
    if (!parent) return parent.error();
    struct stat there {};
    if (::fstat(parent->get(), &there) != 0) return system_error(errno, "cannot read a directory's status");
    if (there.st_dev != above_.back().device || there.st_ino != above_.back().inode) return changed();
    above_.pop_back();
    current_ = std::move(*parent);
    return {};
}

Result<std::vector<std::string>> directory_names(int directory) {
    auto stream = read_directory(directory);
    if (!stream) return stream.error();
    std::vector<std::string> names;
    for (;;) {
        auto name = next_name(stream->get());
        if (!name) return name.error();
        if (name->empty()) break;
        if (names.size() == most_names)
            return Error{ErrorClass::quota,
                         "directory_too_large",
                         "a directory has more than " + std::to_string(most_names) + " entries",
                         "spread them over several directories",
                         "",
                         {}};
        names.emplace_back(*name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> walk_tree(int root, TreeVisitor& visitor, std::stop_token stop) {
    struct Level {
        std::vector<std::string> names;
        std::size_t next = 0;
        struct stat status {}; // of the directory this level lists
        std::size_t path_size = 0;
    };
    FileHandle own(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!own) return system_error(errno, "cannot open a directory");
    struct stat top {};
    if (::fstat(own.get(), &top) != 0) return system_error(errno, "cannot read a directory's status");

    TreeCursor cursor(std::move(own));
    std::string path;
    std::vector<Level> levels(1);
    auto names = directory_names(cursor.get());
    if (!names) return names.error();
    levels.back().names = std::move(*names);

    for (;;) {
        if (stop.stop_requested()) return cancelled_error();
        auto& level = levels.back();
        if (level.next == level.names.size()) {
            if (levels.size() == 1) return {};
            const auto status = level.status;
            levels.pop_back();
            auto up = cursor.leave();
            if (!up) return up;
            auto& parent = levels.back();
            const auto& name = parent.names[parent.next];
            auto left = visitor.left({cursor.get(), name, path, status});
            if (!left) return left;
            path.resize(parent.path_size);
            ++parent.next;
            continue;
        }
        const auto& name = level.names[level.next];
        if (!path.empty()) path += '/';
        path += name;
        struct stat status {};
        if (::fstatat(cursor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) return changed();
            return system_error(errno, "cannot read the status of " + shown(path));
        }
        auto descend = visitor.entry({cursor.get(), name, path, status});
        if (!descend) return descend.error();
        if (!S_ISDIR(status.st_mode) || !*descend || status.st_dev != top.st_dev) {
            if (S_ISDIR(status.st_mode) && *descend) {
                auto left = visitor.left({cursor.get(), name, path, status});
                if (!left) return left;
            }
            path.resize(level.path_size);
            ++level.next;
            continue;
        }
        auto down = cursor.enter(name);
        if (!down) return down;
        auto entered = visitor.entered(cursor.get());
        if (!entered) return entered;
        Level below;
        below.status = status;
        below.path_size = path.size();
        auto listed = directory_names(cursor.get());
        if (!listed) return listed.error();
        below.names = std::move(*listed);
        levels.push_back(std::move(below));
    }
}

static Result<void> try_to_remove_tree_at(int directory, const std::string& name) {
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        return system_error(errno, "cannot read the status of " + shown(name));
    }
    if (!S_ISDIR(status.st_mode)) {
        if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT)
            return system_error(errno, "cannot remove " + shown(name));
        return {};
    }
    auto root = open_directory_at(directory, name);
    if (!root) return root.error();
    auto emptied = empty_directory(std::move(*root));
    if (!emptied) return emptied;
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
        return system_error(errno, "cannot remove the directory " + shown(name));
    return {};
}

Result<void> remove_tree_at(int directory, const std::string& name) {
    constexpr int attempts = 100;
    for (int attempt = 1;; ++attempt) {
        auto removed = try_to_remove_tree_at(directory, name);
        // Another process removes the same tree, and was faster somewhere in it: what is left, if anything, is looked at anew.
        if (removed || removed.error().kind != ErrorClass::not_found || attempt == attempts) return removed;
    }
}

Result<Attributes> read_attributes(int directory, const std::string& name) {
    const auto path = descriptor_path(directory, name);
    // /proc/self/fd/N itself is a link to follow; a child of it is not.
    const auto list = name.empty() ? ::listxattr : ::llistxattr;
    const auto get = name.empty() ? ::getxattr : ::lgetxattr;
    std::string names;
    for (;;) {
        const auto size = list(path.c_str(), nullptr, 0);
        if (size == 0) return Attributes{};
        if (size < 0) {
            if (errno == ENOTSUP) return Attributes{};
            return system_error(errno, "cannot list the extended attributes of " + shown(name));
        }
        names.resize(static_cast<std::size_t>(size));
        const auto got = list(path.c_str(), names.data(), names.size());
        if (got >= 0) {
            names.resize(static_cast<std::size_t>(got));
            break;
        }
        if (errno != ERANGE) return system_error(errno, "cannot list the extended attributes of " + shown(name));
    }
    Attributes attributes;
    for (std::size_t at = 0; at < names.size();) {
        const std::string attribute(names.c_str() + at);
        at += attribute.size() + 1;
        std::string value(256, '\0');
        for (;;) {
            const auto got = get(path.c_str(), attribute.c_str(), value.data(), value.size());
            if (got >= 0) {
                value.resize(static_cast<std::size_t>(got));
                break;
            }
            if (errno != ERANGE) return system_error(errno, "cannot read the extended attribute " + shown(attribute));
            value.resize(65536); // XATTR_SIZE_MAX
        }
        attributes.emplace_back(attribute, std::move(value));
    }
    std::sort(attributes.begin(), attributes.end());
    return attributes;
}

bool is_overlay_bookkeeping(std::string_view attribute) noexcept {
    static constexpr std::array<std::string_view, 5> names = {"origin", "impure", "nlink", "upper", "uuid"};
    if (!attribute.starts_with(overlay_attribute_prefix)) return false;
    attribute.remove_prefix(overlay_attribute_prefix.size());
    return std::find(names.begin(), names.end(), attribute) != names.end();
}

bool is_opaque(const Attributes& attributes) noexcept {
    for (const auto& [name, value] : attributes)
        if (name == overlay_opaque) return value == "y";
    return false;
}

} // namespace sandboxkit::local
