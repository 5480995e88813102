// SPDX-License-Identifier: Apache-2.0
// All processes that clients started: those that run, and for a while those that ended.
#pragma once

#include "guest/forgotten_pipes.hpp"
#include "guest/process.hpp"
#include "guest/spawn.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace sandboxkit::guest {

class ProcessTable : public Process::Owner {
public:
    static constexpr std::size_t running_limit = 4096;
    static constexpr std::chrono::seconds start_time{2}; // until its program has begun
    static constexpr std::size_t ended_limit = 1000;
    static constexpr std::size_t memory_limit = 16 << 20; // bytes of the output of all processes
    static constexpr std::size_t slot_limit = 16384;      // of what is on disk of it: 512 MiB
    static constexpr std::chrono::seconds ended_time{30}; // after somebody was told
    static constexpr std::size_t forgotten_limit = 1024;  // pipes of processes that ended, and an eighth of the descriptors

    // `descriptor_limit`: no process is started when its pipes would get numbers from there on, so that connections and files
    // have some left.
    ProcessTable(boost::asio::any_io_executor executor, SpawnSettings settings, int descriptor_limit);
    ~ProcessTable() override;

    // Starts and enters it, and then calls `done`, which may be at once. `request.standard_*` are filled in here.
    using Started = std::function<void(Answer<std::shared_ptr<Process>>)>;
    void start(StartRequest config, SpawnRequest request, Started done);

    // By tag: one that runs before one that ended, and that which ended last.
    [[nodiscard]] std::shared_ptr<Process> find(const Selector& selector) const;
    [[nodiscard]] std::vector<std::shared_ptr<Process>> running() const; // by pid
    [[nodiscard]] const SpawnSettings& spawn_settings() const { return settings_; }

    // Some child of this program was waited for; it may be an orphan that nobody here started.
    void child_exited(pid_t pid, int status);
    // Kills every process group and forgets everything.
    void shut_down();

private:
    struct Entry {
        std::shared_ptr<Process> process;
        std::uint64_t ended_order = 0; // 0: it runs
        std::unique_ptr<boost::asio::steady_timer> removal;
    };

    // Its tag, 0 while it runs and then the less the later it ended, and its pid.
    using Tagged = std::tuple<std::string_view, std::uint64_t, pid_t>;
    [[nodiscard]] static Tagged tagged(const Entry& entry);

    // A child that has not begun its program yet.
    struct Starting {
        StartRequest config;
        Process::Pipes pipes;
        std::string cwd, user;
        boost::asio::posix::stream_descriptor report;
        boost::asio::steady_timer limit;
        Started done;
    };

    Answer<pid_t> launch(StartRequest config, SpawnRequest request);
    void wait_for_report(pid_t pid);
    void report_arrived(pid_t pid);
    // Its program has begun; or, with an error, it will not.
    void settle(pid_t pid, const Answer<void>& begun);

    void ended(Process& process) override;
    void collected(Process& process) override;
    void forget(FileDescriptor pipe) override;
    void displace(pid_t pid);
    void erase(pid_t pid);

    boost::asio::any_io_executor executor_;
    SpawnSettings settings_;
    int descriptor_limit_;
    std::map<pid_t, Starting> starting_;
    std::map<pid_t, Entry> entries_;
    std::set<Tagged> tagged_;
    std::map<std::uint64_t, pid_t> ended_; // oldest first
    std::uint64_t next_ended_ = 1;
    std::shared_ptr<SpoolSpace> space_;
    ForgottenPipes forgotten_;
};

} // namespace sandboxkit::guest
