// SPDX-License-Identifier: Apache-2.0
#include "guest/service.hpp"

#include "guest/body_sinks.hpp"
#include "guest/encoding.hpp"
#include "guest/sha256.hpp"

namespace sandboxkit::guest {
namespace {

constexpr std::string_view unauthorized =
    "unauthorized access, please provide a valid access token or method signing if supported";

Response not_found() {
    return {404, "text/plain; charset=utf-8", "404 page not found\n", "X-Content-Type-Options: nosniff\r\n"};
}

Response method_not_allowed(std::string_view allowed) {
    return {405, {}, {}, "Allow: " + std::string(allowed) + "\r\n"};
}

} // namespace

std::string value_of(const Query& query, const std::string& name) {
    const auto it = query.find(name);
    return it != query.end() ? it->second : std::string();
}

std::optional<Query> parse_query(std::string_view text) {
    Query query;
    while (!text.empty()) {
        const std::size_t end = text.find('&');
        const std::string_view pair = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        auto name = decode_query_component(pair.substr(0, equals));
        auto value = decode_query_component(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
        if (!name || !value) return std::nullopt;
        query.emplace(std::move(*name), std::move(*value));
    }
    return query;
}

Answer<std::string> basic_auth_user(std::string_view authorization) {
    constexpr std::string_view scheme = "Basic ";
    if (!equals_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return std::string();
    const auto decoded = decode_base64(authorization.substr(scheme.size()));
    if (!decoded) return RpcError{Code::unauthenticated, "invalid Authorization header: not base64"};
    return decoded->substr(0, decoded->find(':'));
}

Service::Service(boost::asio::any_io_executor executor, ProcessTable& processes, std::string default_workdir, Environment base)
    : processes_(processes), base_(std::move(base)), tunnels_(std::move(executor)) {
    settings_.default_workdir = std::move(default_workdir);
}

Answer<Identity> Service::user_of(const RequestHead& head) const {
    auto name = basic_auth_user(head.field("Authorization"));
    if (!name) return name.error();
    if (name->empty()) name = settings_.default_user;
    auto user = find_user(*name);
    if (!user) return RpcError{Code::unauthenticated, "invalid username: '" + *name + "'"};
    return std::move(*user);
}

std::unique_ptr<BodySink> Service::begin(const Shared& connection, const RequestHead& head) {
    const bool health = head.path == "/health";
    const bool files = head.path == "/files";
    const bool initialize = head.path == "/init";
    const auto ignore = [&](Response response) { return std::make_unique<IgnoreBody>(connection, std::move(response)); };

    const bool open_route = (health && head.method == "GET") || (files && (head.method == "GET" || head.method == "POST")) ||
                            (initialize && head.method == "POST");
    if (!open_route && !settings_.access_token.empty() &&
        !equals_in_constant_time(head.field("X-Access-Token"), settings_.access_token))
        return ignore(plain_error(401, unauthorized));

    if (health) {
        if (head.method != "GET") return ignore(method_not_allowed("GET"));
        // Says that the optional fields of this server are there.
        return ignore({204, {}, {}, "Cache-Control: no-store\r\nSandboxkit-Extensions: 1\r\n"});
    }
    if (files) return begin_files(connection, head);
    if (head.path == "/files/compose") {
        if (head.method != "POST") return ignore(method_not_allowed("POST"));
        return begin_compose(connection);
    }
    if (head.path == "/sandboxkit/tree") return begin_tree(connection, head);
    if (head.path == "/sandboxkit/tunnel") {
        if (head.method != "POST") return ignore(method_not_allowed("POST"));
        return begin_tunnel(connection);
    }
    if (initialize) {
        if (head.method != "POST") return ignore(method_not_allowed("POST"));
        return std::make_unique<CollectBody>(
            [this, connection, head](const std::string& body) { init(connection, head, body); },
            [connection] { connection->respond(plain_error(413, "the request is larger than 8 MiB")); });
    }
    if (head.path == "/envs") {
        if (head.method != "GET") return ignore(method_not_allowed("GET"));
        std::string body = "{";
        for (const auto& [name, value] : settings_.environment) {
            if (body.size() > 1) body += ',';
            append_json_string(body, name);
            body += ':';
            append_json_string(body, value);
        }
        return ignore({200, "application/json", body + "}\n", "Cache-Control: no-store\r\n"});
    }
    if (head.path == "/metrics") {
        if (head.method != "GET") return ignore(method_not_allowed("GET"));
        return ignore({200, "application/json", metrics_.json(), "Cache-Control: no-store\r\n"});
    }
    auto sink = begin_rpc(connection, head);
    if (sink) return sink;
    return ignore(not_found());
}

// The connection becomes one end of a tunnel when its request is complete.
std::unique_ptr<BodySink> Service::begin_tunnel(const Shared& connection) {
    return std::make_unique<CollectBody>(
        [this, connection](const std::string&) {
            const auto port = tunnels_.listen();
            if (!port) return connection->respond(plain_error(503, port.error().message));
            if (tunnels_.full()) return connection->respond(plain_error(503, "no more tunnels are carried at once"));
            if (FileDescriptor socket = connection->release()) tunnels_.add(std::move(socket));
        },
        [connection] { connection->respond(plain_error(413, "the request is larger than 8 MiB")); });
}

void Service::init(const Shared& connection, const RequestHead& head, std::string_view body) {
    const auto request = decode_init(body.empty() ? std::string_view("{}") : body);
    if (!request) return connection->respond(plain_error(400, request.error().message));
    // The first caller sets the token; after that it takes the token to set another.
    const std::string& token = settings_.access_token;
    if (!token.empty() && !equals_in_constant_time(head.field("X-Access-Token"), token) &&
        !equals_in_constant_time(request->access_token, token))
        return connection->respond(plain_error(401, unauthorized));
    if (!request->default_user.empty() && !find_user(request->default_user))
        return connection->respond(plain_error(400, "invalid defaultUser: '" + request->default_user + "'"));
    if (!request->default_workdir.empty() && request->default_workdir.front() != '/')
        return connection->respond(
            plain_error(400, "invalid defaultWorkdir: '" + request->default_workdir + "' is not absolute"));
    settings_.access_token = request->access_token;
    if (request->envs) settings_.environment = *request->envs;
    if (!request->default_user.empty()) settings_.default_user = request->default_user;
    if (!request->default_workdir.empty()) settings_.default_workdir = request->default_workdir;
    connection->respond({204, {}, {}, "Cache-Control: no-store\r\nX-Envd-Version: " + std::string(wire_version) + "\r\n"});
}

} // namespace sandboxkit::guest
