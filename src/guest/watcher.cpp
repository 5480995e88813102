// SPDX-License-Identifier: Apache-2.0
#include "guest/watcher.hpp"

#include "guest/file_descriptor.hpp"
#include "guest/filesystem.hpp"
#include "guest/paths.hpp"
#include "guest/upload.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace sandboxkit::guest {
namespace {

constexpr int step_size = 256; // entries between two looks at the event loop
constexpr std::uint32_t of_entries = IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB;
constexpr std::uint32_t of_the_root = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::size_t event_overhead = 128;

// Watches of all watchers, which the kernel's own limit would not bound for root.
std::size_t all_watches = 0;
std::size_t all_watchers = 0;

// Trees that the kernel makes up, and of whose changes it does not tell.
bool is_made_up(int directory) {
    struct statfs file_system {};
    if (::fstatfs(directory, &file_system) != 0) return false;
    return file_system.f_type == PROC_SUPER_MAGIC || file_system.f_type == SYSFS_MAGIC ||
           file_system.f_type == CGROUP_SUPER_MAGIC || file_system.f_type == CGROUP2_SUPER_MAGIC;
}

bool is_directory(DIR* parent, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat status {};
    return ::fstatat(::dirfd(parent), entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

} // namespace

Watcher::Watcher(const boost::asio::any_io_executor& executor, std::string path, Identity user, bool recursive, bool with_entries)
    : inotify_(executor), path_(std::move(path)), user_(std::move(user)), recursive_(recursive), with_entries_(with_entries) {
    ++all_watchers;
}

Watcher::~Watcher() {
    close_listing();
    all_watches -= directories_.size();
    --all_watchers;
}

void Watcher::start(std::function<void(const Answer<void>&)> ready) {
    if (const auto begun = begin(); !begun) return ready(begun);
    const auto self = shared_from_this(); // whoever is called back may let go of it
    ready_ = [self, ready = std::move(ready)](const Answer<void>& answer) { ready(answer); };
    wait();
    walk();
}

Answer<void> Watcher::begin() {
    if (all_watchers > count_limit)
        return RpcError{Code::resource_exhausted, "there are " + std::to_string(count_limit) + " watchers already"};
    const ActingAs acting(user_);
    if (acting.error() != 0) return system_error(acting.error(), "cannot act as user '" + user_.name + "'");
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) {
        if (errno == ENOENT)
            return RpcError{Code::not_found, "path " + path_ + " not found: stat " + path_ + ": no such file or directory"};
        return system_error(errno, "error statting path " + path_);
    }
    if (!S_ISDIR(status.st_mode)) return RpcError{Code::invalid_argument, "path " + path_ + " not a directory"};
    FileDescriptor inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify) return system_error(errno, "error creating watcher");
    root_ = ::inotify_add_watch(inotify.get(), path_.c_str(), of_entries | of_the_root | IN_ONLYDIR);
    if (root_ < 0) return system_error(errno, "error adding path " + path_ + " to watcher");
    boost::system::error_code ec;
    inotify_.assign(inotify.get(), ec);
    if (ec) return system_error(ENOMEM, "error creating watcher");
    inotify.release();
    directories_.emplace(root_, Directory{-1, {}, {}, false});
    ++all_watches;
    if (recursive_) unlisted_.push_back(root_);
    return {};
}

RpcError Watcher::too_large() const {
    return {Code::resource_exhausted, "error watching " + path_ + ": a tree of more than " + std::to_string(directory_limit) +
                                          " directories or " + std::to_string(entry_limit) +
                                          " entries, or with paths of more than 4095 bytes, is not watched; watch a part of it"};
}

int Watcher::add(int parent, std::string_view name, bool announce) {
    const std::string path = join_path(path_, relative_path(parent, name));
    if (directories_.size() >= directory_limit || all_watches >= all_directories) return EDQUOT;
    const int watch =
        ::inotify_add_watch(inotify_.native_handle(), path.c_str(), of_entries | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK);
    if (watch < 0) return errno == ENOSPC || errno == ENOMEM || errno == ENAMETOOLONG ? EDQUOT : errno;
    const auto known = directories_.find(watch);
    // It was found twice, by the walk and by an event.
    if (known != directories_.end()) return 0;
    directories_.emplace(watch, Directory{parent, std::string(name), {}, announce});
    directories_.at(parent).children.insert(watch);
    ++all_watches;
    unlisted_.push_back(watch);
    return 0;
}

// A directory and all below it. `remove`: they exist, elsewhere, and the kernel has to forget them, too.
void Watcher::forget(int root, bool remove) {
    const auto top = directories_.find(root);
    if (top == directories_.end()) return;
    if (const auto parent = directories_.find(top->second.parent); parent != directories_.end())
        parent->second.children.erase(root);
    std::vector<int> rest = {root};
    while (!rest.empty()) {
        const int watch = rest.back();
        rest.pop_back();
        const auto it = directories_.find(watch);
        rest.insert(rest.end(), it->second.children.begin(), it->second.children.end());
        if (remove) ::inotify_rm_watch(inotify_.native_handle(), watch);
        directories_.erase(it);
        --all_watches;
    }
}

