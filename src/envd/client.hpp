// SPDX-License-Identifier: Apache-2.0
// The one client of the in-sandbox API (the public envd wire), whatever serves it. The peer is untrusted: every length,
// count and time is bounded, and a peer that breaks the protocol is ErrorClass::internal "peer_protocol".
// Unreachable: unavailable "guest_unreachable", over TCP also "guest_refused" and "guest_name_not_found"; not who it should be:
// "guest_certificate_..." (net/http_client.hpp has them all); the connection broke in the middle: "guest_disconnected".
//
// Threads: one client may be used from any coroutine on its executor. Cancellation: total, at every suspension.
#pragma once

#include "net/http_client.hpp"

#include <sandboxkit/files.hpp>
#include <sandboxkit/provider.hpp>
#include <sandboxkit/session.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::envd {

struct InitRequest {
    std::map<std::string, std::string> environment; // of every process
    std::string default_user = "root";
    std::string default_workdir;
    std::string access_token; // empty: none
};

// By the tag that it was started with, or, if that is empty, by its pid.
struct ProcessSelector {
    explicit ProcessSelector(std::uint32_t p, std::string t = {}) : pid(p), tag(std::move(t)) {}
    std::uint32_t pid;
    std::string tag;
};

// Where the input of a process goes; `either`: whichever it has.
enum class ProcessInput : std::uint8_t { standard_input, terminal, either };

// How long a sandbox is waited for, whatever it says meanwhile.
struct ClientLimits {
    std::chrono::milliseconds answer = std::chrono::seconds(60);   // for a whole answer, or the start of a process
    std::chrono::milliseconds refusal = std::chrono::seconds(10);  // for the text of an error, after its status
    std::chrono::milliseconds silence = std::chrono::seconds(150); // of a running process: three times the keepalive's interval
    std::chrono::milliseconds grace = std::chrono::seconds(10);    // to end a command at its time limit, and to say so
};

// The output of one process, over its own connection. When that breaks, a server with our extensions is asked once more and
// goes on where it was.
class ProcessStream {
public:
    virtual ~ProcessStream() = default;
    [[nodiscard]] virtual std::uint32_t pid() const = 0;
    // The next chunk, at most 64 KiB of it kept here, or the end. After the end: ErrorClass::invalid.
    // Cancelling ends the waiting only: the next call goes on where this one was.
    virtual Task<ProcessEvent> next() = 0;
};

// What happens below a directory, over its own connection; dropping it ends the watch.
class WatchStream {
public:
    virtual ~WatchStream() = default;
    // As ProcessStream::next, but there is no end that is not an error.
    virtual Task<FileEvent> next() = 0;
};

// A connection that waits for a client of the port that the server listens on, on the sandbox's loopback, and is then its own.
struct Tunnel {
    std::uint16_t port = 0; // the same each time while the sandbox runs
    net::HttpStream stream; // takes bytes both ways (net/http_client.hpp: attach); its first ones are the client's
};

class Client {
public:
    static std::shared_ptr<Client> make(boost::asio::any_io_executor executor, Endpoint endpoint,
                                        const ClientLimits& limits = {});
    virtual ~Client() = default;

    virtual Task<void> health() = 0;
    virtual Task<void> init(InitRequest request) = 0;

    // Returns when the process has started. `request.timeout` is enforced by the server and kills the process group.
    virtual Task<std::shared_ptr<ProcessStream>> start(ExecRequest request, std::string tag = {}) = 0;
    // To a process that somebody started. With `offset`, its output from there on, or from the first byte that is still kept:
    // the offset of the first event says which; unsupported "replay_not_supported" where the server keeps none. Without: what
    // nobody was told yet, or, where the server keeps nothing, what comes from now on.
    virtual Task<std::shared_ptr<ProcessStream>> connect(ProcessSelector process, std::optional<std::uint64_t> offset = {}) = 0;
    virtual Task<std::vector<ProcessInfo>> list() = 0;
    // Returns when its pipe or terminal has taken it.
    virtual Task<void> send_input(std::uint32_t pid, std::string bytes, ProcessInput where) = 0;
    virtual Task<void> close_stdin(std::uint32_t pid) = 0;
    virtual Task<void> resize(std::uint32_t pid, TerminalSize size) = 0; // of a process with a terminal
    virtual Task<void> send_signal(std::uint32_t pid,
                                   int signal) = 0; // 9 and 15 everywhere; others: where the server has them, else unsupported

    virtual Task<FileInfo> stat(std::string path) = 0;
    virtual Task<FileInfo> make_dir(std::string path) = 0;
    virtual Task<std::vector<FileInfo>> list_dir(std::string path, std::uint32_t depth = 1) = 0;
    virtual Task<FileInfo> move(std::string source, std::string destination) = 0;
    virtual Task<void> remove(std::string path) = 0;
    // Returns when every change from now on will be told.
    virtual Task<std::shared_ptr<WatchStream>> watch(std::string path, bool recursive) = 0;
    virtual Task<std::string> read_file(std::string path, std::uint64_t limit = 64ULL << 20) = 0; // quota when larger
    virtual Task<FileInfo> write_file(std::string path, std::string bytes) = 0;

    // Whole trees as tar streams, see docs/in-sandbox-api.md; unsupported "trees_not_supported" where the server has no such
    // extension. A `sink` or `source` that fails ends the transfer with its error; an empty piece is the end.
    // The archive is the peer's: nothing in it is to be trusted.
    virtual Task<void> download_tree(std::string path, std::function<Task<void>(std::string)> sink) = 0;
    virtual Task<TreeSummary> upload_tree(std::string path, std::function<Task<std::string>()> source) = 0;

    // Returns when the server listens; unsupported "tunnels_not_supported" where it has no such extension. Who takes the other
    // end is a process of the sandbox: nothing that it sends is to be trusted.
    virtual Task<Tunnel> tunnel() = 0;
};

} // namespace sandboxkit::envd
