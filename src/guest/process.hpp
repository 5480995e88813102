// SPDX-License-Identifier: Apache-2.0
// One process that a client started: its pipes or its terminal, what it has said, who listens, and how it ended.
#pragma once

#include "guest/file_descriptor.hpp"
#include "guest/messages.hpp"
#include "guest/rpc_error.hpp"
#include "guest/spool.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::guest {

// Someone who is told what a process does, from when it was attached, and takes the output at its own pace.
class Listener {
public:
    virtual ~Listener() = default;
    virtual void on_news() = 0;    // there is more output, or result() is set
    virtual void on_timeout() = 0; // the time limit has just killed the process
    // Where in the output that begins which it has not taken.
    [[nodiscard]] virtual std::uint64_t position() const = 0;
};

class Process : public std::enable_shared_from_this<Process> {
public:
    // Told about changes that concern more than one process.
    class Owner {
    public:
        virtual ~Owner() = default;
        virtual void ended(Process& process) = 0;
        virtual void collected(Process& process) = 0;
        // Takes the read end of a pipe that is of no interest any more and that somebody can still write to.
        virtual void forget(FileDescriptor pipe) = 0;
    };

    // The parent's ends of its pipes; standard input may be absent. Of a terminal: twice the same, and no error.
    struct Pipes {
        FileDescriptor input, output, error;
    };

    Process(const boost::asio::any_io_executor& executor, Owner& owner, std::shared_ptr<SpoolSpace> space, pid_t pid,
            StartRequest config, Pipes pipes);
    ~Process();

    // False: the event loop could not take the pipes, and the process cannot be served.
    [[nodiscard]] bool usable() const { return usable_; }
    void start_reading();
    void limit_time(std::chrono::milliseconds time);

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const StartRequest& config() const { return config_; }
    [[nodiscard]] bool ended() const { return result_.has_value(); }
    [[nodiscard]] const ExitStatus& result() const { return *result_; }
    [[nodiscard]] bool timed_out() const { return timed_out_; }

    // The leader has been waited for; `status` is of waitpid(2).
    void leader_exited(int status);
    // After that: it ends now, with what its pipes hold.
    void stop_waiting_for_pipes();
    // To the whole process group.
    Answer<void> signal(int number);

    // `done` is called when the pipe or terminal has taken all of it, or cannot any more; that may be at once.
    void write_input(ProcessInput input, std::function<void(Answer<void>)> done);
    Answer<void> close_input(); // after what is still to be written
    Answer<void> resize(const TerminalSize& size);

    [[nodiscard]] Spool& output() { return output_; }
    // Up to there somebody has taken the output.
    [[nodiscard]] std::uint64_t told() const { return told_; }
    // The listener stays valid until detach().
    void attach(Listener& listener);
    void detach(Listener& listener);
    // Somebody has taken the output up to there.
    void mark_told(std::uint64_t position);
    // A listener has told the end to its client.
    void mark_collected();

    // Closes everything; no end is reported.
    void abandon();

private:
    struct Input {
        std::string bytes;
        std::size_t written = 0;
        std::function<void(Answer<void>)> done;
    };
    struct Source {
        boost::asio::posix::stream_descriptor pipe;
        Stream stream;
        bool waiting = false;
    };

    void arm();
    void arm(Source& source);
    void on_readable(Source& source);
    bool read_piece(Source& source, std::size_t limit); // false: nothing more now
    void tell_news();
    void need_untaken();
    [[nodiscard]] bool may_read() const;
    void end_if_done();
    void write_pending_input();
    [[nodiscard]] RpcError input_error(std::string_view why, Code code = Code::internal) const;
    void close_written_input();
    void fail_input(const RpcError& error);

    Owner& owner_;
    pid_t pid_;
    StartRequest config_;
    boost::asio::posix::stream_descriptor input_;
    std::deque<Input> pending_input_;
    std::size_t pending_input_size_ = 0;
    bool input_waiting_ = false, close_input_after_ = false;
    std::array<Source, 2> sources_;
    Spool output_;
    std::vector<Listener*> listeners_;
    std::uint64_t told_ = 0;
    std::optional<ExitStatus> leader_, result_;
    bool usable_ = false, timed_out_ = false, abandoned_ = false;
    boost::asio::steady_timer time_limit_, pipe_wait_;
};

} // namespace sandboxkit::guest
