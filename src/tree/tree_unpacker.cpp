// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_unpacker.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace sandboxkit::tree {
namespace {

constexpr std::size_t map_node_size = 128; // bytes that a remembered directory takes besides its name

TreeFailure too_large(const char* what, std::uint64_t limit) {
    return {EFBIG, "the archive is refused: it has more than " + std::to_string(limit) + " " + what};
}

std::array<timespec, 2> times(const timespec& modified) {
    return {timespec{0, UTIME_OMIT}, modified};
}

} // namespace

TreeFailure TreeUnpacker::fail(int error, std::string_view what) const {
    return {error, "error " + std::string(what) + " '" + reader_.entry().name + "': " + std::string(describe(error))};
}

TreeFailure TreeUnpacker::feed(std::string_view bytes) {
    if (complete_) return {}; // padding
    reader_.feed(bytes);
    return take_entries();
}

TreeFailure TreeUnpacker::take_entries() {
    for (;;) {
        TreeFailure failure;
        switch (reader_.next()) {
        case TarReader::Event::need_more: return {};
        case TarReader::Event::bad: return {EINVAL, "the archive is refused: " + reader_.error()};
        case TarReader::Event::end: complete_ = true; return apply_to_directories();
        case TarReader::Event::entry: failure = begin_entry(); break;
        case TarReader::Event::entry_end: failure = end_entry(); break;
        case TarReader::Event::data: {
            std::string_view data = reader_.data();
            if (data.size() > options_.limits.bytes - count_.bytes) return too_large("bytes", options_.limits.bytes);
            auto offset = static_cast<off_t>(reader_.offset());
            while (!data.empty()) {
                const ssize_t n = ::pwrite(file_.get(), data.data(), data.size(), offset);
                if (n < 0 && errno == EINTR) continue;
                if (n < 0) return fail(errno, "writing");
                data.remove_prefix(static_cast<std::size_t>(n));
                offset += n;
                count_.bytes += static_cast<std::uint64_t>(n);
            }
            break;
        }
        }
        if (failure.error != 0) return failure;
    }
}

TreeFailure TreeUnpacker::finish() {
    if (complete_) return {};
    return {EINVAL, "the archive is cut off after " + std::to_string(count_.entries) + " entries"};
}

TreeUnpacker::Place TreeUnpacker::find(const std::string& name, bool make) {
    const auto refuse = [&](const char* why) {
        return Place{-1, {}, {EINVAL, "the archive is refused: the name '" + name + "' " + why}};
    };
    if (name.starts_with('/')) return refuse("is absolute");
    if (name.find('\0') != std::string::npos) return refuse("has a NUL byte");
    std::vector<std::string_view> parts;
    for (std::string_view rest = name; !rest.empty();) {
        const std::size_t slash = rest.find('/');
        const std::string_view part = rest.substr(0, slash);
        rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") return refuse("has '..' in it");
        if (parts.size() > tree_depth_limit) return refuse("has too many directories");
        parts.push_back(part);
    }
    if (parts.empty()) return {root_.get(), {}, {}};
    const std::string last(parts.back());
    parts.pop_back();
    if (auto failure = enter(parts, make); failure.error != 0) return {-1, {}, std::move(failure)};
    return {levels_.empty() ? root_.get() : levels_.back().directory.get(), last, {}};
}

