// SPDX-License-Identifier: Apache-2.0
#include "guest/connection.hpp"

#include "guest/messages.hpp"

#include <boost/asio/post.hpp>

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <exception>
#include <utility>

namespace sandboxkit::guest {
namespace {

using namespace std::chrono_literals;

constexpr auto header_time = 60s; // from the first byte of a head to its last
constexpr auto idle_time = 620s;  // between two requests
constexpr auto draining_time = 5s;
constexpr std::size_t draining_limit = 16 << 20;

std::string_view reason(unsigned status) {
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
    }
}

std::string_view date() {
    static std::time_t last = 0;
    static std::array<char, 32> text{};
    const std::time_t now = std::time(nullptr);
    if (now != last) {
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        last = now;
    }
    return text.data();
}

// One for all connections: they read in turns.
std::array<char, 64 << 10> scratch;

// What held the last answer: memory that is new for each piece of a stream costs more than the piece.
std::string spare;
constexpr std::size_t spare_limit = 512 << 10;

} // namespace

Connection::Connection(Socket socket, RequestHandler& handler, std::function<void(Connection&)> closed)
    : socket_(std::move(socket)), handler_(handler), closed_(std::move(closed)) {}

Connection::~Connection() = default;

void Connection::start() {
    boost::system::error_code ec;
    socket_.non_blocking(true, ec);
    if (ec) return close();
    deadline_ = Clock::now() + header_time;
    arm_read();
}

void Connection::close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    boost::system::error_code ignored;
    socket_.close(ignored);
    file_.reset();
    sink_.reset();
    out_.clear();
    out_sent_ = 0;
    if (const auto gone = std::exchange(gone_, nullptr)) gone();
    if (const auto source = std::move(source_)) source->abandoned();
    if (const auto closed = std::move(closed_)) closed(*this);
}

FileDescriptor Connection::release() {
    if (state_ != State::handling) return {};
    boost::system::error_code ec;
    FileDescriptor socket(socket_.release(ec));
    close();
    return socket;
}

void Connection::arm_read() {
    if (read_pending_) return;
    read_pending_ = true;
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const boost::system::error_code& ec) {
        self->read_pending_ = false;
        if (self->state_ == State::closed) return;
        if (ec) return self->close();
        self->on_readable();
    });
}

