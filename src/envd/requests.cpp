// SPDX-License-Identifier: Apache-2.0
#include "envd/requests.hpp"

#include "envd/base64.hpp"
#include "envd/bounded_text.hpp"
#include "net/connect_envelope.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>

namespace sandboxkit::envd {

namespace json = boost::json;

namespace {

constexpr std::int64_t timeout_limit_ms = 9'999'999'999; // the protocol allows ten digits
constexpr std::size_t message_limit = 4U << 20;          // of a request; a kernel takes less for a command anyway

Error invalid(std::string code, std::string message) {
    return Error{ErrorClass::invalid, std::move(code), std::move(message), "", "", {}};
}

Result<void> check_text(std::string_view what, std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return invalid("text_has_nul", std::string(what) + " contains a NUL byte");
    if (!is_utf8(text)) return invalid("text_not_utf8", std::string(what) + " is not valid UTF-8");
    return {};
}

Result<void> check_path(std::string_view path) {
    if (path.empty()) return invalid("path_empty", "a path is empty");
    return check_text("a path", path);
}

json::object selector(std::uint32_t pid) {
    json::object process;
    process["pid"] = pid;
    return process;
}

net::HttpRequest unary(std::string_view method, const json::object& message, bool idempotent) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/" + std::string(method);
    request.headers = {{"Content-Type", "application/json"}, {"Connect-Protocol-Version", "1"}};
    request.body = json::serialize(message);
    request.idempotent = idempotent;
    return request;
}

Result<net::HttpRequest> streaming(std::string_view method, const json::object& message) {
    const std::string text = json::serialize(message);
    if (text.size() > message_limit) return invalid("request_too_large", "the command and its environment are larger than 4 MiB");
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/" + std::string(method);
    // The server then sends an event at least that often (seconds), so that silence means that it is gone.
    request.headers = {
        {"Content-Type", "application/connect+json"}, {"Connect-Protocol-Version", "1"}, {"Keepalive-Ping-Interval", "50"}};
    request.body = net::encode_envelope(0, text);
    return request;
}

// Of the output of a process, which may then come in the form of our extension.
Result<net::HttpRequest> output_request(std::string_view method, const json::object& message) {
    auto request = streaming(method, message);
    if (request) request->headers.emplace_back("Sandboxkit-Frames", "raw");
    return request;
}

Result<json::object> size_object(const TerminalSize& size) {
    if (size.columns == 0 || size.rows == 0) return invalid("terminal_size", "a terminal has at least one column and one row");
    json::object characters;
    characters["cols"] = size.columns;
    characters["rows"] = size.rows;
    json::object terminal;
    terminal["size"] = std::move(characters);
    return terminal;
}

Result<json::object> environment_object(const std::map<std::string, std::string>& variables) {
    json::object environment;
    for (const auto& [name, value] : variables) {
        if (name.empty() || name.find('=') != std::string::npos)
            return invalid("environment_name", "the name of an environment variable is empty or contains '='");
        const auto name_ok = check_text("the name of an environment variable", name);
        if (!name_ok) return name_ok.error();
        const auto value_ok = check_text("the environment variable '" + name + "'", value);
        if (!value_ok) return value_ok.error();
        environment[name] = value;
    }
    return environment;
}

} // namespace

net::HttpHeaders common_headers(const Endpoint& endpoint, std::string_view access_token) {
    net::HttpHeaders headers(endpoint.headers.begin(), endpoint.headers.end());
    if (!access_token.empty()) headers.emplace_back("X-Access-Token", access_token);
    headers.emplace_back("Sandboxkit-Extensions", "1");
    return headers;
}

Result<net::HttpRequest> health_request() {
    net::HttpRequest request;
    request.target = "/health";
    request.idempotent = true;
    return request;
}

Result<net::HttpRequest> init_request(const InitRequest& init) {
    json::object message;
    auto environment = environment_object(init.environment);
    if (!environment) return environment.error();
    message["envVars"] = std::move(*environment);
    const std::pair<const char*, const std::string*> texts[] = {
        {"accessToken", &init.access_token}, {"defaultUser", &init.default_user}, {"defaultWorkdir", &init.default_workdir}};
    for (const auto& [name, value] : texts) {
        const auto ok = check_text(name, *value);
        if (!ok) return ok.error();
        if (!value->empty()) message[name] = *value;
    }
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/init";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = json::serialize(message);
    request.idempotent = true; // it replaces what was set
    return request;
}

Result<net::HttpRequest> start_request(const ExecRequest& exec, std::string_view tag) {
    if (exec.argv.empty() || exec.argv[0].empty()) return invalid("argv_empty", "a command needs a program to run");
    json::object process;
    json::array args;
    for (std::size_t i = 0; i < exec.argv.size(); ++i) {
        const auto ok = check_text("argument " + std::to_string(i) + " of the command", exec.argv[i]);
        if (!ok) return ok.error();
        if (i > 0) args.emplace_back(exec.argv[i]);
    }
    process["cmd"] = exec.argv[0];
    process["args"] = std::move(args);
    auto environment = environment_object(exec.environment);
    if (!environment) return environment.error();
    if (!environment->empty()) process["envs"] = std::move(*environment);
    if (exec.cwd) {
        const auto ok = check_text("the working directory", *exec.cwd);
        if (!ok) return ok.error();
        if (!exec.cwd->starts_with('/')) return invalid("cwd_not_absolute", "the working directory of a command is not absolute");
        process["cwd"] = *exec.cwd;
    }
    json::object message;
    message["process"] = std::move(process);
    message["stdin"] = exec.standard_input; // always: without it envd leaves the input open
    if (!tag.empty()) {
        const auto ok = check_text("the tag", tag);
        if (!ok) return ok.error();
        message["tag"] = json::string_view(tag.data(), tag.size());
    }
    if (exec.terminal) {
        auto size = size_object(*exec.terminal);
        if (!size) return size.error();
        message["pty"] = std::move(*size);
    }
    auto request = output_request("process.Process/Start", message);
    if (!request) return request;
    if (exec.user) {
        const auto ok = check_text("the user", *exec.user);
        if (!ok) return ok.error();
        if (exec.user->empty() || exec.user->find(':') != std::string::npos)
            return invalid("user_name", "the user of a command is empty or contains ':'");
        request->headers.emplace_back("Authorization", "Basic " + base64_encode(*exec.user + ":"));
    }
    if (exec.timeout) {
        const std::int64_t ms = exec.timeout->count();
        if (ms < 1 || ms > timeout_limit_ms)
            return invalid("timeout_out_of_range", "the time limit of a command is not 1 ms to 115 days");
        request->headers.emplace_back("Connect-Timeout-Ms", std::to_string(ms));
    }
    return request;
}

