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

constexpr std::size_t piece_size = 32 << 10;
constexpr std::size_t terminal_piece_size = 16 << 10;
constexpr std::size_t backlog_limit = 256 << 10; // of the only listener, before the process has to wait
constexpr std::size_t pending_input_limit = 8 << 20;
// How long a pipe that some descendant holds open can delay the end (as os/exec's WaitDelay of Go).
constexpr auto pipe_wait_time = 1s;

std::array<char, piece_size> scratch; // all processes read in turns

// The largest chunk that clients are sent.
std::size_t piece_of(Stream stream) {
    return stream == Stream::terminal ? terminal_piece_size : piece_size;
}

bool adopt(boost::asio::posix::stream_descriptor& descriptor, FileDescriptor& fd) {
    boost::system::error_code ec;
    descriptor.assign(fd.get(), ec);
    if (!ec) fd.release();
    return !ec;
}

} // namespace

void ChunkQueue::push(Chunk chunk) {
    if (!chunks_.empty()) {
        Chunk& last = chunks_.back();
        if (last.stream == chunk.stream && last.bytes.use_count() == 1 &&
            last.bytes->size() + chunk.bytes->size() <= piece_of(chunk.stream)) {
            last.bytes->append(*chunk.bytes);
            cost_ += chunk.bytes->size();
            return;
        }
    }
    cost_ += chunk.cost();
    chunks_.push_back(std::move(chunk));
}

Chunk ChunkQueue::pop() {
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    cost_ -= chunk.cost();
    return chunk;
}

void ChunkQueue::put_back(ChunkQueue front) {
    cost_ += front.cost_;
    std::move(chunks_.begin(), chunks_.end(), std::back_inserter(front.chunks_));
    chunks_ = std::move(front.chunks_);
}

void ChunkQueue::clear() {
    std::deque<Chunk>().swap(chunks_);
    cost_ = 0;
}

Process::Process(const boost::asio::any_io_executor& executor, Owner& owner, pid_t pid, StartRequest config, Pipes pipes)
    : owner_(owner), pid_(pid), config_(std::move(config)),
      input_(executor), outputs_{Output{boost::asio::posix::stream_descriptor(executor),
                                        config_.terminal ? Stream::terminal : Stream::standard_output},
                                 Output{boost::asio::posix::stream_descriptor(executor), Stream::standard_error}},
      time_limit_(executor), pipe_wait_(executor) {
    usable_ = (!pipes.input || adopt(input_, pipes.input)) && adopt(outputs_[0].pipe, pipes.output) &&
              (!pipes.error || adopt(outputs_[1].pipe, pipes.error));
}

Process::~Process() = default;

void Process::start_reading() {
    for (Output& output : outputs_) arm(output);
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

// With one listener the process waits for it; among several a slow one is dropped by itself; with none the spool forgets.
bool Process::may_read() const {
    return listeners_.size() != 1 || listeners_.front()->backlog() < backlog_limit;
}

void Process::arm(Output& output) {
    if (output.waiting || !output.pipe.is_open() || !may_read()) return;
    output.waiting = true;
    output.pipe.async_wait(boost::asio::posix::descriptor_base::wait_read,
                           [self = shared_from_this(), &output](const boost::system::error_code& ec) {
                               output.waiting = false;
                               if (!ec) self->on_readable(output);
                           });
}

void Process::on_readable(Output& output) {
    for (int turns = 0; turns < 4 && output.pipe.is_open() && may_read(); ++turns)
        if (!read_piece(output, piece_of(output.stream))) break;
    arm(output);
    end_if_done();
}

bool Process::read_piece(Output& output, std::size_t limit) {
    const ssize_t n = ::read(output.pipe.native_handle(), scratch.data(), limit);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        boost::system::error_code ignored;
        output.pipe.close(ignored);
        return false;
    }
    deliver(Chunk{output.stream, std::make_shared<std::string>(scratch.data(), static_cast<std::size_t>(n))});
    // Less than asked for: the pipe is empty, or it is quicker to be told again than to ask again. A terminal gives at most
    // 4 KiB at once, whatever it has.
    return output.stream == Stream::terminal || static_cast<std::size_t>(n) == limit;
}

template <class Change>
void Process::change_spool(Change change) {
    const std::size_t before = spool_.cost();
    change();
    owner_.spool_changed(*this, before, spool_.cost());
}

void Process::deliver(Chunk chunk) {
    if (listeners_.empty()) {
        change_spool([&] { spool_.push(std::move(chunk)); });
        return;
    }
    for (Listener* listener : std::vector(listeners_)) listener->on_output(chunk);
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
    for (Output& output : outputs_)
        if (output.pipe.is_open()) on_readable(output);
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
    for (Output& output : outputs_) {
        if (!output.pipe.is_open()) continue;
        int available = 0;
        if (::ioctl(output.pipe.native_handle(), FIONREAD, &available) != 0) available = 0;
        while (available > 0 && output.pipe.is_open()) {
            const std::size_t piece = std::min<std::size_t>(static_cast<std::size_t>(available), piece_of(output.stream));
            if (!read_piece(output, piece)) break;
            available -= static_cast<int>(piece);
        }
        if (!output.pipe.is_open()) continue;
        boost::system::error_code ignored;
        // A terminal hangs up for those who still have it; a pipe must not break for them.
        if (output.stream == Stream::terminal)
            output.pipe.close(ignored);
        else
            owner_.forget(FileDescriptor(output.pipe.release()));
    }
    end_if_done();
}

void Process::end_if_done() {
    if (result_ || !leader_ || abandoned_ || outputs_[0].pipe.is_open() || outputs_[1].pipe.is_open()) return;
    const auto self = shared_from_this();
    result_ = leader_;
    config_.args.clear();
    config_.envs.clear(); // what is listed is what runs
    time_limit_.cancel();
    pipe_wait_.cancel();
    for (Listener* listener : std::vector(listeners_)) listener->on_end();
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
    if (!outputs_[0].pipe.is_open()) return RpcError{Code::internal, "error resizing tty: the terminal is closed"};
    return resize_terminal(outputs_[0].pipe.native_handle(), size);
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

ChunkQueue Process::attach(Listener& listener) {
    listeners_.push_back(&listener);
    ChunkQueue kept;
    change_spool([&] { std::swap(kept, spool_); });
    listener_caught_up();
    return kept;
}

void Process::detach(Listener& listener, ChunkQueue unsent) {
    std::erase(listeners_, &listener);
    // Nobody asks any more for what a process that was given up has said, and nothing counts it.
    if (listeners_.empty() && !abandoned_ && !unsent.empty()) {
        change_spool([&] { spool_.put_back(std::move(unsent)); });
    }
    listener_caught_up();
}

void Process::mark_collected() {
    owner_.collected(*this);
}

void Process::listener_caught_up() {
    for (Output& output : outputs_) arm(output);
}

void Process::drop_oldest_output() {
    if (!spool_.empty()) change_spool([&] { spool_.pop(); });
}

void Process::abandon() {
    abandoned_ = true;
    boost::system::error_code ignored;
    for (Output& output : outputs_)
        if (output.pipe.is_open()) output.pipe.close(ignored);
    fail_input(input_error("the process was given up"));
    time_limit_.cancel();
    pipe_wait_.cancel();
}

} // namespace sandboxkit::guest
