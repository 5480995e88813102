// SPDX-License-Identifier: Apache-2.0
// What every use case works with: the store, the providers, the threads, and what is running.
#pragma once

#include <sandboxkit/engine.hpp>
#include <sandboxkit/provider.hpp>

#include "async/blocking.hpp"
#include "async/spawn.hpp"
#include "engine/engine_lock.hpp"
#include "engine/host_table.hpp"
#include "engine/progress_board.hpp"
#include "envd/client.hpp"
#include "store/store.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sandboxkit::engine {

// Labels on everything that is made at a provider, so that it is found again.
inline constexpr const char* label_store = "sandboxkit.store";     // id of the store that owns it
inline constexpr const char* label_host = "sandboxkit.host";       // that it was made on, as several may be one daemon
inline constexpr const char* label_engine = "sandboxkit.engine";   // the engine that made it
inline constexpr const char* label_session = "sandboxkit.session"; // of a session's sandbox
inline constexpr const char* label_job = "sandboxkit.job";         // of a build's sandbox or image

inline constexpr std::size_t concurrent_builds = 2;

inline Error cancelled_error() {
    return {ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

// One that has ended before it began.
template <class T>
Operation<T> failed_operation(Error error) {
    auto state = std::make_shared<detail::OperationState<T>>();
    state->complete(std::move(error));
    return Operation<T>(std::move(state));
}

using LogFields = decltype(LogLine::fields);

// Those of a line about an error: what it is called, never what it says, which may quote a document.
inline LogFields with_error(LogFields fields, const Error& error) {
    fields.emplace_back("class", to_string(error.kind));
    fields.emplace_back("code", error.code);
    return fields;
}

class GitAccess;

using SessionCounts = std::map<std::string, int, std::less<>>;

// Shared by the engine and the processes that it handed out, which may outlive it: closed, it holds no file, connection or
// thread, and runs no operation any more.
class Context : public std::enable_shared_from_this<Context> {
public:
    static Result<std::shared_ptr<Context>> open(EngineOptions options);
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    // Of the host of this name, for registered ones as the store has it now. not_found "no_host"; a provider that cannot work
    // on this machine gives its reason.
    Task<std::shared_ptr<Provider>> provider(std::string host);

    [[nodiscard]] Timestamp now() const { return clock->now(); }
    [[nodiscard]] const std::string& engine_id() const { return lock->id(); }
    [[nodiscard]] boost::asio::any_io_executor executor() { return io.get_executor(); }

    // A store verb, on the store's threads.
    template <class Verb>
    auto in_store(Verb verb) {
        return async::blocking(store_pool, [this, verb = std::move(verb)](std::stop_token) mutable { return verb(*store); });
    }

    // Starts an operation that the closing of the engine cancels and waits for. Of a closed engine: conflict "engine_closed".
    template <class T>
    Operation<T> run(Task<T> task) {
        const auto key = enter();
        if (!key) return failed_operation<T>({ErrorClass::conflict, "engine_closed", "the engine was closed", "", "", {}});
        auto operation = start<T>(std::move(task), *key);
        try {
            set_cancel(*key, [operation]() mutable { operation.cancel(); });
        } catch (...) { // for lack of memory: nobody could cancel it
            operation.cancel();
            throw;
        }
        return operation;
    }

    // Cancels what runs, waits for it, and lets go of all that is outside of this process. Once.
    void close();

    void wake_builders();

    // Tells EngineOptions::log, from any thread; without a lock, as whoever listens is not known. Each event is in the table of
    // log.hpp.
    void log(LogLevel level, std::string_view event, std::string message, LogFields fields) const noexcept;

    EngineOptions options;
    std::shared_ptr<Clock> clock;
    std::shared_ptr<IdSource> ids;
    std::filesystem::path state_directory;
    std::unique_ptr<EngineLock> lock;
    std::unique_ptr<store::Store> store;
    std::string store_id;
    HostTable hosts;
    std::map<std::string, std::string> host_troubles; // the last error's code of each that could not be looked after; io thread
    ProgressBoard progress;

    // By session id, all under sessions_mutex: clients of running sessions, how many commands run there, and how many starts
    // and stops this engine is at.
    std::mutex sessions_mutex;
    std::map<std::string, std::shared_ptr<envd::Client>, std::less<>> clients;
    SessionCounts busy;
    SessionCounts starting, stopping;

    // The git of the running sessions that this engine looks after, by session id; io thread.
    std::map<std::string, std::shared_ptr<GitAccess>, std::less<>> git_access;

    boost::asio::io_context io{1};
    // Threads for blocking work: what providers do here; the store, which a lease or a call into a session must not wait
    // for; clones and trees of files, which take as long as the other side likes; and the credentials for the git of sessions.
    async::Pool pool, store_pool{2}, clone_pool{concurrent_builds}, tree_pool{4}, git_pool{2};
    boost::asio::steady_timer builders_wake{io}, housekeeping_wake{io},
        elsewhere_wake{io}; // only on the io thread; closing wakes all
    std::atomic<bool> closing = false;

private:
    explicit Context(EngineOptions o)
        : options(std::move(o)), clock(options.clock ? options.clock : std::make_shared<Clock>()),
          ids(options.ids ? options.ids : std::make_shared<IdSource>()), pool(options.workers) {}

    std::optional<std::uint64_t> enter() {
        std::lock_guard guard(operations_mutex_);
        if (closed_) return {};
        operations_.emplace(++last_operation_, nullptr);
        return last_operation_;
    }
    void set_cancel(std::uint64_t key, std::function<void()> cancel) {
        std::unique_lock guard(operations_mutex_);
        const auto found = operations_.find(key);
        if (found == operations_.end()) return; // it has ended already
        found->second = std::move(cancel);
        if (closing) {
            auto now = found->second;
            guard.unlock();
            now();
        }
    }
    void leave(std::uint64_t key) {
        std::function<void()> dropped; // holds the operation's state: freed without the lock
        std::lock_guard guard(operations_mutex_);
        const auto found = operations_.find(key);
        dropped = std::move(found->second);
        operations_.erase(found);
        operations_ended_.notify_all();
    }
    template <class T>
    Operation<T> start(Task<T> task, std::uint64_t key) {
        try {
            return async::spawn<T>(executor(), tracked<T>(std::move(task), key));
        } catch (...) { // for lack of memory: it has not begun
            leave(key);
            throw;
        }
    }
    template <class T>
    Task<T> tracked(Task<T> task, std::uint64_t key) {
        struct Leave {
            Context* context;
            std::uint64_t key;
            ~Leave() { context->leave(key); }
        } leave_at_end{this, key};
        auto result = co_await std::move(task);
        co_return result;
    }

    std::mutex operations_mutex_;
    std::condition_variable operations_ended_;
    bool closed_ = false; // and no operation is left
    std::uint64_t last_operation_ = 0;
    std::map<std::uint64_t, std::function<void()>> operations_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
    std::thread thread_;
};

// Counts a session in Context::busy, starting or stopping while it lives.
class SessionCount {
public:
    SessionCount(Context& context, SessionCounts Context::*counts, std::string session)
        : context_(context), counts_(context.*counts), session_(std::move(session)) {
        std::lock_guard guard(context_.sessions_mutex);
        first_ = ++counts_[session_] == 1;
    }
    ~SessionCount() {
        std::lock_guard guard(context_.sessions_mutex);
        const auto found = counts_.find(session_);
        if (--found->second == 0) counts_.erase(found);
    }
    SessionCount(const SessionCount&) = delete;
    SessionCount& operator=(const SessionCount&) = delete;
    [[nodiscard]] bool first() const noexcept { return first_; }

private:
    Context& context_;
    SessionCounts& counts_;
    std::string session_;
    bool first_;
};

} // namespace sandboxkit::engine
