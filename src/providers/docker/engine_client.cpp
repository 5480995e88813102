// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/engine_client.hpp"

#include "providers/docker/daemon_error.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>

namespace sandboxkit::docker {

namespace {

constexpr std::size_t body_limit = 16U << 20;       // bytes of an answer
constexpr std::size_t refusal_limit = 64U << 10;    // bytes of one that says why not
constexpr std::chrono::seconds stream_silence{300}; // a registry may be slow, and says so now and then
constexpr std::chrono::seconds ping_limit{20};

bool too_new(const Error& error) {
    return error.code == "docker_invalid" && error.detail.find("client version") != std::string::npos;
}

// RFC 3986; a slash is no exception in a query.
std::string encode(std::string_view text) {
    std::string encoded = net::percent_encode_path(text);
    for (auto at = encoded.find('/'); at != std::string::npos; at = encoded.find('/', at)) encoded.replace(at, 1, "%2F");
    return encoded;
}

} // namespace

struct EngineClient::State {
    net::HttpClient http;
    std::string name;   // of the daemon, in messages
    unsigned minor = 0; // of the API's version; 0: not asked yet
};

Result<unsigned> negotiate_api(std::string_view version) {
    unsigned minor = 0;
    const auto parsed = version.starts_with("1.") ? std::from_chars(version.data() + 2, version.data() + version.size(), minor)
                                                  : std::from_chars_result{version.data(), std::errc::invalid_argument};
    if (parsed.ec != std::errc{} || parsed.ptr != version.data() + version.size())
        return protocol_error("the Docker daemon does not say which version of the API it has", version);
    if (minor < least_api_minor)
        return Error{ErrorClass::unsupported,
                     "docker_too_old",
                     "the Docker daemon is too old: it has version 1." + std::to_string(minor) + " of the API, and 1." +
                         std::to_string(least_api_minor) + " is needed",
                     "use Docker Engine 20.10 or later",
                     "",
                     {}};
    return std::min(minor, most_api_minor);
}

std::string encode_query(const Query& query) {
    std::string text;
    for (const auto& [name, value] : query) text += (text.empty() ? "?" : "&") + encode(name) + "=" + encode(value);
    return text;
}

std::string label_filter(const std::vector<std::string>& labels) {
    json::array list;
    for (const auto& label : labels) list.emplace_back(label);
    const json::object filters{{"label", std::move(list)}};
    return json::serialize(filters);
}

EngineClient::EngineClient(boost::asio::any_io_executor executor, net::HttpTarget target) {
    target.code_prefix = "docker";
    std::string name = target.name;
    net::HttpClient http(std::move(executor), std::move(target));
    state_ = std::make_shared<State>(State{std::move(http), std::move(name), 0});
}

Task<unsigned> EngineClient::api_minor() const {
    const auto state = state_;
    if (state->minor != 0) co_return state->minor;
    net::HttpRequest ping;
    ping.target = "/_ping";
    ping.idempotent = true;
    net::HttpLimits limits;
    limits.body = refusal_limit;
    limits.total = ping_limit;
    auto response = co_await state->http.unary(std::move(ping), limits);
    if (!response) co_return response.error();
    if (response->head.status >= 400) co_return refusal(response->head.status, response->body, "cannot reach " + state->name);
    const auto version = net::find_header(response->head.headers, "Api-Version");
    auto minor = negotiate_api(version ? *version : std::string_view());
    if (minor) state->minor = *minor;
    co_return minor;
}

Task<net::HttpRequest> EngineClient::prepare(const EngineRequest& request) const {
    auto minor = co_await api_minor();
    if (!minor) co_return minor.error();
    net::HttpRequest http;
    http.method = request.method;
    http.target = "/v1." + std::to_string(*minor) + request.path + encode_query(request.query);
    http.headers = request.headers;
    http.idempotent = request.idempotent || request.method == "GET" || request.method == "HEAD";
    if (request.body) {
        http.body = json::serialize(*request.body);
        http.headers.emplace_back("Content-Type", "application/json");
    }
    co_return http;
}

Task<net::HttpResponse> EngineClient::call(EngineRequest request) const {
    const auto state = state_;
    for (bool again = true;; again = false) {
        auto http = co_await prepare(request);
        if (!http) co_return http.error();
        const bool idempotent = http->idempotent;
        net::HttpLimits limits;
        limits.body = body_limit;
        limits.total = request.limit;
        auto response = co_await state->http.unary(std::move(*http), limits);
        if (!response && again && idempotent && response.error().code == "docker_disconnected")
            continue; // in the middle of the answer
        if (!response) co_return response.error();
        if (response->head.status < 400) co_return response;
        Error error = refusal(response->head.status, response->body, request.what);
        if (!again || !too_new(error)) co_return error;
        state->minor = 0; // an older daemon is in its place
    }
}

namespace {

// The beginning of an answer that says why not.
Task<std::string> read_refusal(net::HttpStream stream) {
    std::string body;
    while (body.size() < refusal_limit) {
        auto piece = co_await stream.read_some(std::chrono::seconds(20));
        if (!piece || piece->empty()) break;
        body += *piece;
    }
    stream.close();
    co_return body;
}

} // namespace

Task<net::HttpStream> EngineClient::check_stream(const EngineRequest& request, Result<net::HttpStream> stream) const {
    if (!stream) co_return stream.error();
    const unsigned status = stream->head().status;
    if (status < 400) co_return stream;
    if (request.method == "HEAD") co_return refusal(status, {}, request.what); // which has no body, whatever its head says
    auto body = co_await read_refusal(*stream);
    co_return refusal(status, body ? *body : std::string(), request.what);
}

Task<net::HttpStream> EngineClient::stream(EngineRequest request) const {
    const auto state = state_;
    auto http = co_await prepare(request);
    if (!http) co_return http.error();
    auto stream = co_await state->http.stream(std::move(*http), request.limit);
    auto checked = co_await check_stream(request, std::move(stream));
    co_return checked;
}

Task<net::HttpStream> EngineClient::attach(EngineRequest request) const {
    const auto state = state_;
    auto http = co_await prepare(request);
    if (!http) co_return http.error();
    auto stream = co_await state->http.attach(std::move(*http), request.limit);
    auto checked = co_await check_stream(request, std::move(stream));
    co_return checked;
}

Task<net::HttpResponse> EngineClient::upload(EngineRequest request, net::HttpBodySource source) const {
    const auto state = state_;
    auto http = co_await prepare(request);
    if (!http) co_return http.error();
    http->headers.emplace_back("Content-Type", "application/x-tar");
    net::HttpLimits limits;
    limits.body = body_limit;
    limits.total = request.limit;
    auto response = co_await state->http.upload(std::move(*http), std::move(source), limits);
    if (!response) co_return response.error();
    if (response->head.status < 400) co_return response;
    co_return refusal(response->head.status, response->body, request.what);
}

Task<std::string> EngineClient::follow(EngineRequest request, net::HttpBodySource source,
                                       ProgressDecoder::Listener listener) const {
    ProgressDecoder decoder(std::move(listener));
    if (source) {
        auto response = co_await upload(request, std::move(source));
        if (!response) co_return response.error();
        auto fed = decoder.feed(response->body);
        if (!fed) co_return fed.error();
    } else {
        auto opened = co_await stream(request);
        if (!opened) co_return opened.error();
        net::HttpStream body = std::move(*opened);
        for (;;) {
            auto piece = co_await body.read_some(stream_silence);
            if (!piece) co_return piece.error();
            if (piece->empty()) break;
            auto fed = decoder.feed(*piece);
            if (!fed) co_return fed.error();
        }
    }
    auto finished = decoder.finish();
    if (!finished) co_return finished.error();
    if (!decoder.failure().empty()) co_return failure_in_stream(decoder.failure(), request.what);
    co_return decoder.last_status();
}

} // namespace sandboxkit::docker
