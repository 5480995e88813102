// SPDX-License-Identifier: Apache-2.0
// The two Connect services: process.Process and filesystem.Filesystem.
#include "guest/body_sinks.hpp"
#include "guest/encoding.hpp"
#include "guest/filesystem.hpp"
#include "guest/input_stream.hpp"
#include "guest/output_stream.hpp"
#include "guest/paths.hpp"
#include "guest/service.hpp"
#include "guest/stream_fields.hpp"

#include <boost/asio/post.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sandboxkit::guest {
namespace {

constexpr std::string_view base_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr std::array<std::string_view, 13> unary_methods = {
    "/process.Process/List",
    "/process.Process/SendSignal",
    "/process.Process/SendInput",
    "/process.Process/CloseStdin",
    "/process.Process/Update",
    "/filesystem.Filesystem/Stat",
    "/filesystem.Filesystem/MakeDir",
    "/filesystem.Filesystem/ListDir",
    "/filesystem.Filesystem/Move",
    "/filesystem.Filesystem/Remove",
    "/filesystem.Filesystem/CreateWatcher",
    "/filesystem.Filesystem/GetWatcherEvents",
    "/filesystem.Filesystem/RemoveWatcher",
};

// The media type, with at most a charset of UTF-8.
bool is_content_type(std::string_view value, std::string_view type) {
    const std::size_t semicolon = value.find(';');
    std::string_view media = value.substr(0, semicolon);
    while (media.ends_with(' ')) media.remove_suffix(1);
    if (!equals_ignoring_case(media, type)) return false;
    if (semicolon == std::string_view::npos) return true;
    std::string_view rest = value.substr(semicolon + 1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    return equals_ignoring_case(rest, "charset=utf-8");
}

RpcError no_such_process(const Selector& selector) {
    return {Code::not_found, selector.pid ? "process with pid " + std::to_string(*selector.pid) + " not found"
                                          : "process with tag " + selector.tag + " not found"};
}

RpcError offset_beyond(std::uint64_t offset, std::uint64_t produced) {
    return {Code::invalid_argument, "Sandboxkit-Output-Offset: " + std::to_string(offset) + " is beyond the " +
                                        std::to_string(produced) + " bytes that the process has written"};
}

// Removes step by step, and answers at the end.
void remove_tree(const std::shared_ptr<Connection>& connection, const std::shared_ptr<TreeRemoval>& removal) {
    const auto done = removal->step();
    if (!done) return connection->respond(rpc_error(done.error()));
    if (*done) return connection->respond({200, "application/json", "{}", {}});
    boost::asio::post(connection->executor(), [connection, removal] { remove_tree(connection, removal); });
}

Answer<std::optional<std::string>> at_once(Answer<std::string> answer) {
    if (!answer) return answer.error();
    return std::optional(std::move(*answer));
}

Answer<std::optional<std::string>> at_once(Answer<void> answer) {
    if (!answer) return answer.error();
    return std::optional(std::string("{}"));
}

} // namespace

std::unique_ptr<BodySink> Service::begin_rpc(const Shared& connection, const RequestHead& head) {
    const bool is_start = head.path == "/process.Process/Start";
    const bool is_input = head.path == "/process.Process/StreamInput";
    const bool is_watch = head.path == "/filesystem.Filesystem/WatchDir";
    const bool streams = is_start || is_input || is_watch || head.path == "/process.Process/Connect";
    if (!streams && std::find(unary_methods.begin(), unary_methods.end(), head.path) == unary_methods.end()) return nullptr;
    const auto ignore = [&](Response response) { return std::make_unique<IgnoreBody>(connection, std::move(response)); };
    if (head.method != "POST") return ignore({405, {}, {}, "Allow: POST\r\n"});

    const std::string_view wanted = streams ? "application/connect+json" : "application/json";
    if (!is_content_type(head.field("Content-Type"), wanted))
        return ignore({415, {}, {}, "Accept-Post: " + std::string(wanted) + ", " + std::string(wanted) + "; charset=utf-8\r\n"});
    const auto refuse = [streams](const RpcError& error) { return streams ? stream_error(error) : rpc_error(error); };
    const std::string_view encoding = head.field(streams ? "Connect-Content-Encoding" : "Content-Encoding");
    if (!encoding.empty() && encoding != "identity")
        return ignore(
            refuse({Code::unimplemented, "unknown compression \"" + std::string(encoding) + "\": supported encodings are none"}));
    auto user = user_of(head);
    if (!user) return ignore(refuse(user.error()));

    if (is_input) return InputStream::take_body(connection, [this](const Selector& selector) { return running(selector); });
    return std::make_unique<CollectBody>(
        [this, connection, head, streams, is_start, is_watch, user = std::move(*user)](const std::string& body) {
            if (is_start) return start(connection, head, user, body);
            if (is_watch) return watch(connection, head, user, body);
            if (streams) return connect(connection, head, body);
            auto result = call(connection, head.path, user, body);
            if (!result) return connection->respond(rpc_error(result.error()));
            if (*result) connection->respond({200, "application/json", std::move(**result), {}});
        },
        [connection, refuse] {
            connection->respond(
                refuse({Code::resource_exhausted, "message is larger than configured max " + std::to_string(message_limit)}));
        });
}

Answer<std::optional<std::string>> Service::call(const Shared& connection, std::string_view path, const Identity& user,
                                                 std::string_view body) {
    const std::string_view method = path.substr(path.rfind('/') + 1);
    if (path.starts_with("/process.")) {
        if (method == "List") return at_once(list_processes(body));
        if (method == "SendSignal") {
            const auto request = decode_signal(body);
            if (!request) return request.error();
            const auto process = running(request->process);
            if (!process) return process.error();
            return at_once((*process)->signal(request->signal));
        }
        if (method == "SendInput") {
            auto request = decode_input(body);
            if (!request) return request.error();
            const auto process = running(request->process);
            if (!process) return process.error();
            (*process)->write_input(std::move(request->input), [connection](const Answer<void>& written) {
                connection->respond(written ? Response{200, "application/json", "{}", {}} : rpc_error(written.error()));
            });
            return std::optional<std::string>();
        }
        if (method == "Update") {
            const auto request = decode_update(body);
            if (!request) return request.error();
            const auto process = running(request->process);
            if (!process) return process.error();
            return at_once(request->size ? (*process)->resize(*request->size) : Answer<void>());
        }
        const auto selector = decode_selector(body);
        if (!selector) return selector.error();
        const auto process = running(*selector);
        if (!process) return process.error();
        return at_once((*process)->close_input());
    }

    if (method.ends_with("Watcher") || method == "GetWatcherEvents") return call_watcher(connection, method, user, body);
    if (method == "Move") {
        const auto request = decode_move(body);
        if (!request) return request.error();
        const auto source = resolve_path(request->source, user, settings_.default_workdir);
        if (!source) return source.error();
        const auto destination = resolve_path(request->destination, user, settings_.default_workdir);
        if (!destination) return destination.error();
        return at_once(move_entry(*source, *destination, user));
    }
    const auto request = decode_path(body);
    if (!request) return request.error();
    const auto target = resolve_path(request->path, user, settings_.default_workdir);
    if (!target) return target.error();
    if (method == "Stat") return at_once(stat_entry(*target, user));
    if (method == "MakeDir") return at_once(make_directory(*target, user));
    if (method == "ListDir") return at_once(list_directory(*target, request->depth, user));
    // An empty path means the working directory, which nobody removes by leaving something out.
    if (request->path.empty()) return RpcError{Code::invalid_argument, "error removing: the path is empty"};
    remove_tree(connection, std::make_shared<TreeRemoval>(*target, user));
    return std::optional<std::string>();
}

Answer<std::string> Service::list_processes(std::string_view body) const {
    const auto request = decode_empty(body);
    if (!request) return request.error();
    std::string out;
    for (const auto& process : processes_.running()) {
        const StartRequest& config = process->config();
        out += out.empty() ? R"({"processes":[{"config":{"cmd":)" : R"(,{"config":{"cmd":)";
        append_json_string(out, config.cmd);
        if (!config.args.empty()) {
            out += ",\"args\":";
            char separator = '[';
            for (const std::string& argument : config.args) {
                out += separator;
                append_json_string(out, argument);
                separator = ',';
            }
            out += ']';
        }
        if (!config.envs.empty()) {
            out += ",\"envs\":";
            char separator = '{';
            for (const auto& [name, value] : config.envs) {
                out += separator;
                append_json_string(out, name);
                out += ':';
                append_json_string(out, value);
                separator = ',';
            }
            out += '}';
        }
        if (!config.cwd.empty()) {
            out += ",\"cwd\":";
            append_json_string(out, config.cwd);
        }
        out += "},\"pid\":" + std::to_string(process->pid());
        if (!config.tag.empty()) {
            out += ",\"tag\":";
            append_json_string(out, config.tag);
        }
        out += '}';
        if (out.size() > list_size_limit)
            return RpcError{Code::resource_exhausted,
                            "the processes take more than " + std::to_string(list_size_limit >> 20) + " MiB to say"};
    }
    return out.empty() ? std::string("{}") : out + "]}";
}

Answer<std::shared_ptr<Process>> Service::running(const Selector& selector) const {
    auto process = processes_.find(selector);
    if (!process || process->ended()) return no_such_process(selector);
    return process;
}

void Service::start(const Shared& connection, const RequestHead& head, const Identity& user, std::string_view body) {
    const auto refuse = [&](const RpcError& error) { connection->respond(stream_error(error)); };
    const auto message = open_single_envelope(body);
    if (!message) return refuse(message.error());
    auto request = decode_start(*message);
    if (!request) return refuse(request.error());
    const auto options = output_options(head);
    if (!options) return refuse(options.error());
    if (options->offset.value_or(0) > 0) return refuse(offset_beyond(*options->offset, 0));
    const auto limit = time_limit(head);
    if (!limit) return refuse(limit.error());

    SpawnRequest spawn;
    auto cwd = resolve_path(request->cwd, user, settings_.default_workdir);
    if (!cwd) return refuse(cwd.error());
    struct stat status {};
    if (::stat(cwd->c_str(), &status) != 0) {
        // Nobody chose a home that does not exist, and login(1) goes on in "/", too.
        if (request->cwd.empty() && settings_.default_workdir.empty())
            *cwd = "/";
        else
            return refuse({Code::invalid_argument,
                           "cwd '" + *cwd + "' " + (errno == ENOENT ? "does not exist" : std::string(describe(errno)))});
    } else if (!S_ISDIR(status.st_mode)) {
        return refuse({Code::invalid_argument, "cwd '" + *cwd + "' is not a directory"});
    }
    spawn.cwd = std::move(*cwd);
    spawn.cmd = request->cmd;
    spawn.args = request->args;
    spawn.user = user;
    const Environment of_user{{"HOME", user.home}, {"USER", user.name}, {"LOGNAME", user.name}, {"SHELL", user.shell}};
    spawn.environment = {{"PATH", std::string(base_path)}};
    for (const Environment* variables :
         std::initializer_list<const Environment*>{&base_, &of_user, &settings_.environment, &request->envs})
        for (const auto& [name, value] : *variables) spawn.environment.insert_or_assign(name, value);

    processes_.start(std::move(*request), std::move(spawn),
                     [connection, limit = *limit, options = *options](const Answer<std::shared_ptr<Process>>& process) {
                         if (!process) return connection->respond(stream_error(process.error()));
                         if (limit) (*process)->limit_time(*limit);
                         OutputStream::respond(connection, *process, options);
                     });
}

void Service::connect(const Shared& connection, const RequestHead& head, std::string_view body) {
    const auto refuse = [&](const RpcError& error) { connection->respond(stream_error(error)); };
    const auto message = open_single_envelope(body);
    if (!message) return refuse(message.error());
    const auto selector = decode_selector(*message);
    if (!selector) return refuse(selector.error());
    auto options = output_options(head);
    if (!options) return refuse(options.error());
    const auto limit = time_limit(head);
    if (!limit) return refuse(limit.error());
    options->stream_time = *limit;
    const auto process = processes_.find(*selector);
    if (!process) return refuse(no_such_process(*selector));
    const std::uint64_t produced = process->output().last();
    if (options->offset.value_or(0) > produced) return refuse(offset_beyond(*options->offset, produced));
    OutputStream::respond(connection, process, *options);
}

void Service::watch(const Shared& connection, const RequestHead& head, const Identity& user, std::string_view body) {
    const auto refuse = [&](const RpcError& error) { connection->respond(stream_error(error)); };
    const auto message = open_single_envelope(body);
    if (!message) return refuse(message.error());
    const auto request = decode_watch(*message);
    if (!request) return refuse(request.error());
    const auto keepalive = keepalive_interval(head);
    if (!keepalive) return refuse(keepalive.error());
    const auto limit = time_limit(head);
    if (!limit) return refuse(limit.error());
    watch(connection, *request, user, *keepalive, *limit);
}

} // namespace sandboxkit::guest
