// SPDX-License-Identifier: Apache-2.0
#include "guest/paths.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace sandboxkit::guest {
namespace {

std::string tidy(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        out += '/';
        out += part;
    }
    return out.empty() ? "/" : out;
}

} // namespace

Answer<std::string> resolve_path(std::string_view path, const Identity& user, std::string_view default_workdir) {
    if (path.find('\0') != std::string_view::npos) return RpcError{Code::invalid_argument, "the path contains a NUL byte"};
    if (path.empty()) path = default_workdir.empty() ? std::string_view(user.home) : default_workdir;
    std::string absolute;
    if (path.front() == '/') {
        absolute = path;
    } else if (path.front() == '~') {
        if (path.size() > 1 && path[1] != '/')
            return RpcError{Code::invalid_argument, "failed to expand path '" + std::string(path) + "' for user '" + user.name +
                                                        "': cannot expand user-specific home dir"};
        absolute = user.home + "/" + std::string(path.substr(1));
    } else {
        absolute = user.home + "/" + std::string(path);
    }
    std::string result = tidy(absolute);
    if (result.size() >= PATH_MAX) return RpcError{Code::invalid_argument, "the path is longer than 4095 bytes"};
    return result;
}

std::string_view base_name(std::string_view path) {
    return path == "/" ? path : path.substr(path.rfind('/') + 1);
}

std::string_view parent_path(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash);
}

std::string join_path(std::string_view directory, std::string_view name) {
    std::string path(directory);
    if (path.empty() || path.back() != '/') path += '/';
    path += name;
    return path;
}

int make_directories(const std::string& path, std::vector<std::string>& made) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    if (errno != ENOENT) return errno;
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string prefix = path.substr(0, slash);
        if (::mkdir(prefix.c_str(), 0755) == 0) {
            made.push_back(prefix);
        } else if (errno != EEXIST) {
            const int error = errno;
            // On a read-only file system, or where the user may not write, what exists is no failure.
            if (::stat(prefix.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return error;
        }
        if (slash == std::string::npos) break;
    }
    if (::stat(path.c_str(), &status) != 0) return errno;
    return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

int make_directories(const std::string& path) {
    std::vector<std::string> made;
    return make_directories(path, made);
}

void remove_directories(const std::vector<std::string>& made) {
    for (auto path = made.rbegin(); path != made.rend(); ++path) ::rmdir(path->c_str());
}

} // namespace sandboxkit::guest
