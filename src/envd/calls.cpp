// SPDX-License-Identifier: Apache-2.0
#include "envd/calls.hpp"

#include "envd/json_reader.hpp"
#include "envd/requests.hpp"

#include <boost/asio/ip/address.hpp>

#include <iterator>
#include <utility>

namespace sandboxkit::envd {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t refusal_limit = 64U << 10; // of the text of an error

net::HttpTarget target_of(const Endpoint& endpoint) {
    net::HttpTarget target;
    target.unix_socket = endpoint.unix_socket;
    target.dial = endpoint.dial;
    target.host = endpoint.host;
    target.port = endpoint.port;
    if (endpoint.tls) {
        target.tls.emplace();
        target.tls->ca = endpoint.tls_ca;
    }
    target.name = "the sandbox";
    target.code_prefix = "guest";
    return target;
}

// By its name alone: what the resolver says is not believed.
bool is_this_machine(const std::string& host) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    return host == "localhost" || (!error && address.is_loopback());
}

Error unexpected_status(const std::string& name, unsigned status) {
    return protocol_error("the sandbox answered '" + name + "' with the HTTP status " + std::to_string(status));
}

} // namespace

Result<void> check_endpoint(const Endpoint& endpoint, bool has_token) {
    if (!endpoint.tls && !endpoint.tls_ca.empty())
        return Error{ErrorClass::invalid,
                     "guest_endpoint",
                     "the sandbox's address has certificate authorities, but is without TLS",
                     "set `tls`",
                     "",
                     {}};
    if (has_token && !endpoint.host.empty() && !endpoint.tls && !endpoint.token_in_the_clear && !is_this_machine(endpoint.host))
        return Error{ErrorClass::invalid,
                     "guest_token_in_the_clear",
                     "the sandbox's access token would cross the network without encryption",
                     "use TLS, or say that the network is to be trusted (`token_in_the_clear`)",
                     "",
                     {}};
    return {};
}

Core::Core(boost::asio::any_io_executor executor, Endpoint given, const ClientLimits& l)
    : http(std::move(executor), target_of(given)), limits(l), endpoint(std::move(given)), access_token(endpoint.access_token) {}

void Core::learn(const net::HttpHead& head) {
    extensions = extensions || net::find_header(head.headers, "Sandboxkit-Extensions") == std::string_view("1");
}

Result<net::HttpRequest> Core::complete(net::HttpRequest request) const {
    auto checked = check_endpoint(endpoint, !access_token.empty());
    if (!checked) return checked.error();
    auto common = common_headers(endpoint, access_token);
    request.headers.insert(request.headers.end(), std::make_move_iterator(common.begin()), std::make_move_iterator(common.end()));
    return request;
}

Task<net::HttpResponse> perform(CorePtr core, Result<net::HttpRequest> request, Call call) {
    if (request) request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    const net::HttpLimits limits{call.body, call.total.value_or(core->limits.answer)};
    auto response = co_await core->http.unary(std::move(*request), limits);
    if (!response) co_return response.error();
    core->learn(response->head);
    if (call.name == health_name) core->probed = true;
    if (response->head.status != call.expected_status) {
        if (response->head.status >= 400) co_return error_of_response(call.name, call.route, *response);
        co_return unexpected_status(call.name, response->head.status);
    }
    if (call.route == Route::rpc && !net::has_media_type(response->head.headers, "application/json"))
        co_return protocol_error("the sandbox answered '" + call.name + "' with something that is not JSON");
    const auto encoding = net::find_header(response->head.headers, "Content-Encoding");
    if (encoding && *encoding != "identity")
        co_return protocol_error("the sandbox compressed its answer to '" + call.name + "', which was not asked for");
    co_return std::move(*response);
}

Error as_protocol_error(Error error) {
    if (error.code != "guest_answer_too_large") return error;
    error.kind = ErrorClass::internal;
    error.code = "peer_protocol";
    return error;
}

Task<void> perform_void(CorePtr core, Result<net::HttpRequest> request, Call call) {
    const Route route = call.route;
    auto response = co_await perform(std::move(core), std::move(request), std::move(call));
    if (!response) co_return as_protocol_error(response.error());
    if (route == Route::plain) co_return Result<void>{};
    co_return with_json_object(response->body, [](const boost::json::object&) -> Result<void> { return {}; });
}

boost::asio::awaitable<Error> read_refusal(net::HttpStream stream, std::string call, Route route, milliseconds limit) {
    net::HttpResponse response;
    response.head = stream.head();
    if (response.head.status < 400) co_return unexpected_status(call, response.head.status);
    const auto end = std::chrono::steady_clock::now() + limit;
    while (response.body.size() < refusal_limit) {
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) break;
        auto bytes = co_await stream.read_some(left);
        if (!bytes) {
            if (bytes.error().kind == ErrorClass::cancelled) co_return bytes.error();
            break; // the status alone says enough
        }
        if (bytes->empty()) break;
        response.body += *bytes;
    }
    co_return error_of_response(call, route, response);
}

Task<void> need_extensions(CorePtr core, Error otherwise) {
    if (!core->extensions && !core->probed) {
        Call probe{health_name, Route::plain, 204};
        auto healthy = co_await perform_void(core, health_request(), std::move(probe));
        if (!healthy) co_return healthy;
    }
    if (!core->extensions) co_return otherwise;
    co_return Result<void>{};
}

} // namespace sandboxkit::envd
