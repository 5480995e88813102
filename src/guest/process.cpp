// SPDX-License-Identifier: Apache-2.0
#include "guest/process.hpp"

#include "guest/terminal.hpp"

#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace sandboxkit::guest {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t backlog_limit = 256 << 10; // of the listener that has taken most, before the process has to wait
constexpr std::size_t pending_input_limit = 8 << 20;
// How long a pipe that some descendant holds open can delay the end (as os/exec's WaitDelay of Go).
constexpr auto pipe_wait_time = 1s;

std::array<char, 64 << 10> scratch; // all processes read in turns

bool adopt(boost::asio::posix::stream_descriptor& descriptor, FileDescriptor& fd) {
    boost::system::error_code ec;
    descriptor.assign(fd.get(), ec);
    if (!ec) fd.release();
    return !ec;
}

} // namespace

Process::Process(const boost::asio::any_io_executor& executor, Owner& owner, std::shared_ptr<SpoolSpace> space, pid_t pid,
                 StartRequest config, Pipes pipes)
    : owner_(owner), pid_(pid), config_(std::move(config)),
      input_(executor), sources_{Source{boost::asio::posix::stream_descriptor(executor),
                                        config_.terminal ? Stream::terminal : Stream::standard_output},
                                 Source{boost::asio::posix::stream_descriptor(executor), Stream::standard_error}},
      output_(std::move(space), {}), time_limit_(executor), pipe_wait_(executor) {
    usable_ = (!pipes.input || adopt(input_, pipes.input)) && adopt(sources_[0].pipe, pipes.output) &&
              (!pipes.error || adopt(sources_[1].pipe, pipes.error));
}

Process::~Process() = default;

void Process::start_reading() {
    arm();
}

void Process::limit_time(std::chrono::milliseconds time) {
    time_limit_.expires_after(time);
    time_limit_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (ec || !self || self->ended()) return;
        // What the leader left behind has to go in time, too; but then the leader's own end was in time.
        self->timed_out_ = !self->leader_;
        ::kill(-self->pid_, SIGKILL);
        if (!self->timed_out_) return;
        for (Listener* listener : std::vector(self->listeners_)) listener->on_timeout();
    });
}

// The process waits for the fastest of its listeners; the others find the rest in the spool. With none the spool forgets.
bool Process::may_read() const {
    std::uint64_t taken = listeners_.empty() ? output_.last() : 0;
    for (const Listener* listener : listeners_) taken = std::max(taken, listener->position());
    return output_.last() - taken < backlog_limit;
}

void Process::arm() {
    for (Source& source : sources_) arm(source);
}

void Process::arm(Source& source) {
    if (source.waiting || !source.pipe.is_open() || !may_read()) return;
    source.waiting = true;
    source.pipe.async_wait(boost::asio::posix::descriptor_base::wait_read,
                           [self = shared_from_this(), &source](const boost::system::error_code& ec) {
                               source.waiting = false;
                               if (!ec) self->on_readable(source);
                           });
}

void Process::on_readable(Source& source) {
    const std::uint64_t before = output_.last();
    for (int turns = 0; turns < 4 && source.pipe.is_open() && may_read(); ++turns)
        if (!read_piece(source, scratch.size())) break;
    if (output_.last() != before) tell_news();
    arm(source);
    end_if_done();
}

bool Process::read_piece(Source& source, std::size_t limit) {
    const ssize_t n = ::read(source.pipe.native_handle(), scratch.data(), limit);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        boost::system::error_code ignored;
        source.pipe.close(ignored);
        return false;
    }
    output_.append(source.stream, std::string_view(scratch.data(), static_cast<std::size_t>(n)));
    // Less than asked for: the pipe is empty, or it is quicker to be told again than to ask again. A terminal gives at most
    // 4 KiB at once, whatever it has.
    return source.stream == Stream::terminal || static_cast<std::size_t>(n) == limit;
}

void Process::tell_news() {
    for (Listener* listener : std::vector(listeners_)) listener->on_news();
}

void Process::leader_exited(int status) {
    if (leader_) return; // an orphan that got its number
    ExitStatus result;
    if (WIFSIGNALED(status)) {
        result.signal = WTERMSIG(status);
        result.core_dumped = WCOREDUMP(status);
    } else {
        result.exit_code = WEXITSTATUS(status);
    }
    result.timed_out = timed_out_;
    leader_ = result;
    fail_input(input_error("the process has ended"));
    // What it wrote is in the pipes already: no need to wait for the loop to say so.
    for (Source& source : sources_)
        if (source.pipe.is_open()) on_readable(source);
    end_if_done();
    if (ended()) return;
    pipe_wait_.expires_after(pipe_wait_time);
    pipe_wait_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!ec && self && !self->ended()) self->stop_waiting_for_pipes();
    });
}

