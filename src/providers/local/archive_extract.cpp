// SPDX-License-Identifier: Apache-2.0
#include "providers/local/archive_extract.hpp"
#include "providers/local/archive_acl.hpp"
#include "providers/local/archive_stream.hpp"
#include "providers/local/layer_view.hpp"
#include "providers/local/tree_walk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>

#include <archive.h>
#include <archive_entry.h>
#include <climits>
#include <clocale>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

// libarchive converts names to the thread's locale; in "C" it would mangle all that is not ASCII.
class Utf8Locale {
public:
    Utf8Locale() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
        if (utf8_) previous_ = ::uselocale(utf8_);
    }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;
    ~Utf8Locale() {
        if (!utf8_) return;
        ::uselocale(previous_);
        ::freelocale(utf8_);
    }

private:
    locale_t utf8_;
    locale_t previous_{};
};

struct FreeReader {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};

// What the tar reader reads from.
struct Source {
    ArchiveStream stream;
    std::stop_token stop;
    std::uint64_t budget; // bytes that may still be unpacked
    std::optional<Error> failure;
    bool ended = false; // the reader asked for more than there is
};

Error too_large(std::uint64_t limit) {
    return {ErrorClass::quota,
            "archive_too_large",
            "the archive unpacks to more than " + std::to_string(limit) + " bytes",
            "use a smaller root file system, or raise the limit",
            "",
            {}};
}

la_ssize_t read_source(archive* reader, void* data, const void** block) {
    auto& source = *static_cast<Source*>(data);
    const auto fail = [&](Error error) -> la_ssize_t {
        source.failure = std::move(error);
        archive_set_error(reader, EIO, "no more data");
        return -1;
    };
    try {
        if (source.stop.stop_requested()) return fail(cancelled_error());
        auto next = source.stream.next();
        if (!next) return fail(next.error());
        if (next->empty()) source.ended = true;
        if (next->size() > source.budget) return fail(too_large(0));
        source.budget -= next->size();
        *block = next->data();
        return static_cast<la_ssize_t>(next->size());
    } catch (const std::bad_alloc&) {
        archive_set_error(reader, ENOMEM, "out of memory");
        return -1;
    }
}

Error refused(std::string_view code, const std::string& path, std::string_view why, std::string_view remedy) {
    return {ErrorClass::invalid,
            std::string(code),
            "the archive's entry " + shown(path) + " " + std::string(why),
            std::string(remedy),
            "",
            {}};
}

bool standard_device(const PathParts& parts, mode_t type, dev_t device) {
    struct Known {
        std::string_view name;
        unsigned major;
        unsigned minor;
    };
    static constexpr std::array<Known, 8> known = {{{"null", 1, 3},
                                                    {"zero", 1, 5},
                                                    {"full", 1, 7},
                                                    {"random", 1, 8},
                                                    {"urandom", 1, 9},
                                                    {"tty", 5, 0},
                                                    {"console", 5, 1},
                                                    {"ptmx", 5, 2}}};
    if (parts.size() != 2 || parts[0] != "dev" || type != S_IFCHR) return false;
    return std::any_of(known.begin(), known.end(), [&](const Known& k) {
        return k.name == parts[1] && k.major == major(device) && k.minor == minor(device);
    });
}

class Extractor {
public:
    Extractor(int root, const ImageLimits& limits, Source& source) : root_(root), limits_(limits), source_(source) {}

