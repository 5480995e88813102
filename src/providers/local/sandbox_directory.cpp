// SPDX-License-Identifier: Apache-2.0
#include "providers/local/sandbox_directory.hpp"

#include "providers/local/tree_walk.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

constexpr const char* record_name = "sandbox.json";
constexpr const char* run_name = "run.json";
constexpr const char* new_prefix = ".new-";
constexpr const char* trash_prefix = ".trash-";
constexpr std::size_t record_limit = 1 << 20;

Error not_found(const std::string& id) {
    return {ErrorClass::not_found, "sandbox_not_found", "there is no sandbox " + shown(id), "list the sandboxes", "", {}};
}

Result<void> make_private_directory(const fs::path& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    if (errno != EEXIST) return system_error(errno, "cannot make the directory " + path.string());
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return system_error(errno, "cannot look at " + path.string());
    // Whoever else may write here may put other files in the place of those that run with our privileges.
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Error{ErrorClass::permission,
                     "state_not_private",
                     path.string() + " is not a directory that only this user can write",
                     "change its owner and mode (chown root, chmod 700), or choose another state directory",
                     "",
                     {}};
    return {};
}

bool same_file(int directory, const fs::path& path) {
    struct stat held {
    }, named{};
    return ::fstat(directory, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

// A name of a sandbox never leaves the directory.
bool plain_name(const std::string& name) {
    return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Result<void> replace_file(int directory, const char* name, std::string_view text) {
    const std::string fresh = std::string(name) + ".new";
    FileHandle file(::openat(directory, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return system_error(errno, "cannot write " + std::string(name));
    auto written = write_all(file.get(), text, "cannot write " + std::string(name));
    if (!written) return written;
    if (::renameat(directory, fresh.c_str(), directory, name) != 0)
        return system_error(errno, "cannot write " + std::string(name));
    return {};
}

Result<std::string> read_instance(int directory) {
    auto text = read_file_at(directory, "instance", 64);
    if (text) return text;
    if (text.error().kind != ErrorClass::not_found) return text;
    // Whoever links first names it; the losers take that name.
    const std::string name = random_name(8);
    const std::string fresh = "instance." + name;
    auto written = write_file_at(directory, fresh, name);
    if (!written) return written.error();
    const int linked = ::linkat(directory, fresh.c_str(), directory, "instance", 0);
    const int error = errno;
    ::unlinkat(directory, fresh.c_str(), 0);
    if (linked != 0 && error != EEXIST) return system_error(error, "cannot name the state directory");
    return read_file_at(directory, "instance", 64);
}

} // namespace

Result<SandboxRecord> LockedSandbox::record() const {
    auto text = read_file_at(directory_.get(), record_name, record_limit);
    if (!text) return text.error();
    return read_sandbox_record(*text);
}

std::optional<RunRecord> LockedSandbox::run_record() const {
    auto text = read_file_at(directory_.get(), run_name, record_limit);
    if (!text) return std::nullopt;
    auto record = read_run_record(*text);
    if (!record) return std::nullopt;
    return *record;
}

Result<void> LockedSandbox::set_run_record(const RunRecord& record) const {
    // Not synced: after a crash of the machine nothing of what it says is true.
    return replace_file(directory_.get(), run_name, write_run_record(record));
}

void LockedSandbox::clear_run_record() const {
    ::unlinkat(directory_.get(), run_name, 0);
}

Result<StateDirectory> StateDirectory::open(const fs::path& path) {
    StateDirectory state;
    std::error_code error;
    state.path_ = fs::absolute(path, error);
    if (error || path.empty())
        return Error{ErrorClass::invalid,     "state_directory", "the state directory is not a path",
                     "give an absolute path", error.message(),   {}};
    fs::create_directories(state.path_.parent_path(), error);
    for (const auto& each : {state.path_, state.sandboxes(), state.cache(), state.path_ / "runtime"}) {
        auto made = make_private_directory(each);
        if (!made) return made.error();
    }
    state.path_ = fs::canonical(state.path_, error);
    if (error) return system_error(error.value(), "cannot find the state directory " + path.string());

    struct statfs system {};
    if (::statfs(state.path_.c_str(), &system) != 0) return system_error(errno, "cannot look at the state directory");
    if (system.f_type == OVERLAYFS_SUPER_MAGIC)
        return Error{ErrorClass::unsupported,
                     "state_on_overlay",
                     "the state directory " + state.path_.string() +
                         " is on overlayfs, which cannot hold the writable layers of another overlay",
                     "put it on a real file system (ext4, xfs, btrfs), in a container on a volume",
                     "",
                     {}};
    auto directory = open_directory(state.path_);
    if (!directory) return directory.error();
    auto instance = read_instance(directory->get());
    if (!instance) return instance.error();
    state.group_prefix_ = "sandboxkit-" + *instance + "-";
    return state;
}

Result<bool> StateDirectory::make(const SandboxRecord& record, const std::function<Result<void>(const fs::path&)>& fill) const {
    const fs::path final_path = sandbox(record.id);
    if (exists(record.id)) return false;
    const std::string fresh_name = new_prefix + record.id + "-" + random_name(8);
    const fs::path fresh = sandboxes() / fresh_name;
    auto parent = open_directory(sandboxes());
    if (!parent) return parent.error();
    if (::mkdir(fresh.c_str(), 0700) != 0) return system_error(errno, "cannot make a sandbox");
    auto directory = open_directory(fresh);
    if (!directory) return directory.error();
    // A sweep that came between saw an unlocked directory and is removing it.
    if (::flock(directory->get(), LOCK_EX | LOCK_NB) != 0)
        return Error{ErrorClass::unavailable,
                     "sandbox_swept",
                     "the sandbox was taken for a left-over while it was made",
                     "try again",
                     "",
                     {}};

    const auto undo = [&](Error reason) -> Result<bool> {
        static_cast<void>(remove_tree_at(parent->get(), fresh_name)); // what stays is swept later
        return reason;
    };
    FileHandle file(::openat(directory->get(), record_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return undo(system_error(errno, "cannot write the record of a sandbox"));
    auto done = write_all(file.get(), write_sandbox_record(record), "cannot write the record of a sandbox");
    if (done) done = fill(fresh);
    if (!done) return undo(done.error());
    if (::rename(fresh.c_str(), final_path.c_str()) != 0) {
        const int error = errno;
        auto undone = undo(system_error(error, "cannot make a sandbox"));
        if (error == EEXIST || error == ENOTEMPTY) return false;
        return undone;
    }
    // Not synced: a sandbox is not durable against a power failure until it is captured, its record no more than its files.
    // A record that one cut short is found and destroyed.
    return true;
}

Result<LockedSandbox> StateDirectory::lock(const std::string& id, std::stop_token stop) const {
    if (!plain_name(id)) return not_found(id);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
        auto directory = open_directory(sandbox(id));
        if (!directory) {
            if (directory.error().kind == ErrorClass::not_found) return not_found(id);
            return directory.error();
        }
        if (::flock(directory->get(), LOCK_EX | LOCK_NB) == 0) {
            // Its owner may have removed it while we waited.
            if (!same_file(directory->get(), sandbox(id))) continue;
            return LockedSandbox(id, sandbox(id), std::move(*directory));
        }
        if (errno != EWOULDBLOCK && errno != EINTR) return system_error(errno, "cannot lock the sandbox " + id);
        if (stop.stop_requested()) return cancelled_error();
        if (std::chrono::steady_clock::now() >= deadline)
            return Error{ErrorClass::unavailable,
                         "sandbox_busy",
                         "another operation on the sandbox " + id + " does not end",
                         "try again later",
                         "",
                         {}};
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

Result<SandboxRecord> StateDirectory::record(const std::string& id) const {
    if (!plain_name(id)) return not_found(id);
    auto directory = open_directory(sandbox(id));
    if (!directory) return directory.error().kind == ErrorClass::not_found ? not_found(id) : directory.error();
    auto text = read_file_at(directory->get(), record_name, record_limit);
    if (!text) return text.error();
    return read_sandbox_record(*text);
}

std::optional<RunRecord> StateDirectory::run_record(const std::string& id) const {
    if (!plain_name(id)) return std::nullopt;
    auto directory = open_directory(sandbox(id));
    if (!directory) return std::nullopt;
    auto text = read_file_at(directory->get(), run_name, record_limit);
    if (!text) return std::nullopt;
    auto record = read_run_record(*text);
    if (!record) return std::nullopt;
    return *record;
}

bool StateDirectory::exists(const std::string& id) const {
    struct stat status {};
    return plain_name(id) && ::lstat(sandbox(id).c_str(), &status) == 0;
}

std::vector<std::string> StateDirectory::ids() const {
    std::vector<std::string> result;
    auto directory = open_directory(sandboxes());
    if (!directory) return result;
    auto names = directory_names(directory->get());
    if (!names) return result;
    for (auto& name : *names)
        if (plain_name(name)) result.push_back(std::move(name));
    return result;
}

Result<void> StateDirectory::remove(LockedSandbox sandbox) const {
    const std::string name = trash_prefix + sandbox.id() + "-" + random_name(8);
    if (::rename(sandbox.path().c_str(), (sandboxes() / name).c_str()) != 0)
        return system_error(errno, "cannot remove the sandbox " + sandbox.id());
    auto parent = open_directory(sandboxes());
    if (!parent) return parent.error();
    return remove_tree_at(parent->get(), name);
}

Result<void> StateDirectory::sweep() const {
    auto parent = open_directory(sandboxes());
    if (!parent) return parent.error();
    auto names = directory_names(parent->get());
    if (!names) return names.error();
    for (const auto& name : *names) {
        if (!name.starts_with(new_prefix) && !name.starts_with(trash_prefix)) continue;
        auto directory = open_directory_at(parent->get(), name);
        if (!directory) continue; // its owner was faster
        if (::flock(directory->get(), LOCK_EX | LOCK_NB) != 0) continue;
        if (!same_file(directory->get(), sandboxes() / name)) continue;
        auto removed = remove_tree_at(parent->get(), name);
        if (!removed) return removed;
    }
    return {};
}

Result<FileHandle> StateDirectory::lock_images(bool exclusive) const {
    FileHandle file(::open((path_ / "images.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return system_error(errno, "cannot lock the images");
    while (::flock(file.get(), exclusive ? LOCK_EX : LOCK_SH) != 0)
        if (errno != EINTR) return system_error(errno, "cannot lock the images");
    return file;
}

} // namespace sandboxkit::local
