// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/state_directory.hpp"

#include <sandboxkit/digest.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace sandboxkit::docker {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view name_prefix = "sandboxkit-";
constexpr const char* socket_name = "guest.sock";

Error failed(int error, const std::string& what) {
    const auto make = [&](ErrorClass kind, const char* code, const char* remedy) {
        return Error{kind, code, what + ": " + std::strerror(error), remedy, "", {}};
    };
    if (error == ENOSPC || error == EDQUOT) return make(ErrorClass::quota, "disk_full", "make room");
    if (error == EACCES || error == EPERM || error == EROFS)
        return make(ErrorClass::permission, "path_not_permitted", "check who owns the state directory");
    return make(ErrorClass::invalid, "docker_state_directory", "check the state directory");
}

bool is_hexadecimal(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_random_name(std::string_view text) {
    return text.size() == 20 && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos;
}

Result<void> make_directory(const fs::path& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return failed(errno, "cannot make " + path.string());
}

// The id that the first process gave it, whoever that was.
Result<std::string> id_in(const fs::path& directory) {
    const fs::path path = directory / "instance";
    const fs::path fresh = directory / ("instance." + random_name());
    {
        std::ofstream file(fresh);
        file << random_name();
        if (!file.flush()) return failed(errno, "cannot write " + fresh.string());
    }
    const bool first = ::link(fresh.c_str(), path.c_str()) == 0; // whole, or not at all
    const int error = errno;
    ::unlink(fresh.c_str());
    if (!first && error != EEXIST) return failed(error, "cannot write " + path.string());
    std::ifstream file(path);
    std::string id;
    file >> id;
    if (!is_random_name(id))
        return Error{ErrorClass::data_loss, "docker_state_directory", path.string() + " is damaged", "remove it", "", {}};
    return id;
}

} // namespace

std::string random_name() {
    std::array<unsigned char, 20> bytes{};
    for (std::size_t have = 0; have < bytes.size();) {
        const ssize_t n = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
        if (n > 0) have += static_cast<std::size_t>(n);
    }
    std::string name;
    for (const unsigned char byte : bytes) name += "abcdefghijklmnopqrstuvwxyz234567"[byte & 31];
    return name;
}

bool is_sandbox_name(std::string_view text) noexcept {
    return text.size() == name_prefix.size() + 32 && text.starts_with(name_prefix) &&
           is_hexadecimal(text.substr(name_prefix.size()));
}

std::string sandbox_name(std::string_view token) {
    return std::string(name_prefix) + sha256_hex(token).substr(0, 32);
}

bool is_container_id(std::string_view text) noexcept {
    return text.size() == 64 && is_hexadecimal(text);
}

HeldDirectory::HeldDirectory(HeldDirectory&& other) noexcept
    : lock_(std::exchange(other.lock_, -1)), directory_(std::exchange(other.directory_, -1)) {}

HeldDirectory::~HeldDirectory() {
    for (const int fd : {directory_, lock_})
        if (fd >= 0) ::close(fd);
}

