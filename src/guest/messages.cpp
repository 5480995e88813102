// SPDX-License-Identifier: Apache-2.0
#include "guest/messages.hpp"

#include "guest/encoding.hpp"

#include "net/connect_envelope.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <charconv>
#include <climits>

namespace sandboxkit::guest {
namespace {

namespace json = boost::json;

RpcError malformed(std::string_view what) {
    return RpcError{Code::invalid_argument, "unmarshal message: " + std::string(what)};
}

bool has_nul(std::string_view text) {
    return text.find('\0') != std::string_view::npos;
}

// The members of one object. The first fault is kept; after it every value is the default.
class Fields {
public:
    explicit Fields(const json::object* object) : object_(object) {}

    std::string string(std::string_view name) {
        const json::value* v = find(name);
        if (v == nullptr) return {};
        if (!v->is_string()) return fail(name, "is not a string"), std::string();
        return std::string(v->get_string().data(), v->get_string().size());
    }

    // A string that becomes a C string.
    std::string c_string(std::string_view name) {
        std::string text = string(name);
        if (has_nul(text)) fail(name, "contains a NUL byte");
        return text;
    }

    std::string path(std::string_view name) {
        std::string text = c_string(name);
        if (text.size() >= PATH_MAX) fail(name, "is longer than 4095 bytes");
        return text;
    }

    std::optional<std::uint32_t> u32(std::string_view name) {
        const json::value* v = find(name);
        if (v == nullptr) return std::nullopt;
        if (v->is_int64() && v->get_int64() >= 0 && v->get_int64() <= UINT32_MAX)
            return static_cast<std::uint32_t>(v->get_int64());
        if (v->is_string()) {
            const std::string_view text(v->get_string().data(), v->get_string().size());
            std::uint32_t value = 0;
            const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (ec == std::errc() && end == text.data() + text.size()) return value;
        }
        fail(name, "is not a number from 0 to 4294967295");
        return std::nullopt;
    }

    bool boolean(std::string_view name, bool otherwise) {
        const json::value* v = find(name);
        if (v == nullptr) return otherwise;
        if (!v->is_bool()) return fail(name, "is not a boolean"), otherwise;
        return v->get_bool();
    }

    std::string base64(std::string_view name) {
        auto bytes = decode_base64(string(name));
        if (!bytes) return fail(name, "is not base64"), std::string();
        return std::move(*bytes);
    }

    std::vector<std::string> c_strings(std::string_view name) {
        std::vector<std::string> list;
        const json::value* v = find(name);
        if (v == nullptr) return list;
        if (!v->is_array()) return fail(name, "is not an array"), list;
        for (const json::value& item : v->get_array()) {
            if (!item.is_string()) return fail(name, "holds something that is not a string"), list;
            list.emplace_back(item.get_string().data(), item.get_string().size());
            if (has_nul(list.back())) fail(name, "contains a NUL byte");
        }
        return list;
    }

    Environment environment(std::string_view name) {
        Environment envs;
        const json::value* v = find(name);
        if (v == nullptr) return envs;
        if (!v->is_object()) return fail(name, "is not an object"), envs;
        for (const auto& item : v->get_object()) {
            const std::string key(item.key().data(), item.key().size());
            if (!item.value().is_string()) return fail(name, "holds something that is not a string"), envs;
            if (key.empty() || has_nul(key) || key.find('=') != std::string::npos)
                return fail(name, "holds a name that is empty or has '=' or NUL in it"), envs;
            const auto& text = item.value().get_string();
            if (has_nul(std::string_view(text.data(), text.size()))) return fail(name, "contains a NUL byte"), envs;
            envs.insert_or_assign(key, std::string(text.data(), text.size()));
        }
        return envs;
    }