// Entries of a directory follow one another, mostly: what is open already is not opened again.
TreeFailure TreeUnpacker::enter(const std::vector<std::string_view>& directories, bool make) {
    std::size_t common = 0;
    while (common < directories.size() && common < levels_.size() && levels_[common].name == directories[common]) ++common;
    levels_.resize(common);
    for (std::size_t i = common; i < directories.size(); ++i) {
        std::string name(directories[i]);
        const int parent = levels_.empty() ? root_.get() : levels_.back().directory.get();
        const auto open = [&] {
            return FileDescriptor(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        };
        FileDescriptor directory = open();
        if (!directory && errno == ENOENT && make) {
            if (::mkdirat(parent, name.c_str(), 0755) != 0 && errno != EEXIST) return fail(errno, "creating the directories of");
            directory = open();
        }
        if (!directory && (errno == ENOTDIR || errno == ELOOP))
            return {EINVAL, "the archive is refused: '" + reader_.entry().name + "' goes through '" + name +
                                "', which is a link or not a directory"};
        if (!directory) return fail(errno, "opening the directories of");
        levels_.push_back({std::move(name), std::move(directory)});
    }
    return {};
}

TreeFailure TreeUnpacker::begin_entry() {
    const TarEntry& entry = reader_.entry();
    if (count_.entries == options_.limits.entries) return too_large("entries", options_.limits.entries);
    ++count_.entries;
    if (entry.size > options_.limits.file_size) return too_large("bytes in one file", options_.limits.file_size);
    if (entry.uid >= static_cast<uid_t>(-1) || entry.gid >= static_cast<gid_t>(-1))
        return {EINVAL, "the archive is refused: the owner of '" + entry.name + "' is not a number of a user"};
    attributes_ = {entry.mode, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), entry.modified};
    if (!options_.owners) attributes_.mode &= 01777U;
    if (options_.foreign) attributes_.mode &= 0755U;
    if (entry.type == TarEntry::Type::hard_link) return make_hard_link(find(entry.name, true), entry);
    const Place place = find(entry.name, true);
    if (place.failure.error != 0) return place.failure;
    if (entry.type == TarEntry::Type::directory) return make_directory(place, entry);
    if (place.name.empty())
        return {EINVAL,
                "the archive is refused: '" + entry.name + "' is the directory that is unpacked to, and not one in the archive"};
    if (auto failure = remove_what_is_there(place); failure.error != 0) return failure;
    return make(place, entry);
}