Result<net::HttpRequest> connect_request(const ProcessSelector& process, std::optional<std::uint64_t> offset) {
    json::object message;
    if (process.tag.empty()) {
        message["process"] = selector(process.pid);
    } else {
        const auto ok = check_text("the tag", process.tag);
        if (!ok) return ok.error();
        json::object by_tag;
        by_tag["tag"] = process.tag;
        message["process"] = std::move(by_tag);
    }
    auto request = output_request("process.Process/Connect", message);
    if (request && offset) request->headers.emplace_back("Sandboxkit-Output-Offset", std::to_string(*offset));
    return request;
}

Result<net::HttpRequest> list_request() {
    return unary("process.Process/List", json::object(), true);
}

Result<net::HttpRequest> input_request(std::uint32_t pid, std::string_view bytes, bool to_terminal) {
    json::object input;
    input[to_terminal ? "pty" : "stdin"] = base64_encode(bytes);
    json::object message;
    message["process"] = selector(pid);
    message["input"] = std::move(input);
    return unary("process.Process/SendInput", message, false);
}

Result<net::HttpRequest> resize_request(std::uint32_t pid, const TerminalSize& size) {
    auto terminal = size_object(size);
    if (!terminal) return terminal.error();
    json::object message;
    message["process"] = selector(pid);
    message["pty"] = std::move(*terminal);
    return unary("process.Process/Update", message, true);
}

Result<net::HttpRequest> close_stdin_request(std::uint32_t pid) {
    json::object message;
    message["process"] = selector(pid);
    return unary("process.Process/CloseStdin", message, true);
}

Result<net::HttpRequest> signal_request(std::uint32_t pid, int signal) {
    if (signal < 1 || signal > 64) return invalid("signal_out_of_range", "a signal is a number from 1 to 64");
    json::object message;
    message["process"] = selector(pid);
    if (signal == 9)
        message["signal"] = "SIGNAL_SIGKILL";
    else if (signal == 15)
        message["signal"] = "SIGNAL_SIGTERM";
    else
        message["signalNumber"] = signal;
    return unary("process.Process/SendSignal", message, false);
}

Result<net::HttpRequest> path_request(std::string_view method, std::string_view path, bool idempotent) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    json::object message;
    message["path"] = json::string_view(path.data(), path.size());
    return unary(method, message, idempotent);
}

Result<net::HttpRequest> list_dir_request(std::string_view path, std::uint32_t depth) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    json::object message;
    message["path"] = json::string_view(path.data(), path.size());
    message["depth"] = depth;
    return unary("filesystem.Filesystem/ListDir", message, true);
}

Result<net::HttpRequest> move_request(std::string_view source, std::string_view destination) {
    for (const std::string_view path : {source, destination}) {
        const auto ok = check_path(path);
        if (!ok) return ok.error();
    }
    json::object message;
    message["source"] = json::string_view(source.data(), source.size());
    message["destination"] = json::string_view(destination.data(), destination.size());
    return unary("filesystem.Filesystem/Move", message, false);
}

Result<net::HttpRequest> watch_request(std::string_view path, bool recursive) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    json::object message;
    message["path"] = json::string_view(path.data(), path.size());
    message["recursive"] = recursive;
    return streaming("filesystem.Filesystem/WatchDir", message);
}

Result<net::HttpRequest> read_file_request(std::string_view path) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    net::HttpRequest request;
    request.target = "/files?path=" + net::percent_encode_path(path);
    request.headers = {{"Accept-Encoding", "identity"}}; // nothing here inflates, and a limit on inflated bytes is none
    request.idempotent = true;
    return request;
}

Result<net::HttpRequest> write_file_request(std::string_view path, std::string bytes) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/files?path=" + net::percent_encode_path(path);
    request.headers = {{"Content-Type", "application/octet-stream"}};
    request.body = std::move(bytes);
    request.idempotent = true;
    return request;
}

Result<net::HttpRequest> tunnel_request() {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/sandboxkit/tunnel";
    return request;
}

Result<net::HttpRequest> download_tree_request(std::string_view path) {
    const auto ok = check_path(path);
    if (!ok) return ok.error();
    net::HttpRequest request;
    request.target = "/sandboxkit/tree?path=" + net::percent_encode_path(path);
    return request;
}

Result<net::HttpRequest> upload_tree_request(std::string_view path) {
    auto request = download_tree_request(path);
    if (!request) return request;
    request->method = "POST";
    request->headers = {{"Content-Type", "application/x-tar"}};
    return request;
}

} // namespace sandboxkit::envd