    [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
    [[nodiscard]] bool has_number(std::string_view name) const { return has(name) && find(name)->is_number(); }

    // The members of a member: none when it is absent.
    Fields object(std::string_view name) {
        const json::value* v = find(name);
        if (v == nullptr) return Fields(nullptr);
        if (!v->is_object()) return fail(name, "is not an object"), Fields(nullptr);
        return Fields(&v->get_object());
    }

    void fail(std::string_view name, std::string_view what) {
        if (fault_.empty()) fault_ = "field " + std::string(name) + " " + std::string(what);
    }
    void take_fault(const Fields& inner) {
        if (fault_.empty()) fault_ = inner.fault_;
    }
    [[nodiscard]] bool failed() const { return !fault_.empty(); }
    [[nodiscard]] RpcError error() const { return malformed(fault_); }

private:
    [[nodiscard]] const json::value* find(std::string_view name) const {
        if (object_ == nullptr) return nullptr;
        const json::value* v = object_->if_contains(json::string_view(name.data(), name.size()));
        if (v == nullptr) v = object_->if_contains(schema_name(name));
        return v != nullptr && v->is_null() ? nullptr : v;
    }

    // "watcher_id" of "watcherId": a client may write a field by either name.
    static std::string schema_name(std::string_view name) {
        std::string text;
        for (const char c : name) {
            const bool capital = c >= 'A' && c <= 'Z';
            if (capital) text += '_';
            text += capital ? static_cast<char>(c - 'A' + 'a') : c;
        }
        return text;
    }

    const json::object* object_;
    std::string fault_;
};

// Parses and hands the members of the one object to `read`, which returns the message.
template <class Read>
auto decode(std::string_view text, Read read) -> Answer<decltype(read(std::declval<Fields&>()))> {
    json::error_code ec;
    json::value document;
    try {
        document = json::parse(json::string_view(text.data(), text.size()), ec);
    } catch (const std::bad_alloc&) {
        return RpcError{Code::resource_exhausted, "no memory to read the message"};
    }
    if (ec) return malformed("syntax error: " + ec.message());
    if (!document.is_object()) return malformed("the message is not an object");
    Fields fields(&document.get_object());
    auto message = read(fields);
    if (fields.failed()) return fields.error();
    return message;
}

Selector read_selector(Fields& fields) {
    Fields process = fields.object("process");
    Selector selector{process.u32("pid"), process.string("tag")};
    fields.take_fault(process);
    if (!selector.pid && selector.tag.empty()) fields.fail("process", "names neither a pid nor a tag");
    return selector;
}

std::optional<TerminalSize> read_terminal(Fields& fields) {
    if (!fields.has("pty")) return std::nullopt;
    Fields terminal = fields.object("pty");
    Fields size = terminal.object("size");
    const auto side = [&size](std::string_view name) {
        const std::uint32_t value = size.u32(name).value_or(0);
        if (value < 1 || value > UINT16_MAX) size.fail(name, "is not from 1 to 65535");
        return static_cast<std::uint16_t>(value);
    };
    const TerminalSize result{side("cols"), side("rows")};
    terminal.take_fault(size);
    fields.take_fault(terminal);
    return result;
}

ProcessInput read_input(Fields& fields) {
    Fields input = fields.object("input");
    ProcessInput result;
    result.to_terminal = input.has("pty");
    result.bytes = input.base64(result.to_terminal ? "pty" : "stdin");
    if (!input.has("stdin") && !result.to_terminal) input.fail("input", "has neither stdin nor pty");
    if (input.has("stdin") && result.to_terminal) input.fail("input", "has both stdin and pty");
    fields.take_fault(input);
    return result;
}

// An envelope whose payload `write` appends.
template <class Write>
void append_envelope(std::string& out, std::uint8_t flags, Write write) {
    const std::size_t begin = out.size();
    out.append(5, '\0');
    write();
    const std::size_t length = out.size() - begin - 5;
    out[begin] = static_cast<char>(flags);
    for (std::size_t i = 0; i < 4; ++i) out[begin + 1 + i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
}

void append_error(std::string& out, const RpcError& error) {
    out += R"({"code":")";
    out += to_string(error.code);
    out += R"(","message":)";
    append_json_string(out, error.message);
    out += '}';
}

std::string_view type_name(FileEvent type) {
    switch (type) {
    case FileEvent::create: return "EVENT_TYPE_CREATE";
    case FileEvent::write: return "EVENT_TYPE_WRITE";
    case FileEvent::remove: return "EVENT_TYPE_REMOVE";
    case FileEvent::rename: return "EVENT_TYPE_RENAME";
    case FileEvent::chmod: return "EVENT_TYPE_CHMOD";
    }
    return "EVENT_TYPE_UNSPECIFIED";
}

std::string_view signal_name(int signal) {
    switch (signal) {
    case 1: return "hangup";
    case 2: return "interrupt";
    case 3: return "quit";
    case 4: return "illegal instruction";
    case 5: return "trace/breakpoint trap";
    case 6: return "aborted";
    case 7: return "bus error";
    case 8: return "floating point exception";
    case 9: return "killed";
    case 10: return "user defined signal 1";
    case 11: return "segmentation fault";
    case 12: return "user defined signal 2";
    case 13: return "broken pipe";
    case 14: return "alarm clock";
    case 15: return "terminated";
    default: return {};
    }
}

std::string status_text(const ExitStatus& status) {
    if (status.signal == 0) return "exit status " + std::to_string(status.exit_code);
    const std::string_view name = signal_name(status.signal);
    std::string text = "signal: ";
    text += name.empty() ? "signal " + std::to_string(status.signal) : std::string(name);
    if (status.core_dumped) text += " (core dumped)";
    return text;
}

} // namespace

Answer<StartRequest> decode_start(std::string_view text) {
    return decode(text, [](Fields& fields) {
        StartRequest request;
        Fields process = fields.object("process");
        request.cmd = process.path("cmd");
        request.args = process.c_strings("args");
        request.envs = process.environment("envs");
        request.cwd = process.path("cwd");
        fields.take_fault(process);
        if (request.cmd.empty()) fields.fail("process.cmd", "is missing");
        request.tag = fields.string("tag");
        if (request.tag.size() > 1024) fields.fail("tag", "is longer than 1024 bytes");
        request.stdin_open = fields.boolean("stdin", true);
        request.terminal = read_terminal(fields);
        return request;
    });
}

Answer<Selector> decode_selector(std::string_view text) {
    return decode(text, [](Fields& fields) { return read_selector(fields); });
}

Answer<SignalRequest> decode_signal(std::string_view text) {
    return decode(text, [](Fields& fields) {
        SignalRequest request;
        request.process = read_selector(fields);
        const auto number = fields.u32("signalNumber");
        if (number) {
            if (*number < 1 || *number > 64) fields.fail("signalNumber", "is not from 1 to 64");
            request.signal = static_cast<int>(*number);
            return request;
        }
        // An enum is its name or its number.
        if (fields.has_number("signal")) {
            const auto value = fields.u32("signal");
            if (value == 15U || value == 9U) request.signal = static_cast<int>(*value);
        } else {
            const std::string name = fields.string("signal");
            if (name == "SIGNAL_SIGTERM") request.signal = 15;
            if (name == "SIGNAL_SIGKILL") request.signal = 9;
        }
        if (request.signal == 0) fields.fail("signal", "is neither SIGNAL_SIGTERM nor SIGNAL_SIGKILL; others go in signalNumber");
        return request;
    });
}

Answer<InputRequest> decode_input(std::string_view text) {
    return decode(text, [](Fields& fields) {
        InputRequest request;
        request.process = read_selector(fields);
        request.input = read_input(fields);
        return request;
    });
}

Answer<StreamInputMessage> decode_stream_input(std::string_view text) {
    return decode(text, [](Fields& fields) {
        StreamInputMessage message;
        if (int{fields.has("start")} + int{fields.has("data")} + int{fields.has("keepalive")} != 1)
            fields.fail("event", "is not one of start, data and keepalive");
        if (fields.has("start")) {
            Fields start = fields.object("start");
            message.start = read_selector(start);
            fields.take_fault(start);
        }
        if (fields.has("data")) {
            Fields data = fields.object("data");
            message.data = read_input(data);
            fields.take_fault(data);
        }
        return message;
    });
}

Answer<UpdateRequest> decode_update(std::string_view text) {
    return decode(text, [](Fields& fields) {
        UpdateRequest request;
        request.process = read_selector(fields);
        request.size = read_terminal(fields);
        return request;
    });
}

Answer<PathRequest> decode_path(std::string_view text) {
    return decode(text, [](Fields& fields) {
        PathRequest request;
        request.path = fields.path("path");
        request.depth = fields.u32("depth").value_or(0);
        return request;
    });
}

Answer<MoveRequest> decode_move(std::string_view text) {
    return decode(text, [](Fields& fields) {
        MoveRequest request{fields.path("source"), fields.path("destination")};
        if (request.source.empty()) fields.fail("source", "is missing");
        if (request.destination.empty()) fields.fail("destination", "is missing");
        return request;
    });
}

Answer<WatchRequest> decode_watch(std::string_view text) {
    return decode(text, [](Fields& fields) {
        WatchRequest request;
        request.path = fields.path("path");
        request.recursive = fields.boolean("recursive", false);
        request.with_entries = fields.boolean("includeEntry", false);
        request.network_mounts = fields.boolean("allowNetworkMounts", false);
        return request;
    });
}

Answer<std::string> decode_watcher_id(std::string_view text) {
    return decode(text, [](Fields& fields) { return fields.string("watcherId"); });
}

Answer<ComposeRequest> decode_compose(std::string_view text) {
    return decode(text, [](Fields& fields) {
        ComposeRequest request{fields.c_strings("source_paths"), fields.path("destination"), fields.c_string("username")};
        if (request.sources.empty()) fields.fail("source_paths", "must not be empty");
        if (request.destination.empty()) fields.fail("destination", "is required");
        return request;
    });
}

Answer<InitRequest> decode_init(std::string_view text) {
    return decode(text, [](Fields& fields) {
        InitRequest request;
        request.access_token = fields.string("accessToken");
        if (fields.has("envVars")) request.envs = fields.environment("envVars");
        request.default_user = fields.c_string("defaultUser");
        request.default_workdir = fields.path("defaultWorkdir");
        return request;
    });
}

Answer<void> decode_empty(std::string_view text) {
    const auto message = decode(text, [](Fields&) { return true; });
    if (!message) return message.error();
    return {};
}

Answer<std::string> open_single_envelope(std::string_view body) {
    net::EnvelopeDecoder decoder(body.size());
    decoder.feed(body);
    auto envelope = decoder.next();
    if (!envelope || !*envelope) return RpcError{Code::invalid_argument, "protocol error: incomplete envelope"};
    if (((*envelope)->flags & net::envelope_compressed) != 0)
        return RpcError{Code::unimplemented, "compressed messages are not supported"};
    if ((*envelope)->flags != 0) return RpcError{Code::invalid_argument, "protocol error: the first envelope is not a message"};
    if (!decoder.at_boundary()) return RpcError{Code::invalid_argument, "protocol error: more than one message"};
    return std::move((*envelope)->payload);
}

void append_start_event(std::string& out, std::uint32_t pid) {
    append_envelope(out, 0, [&] { out += R"({"event":{"start":{"pid":)" + std::to_string(pid) + "}}}"; });
}

void append_data_event(std::string& out, Stream stream, std::string_view bytes) {
    append_envelope(out, 0, [&] {
        switch (stream) {
        case Stream::standard_output: out += R"({"event":{"data":{"stdout":")"; break;
        case Stream::standard_error: out += R"({"event":{"data":{"stderr":")"; break;
        case Stream::terminal: out += R"({"event":{"data":{"pty":")"; break;
        }
        append_base64(out, bytes);
        out += "\"}}}";
    });
}

