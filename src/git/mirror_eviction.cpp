// SPDX-License-Identifier: Apache-2.0
#include "git/mirror_eviction.hpp"

#include "git/durable.hpp"
#include "git/mirror.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

struct Entry {
    std::string name; // without ".git"
    std::uint64_t bytes = 0;
    timespec used{};
};

// Without waiting. Whoever holds the lock of a name may do with it what they like. No descriptor: somebody else has it.
Lock try_lock(const fs::path& path) {
    Lock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock.fd() >= 0 && ::flock(lock.fd(), LOCK_EX | LOCK_NB) == 0) return lock;
    return Lock(-1);
}

// A file that goes away meanwhile takes nothing.
std::uint64_t size_of(const fs::path& mirror) {
    std::error_code error;
    std::uint64_t bytes = 0;
    for (fs::recursive_directory_iterator it(mirror, error), end; !error && it != end; it.increment(error)) {
        struct stat status {};
        if (::lstat(it->path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
            bytes += static_cast<std::uint64_t>(status.st_size);
    }
    return bytes;
}

Result<void> remove_tree(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return file_error(ErrorClass::internal, "removing a mirror failed", path, error.value());
    return {};
}

} // namespace

Result<Evicted> evict_mirrors(const fs::path& directory, std::uint64_t most_bytes) {
    std::error_code error;
    if (!fs::exists(directory, error) && !error) return Evicted{};
    const Lock turn = try_lock(directory / "eviction.lock");
    if (turn.fd() < 0) return Evicted{};

    std::vector<Entry> mirrors;
    std::vector<std::string> unfinished;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
        const auto extension = it->path().extension();
        const auto name = it->path().stem().string();
        if (extension == ".evicted") { // nobody but who evicts knows it
            if (auto removed = remove_tree(it->path()); !removed) return removed.error();
        } else if (extension == ".new") {
            unfinished.push_back(name);
        } else if (extension == ".git") {
            struct stat status {};
            if (::stat((directory / (name + ".lock")).c_str(), &status) < 0) status = {};
            mirrors.push_back({name, size_of(it->path()), status.st_mtim});
        }
    }
    if (error) return file_error(ErrorClass::internal, "listing the mirrors failed", directory, error.value());
    for (const auto& name : unfinished) {
        const Lock lock = try_lock(directory / (name + ".lock"));
        if (lock.fd() < 0) continue; // being made
        if (auto removed = remove_tree(directory / (name + ".new")); !removed) return removed.error();
    }

    std::ranges::sort(mirrors, [](const Entry& a, const Entry& b) {
        return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec : a.used.tv_nsec < b.used.tv_nsec;
    });
    std::uint64_t total = 0;
    for (const auto& mirror : mirrors) total += mirror.bytes;
    Evicted evicted;
    for (const auto& mirror : mirrors) {
        if (total <= most_bytes) break;
        const Lock lock = try_lock(directory / (mirror.name + ".lock"));
        if (lock.fd() < 0) continue; // in use
        const fs::path away = directory / (mirror.name + ".evicted");
        fs::rename(directory / (mirror.name + ".git"), away, error);
        if (error) return file_error(ErrorClass::internal, "removing a mirror failed", away, error.value());
        if (auto removed = remove_tree(away); !removed) return removed.error();
        total -= mirror.bytes;
        ++evicted.mirrors;
        evicted.bytes += mirror.bytes;
    }
    return evicted;
}

} // namespace sandboxkit::git
