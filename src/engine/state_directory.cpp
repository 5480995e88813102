// SPDX-License-Identifier: Apache-2.0
#include "engine/state_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace sandboxkit::engine {

namespace fs = std::filesystem;

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

Error cannot(const std::string& what, const fs::path& path, const std::string& why) {
    return {ErrorClass::unavailable,
            "state_directory",
            "cannot " + what + " " + path.string() + ": " + why,
            "choose a writable state directory on a disk with space",
            "",
            {}};
}

// Empty: there is none.
std::string read_id(const fs::path& directory) {
    std::ifstream file(directory / "id");
    std::string id;
    file >> id;
    return id;
}

Result<void> make_directory(const fs::path& directory) {
    std::error_code ec;
    const bool made = fs::create_directories(directory, ec);
    if (ec) return cannot("create", directory, ec.message());
    if (made) fs::permissions(directory, fs::perms::owner_all, ec); // one that was there keeps what it has
    return {};
}

// The id that the directory has, or has from now on: on disk with its name when this returns, and one for all who ask at once.
Result<std::string> durable_id(const fs::path& directory, IdSource& ids) {
    const Descriptor locked(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int failed = locked.get() < 0 ? -1 : ::flock(locked.get(), LOCK_EX);
    while (failed != 0 && errno == EINTR) failed = ::flock(locked.get(), LOCK_EX);
    if (failed != 0) return cannot("lock", directory, std::strerror(errno));
    std::string id = read_id(directory);
    if (id.empty()) {
        id = ids.next("std");
        const auto incoming = directory / "id.new";
        const std::string line = id + "\n";
        const Descriptor file(::open(incoming.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.get() < 0 || ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
            ::fsync(file.get()) != 0 || ::rename(incoming.c_str(), (directory / "id").c_str()) != 0)
            return cannot("write", incoming, std::strerror(errno));
    }
    if (::fsync(locked.get()) != 0) return cannot("sync", directory, std::strerror(errno));
    return id;
}

} // namespace

fs::path state_directory_of(const EngineOptions& options) {
    std::error_code ignored;
    fs::path chosen = options.state_directory;
    // Of the store's own name: a link to it is the same store.
    if (chosen.empty()) chosen = fs::weakly_canonical(options.store, ignored).string() + ".state";
    return fs::absolute(chosen, ignored).lexically_normal();
}

Result<void> bind_state_directory(store::Store& store, const fs::path& directory, IdSource& ids) {
    auto bound = store.state_directory();
    if (!bound) return bound.error();
    if (!*bound) {
        auto made = make_directory(directory);
        if (!made) return made.error();
        auto id = durable_id(directory, ids);
        if (!id) return id.error();
        auto now = store.bind_state_directory({*id, directory});
        if (!now) return now.error();
        *bound = std::move(*now);
    }
    const store::StateDirectory& recorded = **bound;
    if (read_id(directory) == recorded.id) return {};
    return Error{ErrorClass::conflict,
                 "state_directory_elsewhere",
                 directory.string() + " is not the state directory of this store, which was " + recorded.path.string(),
                 "name the store's own state directory; if it is lost for good, make a directory with the one file " +
                     (directory / "id").string() + " and in it the line " + recorded.id +
                     ", and the store's sandboxes and snapshots count as lost",
                 "",
                 {}};
}

} // namespace sandboxkit::engine
