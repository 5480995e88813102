// SPDX-License-Identifier: Apache-2.0
#include "store/fork_safety.hpp"

#include "store/failure.hpp"

#include <sys/stat.h>

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <mutex>
#include <sqlite3.h>
#include <utility>
#include <vector>

namespace sandboxkit::store {

namespace {

struct Entry {
    dev_t device;
    ino_t inode;
    pid_t process;
};

std::mutex mutex;
std::vector<Entry> entries;

// Those it uses itself, in the order in which it takes one while it holds another: its allocator's are the last.
constexpr int sqlite_mutexes[] = {SQLITE_MUTEX_STATIC_OPEN, SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_PRNG,
                                  SQLITE_MUTEX_STATIC_MAIN, SQLITE_MUTEX_STATIC_LRU,  SQLITE_MUTEX_STATIC_PMEM,
                                  SQLITE_MUTEX_STATIC_MEM};

void before_fork() {
    mutex.lock();
    for (const int id : sqlite_mutexes) sqlite3_mutex_enter(sqlite3_mutex_alloc(id));
}

void after_fork() {
    for (auto id = std::rbegin(sqlite_mutexes); id != std::rend(sqlite_mutexes); ++id)
        sqlite3_mutex_leave(sqlite3_mutex_alloc(*id));
    mutex.unlock();
}

} // namespace

Result<OpenFile> OpenFile::enter(const std::filesystem::path& file) {
    static const int registered = ::pthread_atfork(before_fork, after_fork, after_fork);
    if (registered != 0) return error_of(SQLITE_NOMEM, registered, {}, file);
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return error_of(SQLITE_CANTOPEN, errno, {}, file);
    const std::lock_guard lock(mutex);
    const auto inherited = [&](const Entry& entry) {
        return entry.device == status.st_dev && entry.inode == status.st_ino && entry.process != ::getpid();
    };
    if (std::ranges::any_of(entries, inherited))
        return Error{ErrorClass::conflict,
                     "store_open_at_fork",
                     file.string() + " was open in the process that this one was forked from",
                     "close the engine before fork(), or start the process anew: by exec, or multiprocessing's \"spawn\" or "
                     "\"forkserver\"",
                     "",
                     {}};
    entries.push_back({status.st_dev, status.st_ino, ::getpid()});
    return OpenFile(status.st_dev, status.st_ino);
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : device_(other.device_), inode_(other.inode_), entered_(std::exchange(other.entered_, false)) {}

OpenFile::~OpenFile() {
    if (!entered_) return;
    const std::lock_guard lock(mutex);
    const auto own = std::ranges::find_if(entries, [&](const Entry& entry) {
        return entry.device == device_ && entry.inode == inode_ && entry.process == ::getpid();
    });
    if (own != entries.end()) entries.erase(own); // a child's copy of the parent's object has none
}

} // namespace sandboxkit::store
