// SPDX-License-Identifier: Apache-2.0
#include "guest/process_table.hpp"

#include "guest/terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace sandboxkit::guest {
namespace {

struct Pipe {
    FileDescriptor read, write;
};

// `parent_reads`: which end is this program's, and so must not block.
int make_pipe(Pipe& pipe, bool parent_reads, int descriptor_limit, const Identity& user) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
    pipe.read.reset(ends[0]);
    pipe.write.reset(ends[1]);
    if (std::max(ends[0], ends[1]) >= descriptor_limit) return EMFILE;
    const int own = parent_reads ? ends[0] : ends[1];
    if (::fcntl(own, F_SETFL, O_NONBLOCK) != 0) return errno;
    // So that the process can open /dev/stdout and the like, which opens the pipe anew.
    if (user.uid != ::geteuid() && ::fchown(ends[0], user.uid, user.gid) != 0) return errno;
    return 0;
}

// Both ends of what a process has as standard input, output and error.
struct Ends {
    Process::Pipes own;
    FileDescriptor input, output, error; // of the child; a terminal is all three, and stands in `input`
};

Answer<Ends> make_pipes(bool stdin_open, int descriptor_limit, const Identity& user) {
    Pipe input;
    Pipe output;
    Pipe error;
    int failure = 0;
    if (stdin_open) {
        failure = make_pipe(input, false, descriptor_limit, user);
    } else {
        input.read.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!input.read) failure = errno;
        // An image may lack /dev/null; a pipe that nobody writes to reads the same.
        if (failure == ENOENT) {
            failure = make_pipe(input, false, descriptor_limit, user);
            input.write.reset();
        }
    }
    if (failure == 0) failure = make_pipe(output, true, descriptor_limit, user);
    if (failure == 0) failure = make_pipe(error, true, descriptor_limit, user);
    if (failure == EMFILE || failure == ENFILE)
        return RpcError{Code::resource_exhausted, "cannot start another process: no file descriptors are left"};
    if (failure != 0) return system_error(failure, "cannot start the process");
    return Ends{{std::move(input.write), std::move(output.read), std::move(error.read)},
                std::move(input.read),
                std::move(output.write),
                std::move(error.write)};
}

Answer<Ends> make_terminal(const TerminalSize& size, int descriptor_limit, const Identity& user) {
    auto terminal = open_terminal(size, user, descriptor_limit);
    if (!terminal) return terminal.error();
    // Twice, since reading and writing end at different times.
    FileDescriptor input(::fcntl(terminal->own.get(), F_DUPFD_CLOEXEC, 3));
    if (!input || input.get() >= descriptor_limit)
        return RpcError{Code::resource_exhausted, "cannot start another process: no file descriptors are left"};
    return Ends{{std::move(input), std::move(terminal->own), {}}, std::move(terminal->childs), {}, {}};
}

RpcError unwatched() {
    return {Code::resource_exhausted, "cannot start another process: the kernel watches no more descriptors"};
}

} // namespace

ProcessTable::ProcessTable(boost::asio::any_io_executor executor, SpawnSettings settings, int descriptor_limit)
    : executor_(std::move(executor)), settings_(std::move(settings)), descriptor_limit_(descriptor_limit),
      space_(std::make_shared<SpoolSpace>(SpillFile({"/var/tmp", "/tmp", "/"}, slot_limit), memory_limit)),
      forgotten_(executor_, std::min(forgotten_limit, static_cast<std::size_t>(descriptor_limit) / 8)) {}

ProcessTable::~ProcessTable() {
    shut_down();
}

void ProcessTable::start(StartRequest config, SpawnRequest request, Started done) {
    const auto pid = launch(std::move(config), std::move(request));
    if (!pid) return done(pid.error());
    starting_.at(*pid).done = std::move(done);
    wait_for_report(*pid);
}

Answer<pid_t> ProcessTable::launch(StartRequest config, SpawnRequest request) {
    if (entries_.size() - ended_.size() + starting_.size() >= running_limit)
        return RpcError{Code::resource_exhausted,
                        "cannot start another process: " + std::to_string(running_limit) + " are running"};
    auto ends = config.terminal ? make_terminal(*config.terminal, descriptor_limit_, request.user)
                                : make_pipes(config.stdin_open, descriptor_limit_, request.user);
    if (!ends) return ends.error();
    request.terminal = config.terminal.has_value();
    request.standard_input = ends->input.get();
    request.standard_output = request.terminal ? ends->input.get() : ends->output.get();
    request.standard_error = request.terminal ? ends->input.get() : ends->error.get();
    auto spawned = spawn(request, settings_);
    if (!spawned) return spawned.error();
    const pid_t pid = spawned->pid;
    displace(pid);

    boost::asio::posix::stream_descriptor report(executor_);
    boost::system::error_code ec;
    report.assign(spawned->report.get(), ec);
    if (ec) {
        ::kill(pid, SIGKILL);
        return unwatched();
    }
    spawned->report.release();
    boost::asio::steady_timer limit(executor_, start_time);
    limit.async_wait([this, pid](const boost::system::error_code& cancelled) {
        if (cancelled) return;
        report_arrived(pid); // this program may have been held up itself
        if (!starting_.contains(pid)) return;
        ::kill(pid, SIGKILL);
        settle(pid, RpcError{Code::unavailable, "cannot start the process: it did not begin its program within " +
                                                    std::to_string(start_time.count()) +
                                                    " s; something in the sandbox stops it, or has a lease on the program"});
    });
    starting_.emplace(pid, Starting{std::move(config),
                                    std::move(ends->own),
                                    std::move(request.cwd),
                                    std::move(request.user.name),
                                    std::move(report),
                                    std::move(limit),
                                    {}});
    return pid;
}