    Result<void> run() {
        reader_.reset(archive_read_new());
        if (!reader_) throw std::bad_alloc();
        archive_read_support_format_tar(reader_.get());
        if (archive_read_open(reader_.get(), &source_, nullptr, read_source, nullptr) != ARCHIVE_OK) return damaged();
        for (;;) {
            if (source_.stop.stop_requested()) return cancelled_error();
            archive_entry* entry = nullptr;
            const int status = archive_read_next_header(reader_.get(), &entry);
            if (status == ARCHIVE_EOF) break;
            if (status == ARCHIVE_RETRY) continue;
            if (status == ARCHIVE_WARN) {
                // A name that is not UTF-8 is used as it is; any other warning is a part of the entry that was not understood.
                const char* text = archive_error_string(reader_.get());
                if (!text || !std::strstr(text, "converted")) return damaged();
            } else if (status != ARCHIVE_OK) {
                return damaged();
            }
            if (++entries_ > limits_.archive_entries)
                return Error{ErrorClass::quota,
                             "archive_too_many_entries",
                             "the archive has more than " + std::to_string(limits_.archive_entries) + " entries",
                             "use a smaller root file system, or raise the limit",
                             "",
                             {}};
            auto made = extract(entry);
            if (!made) return made;
        }
        // An archive ends with two blocks of zeros. Wanting more than there is means that it was cut between two entries.
        if (source_.failure || source_.ended) return damaged();
        return finish_directories();
    }

private:
    struct Directory { // set when all is in it: making things in a directory changes its times
        std::string path;
        std::array<timespec, 2> times;
        std::string default_acl;
    };
    struct Place {
        int parent;
        std::string name;
        std::string path;
    };

    Error damaged() const {
        if (source_.failure) {
            if (source_.failure->code == "archive_too_large") return too_large(limits_.archive_bytes);
            return *source_.failure;
        }
        const char* text = archive_error_string(reader_.get());
        return {ErrorClass::invalid,
                "archive_damaged",
                std::string("the archive is ") + (source_.ended ? "cut off" : "damaged") + " near byte " +
                    std::to_string(archive_filter_bytes(reader_.get(), 0)) + " of its unpacked data",
                "make the archive again",
                text ? text : "",
                {}};
    }

    Result<void> extract(archive_entry* entry) {
        const char* raw = archive_entry_pathname(entry);
        if (!raw) return damaged();
        const std::string path = raw;
        auto parts = checked(path, path);
        if (!parts) return parts.error();

        const char* link = archive_entry_hardlink(entry);
        const auto type = archive_entry_filetype(entry);
        if (parts->empty()) {
            if (link || type != AE_IFDIR) return refused("archive_entry_conflict", path, "would replace the root directory", "");
            return directory(entry, {root_, ".", "."});
        }
        if (!link && (type == AE_IFCHR || type == AE_IFBLK)) return device(entry, *parts, path);

        auto parent = open_parent(*parts, path);
        if (!parent) return parent.error();
        const Place place{*parent, parts->back(), join_path(*parts).substr(1)};
        if (link) return hard_link(link, place);
        switch (type) {
        case AE_IFDIR: return directory(entry, place);
        case AE_IFREG: return regular(entry, place);
        case AE_IFLNK: return symbolic_link(entry, place);
        case AE_IFIFO:
        case AE_IFSOCK: return special(entry, place, type == AE_IFIFO ? S_IFIFO : S_IFSOCK);
        default: return refused("archive_entry_type", path, "is of an unknown type", "leave it out of the archive");
        }
    }

    // The components of a name, none of which leads out.
    static Result<PathParts> checked(const std::string& name, const std::string& entry) {
        auto parts = split_path(name);
        for (const auto& part : parts) {
            if (part == "..")
                return refused("archive_entry_escapes", entry, "has '..' in a name: it could leave the image",
                               "leave it out of the archive");
            if (part.size() > NAME_MAX)
                return refused("archive_name_too_long", entry, "has a name of more than 255 bytes",
                               "leave it out of the archive");
        }
        if (name.size() >= PATH_MAX - 2)
            return refused("archive_name_too_long", entry, "has a path of more than 4093 bytes", "leave it out of the archive");
        return parts;
    }