// Takes what is in the pipes now, however slow the listener: that is bounded by their size. What comes later is nobody's.
void Process::stop_waiting_for_pipes() {
    const auto self = shared_from_this();
    for (Source& source : sources_) {
        if (!source.pipe.is_open()) continue;
        int available = 0;
        if (::ioctl(source.pipe.native_handle(), FIONREAD, &available) != 0) available = 0;
        while (available > 0 && source.pipe.is_open()) {
            const std::size_t piece = std::min(static_cast<std::size_t>(available), scratch.size());
            if (!read_piece(source, piece)) break;
            available -= static_cast<int>(piece);
        }
        if (!source.pipe.is_open()) continue;
        boost::system::error_code ignored;
        // A terminal hangs up for those who still have it; a pipe must not break for them.
        if (source.stream == Stream::terminal)
            source.pipe.close(ignored);
        else
            owner_.forget(FileDescriptor(source.pipe.release()));
    }
    end_if_done();
}

void Process::end_if_done() {
    if (result_ || !leader_ || abandoned_ || sources_[0].pipe.is_open() || sources_[1].pipe.is_open()) return;
    const auto self = shared_from_this();
    result_ = leader_;
    config_.args.clear();
    config_.envs.clear(); // what is listed is what runs
    time_limit_.cancel();
    pipe_wait_.cancel();
    tell_news();
    owner_.ended(*this);
}

Answer<void> Process::signal(int number) {
    if (::kill(-pid_, number) == 0) return {};
    if (errno == ESRCH) return RpcError{Code::not_found, "process with pid " + std::to_string(pid_) + " not found"};
    return system_error(errno, "error sending signal");
}

RpcError Process::input_error(std::string_view why, Code code) const {
    return {code, std::string(config_.terminal ? "error writing to tty: " : "error writing to stdin: ") + std::string(why)};
}

void Process::write_input(ProcessInput input, std::function<void(Answer<void>)> done) {
    if (input.to_terminal && !config_.terminal)
        return done(
            RpcError{Code::internal,
                     "error writing to tty: tty not assigned to process — input should be written to the stdin, not the tty"});
    if (!input.to_terminal && config_.terminal)
        return done(
            RpcError{Code::internal,
                     "error writing to stdin: tty assigned to process — input should be written to the pty, not the stdin"});
    if (!input_.is_open() || close_input_after_)
        return done(input_error(config_.terminal ? "the terminal is closed" : "stdin not enabled or closed"));
    if (pending_input_size_ + input.bytes.size() > pending_input_limit)
        return done(input_error("the process has not read " + std::to_string(pending_input_size_) + " bytes yet",
                                Code::resource_exhausted));
    pending_input_size_ += input.bytes.size();
    pending_input_.push_back(Input{std::move(input.bytes), 0, std::move(done)});
    if (!input_waiting_) write_pending_input();
}

Answer<void> Process::close_input() {
    if (config_.terminal)
        return RpcError{Code::unknown, "error closing stdin: cannot close stdin for PTY process — send Ctrl+D (0x04) instead"};
    close_input_after_ = true;
    if (pending_input_.empty()) close_written_input();
    return {};
}

void Process::close_written_input() {
    boost::system::error_code ignored;
    if (input_.is_open()) input_.close(ignored);
}

Answer<void> Process::resize(const TerminalSize& size) {
    if (!config_.terminal) return RpcError{Code::invalid_argument, "error resizing tty: tty not assigned to process"};
    if (!sources_[0].pipe.is_open()) return RpcError{Code::internal, "error resizing tty: the terminal is closed"};
    return resize_terminal(sources_[0].pipe.native_handle(), size);
}

void Process::write_pending_input() {
    const auto self = shared_from_this();
    while (!pending_input_.empty()) {
        Input& front = pending_input_.front();
        const ssize_t n =
            front.written == front.bytes.size()
                ? 0
                : ::write(input_.native_handle(), front.bytes.data() + front.written, front.bytes.size() - front.written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            input_waiting_ = true;
            input_.async_wait(boost::asio::posix::descriptor_base::wait_write, [self](const boost::system::error_code& ec) {
                self->input_waiting_ = false;
                if (!ec) self->write_pending_input();
            });
            return;
        }
        if (n < 0) return fail_input(input_error(describe(errno)));
        front.written += static_cast<std::size_t>(n);
        if (front.written < front.bytes.size()) continue;
        pending_input_size_ -= front.bytes.size();
        const auto done = std::move(front.done);
        pending_input_.pop_front();
        done({});
    }
    if (close_input_after_) close_written_input();
}

void Process::fail_input(const RpcError& error) {
    close_written_input();
    const auto failed = std::move(pending_input_);
    pending_input_.clear();
    pending_input_size_ = 0;
    for (const Input& input : failed) input.done(error);
}

void Process::attach(Listener& listener) {
    listeners_.push_back(&listener);
    need_untaken();
    arm();
}

void Process::detach(Listener& listener) {
    std::erase(listeners_, &listener);
    need_untaken();
    arm();
}

void Process::mark_told(std::uint64_t position) {
    told_ = std::max(told_, position);
    need_untaken();
    arm();
}

void Process::need_untaken() {
    std::uint64_t first = told_;
    for (const Listener* listener : listeners_) first = std::min(first, listener->position());
    output_.need_from(first);
}

void Process::mark_collected() {
    owner_.collected(*this);
}

void Process::abandon() {
    abandoned_ = true;
    boost::system::error_code ignored;
    for (Source& source : sources_)
        if (source.pipe.is_open()) source.pipe.close(ignored);
    fail_input(input_error("the process was given up"));
    time_limit_.cancel();
    pipe_wait_.cancel();
}

} // namespace sandboxkit::guest
