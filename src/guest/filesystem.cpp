// SPDX-License-Identifier: Apache-2.0
#include "guest/filesystem.hpp"

#include "guest/encoding.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/file_metadata.hpp"
#include "guest/paths.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace sandboxkit::guest {
namespace {

constexpr int step_size = 256;       // entries between two looks at the event loop
constexpr std::size_t deepest = 512; // levels of a tree, each an open directory

// As os.FileMode.String of Go, which the public server sends.
std::string permissions(mode_t mode) {
    std::string text;
    if (S_ISDIR(mode)) text += 'd';
    if (S_ISLNK(mode)) text += 'L';
    if (S_ISBLK(mode)) text += 'D';
    if (S_ISCHR(mode)) text += "Dc";
    if (S_ISFIFO(mode)) text += 'p';
    if (S_ISSOCK(mode)) text += 'S';
    if ((mode & S_ISUID) != 0) text += 'u';
    if ((mode & S_ISGID) != 0) text += 'g';
    if ((mode & S_ISVTX) != 0) text += 't';
    if (text.empty()) text = "-";
    for (int bit = 8; bit >= 0; --bit) text += (mode >> bit & 1) != 0 ? "rwxrwxrwx"[8 - bit] : '-';
    return text;
}

std::string timestamp(const timespec& time) {
    std::tm parts{};
    ::gmtime_r(&time.tv_sec, &parts);
    std::array<char, 64> text{};
    std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    n += static_cast<std::size_t>(std::snprintf(text.data() + n, text.size() - n, ".%09ldZ", time.tv_nsec));
    return std::string(text.data(), n);
}

std::string_view type_name(mode_t mode) {
    if (S_ISREG(mode)) return "FILE_TYPE_FILE";
    if (S_ISDIR(mode)) return "FILE_TYPE_DIRECTORY";
    if (S_ISLNK(mode)) return "FILE_TYPE_SYMLINK";
    return {}; // unspecified: a zero value
}

// EntryInfo. A link has the type and mode of what it leads to, and says where that is; one to nothing is a link.
void append_entry(std::string& out, const std::string& path, const struct stat& status, const OwnerNames& owners) {
    struct stat target = status;
    std::string link;
    if (S_ISLNK(status.st_mode)) {
        char* resolved = ::realpath(path.c_str(), nullptr);
        if (resolved != nullptr && ::stat(resolved, &target) == 0) {
            link = resolved;
        } else {
            std::array<char, PATH_MAX> text;
            const ssize_t n = ::readlink(path.c_str(), text.data(), text.size());
            if (n > 0) link.assign(text.data(), static_cast<std::size_t>(n));
        }
        std::free(resolved);
    }
    out += "{\"name\":";
    append_json_string(out, base_name(path));
    if (const std::string_view type = type_name(target.st_mode); !type.empty()) {
        out += ",\"type\":\"";
        out += type;
        out += '"';
    }
    out += ",\"path\":";
    append_json_string(out, path);
    if (status.st_size > 0) out += ",\"size\":\"" + std::to_string(status.st_size) + '"';
    if ((target.st_mode & 0777) != 0) out += ",\"mode\":" + std::to_string(target.st_mode & 0777);
    out += ",\"permissions\":\"" + permissions(status.st_mode) + "\",\"owner\":";
    append_json_string(out, owners.user(status.st_uid));
    out += ",\"group\":";
    append_json_string(out, owners.group(status.st_gid));
    out += ",\"modifiedTime\":\"" + timestamp(status.st_mtim) + '"';
    if (!link.empty()) {
        out += ",\"symlinkTarget\":";
        append_json_string(out, link);
    } else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) { // others cannot have any
        if (const FileMetadata metadata = read_metadata(path); !metadata.empty()) {
            out += ",\"metadata\":";
            append_metadata(out, metadata);
        }
    }
    out += '}';
}

Answer<std::string> entry_response(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return RpcError{Code::not_found, "file not found: lstat " + path + ": no such file or directory"};
        return system_error(errno, "error getting file info: lstat " + path);
    }
    std::string out = "{\"entry\":";
    append_entry(out, path, status, OwnerNames());
    out += '}';
    return out;
}

RpcError not_that_user(const Identity& user, int error) {
    return {Code::permission_denied, "cannot act as user '" + user.name + "': " + std::string(describe(error))};
}

struct Listing {
    std::string json = "{\"entries\":[";
    OwnerNames owners;
    std::size_t found = 0; // names read, those that are not written yet included
    bool first = true;
};

// 0, or errno; E2BIG when the answer would be too large.
int list_level(Listing& listing, const std::string& path, std::uint32_t depth, bool root) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (root ? 0 : O_NOFOLLOW));
    if (fd < 0) return errno;
    DIR* directory = ::fdopendir(fd);
    if (directory == nullptr) {
        const int error = errno;
        ::close(fd);
        return error;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        names.emplace_back(name);
        if (++listing.found > list_limit) break;
    }
    ::closedir(directory);
    if (listing.found > list_limit) return E2BIG;
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        const std::string child = join_path(path, name);
        struct stat status {};
        // Something may be removed meanwhile.
        if (::lstat(child.c_str(), &status) != 0) continue;
        if (!std::exchange(listing.first, false)) listing.json += ',';
        append_entry(listing.json, child, status, listing.owners);
        if (listing.json.size() > list_size_limit) return E2BIG;
        if (!S_ISDIR(status.st_mode) || depth <= 1) continue;
        const int error = list_level(listing, child, depth - 1, false);
        if (error == ENOENT || error == ENOTDIR || error == ELOOP) continue;
        if (error != 0) return error;
    }
    return 0;
}

} // namespace