    // The directory for an entry, made with its parents where the archive has no entries for them. Borrowed until the next call.
    Result<int> open_parent(const PathParts& parts, const std::string& entry) {
        const PathParts above(parts.begin(), parts.end() - 1);
        if (above.empty()) return root_;
        const auto wanted = join_path(above).substr(1);
        if (parent_ && wanted == parent_path_) return parent_.get();
        // "/.": the last component is a directory too, so that a symbolic link to one is followed, inside of the root.
        parent_.reset(open_resolved(root_, (wanted + "/.").c_str(), O_PATH | O_DIRECTORY, Resolve::in_root));
        if (!parent_ && errno == ENOENT) {
            auto made = make_parents(above, entry);
            if (!made) return made.error();
            parent_.reset(open_resolved(root_, (wanted + "/.").c_str(), O_PATH | O_DIRECTORY, Resolve::in_root));
        }
        if (!parent_) return no_parent(errno, entry);
        parent_path_ = wanted;
        return parent_.get();
    }

    Result<void> make_parents(const PathParts& above, const std::string& entry) {
        std::string so_far = ".";
        for (const auto& part : above) {
            FileHandle at(open_resolved(root_, (so_far + "/.").c_str(), O_PATH | O_DIRECTORY, Resolve::in_root));
            if (!at) return no_parent(errno, entry);
            if (::mkdirat(at.get(), part.c_str(), 0755) == 0) {
                if (::fchmodat(at.get(), part.c_str(), 0755, 0) != 0)
                    return system_error(errno, "cannot make a directory of the image");
            } else if (errno != EEXIST) {
                return no_parent(errno, entry);
            }
            so_far += '/';
            so_far += part;
        }
        return {};
    }

    static Error no_parent(int number, const std::string& entry) {
        if (number == ENOENT || number == ENOTDIR || number == ELOOP || number == EEXIST || number == ENAMETOOLONG)
            return refused("archive_entry_conflict", entry, "is in a place that is not a directory in the archive",
                           "leave it out of the archive");
        return system_error(number, "cannot open a directory of the image");
    }

    // Later entries win over earlier ones, as with tar.
    Result<void> make_room(const Place& place, bool for_directory) {
        struct stat status {};
        if (::fstatat(place.parent, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) return {};
            return system_error(errno, "cannot unpack " + shown(place.path));
        }
        const bool is_directory = S_ISDIR(status.st_mode);
        if (is_directory && for_directory) return {};
        if (::unlinkat(place.parent, place.name.c_str(), is_directory ? AT_REMOVEDIR : 0) != 0) {
            if (errno == ENOTEMPTY || errno == EEXIST)
                return refused("archive_entry_conflict", place.path, "would replace a directory that is not empty",
                               "leave one of the two out of the archive");
            return system_error(errno, "cannot unpack " + shown(place.path));
        }
        parent_path_.clear(); // the next entry's directory may have been reached through it
        return {};
    }

    Result<void> device(archive_entry* entry, const PathParts& parts, const std::string& path) {
        const auto number =
            makedev(static_cast<unsigned>(archive_entry_rdevmajor(entry)), static_cast<unsigned>(archive_entry_rdevminor(entry)));
        if (standard_device(parts, archive_entry_filetype(entry), number)) return {};
        return refused("archive_device_node", path, "is a device node",
                       "leave it out of the archive: a sandbox gets its own /dev");
    }

    Result<void> hard_link(const char* link, const Place& place) {
        auto parts = checked(link, place.path);
        if (!parts) return parts.error();
        const auto target = join_path(*parts).substr(1);
        FileHandle original(parts->empty() ? -1 : open_resolved(root_, target.c_str(), O_PATH, Resolve::in_root));
        struct stat status {};
        if (!original || ::fstat(original.get(), &status) != 0 || S_ISDIR(status.st_mode))
            return refused("archive_hard_link", place.path,
                           "is a hard link to " + shown(link) + ", which is not a file that came before it",
                           "make the archive again");
        struct stat same {};
        if (::fstatat(place.parent, place.name.c_str(), &same, AT_SYMLINK_NOFOLLOW) == 0 && same.st_ino == status.st_ino &&
            same.st_dev == status.st_dev)
            return {};
        auto room = make_room(place, false);
        if (!room) return room;
        if (::linkat(original.get(), "", place.parent, place.name.c_str(), AT_EMPTY_PATH) != 0)
            return system_error(errno, "cannot make the hard link " + shown(place.path));
        return {};
    }