void Connection::on_readable() {
    const ssize_t n = ::recv(socket_.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return arm_read();
    if (n <= 0) return close();
    if (state_ == State::draining) {
        drained_ += static_cast<std::size_t>(n);
        return drained_ > draining_limit ? close() : arm_read();
    }
    if (reader_.idle()) deadline_ = Clock::now() + header_time;
    if (state_ == State::body) deadline_ = Clock::now() + sink_->patience();
    take(std::string_view(scratch.data(), static_cast<std::size_t>(n)));
}

void Connection::resume() {
    if (state_ != State::body || processing_) return;
    deadline_ = Clock::now() + sink_->patience();
    take({});
}

void Connection::take(std::string_view bytes) {
    // Without memory for one request the others are still served.
    try {
        reader_.feed(bytes);
        process();
    } catch (const std::exception&) {
        processing_ = false;
        close();
    }
}

void Connection::process() {
    if (processing_) return;
    processing_ = true;
    const auto self = shared_from_this();
    while (state_ == State::reading || state_ == State::body) {
        if (state_ == State::body && !sink_->ready()) {
            // It is not the peer that makes no progress.
            deadline_ = Clock::time_point::max();
            arm_hangup();
            break;
        }
        const auto event = reader_.next();
        if (event == RequestReader::Event::need_more) {
            arm_read();
            break;
        }
        if (event == RequestReader::Event::bad) {
            keep_alive_ = false;
            state_ = State::handling;
            respond({reader_.error_status(),
                     "application/json; charset=utf-8",
                     http_error_body(reader_.error_status(), reader_.error_message()),
                     {}});
            break;
        }
        if (event == RequestReader::Event::head) {
            const RequestHead& head = reader_.head();
            keep_alive_ = head.keep_alive;
            chunked_ = head.version >= 11;
            head_only_ = head.method == "HEAD";
            state_ = State::body;
            sink_ = handler_.begin(self, head);
            if (state_ == State::body) deadline_ = Clock::now() + sink_->patience();
            if (state_ == State::body && head.expects_continue && head.version >= 11) {
                out_ += "HTTP/1.1 100 Continue\r\n\r\n";
                flush();
            }
        } else if (event == RequestReader::Event::body) {
            sink_->data(reader_.body());
        } else {
            state_ = State::handling;
            const auto sink = std::move(sink_); // it may be needed until its end() returns
            sink->end();
            // A response that has to wait for something is not a peer that makes no progress.
            if (state_ == State::handling) {
                deadline_ = Clock::time_point::max();
                arm_hangup();
            }
        }
    }
    processing_ = false;
}

// While no request is read, the only news from the peer is that it is gone. A peer that merely
// has nothing more to say (a half-closed socket) still listens.
void Connection::arm_hangup() {
    if (std::exchange(awaiting_hangup_, true)) return;
    socket_.async_wait(Socket::wait_error,
                       [self = shared_from_this(), exchange = exchange_](const boost::system::error_code& ec) {
                           if (ec || self->exchange_ != exchange) return;
                           self->awaiting_hangup_ = false;
                           const bool held_up = self->state_ == State::body && !self->sink_->ready();
                           if (!held_up && self->state_ != State::handling && self->state_ != State::streaming) return;
                           pollfd hangup{self->socket_.native_handle(), 0, 0};
                           ::poll(&hangup, 1, 0);
                           if ((hangup.revents & (POLLHUP | POLLERR)) != 0) self->close();
                       });
}

void Connection::begin_response(const Response& response, std::string_view framing) {
    // A body that was not read to its end cannot be followed by a request.
    if (state_ == State::body) keep_alive_ = false;
    out_ += "HTTP/1.1 ";
    out_ += std::to_string(response.status);
    out_ += ' ';
    out_ += reason(response.status);
    out_ += "\r\n";
    if (!response.content_type.empty()) {
        out_ += "Content-Type: ";
        out_ += response.content_type;
        out_ += "\r\n";
    }
    out_ += response.fields;
    out_ += "Date: ";
    out_ += date();
    out_ += "\r\n";
    out_ += framing;
    if (!keep_alive_)
        out_ += "Connection: close\r\n";
    else if (!chunked_)
        out_ += "Connection: keep-alive\r\n"; // HTTP/1.0 has to be told
    out_ += "\r\n";
    deadline_ = Clock::now() + idle_time;
}

void Connection::respond(Response response) {
    if (state_ == State::closed) return;
    const bool bodyless = response.status == 204 || response.status == 304;
    begin_response(response, bodyless ? std::string() : "Content-Length: " + std::to_string(response.body.size()) + "\r\n");
    if (!head_only_) {
        // In place: a listing has tens of megabytes.
        response.body.insert(0, out_);
        out_ = std::move(response.body);
    }
    state_ = State::writing;
    flush();
}

void Connection::respond_file(Response response, FileDescriptor file, std::uint64_t offset, std::uint64_t length) {
    if (state_ == State::closed) return;
    begin_response(response, "Content-Length: " + std::to_string(length) + "\r\n");
    file_ = std::move(file);
    file_offset_ = offset;
    file_left_ = head_only_ ? 0 : length;
    state_ = State::writing;
    flush();
}

void Connection::respond_stream(std::string_view content_type, std::string fields, std::shared_ptr<StreamSource> source) {
    if (state_ == State::closed) return source->abandoned();
    if (!chunked_) keep_alive_ = false; // HTTP/1.0: the end is the end of the connection
    begin_response({200, content_type, {}, std::move(fields)}, chunked_ ? "Transfer-Encoding: chunked\r\n" : "");
    source_ = std::move(source);
    source_finished_ = false;
    state_ = State::streaming;
    deadline_ = Clock::time_point::max(); // back-pressure is for the source to bound
    arm_hangup();
    wake();
}

void Connection::wake() {
    if (wake_pending_ || write_pending_ || state_ != State::streaming) return;
    wake_pending_ = true;
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->wake_pending_ = false;
        self->flush();
    });
}

