// SPDX-License-Identifier: Apache-2.0
// What happens in a directory, or in a whole tree, by inotify. Whoever it is for takes the events; those that nobody takes
// wait in a queue with a bound, and what was lost is told.
#pragma once

#include "guest/accounts.hpp"
#include "guest/messages.hpp"
#include "guest/rpc_error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <dirent.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sandboxkit::guest {

class Watcher : public std::enable_shared_from_this<Watcher> {
public:
    static constexpr std::size_t count_limit = 64;         // watchers of this program: the host's root has 128 by default
    static constexpr std::size_t directory_limit = 8192;   // of one watcher
    static constexpr std::size_t all_directories = 16'384; // of all of them
    static constexpr std::size_t entry_limit = 500'000;    // of a tree, when its watch begins
    static constexpr std::size_t queue_limit = 1ULL << 20; // bytes of events that nobody took

    // `path` is absolute.
    Watcher(const boost::asio::any_io_executor& executor, std::string path, Identity user, bool recursive, bool with_entries);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Walks the tree step by step, so that others are served in between; `ready` is called once, perhaps at once.
    // Until then the watcher keeps itself.
    void start(std::function<void(const Answer<void>&)> ready);
    // Called when there is something to take, or it failed.
    void on_news(std::function<void()> news) { news_ = std::move(news); }

    // The JSON of the oldest event; nothing when there is none now.
    [[nodiscard]] std::optional<std::string> take();
    // Why there will be no more events than those that are queued.
    [[nodiscard]] const std::optional<RpcError>& failure() const { return failure_; }

private:
    struct Directory {
        int parent; // -1: the root
        std::string name;
        std::set<int> children;
        bool announce; // what is found in it is news: it came while its tree was watched
    };
    struct Event {
        std::string name;
        FileEvent type;
        std::string json;
    };

    Answer<void> begin();
    // Watches a directory that was found in another. 0 or errno; EDQUOT when there are too many.
    int add(int parent, std::string_view name, bool announce);
    void forget(int root, bool remove);
    [[nodiscard]] std::string relative_path(int directory, std::string_view name) const;
    [[nodiscard]] int child_named(int directory, std::string_view name) const;
    void walk();
    bool walk_step();
    void close_listing();
    void wait();
    void on_readable();
    void read();
    void report();
    void handle(int directory, std::uint32_t mask, std::uint32_t cookie, std::string_view name);
    void settle_move();
    void push(int directory, std::string_view name, FileEvent type);
    void fail(RpcError error);
    [[nodiscard]] RpcError too_large() const;

    boost::asio::posix::stream_descriptor inotify_;
    std::string path_;
    Identity user_;
    bool recursive_, with_entries_;
    std::function<void(const Answer<void>&)> ready_;
    std::function<void()> news_;

    int root_ = -1;
    std::unordered_map<int, Directory> directories_; // by watch descriptor, which the kernel does not use again
    // The walk: directories that are not listed yet, and the one that is being listed.
    std::deque<int> unlisted_;
    DIR* listing_ = nullptr;
    int listed_ = -1;
    std::size_t found_ = 0;
    bool walk_pending_ = false;
    // A directory that left its place; where it went comes next, or it left the tree.
    std::optional<std::pair<std::uint32_t, int>> moving_;
    std::uint32_t uploaded_ = 0; // the move by which an upload takes its place

    std::unique_ptr<OwnerNames> owners_; // while events are handled
    std::deque<Event> events_;
    std::size_t queued_ = 0;
    std::optional<RpcError> failure_;
};

} // namespace sandboxkit::guest