    Result<void> directory(archive_entry* entry, const Place& place) {
        if (place.parent != root_ || place.name != ".") {
            auto room = make_room(place, true);
            if (!room) return room;
            if (::mkdirat(place.parent, place.name.c_str(), 0700) != 0 && errno != EEXIST)
                return system_error(errno, "cannot make the directory " + shown(place.path));
        }
        return attributes(entry, place, S_IFDIR);
    }

    Result<void> regular(archive_entry* entry, const Place& place) {
        const auto what = "cannot unpack " + shown(place.path);
        const auto size = archive_entry_size(entry);
        if (size < 0) return damaged();
        // Holes count too: their readers do not see the difference.
        if (static_cast<std::uint64_t>(size) > limits_.archive_bytes - bytes_) return too_large(limits_.archive_bytes);
        bytes_ += static_cast<std::uint64_t>(size);
        auto room = make_room(place, false);
        if (!room) return room;
        FileHandle file(::openat(place.parent, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file) return system_error(errno, what);
        auto written = contents(file.get(), size, what);
        if (!written) return written;
        if (::ftruncate(file.get(), size) != 0) return system_error(errno, what);
        return attributes(entry, place, S_IFREG);
    }

    Result<void> contents(int file, la_int64_t size, const std::string& what) {
        for (;;) {
            if (source_.stop.stop_requested()) return cancelled_error();
            const void* block = nullptr;
            std::size_t length = 0;
            la_int64_t offset = 0;
            const int status = archive_read_data_block(reader_.get(), &block, &length, &offset);
            if (status == ARCHIVE_EOF) return {};
            if (status != ARCHIVE_OK) return damaged();
            if (offset < 0 || offset > size || length > static_cast<std::uint64_t>(size - offset)) return damaged();
            std::size_t done = 0;
            while (done < length) {
                const auto got =
                    ::pwrite(file, static_cast<const char*>(block) + done, length - done, offset + static_cast<off_t>(done));
                if (got < 0 && errno != EINTR) return system_error(errno, what);
                if (got > 0) done += static_cast<std::size_t>(got);
            }
        }
    }

    Result<void> symbolic_link(archive_entry* entry, const Place& place) {
        const char* target = archive_entry_symlink(entry);
        if (!target || *target == '\0')
            return refused("archive_entry_type", place.path, "is a symbolic link without a target",
                           "leave it out of the archive");
        auto room = make_room(place, false);
        if (!room) return room;
        if (::symlinkat(target, place.parent, place.name.c_str()) != 0) {
            if (errno == ENAMETOOLONG)
                return refused("archive_name_too_long", place.path, "is a symbolic link with a target of more than 4095 bytes",
                               "");
            return system_error(errno, "cannot make the symbolic link " + shown(place.path));
        }
        return attributes(entry, place, S_IFLNK);
    }

    Result<void> special(archive_entry* entry, const Place& place, mode_t type) {
        auto room = make_room(place, false);
        if (!room) return room;
        if (::mknodat(place.parent, place.name.c_str(), type | 0600, 0) != 0)
            return system_error(errno, "cannot unpack " + shown(place.path));
        return attributes(entry, place, type);
    }

    Result<void> attributes(archive_entry* entry, const Place& place, mode_t type) {
        const auto what = "cannot set the attributes of " + shown(place.path);
        const auto uid = archive_entry_uid(entry);
        const auto gid = archive_entry_gid(entry);
        constexpr la_int64_t largest = 0xfffffffe; // all ones means "leave it"
        if (uid < 0 || uid > largest || gid < 0 || gid > largest)
            return refused("archive_owner", place.path, "has an owner that is not a number of 32 bits", "make the archive again");
        if (::fchownat(place.parent, place.name.c_str(), static_cast<uid_t>(uid), static_cast<gid_t>(gid), AT_SYMLINK_NOFOLLOW) !=
            0)
            return system_error(errno, what);
        // Mode and extended attributes after the owner: changing that drops set-user-id bits and file capabilities.
        if (type != S_IFLNK && ::fchmodat(place.parent, place.name.c_str(), archive_entry_perm(entry) & 07777, 0) != 0)
            return system_error(errno, what);
        auto extended = extended_attributes(entry, place);
        if (!extended) return extended;
        auto acl = read_acl(entry, place.path);
        if (!acl) return acl.error();
        if (!acl->access.empty()) {
            auto set =
                set_attribute(descriptor_path(place.parent, place.name), "system.posix_acl_access", acl->access, place.path);
            if (!set) return set;
        }
        timespec modified{};
        if (archive_entry_mtime_is_set(entry)) modified = {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};
        if (modified.tv_nsec < 0 || modified.tv_nsec >= 1'000'000'000) modified.tv_nsec = 0;
        const std::array<timespec, 2> times = {modified, modified};
        if (type == S_IFDIR) {
            directories_.push_back({place.path, times, std::move(acl->default_acl)});
            return {};
        }
        if (::utimensat(place.parent, place.name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
            return system_error(errno, what);
        return {};
    }

    static Result<void> set_attribute(const std::string& path, const std::string& name, std::string_view value,
                                      const std::string& entry) {
        if (::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return {};
        if (errno == ENOTSUP || errno == EINVAL || errno == ERANGE || errno == E2BIG || errno == EPERM)
            return refused("archive_attribute", entry,
                           "has the extended attribute " + shown(name) + ", which cannot be kept here",
                           "leave it out of the archive");
        return system_error(errno, "cannot set an extended attribute of " + shown(entry));
    }

    static Result<void> extended_attributes(archive_entry* entry, const Place& place) {
        archive_entry_xattr_reset(entry);
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
            if (!name) continue;
            if (std::string_view(name).starts_with(overlay_attribute_prefix))
                return refused("overlay_marks", place.path,
                               "has the extended attribute " + shown(name) + ", which would hide files of other layers",
                               "use a root file system, not a layer of an overlay");
            auto set = set_attribute(descriptor_path(place.parent, place.name), name, {static_cast<const char*>(value), size},
                                     place.path);
            if (!set) return set;
        }
        return {};
    }

    Result<void> finish_directories() {
        for (const auto& item : directories_) {
            if (source_.stop.stop_requested()) return cancelled_error();
            FileHandle directory(open_resolved(root_, item.path.c_str(), O_RDONLY | O_DIRECTORY, Resolve::in_root));
            if (!directory) continue; // a later entry replaced it
            if (!item.default_acl.empty()) {
                auto set =
                    set_attribute(descriptor_path(directory.get(), "."), "system.posix_acl_default", item.default_acl, item.path);
                if (!set) return set;
            }
            if (::futimens(directory.get(), item.times.data()) != 0)
                return system_error(errno, "cannot set the times of " + shown(item.path));
        }
        return {};
    }

    int root_;
    const ImageLimits& limits_;
    Source& source_;
    std::unique_ptr<archive, FreeReader> reader_;
    FileHandle parent_;
    std::string parent_path_;
    std::vector<Directory> directories_;
    std::uint64_t entries_ = 0;
    std::uint64_t bytes_ = 0;
};

} // namespace

Result<void> extract_archive(int archive, int root, const ImageLimits& limits, std::stop_token stop) {
    const Utf8Locale locale;
    auto stream = ArchiveStream::open(archive);
    if (!stream) return stream.error();
    // Headers, and padding to blocks of 512 bytes, come on top of what the files hold.
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    const auto headers = limits.archive_entries > (most >> 13) ? most >> 1 : limits.archive_entries * 4096;
    const auto budget = limits.archive_bytes > most - headers - (1 << 20) ? most : limits.archive_bytes + headers + (1 << 20);
    Source source{std::move(*stream), std::move(stop), budget, {}, false};
    return Extractor(root, limits, source).run();
}

} // namespace sandboxkit::local
