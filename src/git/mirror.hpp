// SPDX-License-Identifier: Apache-2.0
// The mirror cache: `<directory>/<sha256 of the URL>.git`, a bare repository of all branches and tags.
//
// Processes take turns by flock on `<sha256>.lock`: exclusive to update, shared to read. A new mirror is made under
// another name and renamed when it is whole. An update in place leaves the mark `updating` until it is done; a mirror that
// carries it from a dead process is made anew, like one that cannot be read or is damaged. The lock file's time is when a clone
// last began to use the mirror.
#pragma once

#include "git/references.hpp"
#include "git/transport.hpp"

#include <filesystem>

namespace sandboxkit::git {

class Lock { // closing the descriptor releases it
public:
    explicit Lock(int fd) : fd_(fd) {}
    Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Lock& operator=(Lock&&) = delete;
    ~Lock();
    [[nodiscard]] int fd() const { return fd_; }

private:
    int fd_;
};

struct Mirror {
    Lock lock; // shared, from here on
    std::filesystem::path path;
    RepositoryPtr repository;
    Target target;
    bool existed = false; // before this update
};

// Brings the URL's mirror up to date with its server. `afresh`: whatever is there is removed first.
[[nodiscard]] Result<Mirror> update_mirror(Access& access, bool afresh);

// Copies the mirror's objects, whole packs as they are, into a repository of the clone's own.
[[nodiscard]] Result<void> copy_objects(const std::filesystem::path& from, const std::filesystem::path& to, Watch& watch);

} // namespace sandboxkit::git