void ProcessTable::wait_for_report(pid_t pid) {
    starting_.at(pid).report.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                        [this, pid](const boost::system::error_code& ec) {
                                            if (!ec) report_arrived(pid);
                                        });
}

void ProcessTable::report_arrived(pid_t pid) {
    const auto it = starting_.find(pid);
    if (it == starting_.end()) return;
    const auto begun = read_report(it->second.report.native_handle(), it->second.cwd, it->second.user);
    if (!begun) return settle(pid, begun.error());
    *begun ? settle(pid, {}) : wait_for_report(pid);
}

void ProcessTable::settle(pid_t pid, const Answer<void>& begun) {
    auto node = starting_.extract(pid);
    Starting& starting = node.mapped();
    if (!begun) return starting.done(begun.error());
    const auto process =
        std::make_shared<Process>(executor_, *this, space_, pid, std::move(starting.config), std::move(starting.pipes));
    if (!process->usable()) {
        ::kill(-pid, SIGKILL);
        return starting.done(unwatched());
    }
    const auto entry = entries_.emplace(pid, Entry{process, 0, nullptr}).first;
    if (!process->config().tag.empty()) tagged_.insert(tagged(entry->second));
    process->start_reading();
    starting.done(process);
}

std::shared_ptr<Process> ProcessTable::find(const Selector& selector) const {
    if (selector.pid) {
        const auto it = entries_.find(static_cast<pid_t>(*selector.pid));
        return it != entries_.end() ? it->second.process : nullptr;
    }
    const auto first = tagged_.lower_bound(Tagged{selector.tag, 0, 0});
    if (first == tagged_.end() || std::get<std::string_view>(*first) != selector.tag) return nullptr;
    return entries_.at(std::get<pid_t>(*first)).process;
}

ProcessTable::Tagged ProcessTable::tagged(const Entry& entry) {
    return {entry.process->config().tag, entry.ended_order == 0 ? 0 : UINT64_MAX - entry.ended_order, entry.process->pid()};
}

std::vector<std::shared_ptr<Process>> ProcessTable::running() const {
    std::vector<std::shared_ptr<Process>> list;
    for (const auto& [pid, entry] : entries_)
        if (entry.ended_order == 0) list.push_back(entry.process);
    return list;
}

void ProcessTable::child_exited(pid_t pid, int status) {
    if (const auto it = starting_.find(pid); it != starting_.end()) {
        // It has said what there was to say. Without a word it began, or was killed before, which is an end like others.
        const auto begun = read_report(it->second.report.native_handle(), it->second.cwd, it->second.user);
        settle(pid, begun ? Answer<void>() : begun.error());
    }
    const auto it = entries_.find(pid);
    if (it == entries_.end() || it->second.ended_order != 0) return;
    const auto process = it->second.process;
    process->leader_exited(status);
}

void ProcessTable::shut_down() {
    for (const auto& [pid, starting] : starting_) ::kill(pid, SIGKILL);
    starting_.clear();
    for (auto& [pid, entry] : entries_) {
        if (entry.ended_order == 0) ::kill(-pid, SIGKILL);
        entry.process->abandon();
    }
    tagged_.clear();
    entries_.clear();
    ended_.clear();
}

void ProcessTable::ended(Process& process) {
    const auto it = entries_.find(process.pid());
    if (it == entries_.end() || it->second.process.get() != &process) return;
    const bool has_tag = tagged_.erase(tagged(it->second)) != 0;
    it->second.ended_order = next_ended_++;
    if (has_tag) tagged_.insert(tagged(it->second));
    ended_.emplace(it->second.ended_order, process.pid());
    if (ended_.size() > ended_limit) erase(ended_.begin()->second);
}

void ProcessTable::collected(Process& process) {
    const auto it = entries_.find(process.pid());
    if (it == entries_.end() || it->second.process.get() != &process || it->second.removal) return;
    it->second.removal = std::make_unique<boost::asio::steady_timer>(executor_, ended_time);
    it->second.removal->async_wait(
        [this, pid = process.pid(), order = it->second.ended_order](const boost::system::error_code& ec) {
            if (ec) return;
            const auto entry = entries_.find(pid);
            if (entry != entries_.end() && entry->second.ended_order == order) erase(pid);
        });
}

void ProcessTable::forget(FileDescriptor pipe) {
    forgotten_.add(std::move(pipe));
}

// The kernel may give a number again when its process was waited for, though its output may still be open. Those who listen
// to that one have to hear its end.
void ProcessTable::displace(pid_t pid) {
    const auto it = entries_.find(pid);
    if (it == entries_.end()) return;
    const auto process = it->second.process;
    process->stop_waiting_for_pipes();
    erase(pid);
}

void ProcessTable::erase(pid_t pid) {
    const auto it = entries_.find(pid);
    if (it == entries_.end()) return;
    ended_.erase(it->second.ended_order);
    tagged_.erase(tagged(it->second));
    it->second.process->abandon();
    entries_.erase(it);
}

} // namespace sandboxkit::guest
