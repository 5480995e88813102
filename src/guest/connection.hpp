// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 connection: requests in, one after the other; responses out, whole, from a file, or as a stream.
// The program has one thread; nothing here is called from another.
#pragma once

#include "guest/file_descriptor.hpp"
#include "guest/request_reader.hpp"
#include "guest/rpc_error.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit::guest {

class Connection;

// Takes the body of one request. end() leads to a response, now or later.
class BodySink {
public:
    virtual ~BodySink() = default;
    virtual void data(std::string_view piece) = 0;
    virtual void end() = 0;
    // False: nothing more of the body is read, until Connection::resume().
    [[nodiscard]] virtual bool ready() const { return true; }
    // How long the peer may take between two pieces.
    [[nodiscard]] virtual std::chrono::seconds patience() const { return std::chrono::seconds(60); }
};

class RequestHandler {
public:
    virtual ~RequestHandler() = default;
    // A head has arrived. Returns what takes the body, or, having responded already, null: then the connection closes
    // after the response and the body is not read.
    virtual std::unique_ptr<BodySink> begin(const std::shared_ptr<Connection>& connection, const RequestHead& head) = 0;
};

// Produces a response while it is sent: asked for more only when the socket has taken what there was.
class StreamSource {
public:
    virtual ~StreamSource() = default;
    // Appends what there is, about 128 KiB at most; true when nothing will follow.
    virtual bool pull(std::string& out) = 0;
    // The kernel has all of it.
    virtual void delivered() = 0;
    // The peer went away before that.
    virtual void abandoned() = 0;
};

struct Response {
    unsigned status = 200;
    std::string_view content_type; // a constant; empty: none
    std::string body;
    std::string fields; // more of them, each "Name: value\r\n"
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    using Clock = std::chrono::steady_clock;
    using Socket = boost::asio::local::stream_protocol::socket;

    // `closed` is called once, from the event loop.
    Connection(Socket socket, RequestHandler& handler, std::function<void(Connection&)> closed);
    ~Connection();

    void start();
    void close();

    // Exactly one of these for each request, in or after the sink's end().
    void respond(Response response);
    void respond_file(Response response, FileDescriptor file, std::uint64_t offset, std::uint64_t length);
    void respond_stream(std::string_view content_type, std::string fields, std::shared_ptr<StreamSource> source);
    // Or this, in the sink's end(): the connection ends here and its socket, non-blocking, is for one who speaks something else
    // on it. Invalid when the peer is gone. What the peer sent beyond its request is lost.
    [[nodiscard]] FileDescriptor release();

    // The sink is ready again.
    void resume();
    // For a response that takes long to make: `gone` is called when the connection closes before it is complete.
    void when_closed(std::function<void()> gone) { gone_ = std::move(gone); }
    // The source has more. Cheap: what is ready in one turn of the loop is sent at once.
    void wake();

    [[nodiscard]] boost::asio::any_io_executor executor() { return socket_.get_executor(); }
    [[nodiscard]] bool open() const { return socket_.is_open(); }
    // The peer has to make progress until then; the owner closes the connection when it has not.
    [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
    // Bytes accepted from the source or the handler that the socket has not taken.
    [[nodiscard]] std::size_t unsent() const { return out_.size() - out_sent_; }

private:
    enum class State : std::uint8_t {
        reading,   // a head, or nothing yet
        body,      // the body goes to the sink
        handling,  // the response is being made
        writing,   // it is complete, or comes from a file
        streaming, // it comes from the source
        draining,  // said all, and waits for the peer to have read it
        closed,
    };

    void arm_read();
    void on_readable();
    void take(std::string_view bytes);
    void process();
    void arm_hangup();
    void flush();
    bool send_out();
    bool send_file();
    void wait_writable();
    void begin_response(const Response& response, std::string_view framing);
    void finish_exchange();
    void begin_draining();

    Socket socket_;
    RequestHandler& handler_;
    std::function<void(Connection&)> closed_;
    std::function<void()> gone_; // of the request under way
    RequestReader reader_;
    std::unique_ptr<BodySink> sink_;
    State state_ = State::reading;
    Clock::time_point deadline_{};
    std::string out_;
    std::size_t out_sent_ = 0;
    FileDescriptor file_;
    std::uint64_t file_offset_ = 0, file_left_ = 0;
    std::shared_ptr<StreamSource> source_;
    bool source_finished_ = false;
    bool head_only_ = false;
    bool chunked_ = false;
    bool keep_alive_ = true;
    bool processing_ = false;
    bool awaiting_hangup_ = false;
    bool wake_pending_ = false;
    bool write_pending_ = false;
    bool read_pending_ = false;
    bool flushing_ = false;
    std::size_t drained_ = 0;
    unsigned exchange_ = 0; // tells the hang-up waits of different exchanges apart
};

} // namespace sandboxkit::guest