// In a time that grows with the length of the path only: who is watched may make it as deep as it likes.
std::string Watcher::relative_path(int directory, std::string_view name) const {
    std::vector<std::string_view> parts;
    if (!name.empty()) parts.push_back(name);
    for (auto it = directories_.find(directory); it != directories_.end() && it->first != root_;
         it = directories_.find(it->second.parent))
        parts.push_back(it->second.name);
    std::string path;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (!path.empty()) path += '/';
        path += *part;
    }
    return path;
}

int Watcher::child_named(int directory, std::string_view name) const {
    const auto it = directories_.find(directory);
    if (it == directories_.end()) return -1;
    for (const int child : it->second.children)
        if (directories_.at(child).name == name) return child;
    return -1;
}

void Watcher::walk() {
    if (walk_pending_) return;
    const bool done = walk_step();
    report();
    if (failure_) return;
    if (done) {
        if (const auto ready = std::exchange(ready_, nullptr)) ready({});
        return;
    }
    walk_pending_ = true;
    boost::asio::post(inotify_.get_executor(), [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->walk_pending_ = false;
        if (!self->failure_) self->walk();
    });
}

// True when there is nothing more to list, or it failed.
bool Watcher::walk_step() {
    const ActingAs acting(user_);
    if (acting.error() != 0) return fail(system_error(acting.error(), "cannot act as user '" + user_.name + "'")), true;
    for (int i = 0; i < step_size; ++i) {
        if (listing_ != nullptr && !directories_.contains(listed_)) close_listing();
        if (listing_ == nullptr) {
            if (unlisted_.empty()) return true;
            listed_ = unlisted_.front();
            unlisted_.pop_front();
            if (!directories_.contains(listed_)) continue;
            const std::string path = join_path(path_, relative_path(listed_, {}));
            const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | (listed_ == root_ ? 0 : O_NOFOLLOW));
            // It is gone again. What the user may not list was not watched to begin with.
            if (fd < 0) continue;
            if (is_made_up(fd) || (listing_ = ::fdopendir(fd)) == nullptr) ::close(fd);
            continue;
        }
        const dirent* entry = ::readdir(listing_);
        if (entry == nullptr) {
            close_listing();
            continue;
        }
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        const bool announce = directories_.at(listed_).announce;
        if (ready_ && ++found_ > entry_limit) return fail(too_large()), true;
        if (announce) push(listed_, name, FileEvent::create);
        if (failure_) return true;
        if (is_directory(listing_, *entry) && add(listed_, name, announce) == EDQUOT) return fail(too_large()), true;
    }
    return false;
}

void Watcher::close_listing() {
    if (listing_ != nullptr) ::closedir(std::exchange(listing_, nullptr));
}

void Watcher::wait() {
    inotify_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                        [weak = weak_from_this()](const boost::system::error_code& ec) {
                            const auto self = weak.lock();
                            if (ec || !self) return;
                            self->on_readable();
                        });
}

void Watcher::on_readable() {
    read();
    report();
    if (failure_) return;
    if (!unlisted_.empty()) walk();
    if (!failure_) wait();
}

void Watcher::read() {
    const ActingAs acting(user_);
    if (acting.error() != 0) return fail(system_error(acting.error(), "cannot act as user '" + user_.name + "'"));
    alignas(inotify_event) std::array<char, 4096> buffer; // about a hundred events between two looks at the loop
    const ssize_t n = ::read(inotify_.native_handle(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return fail(system_error(errno, "watcher error"));
    for (std::size_t at = 0; at < static_cast<std::size_t>(n) && !failure_;) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof event);
        const char* name = buffer.data() + at + sizeof event; // padded with NUL
        at += sizeof event + event.len;
        handle(event.wd, event.mask, event.cookie, std::string_view(name, event.len == 0 ? 0 : ::strnlen(name, event.len)));
    }
    if (failure_) return;
    // The two halves of a move are queued one after the other. Were the second not there yet, the directory would be
    // found and watched again when it comes.
    settle_move();
}

void Watcher::settle_move() {
    if (const auto moved = std::exchange(moving_, std::nullopt)) forget(moved->second, true);
}