std::string entry_info(const std::string& path, const OwnerNames& owners) {
    std::string out;
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) append_entry(out, path, status, owners);
    return out;
}

Answer<std::string> stat_entry(const std::string& path, const Identity& user) {
    const ActingAs acting(user);
    if (acting.error() != 0) return not_that_user(user, acting.error());
    return entry_response(path);
}

Answer<std::string> make_directory(const std::string& path, const Identity& user) {
    const ActingAs acting(user);
    if (acting.error() != 0) return not_that_user(user, acting.error());
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return RpcError{Code::already_exists, "directory already exists: " + path};
        return RpcError{Code::invalid_argument, "path already exists but it is not a directory: " + path};
    }
    if (const int error = make_directories(path); error != 0) return system_error(error, "failed to create directory " + path);
    return entry_response(path);
}

Answer<std::string> list_directory(const std::string& path, std::uint32_t depth, const Identity& user) {
    const ActingAs acting(user);
    if (acting.error() != 0) return not_that_user(user, acting.error());
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return RpcError{Code::not_found, "path not found: lstat " + path + ": no such file or directory"};
        return system_error(errno, "error getting file info: stat " + path);
    }
    if (!S_ISDIR(status.st_mode)) return RpcError{Code::invalid_argument, "path is not a directory: " + path};
    Listing listing;
    const int error = list_level(listing, path, std::clamp<std::uint32_t>(depth, 1, deepest), true);
    if (error == E2BIG)
        return RpcError{Code::resource_exhausted, "there are more than " + std::to_string(list_limit) + " entries in " + path +
                                                      ", or they take more than " + std::to_string(list_size_limit >> 20) +
                                                      " MiB to say"};
    if (error != 0) return system_error(error, "error reading directory " + path);
    if (listing.first) return std::string("{}");
    listing.json += "]}";
    return std::move(listing.json);
}

Answer<std::string> move_entry(const std::string& source, const std::string& destination, const Identity& user) {
    const ActingAs acting(user);
    if (acting.error() != 0) return not_that_user(user, acting.error());
    struct stat status {};
    if (::lstat(source.c_str(), &status) != 0) {
        if (errno == ENOENT)
            return RpcError{Code::not_found, "source file not found: lstat " + source + ": no such file or directory"};
        return system_error(errno, "error moving " + source);
    }
    std::vector<std::string> made;
    if (const int error = make_directories(std::string(parent_path(destination)), made); error != 0) {
        remove_directories(made);
        return system_error(error, "error creating the directories of " + destination);
    }
    if (::rename(source.c_str(), destination.c_str()) != 0) {
        const int error = errno;
        remove_directories(made);
        if (error == EXDEV)
            return RpcError{Code::failed_precondition, "error moving " + source + " to " + destination +
                                                           ": they are on different file systems, or it is a directory of the "
                                                           "image; copy and remove it instead (mv does both)"};
        return system_error(error, "error moving " + source + " to " + destination);
    }
    return entry_response(destination);
}

TreeRemoval::~TreeRemoval() {
    for (const Level& level : levels_) ::closedir(level.directory);
}

RpcError TreeRemoval::error(int number) const {
    std::string where = path_;
    for (std::size_t i = 1; i < levels_.size(); ++i) where = join_path(where, levels_[i].name);
    if (number == E2BIG)
        return {Code::invalid_argument, "error removing " + path_ + ": it is more than " + std::to_string(deepest) +
                                            " levels deep (rm -r is not limited)"};
    return system_error(number, "error removing " + where);
}

int TreeRemoval::enter(int parent, const char* name) {
    if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    // Linux says EISDIR for a directory; POSIX and some file systems EPERM.
    const int first = errno;
    if (first != EISDIR && first != EPERM) return first;
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0) return 0;
    if (errno == ENOTDIR) return first;
    if (errno != ENOTEMPTY && errno != EEXIST) return errno;
    if (levels_.size() >= deepest) return E2BIG;
    const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno;
    DIR* directory = ::fdopendir(fd);
    if (directory == nullptr) {
        const int error = errno;
        ::close(fd);
        return error;
    }
    levels_.push_back({directory, name, 0});
    return 0;
}

Answer<bool> TreeRemoval::step() {
    const ActingAs acting(user_);
    if (acting.error() != 0) return not_that_user(user_, acting.error());
    const std::string_view last = base_name(path_);
    if (last == "/" || last == "..")
        return RpcError{Code::invalid_argument, "error removing " + path_ + ": not a path that can be removed"};
    if (!begun_) {
        begun_ = true;
        if (const int number = enter(AT_FDCWD, path_.c_str()); number != 0 && number != ENOTDIR) return error(number);
    }
    for (int i = 0; i < step_size && !levels_.empty(); ++i) {
        Level& level = levels_.back();
        errno = 0;
        const dirent* entry = ::readdir(level.directory);
        if (entry == nullptr) {
            if (errno != 0) return error(errno);
            const int parent = levels_.size() == 1 ? AT_FDCWD : ::dirfd(levels_[levels_.size() - 2].directory);
            if (::unlinkat(parent, level.name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
                if (errno != ENOTEMPTY && errno != EEXIST) return error(errno);
                // Somebody still writes there, or the file system lost the place while entries went away.
                if (++level.rounds == 8)
                    return RpcError{Code::failed_precondition, "error removing " + path_ + ": it is being written to"};
                ::rewinddir(level.directory);
                continue;
            }
            ::closedir(level.directory);
            levels_.pop_back();
            continue;
        }
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        if (const int number = enter(::dirfd(level.directory), entry->d_name); number != 0) return error(number);
    }
    return levels_.empty();
}

} // namespace sandboxkit::guest
