// SPDX-License-Identifier: Apache-2.0
// A guest in a process of its own (this test program, executed again), and a plain client of its wire.
#pragma once

#include "net/connect_envelope.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <sys/resource.h>
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::guest::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Reply {
    int status = 0;
    std::map<std::string, std::string> headers; // names in lower case
    std::string body;                           // without the chunks
    [[nodiscard]] boost::json::object json() const;
};

// One connection. Every wait ends after a minute with an exception.
class Client {
public:
    explicit Client(const std::string& socket_path);
    ~Client();
    Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes) const;
    // As much as the socket takes now.
    [[nodiscard]] std::size_t send_some(std::string_view bytes) const;
    void shut_down_writing() const;
    Reply read_head();
    Reply read_reply();
    // The next chunk of a chunked body; empty at its end.
    std::string read_chunk();
    // Bytes that are there now, not waiting; used to read slowly.
    std::string read_exactly(std::size_t size);
    // Waits until the peer closes; returns what came before.
    std::string read_to_end();
    void close();

    Reply request(std::string_view method, std::string_view target, const Headers& headers = {}, std::string_view body = {});

private:
    void fill();
    int fd_ = -1;
    std::string buffer_;
};

[[nodiscard]] std::string request_bytes(std::string_view method, std::string_view target, const Headers& headers,
                                        std::string_view body);

// The events of a Start or Connect.
class EventStream {
public:
    EventStream(Client client, std::string_view method, std::string_view message, Headers sent);
    // The payload of the next envelope, and whether it was the end of the stream.
    std::pair<boost::json::object, bool> next();
    // The same, whatever it is.
    net::Envelope next_envelope();
    void close() { client_.close(); }

    std::map<std::string, std::string> headers; // of the response, names in lower case
    std::uint32_t pid = 0;                      // from the start event, read by the constructor; 0 when the stream ended at once
    boost::json::object refusal;                // then: the end of the stream

    struct Result {
        std::string out, err, terminal;
        std::size_t largest = 0; // bytes of a data event
        boost::json::object end; // the end event; empty when there was none
        boost::json::object end_of_stream;
        int keepalives = 0;
    };
    Result rest(); // to the end of the stream

private:
    Client client_;
    std::string bytes_;
};

// A directory that goes away with its owner.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] std::string path(std::string_view name = {}) const;

private:
    std::filesystem::path path_;
};

struct LaunchOptions {
    std::vector<std::string> arguments;   // besides --listen-unix
    std::vector<std::string> environment; // of the guest, besides what sanitizers need
    std::string program;                  // empty: this program in its guest form
    bool new_pid_namespace = false;       // needs root
    rlim_t descriptor_limit = 0;          // 0: inherited
    rlim_t file_size_limit = 0;           // bytes; 0: inherited
};

class LiveGuest {
public:
    explicit LiveGuest(const LaunchOptions& options = {});
    ~LiveGuest();
    LiveGuest(const LiveGuest&) = delete;
    LiveGuest& operator=(const LiveGuest&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }
    [[nodiscard]] std::string socket() const { return directory_.path("s"); }
    [[nodiscard]] Client connect() const { return Client(socket()); }
    [[nodiscard]] Reply request(std::string_view method, std::string_view target, const Headers& headers = {},
                                std::string_view body = {}) const;
    [[nodiscard]] Reply unary(std::string_view method, std::string_view json, Headers headers = {}) const;
    [[nodiscard]] EventStream start(std::string_view json, Headers headers = {}) const;
    [[nodiscard]] EventStream attach(std::uint32_t pid, Headers headers = {}) const;
    [[nodiscard]] EventStream::Result shell(std::string_view script, Headers headers = {}) const;
    // SIGTERM; the wait status.
    int terminate();

private:
    TemporaryDirectory directory_;
    pid_t pid_ = -1;
};

// Runs the guest program with these arguments to its end: the exit code and what it said on standard error.
std::pair<int, std::string> run_guest(const std::vector<std::string>& arguments);

// {"process":{"cmd":"/bin/sh","args":["-c",script]},"stdin":false} with these members added.
[[nodiscard]] std::string shell_request(std::string_view script, std::string_view more = {});
[[nodiscard]] std::string json_string(std::string_view text);

} // namespace sandboxkit::guest::test