void append_raw_data(std::string& out, Stream stream, std::string_view bytes) {
    const std::uint8_t flags = stream == Stream::standard_output ? 0x40 : stream == Stream::standard_error ? 0x41 : 0x42;
    append_envelope(out, flags, [&] { out += bytes; });
}

void append_keepalive_event(std::string& out) {
    append_envelope(out, 0, [&] { out += R"({"event":{"keepalive":{}}})"; });
}

void append_end_event(std::string& out, const ExitStatus& status) {
    append_envelope(out, 0, [&] {
        out += R"({"event":{"end":{)";
        const int code = status.signal != 0 ? -1 : status.exit_code;
        if (code != 0) out += "\"exitCode\":" + std::to_string(code) + ",";
        if (status.signal == 0) out += "\"exited\":true,";
        const std::string text = status_text(status);
        out += R"("status":")" + text + '"';
        if (code != 0) out += R"(,"error":")" + text + '"';
        if (status.signal != 0) out += ",\"signal\":" + std::to_string(status.signal);
        if (status.timed_out) out += ",\"timedOut\":true";
        out += "}}}";
    });
}

void append_watch_start(std::string& out) {
    append_envelope(out, 0, [&] { out += R"({"start":{}})"; });
}

void append_watch_event(std::string& out, std::string_view file_event) {
    append_envelope(out, 0, [&] {
        out += R"({"filesystem":)";
        out += file_event;
        out += '}';
    });
}

void append_watch_keepalive(std::string& out) {
    append_envelope(out, 0, [&] { out += R"({"keepalive":{}})"; });
}

void append_end_of_stream(std::string& out) {
    append_envelope(out, net::envelope_end_of_stream, [&] { out += "{}"; });
}

void append_end_of_stream(std::string& out, const RpcError& error) {
    append_envelope(out, net::envelope_end_of_stream, [&] {
        out += "{\"error\":";
        append_error(out, error);
        out += '}';
    });
}

void append_file_event(std::string& out, std::string_view name, FileEvent type, std::string_view entry) {
    out += "{\"name\":";
    append_json_string(out, name);
    out += ",\"type\":\"";
    out += type_name(type);
    out += '"';
    if (!entry.empty()) {
        out += ",\"entry\":";
        out += entry;
    }
    out += '}';
}

std::string error_body(const RpcError& error) {
    std::string body;
    append_error(body, error);
    return body;
}

std::string http_error_body(unsigned status, std::string_view message) {
    std::string body = "{\"code\":" + std::to_string(status) + ",\"message\":";
    append_json_string(body, message);
    body += "}\n";
    return body;
}

} // namespace sandboxkit::guest