TreeFailure TreeUnpacker::make(const Place& place, const TarEntry& entry) {
    const char* name = place.name.c_str();
    if (entry.type == TarEntry::Type::file) {
        file_.reset(::openat(place.directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        return file_ ? TreeFailure{} : fail(errno, "creating");
    }
    if (entry.type == TarEntry::Type::symbolic_link) {
        if (entry.link.empty() || entry.link.find('\0') != std::string::npos)
            return {EINVAL, "the archive is refused: the link '" + entry.name + "' leads to what is no path"};
        if (::symlinkat(entry.link.c_str(), place.directory, name) != 0) return fail(errno, "creating");
    } else if (::mkfifoat(place.directory, name, 0600) != 0) {
        return fail(errno, "creating");
    }
    return set_attributes(place, entry);
}

// Of a link or a fifo, through a descriptor: it may be another file by now, but not that one.
TreeFailure TreeUnpacker::set_attributes(const Place& place, const TarEntry& entry) {
    const char* name = place.name.c_str();
    const bool fifo = entry.type == TarEntry::Type::fifo;
    // One for reading does not wait for a writer.
    const FileDescriptor made(::openat(place.directory, name, (fifo ? O_RDONLY | O_NONBLOCK : O_PATH) | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!made || ::fstat(made.get(), &status) != 0) return fail(errno, "creating");
    if (fifo ? !S_ISFIFO(status.st_mode) : !S_ISLNK(status.st_mode)) return fail(EEXIST, "creating");
    if (options_.owners && ::fchownat(made.get(), "", attributes_.uid, attributes_.gid, AT_EMPTY_PATH) != 0)
        return fail(errno, "setting the owner of");
    if (fifo && ::fchmod(made.get(), attributes_.mode) != 0) return fail(errno, "setting the mode of");
    const auto modified = times(attributes_.modified);
    if ((fifo ? ::futimens(made.get(), modified.data())
              : ::utimensat(place.directory, name, modified.data(), AT_SYMLINK_NOFOLLOW)) != 0)
        return fail(errno, "setting the time of");
    return {};
}

// Its attributes are those of the file that it is another name of.
TreeFailure TreeUnpacker::make_hard_link(const Place& place, const TarEntry& entry) {
    if (place.failure.error != 0) return place.failure;
    if (place.name.empty())
        return {EINVAL,
                "the archive is refused: '" + entry.name + "' is the directory that is unpacked to, and not one in the archive"};
    // To find the other name leaves this directory.
    const FileDescriptor directory(::fcntl(place.directory, F_DUPFD_CLOEXEC, 3));
    if (!directory) return fail(errno, "creating");
    const Place target = find(entry.link, false);
    if (target.failure.error != 0) return target.failure;
    struct stat there {};
    struct stat wanted {};
    if (target.name.empty() || ::fstatat(target.directory, target.name.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) != 0)
        return {EINVAL, "the archive is refused: the link '" + entry.name + "' leads to '" + entry.link +
                            "', which was not there before"};
    if (::fstatat(directory.get(), place.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_dev == wanted.st_dev &&
        there.st_ino == wanted.st_ino)
        return {};
    if (auto failure = remove_what_is_there({directory.get(), place.name, {}}); failure.error != 0) return failure;
    if (::linkat(target.directory, target.name.c_str(), directory.get(), place.name.c_str(), 0) != 0)
        return fail(errno, "creating");
    return {};
}

TreeFailure TreeUnpacker::make_directory(const Place& place, const TarEntry& entry) {
    if (place.name.empty() && options_.foreign) return {};
    if (!place.name.empty() && ::mkdirat(place.directory, place.name.c_str(), 0700) != 0) {
        if (errno != EEXIST) return fail(errno, "creating");
        struct stat status {};
        if (::fstatat(place.directory, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return fail(errno, "creating");
        if (S_ISDIR(status.st_mode)) {
            if (options_.foreign) return {};
        } else {
            if (auto failure = remove_what_is_there(place); failure.error != 0) return failure;
            if (::mkdirat(place.directory, place.name.c_str(), 0700) != 0) return fail(errno, "creating");
        }
    }
    std::string path;
    if (!place.name.empty()) {
        for (const Level& level : levels_) path += level.name + "/";
        path += place.name;
    }
    const auto [it, fresh] = directories_.insert_or_assign(std::move(path), attributes_);
    if (fresh) remembered_ += it->first.size() + map_node_size;
    if (remembered_ > tree_memory_limit)
        return {EINVAL, "the archive is refused: it has too many directories: those of more than " +
                            std::to_string(tree_memory_limit >> 20) + " MiB would have to be remembered at '" + entry.name + "'"};
    return {};
}

TreeFailure TreeUnpacker::end_entry() {
    if (!file_) return {};
    const FileDescriptor file = std::move(file_);
    const auto size = static_cast<off_t>(reader_.entry().size);
    // What ends with a hole.
    if (reader_.entry().extents && ::ftruncate(file.get(), size) != 0) return fail(errno, "writing");
    if (options_.owners && ::fchown(file.get(), attributes_.uid, attributes_.gid) != 0)
        return fail(errno, "setting the owner of");
    if (::fchmod(file.get(), attributes_.mode) != 0) return fail(errno, "setting the mode of");
    if (::futimens(file.get(), times(attributes_.modified).data()) != 0) return fail(errno, "setting the time of");
    return {};
}

// The deepest first: entries change the time of their directory, and its mode may lock it.
TreeFailure TreeUnpacker::apply_to_directories() {
    levels_.clear();
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
        const auto& [path, attributes] = *it;
        const auto refused = [&, &name = path](const char* what) {
            return TreeFailure{errno, "error setting the " + std::string(what) + " of './" + name +
                                          "': " + std::string(describe(errno))};
        };
        const Place place = find(path, false);
        if (place.failure.error != 0) return place.failure;
        FileDescriptor opened;
        int directory = root_.get();
        if (!place.name.empty()) {
            opened.reset(::openat(place.directory, place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!opened) return refused("attributes");
            directory = opened.get();
        }
        struct stat status {};
        if (::fstat(directory, &status) != 0) return refused("attributes");
        // The directory that was named may be another's, in which the user may write; it stays as it is.
        if (place.name.empty() && !options_.owners && status.st_uid != ::geteuid()) continue;
        if (options_.owners && ::fchown(directory, attributes.uid, attributes.gid) != 0) return refused("owner");
        if (::fchmod(directory, attributes.mode) != 0) return refused("mode");
        if (::futimens(directory, times(attributes.modified).data()) != 0) return refused("time");
    }
    return {};
}

// A directory is not removed for what is none.
TreeFailure TreeUnpacker::remove_what_is_there(const Place& place) const {
    if (::unlinkat(place.directory, place.name.c_str(), 0) == 0 || errno == ENOENT) return {};
    struct stat status {};
    const int error = errno;
    if (::fstatat(place.directory, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
        return {EINVAL, "'" + reader_.entry().name + "' is a directory, and not one in the archive"};
    return fail(error, "replacing");
}

} // namespace sandboxkit::tree
