// SPDX-License-Identifier: Apache-2.0
// The messages of the process and filesystem services: JSON to requests, events to JSON. Pure functions.
// As in protobuf's JSON: unknown fields are ignored, null is the default, numbers may be strings.
#pragma once

#include "guest/rpc_error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

using Environment = std::map<std::string, std::string>;

// In characters.
struct TerminalSize {
    std::uint16_t cols = 0, rows = 0; // at least 1
};

struct StartRequest {
    std::string cmd;
    std::vector<std::string> args;
    Environment envs;
    std::string cwd; // empty: the default
    std::string tag; // empty: none
    bool stdin_open = true;
    std::optional<TerminalSize> terminal; // in place of the pipes
};

// Exactly one of the two.
struct Selector {
    std::optional<std::uint32_t> pid;
    std::string tag;
};

struct SignalRequest {
    Selector process;
    int signal = 0; // 1..64
};

struct ProcessInput {
    std::string bytes;
    bool to_terminal = false; // or else to standard input
};

struct InputRequest {
    Selector process;
    ProcessInput input;
};

// One of the stream: both empty is a keepalive.
struct StreamInputMessage {
    std::optional<Selector> start;
    std::optional<ProcessInput> data;
};

struct UpdateRequest {
    Selector process;
    std::optional<TerminalSize> size;
};

struct PathRequest {
    std::string path;
    std::uint32_t depth = 0;
};

struct MoveRequest {
    std::string source, destination;
};

struct WatchRequest {
    std::string path;
    bool recursive = false;
    bool with_entries = false;   // each event has the EntryInfo of what it is about
    bool network_mounts = false; // allowed, though what others change there is not seen
};

enum class FileEvent : std::uint8_t { create, write, remove, rename, chmod };

struct ComposeRequest {
    std::vector<std::string> sources;
    std::string destination;
    std::string username; // empty: the default
};

struct InitRequest {
    std::string access_token; // empty: none
    std::optional<Environment> envs;
    std::string default_user;    // empty: unchanged
    std::string default_workdir; // empty: unchanged
};

[[nodiscard]] Answer<StartRequest> decode_start(std::string_view json);
[[nodiscard]] Answer<Selector> decode_selector(std::string_view json); // Connect, CloseStdin
[[nodiscard]] Answer<SignalRequest> decode_signal(std::string_view json);
[[nodiscard]] Answer<InputRequest> decode_input(std::string_view json);
[[nodiscard]] Answer<StreamInputMessage> decode_stream_input(std::string_view json);
[[nodiscard]] Answer<UpdateRequest> decode_update(std::string_view json);
[[nodiscard]] Answer<PathRequest> decode_path(std::string_view json); // Stat, MakeDir, ListDir, Remove
[[nodiscard]] Answer<MoveRequest> decode_move(std::string_view json);
[[nodiscard]] Answer<WatchRequest> decode_watch(std::string_view json);     // WatchDir, CreateWatcher
[[nodiscard]] Answer<std::string> decode_watcher_id(std::string_view json); // GetWatcherEvents, RemoveWatcher
[[nodiscard]] Answer<ComposeRequest> decode_compose(std::string_view json);
[[nodiscard]] Answer<InitRequest> decode_init(std::string_view json);
[[nodiscard]] Answer<void> decode_empty(std::string_view json); // List

// The one message in the body of a request to a server-streaming method.
[[nodiscard]] Answer<std::string> open_single_envelope(std::string_view body);

// How a process ended. One of both.
struct ExitStatus {
    int exit_code = 0;
    int signal = 0; // that killed it; 0: it exited
    bool core_dumped = false;
    bool timed_out = false;
};

enum class Stream : std::uint8_t { standard_output, standard_error, terminal };

// Whole envelopes.
void append_start_event(std::string& out, std::uint32_t pid);
void append_data_event(std::string& out, Stream stream, std::string_view bytes);
void append_raw_data(std::string& out, Stream stream, std::string_view bytes); // no message: the bytes themselves
void append_keepalive_event(std::string& out);
void append_end_event(std::string& out, const ExitStatus& status);
void append_watch_start(std::string& out);
void append_watch_event(std::string& out, std::string_view file_event);
void append_watch_keepalive(std::string& out);
void append_end_of_stream(std::string& out);
void append_end_of_stream(std::string& out, const RpcError& error);

// A FilesystemEvent, not an envelope. `entry`: its EntryInfo, empty when there is none.
void append_file_event(std::string& out, std::string_view name, FileEvent type, std::string_view entry);

// {"code":…,"message":…} of a unary call.
[[nodiscard]] std::string error_body(const RpcError& error);
// {"code":<status>,"message":…} of a plain route.
[[nodiscard]] std::string http_error_body(unsigned status, std::string_view message);

} // namespace sandboxkit::guest