void Watcher::handle(int directory, std::uint32_t mask, std::uint32_t cookie, std::string_view name) {
    if ((mask & IN_Q_OVERFLOW) != 0)
        return fail(
            {Code::resource_exhausted, "watcher error: more happened in " + path_ + " than could be told; events are lost"});
    if (moving_ && ((mask & IN_MOVED_TO) == 0 || cookie != moving_->first)) settle_move();
    if (!directories_.contains(directory)) return; // of one that is not watched any more
    if ((mask & IN_IGNORED) != 0) {
        if (directory != root_) return forget(directory, false);
        return fail({Code::not_found, "watcher error: " + path_ + " does not exist any more"});
    }
    if (name.empty()) {
        // About itself. What is below the root is told by the directory above it.
        if (directory != root_) return;
        if ((mask & IN_ATTRIB) != 0) push(root_, {}, FileEvent::chmod);
        if ((mask & IN_DELETE_SELF) != 0) push(root_, {}, FileEvent::remove);
        if ((mask & IN_MOVE_SELF) != 0) {
            push(root_, {}, FileEvent::rename);
            if (!failure_) fail({Code::failed_precondition, "watcher error: " + path_ + " was moved away"});
        }
        return;
    }
    // An upload takes its place when it is complete. Who watches hears that it was written there.
    if ((mask & IN_MOVED_FROM) != 0 && name.starts_with(Upload::prefix)) uploaded_ = cookie;
    const bool uploaded = (mask & IN_MOVED_TO) != 0 && cookie == uploaded_;
    const bool new_name = (mask & (IN_CREATE | IN_MOVED_TO)) != 0;
    if (new_name) push(directory, name, FileEvent::create);
    if ((mask & IN_MODIFY) != 0 || uploaded) push(directory, name, FileEvent::write);
    if ((mask & IN_ATTRIB) != 0) push(directory, name, FileEvent::chmod);
    if ((mask & IN_MOVED_FROM) != 0) push(directory, name, FileEvent::rename);
    if ((mask & IN_DELETE) != 0) push(directory, name, FileEvent::remove);
    if (!recursive_ || failure_ || (mask & IN_ISDIR) == 0) return;

    if ((mask & IN_MOVED_FROM) != 0) {
        const int child = child_named(directory, name);
        if (child >= 0) moving_.emplace(cookie, child);
        return;
    }
    if (!new_name) return;
    if (moving_) {
        // Within the tree: it and all below it are where they are said to be again.
        const int moved = std::exchange(moving_, std::nullopt)->second;
        // The events are behind what the walk saw, so what is known may not fit together.
        for (auto it = directories_.find(directory); it != directories_.end(); it = directories_.find(it->second.parent))
            if (it->first == moved)
                return fail({Code::unavailable, "watcher error: " + path_ + " changes faster than it can be followed"});
        Directory& entry = directories_.at(moved);
        directories_.at(entry.parent).children.erase(moved);
        entry.parent = directory;
        entry.name = name;
        directories_.at(directory).children.insert(moved);
        return;
    }
    // What a new directory holds when its watch begins came meanwhile; what came with one from elsewhere is no news.
    if (add(directory, name, (mask & IN_CREATE) != 0) == EDQUOT) fail(too_large());
}

void Watcher::push(int directory, std::string_view name, FileEvent type) {
    if (failure_ || name.starts_with(Upload::prefix)) return;
    Event event{relative_path(directory, name), type, {}};
    const std::string path = event.name.empty() ? path_ : join_path(path_, event.name);
    if (event.name.empty()) event.name = ".";
    std::string entry;
    if (with_entries_ && type != FileEvent::remove && type != FileEvent::rename) {
        if (!owners_) owners_ = std::make_unique<OwnerNames>();
        entry = entry_info(path, *owners_);
    }
    append_file_event(event.json, event.name, type, entry);
    // One who writes much is told of once, as the kernel does, too.
    if (!events_.empty() && events_.back().type == type && events_.back().name == event.name) {
        queued_ -= events_.back().name.size() + events_.back().json.size() + event_overhead;
        events_.pop_back();
    }
    const std::size_t cost = event.name.size() + event.json.size() + event_overhead;
    if (queued_ + cost > queue_limit)
        return fail({Code::resource_exhausted,
                     "watcher error: nobody took the events of " + path_ + " in time; those that come now are lost"});
    queued_ += cost;
    events_.push_back(std::move(event));
}

std::optional<std::string> Watcher::take() {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    queued_ -= event.name.size() + event.json.size() + event_overhead;
    return std::move(event.json);
}

// What is queued is still to be taken.
void Watcher::fail(RpcError error) {
    failure_ = std::move(error);
    boost::system::error_code ignored;
    inotify_.close(ignored);
    close_listing();
    unlisted_.clear();
    moving_.reset();
    all_watches -= directories_.size();
    directories_.clear();
}

// Not where the rights of the user are in force: this may lead to anything.
void Watcher::report() {
    owners_.reset();
    if (failure_)
        if (const auto ready = std::exchange(ready_, nullptr)) ready(*failure_);
    if (news_ && (failure_ || !events_.empty())) news_();
}

} // namespace sandboxkit::guest