// True when all of out_ was taken.
bool Connection::send_out() {
    while (out_sent_ < out_.size()) {
        const ssize_t n =
            ::send(socket_.native_handle(), out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return wait_writable(), false;
        if (n < 0) return close(), false;
        out_sent_ += static_cast<std::size_t>(n);
        if (deadline_ != Clock::time_point::max()) deadline_ = Clock::now() + idle_time;
    }
    out_sent_ = 0;
    out_.clear();
    return true;
}

// True when all of the file was taken.
bool Connection::send_file() {
    for (int turns = 0; file_left_ > 0; ++turns) {
        if (turns == 16) return wait_writable(), false; // others want to be served, too
        auto offset = static_cast<off_t>(file_offset_);
        const ssize_t n = ::sendfile(socket_.native_handle(), file_.get(), &offset,
                                     static_cast<std::size_t>(std::min<std::uint64_t>(file_left_, 256 << 10)));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return wait_writable(), false;
        // It became shorter, or cannot be read: the missing bytes tell the peer.
        if (n <= 0) return close(), false;
        file_offset_ += static_cast<std::uint64_t>(n);
        file_left_ -= static_cast<std::uint64_t>(n);
        deadline_ = Clock::now() + idle_time;
    }
    return true;
}

void Connection::wait_writable() {
    if (write_pending_) return;
    write_pending_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const boost::system::error_code& ec) {
        self->write_pending_ = false;
        if (ec) return self->close();
        self->flush();
    });
}

void Connection::flush() {
    if (flushing_ || write_pending_ || state_ == State::closed) return;
    flushing_ = true;
    const auto self = shared_from_this();
    if (out_.empty() && state_ == State::streaming) std::swap(out_, spare);
    for (int turns = 0;; ++turns) {
        if (!send_out()) break;
        if (state_ == State::writing) {
            if (!send_file()) break;
            file_.reset();
            finish_exchange();
            break;
        }
        if (state_ != State::streaming) break;
        if (source_finished_) {
            const auto source = std::move(source_);
            source->delivered();
            finish_exchange();
            break;
        }
        if (turns == 8) { // others want to be served, too
            wait_writable();
            break;
        }
        // The size of the chunk is known when it is there: its place is kept, leading zeros are allowed.
        constexpr std::size_t size_line = 10;
        if (chunked_) out_.append(size_line, '0');
        const std::size_t begin = out_.size();
        source_finished_ = source_->pull(out_);
        if (chunked_ && out_.size() == begin) {
            out_.resize(begin - size_line);
        } else if (chunked_) {
            std::array<char, size_line + 1> line{};
            std::snprintf(line.data(), line.size(), "%08x\r\n", static_cast<unsigned>(out_.size() - begin));
            out_.replace(begin - size_line, size_line, line.data(), size_line);
            out_ += "\r\n";
        }
        if (source_finished_ && chunked_) out_ += "0\r\n\r\n";
        if (out_.empty() && !source_finished_) break;
    }
    if (out_.empty() && out_.capacity() > 4096) { // many connections are idle at once
        if (out_.capacity() <= spare_limit) std::swap(out_, spare);
        std::string().swap(out_);
    }
    flushing_ = false;
}

void Connection::finish_exchange() {
    ++exchange_;
    sink_.reset();
    gone_ = nullptr;
    if (!keep_alive_) return begin_draining();
    state_ = State::reading;
    deadline_ = Clock::now() + (reader_.idle() ? idle_time : header_time);
    if (std::exchange(awaiting_hangup_, false)) {
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    }
    // Within process() its loop goes on; elsewhere this may be deep in what completed the response.
    if (!processing_) boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->process(); });
}

// To close a socket with unread bytes in it would destroy the response on its way.
void Connection::begin_draining() {
    state_ = State::draining;
    deadline_ = Clock::now() + draining_time;
    ::shutdown(socket_.native_handle(), SHUT_WR);
    arm_read();
}

} // namespace sandboxkit::guest