Result<void> HeldDirectory::remove_socket() const {
    if (::unlinkat(directory_, socket_name, 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR) return failed(errno, "cannot remove the socket of a sandbox");
    // The sandbox left a directory there, to keep itself from starting. What is in it stays: it cannot be started again.
    return Error{ErrorClass::invalid,
                 "sandbox_socket_taken",
                 "the sandbox put a directory in the place of its socket",
                 "destroy it",
                 "",
                 {}};
}

Result<void> HeldDirectory::give_to(unsigned user) const {
    if (::fchown(directory_, user, user) == 0) return {};
    return failed(errno, "cannot give the directory of a sandbox to its root");
}

Result<StateDirectory> StateDirectory::open(const fs::path& path) {
    StateDirectory state;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    auto made = make_directory(path);
    if (!made) return made.error();
    if (::chmod(path.c_str(), 0700) != 0) return failed(errno, "cannot keep others out of " + path.string());
    state.path_ = fs::canonical(path, error);
    if (error) return failed(error.value(), "cannot open " + path.string());
    for (const char* each : {"sandboxes", "owners"}) {
        made = make_directory(state.path_ / each);
        if (!made) return made.error();
    }
    auto id = id_in(state.path_);
    if (!id) return id.error();
    state.id_ = *id;
    state.owner_ = random_name();
    // What dead processes left of this: nobody holds it.
    for (fs::directory_iterator each(state.path_ / "owners", error), end; !error && each != end; each.increment(error))
        if (!state.is_alive(each->path().filename().string())) ::unlink(each->path().c_str());
    // Locked before it has its name: at no time does it look abandoned.
    const int fd = ::open((state.path_ / "owners").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return failed(errno, "cannot write into " + path.string());
    const std::shared_ptr<const int> lock(new int(fd), [](const int* number) {
        ::close(*number);
        delete number;
    });
    const std::string from = "/proc/self/fd/" + std::to_string(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, (state.path_ / "owners" / state.owner_).c_str(), AT_SYMLINK_FOLLOW) != 0)
        return failed(errno, "cannot write into " + path.string());
    state.lock_ = lock;
    return state;
}

bool StateDirectory::is_alive(std::string_view owner) const {
    if (!is_random_name(owner)) return false;
    if (owner == owner_) return true;
    const int fd = ::open((path_ / "owners" / owner).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno != ENOENT;
    const bool free = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
    ::close(fd);
    return !free;
}

fs::path StateDirectory::sandbox(const std::string& name) const {
    return path_ / "sandboxes" / name / "run";
}

fs::path StateDirectory::socket(const std::string& name) const {
    return sandbox(name) / socket_name;
}

Result<std::optional<HeldDirectory>> StateDirectory::try_hold(const std::string& name) const {
    const fs::path path = path_ / "sandboxes" / name;
    for (;;) {
        auto made = make_directory(path);
        if (!made) return made.error();
        const int lock = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (lock < 0 && errno == ENOENT) continue; // removed meanwhile
        if (lock < 0) return failed(errno, "cannot open " + path.string());
        const HeldDirectory locked(lock, -1);
        if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return std::optional<HeldDirectory>{};
            return failed(errno, "cannot lock " + path.string());
        }
        struct stat ours {
        }, there{};
        if (::fstat(lock, &ours) != 0 || ::lstat(path.c_str(), &there) != 0 || ours.st_ino != there.st_ino ||
            ours.st_dev != there.st_dev)
            continue; // another one is in its place
        if (::mkdirat(lock, "run", 0700) != 0 && errno != EEXIST) return failed(errno, "cannot make " + path.string() + "/run");
        const int copy = ::fcntl(lock, F_DUPFD_CLOEXEC, 0);
        HeldDirectory held(copy, ::openat(lock, "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (copy < 0 || !held) return failed(errno, "cannot open " + path.string() + "/run");
        return std::optional<HeldDirectory>(std::move(held));
    }
}

bool StateDirectory::exists(const std::string& name) const {
    struct stat status {};
    return ::lstat((path_ / "sandboxes" / name).c_str(), &status) == 0;
}

std::vector<std::string> StateDirectory::sandboxes() const {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator each(path_ / "sandboxes", error), end; !error && each != end; each.increment(error))
        if (auto name = each->path().filename().string(); is_sandbox_name(name)) names.push_back(std::move(name));
    return names;
}

Result<void> StateDirectory::remove(const std::string& name) const {
    std::error_code error;
    // By descriptors: a link that is put in the way meanwhile is not followed. Somebody else may be at it, too.
    do fs::remove_all(path_ / "sandboxes" / name, error);
    while (error == std::errc::no_such_file_or_directory && exists(name));
    if (error && error != std::errc::no_such_file_or_directory)
        return failed(error.value(), "cannot remove the directory of a sandbox");
    return {};
}

} // namespace sandboxkit::docker
