// SPDX-License-Identifier: Apache-2.0
// The Engine API of one Docker daemon: its versions, its requests and its refusals, over the HTTP client.
//
// Executor, lifetimes and cancellation are those of net::HttpClient; so are its errors, with the prefix "docker", to which come
// those of refusal() in daemon_error.hpp, and unsupported "docker_too_old".
#pragma once

#include "providers/docker/daemon_endpoint.hpp"
#include "providers/docker/daemon_json.hpp"
#include "providers/docker/progress_messages.hpp"

#include "net/http_client.hpp"

#include <sandboxkit/provider.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::docker {

inline constexpr unsigned least_api_minor = 41, most_api_minor = 47; // of 1.x: Engine 20.10 and 27

// The highest version that both sides know. Errors: unsupported "docker_too_old", internal "peer_protocol".
[[nodiscard]] Result<unsigned> negotiate_api(std::string_view daemons_version);

// Names and values, not encoded yet. A name may come more than once.
using Query = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] std::string encode_query(const Query& query); // "" or "?a=b&..."

// {"label":["a=b",...], ...} as the parameter `filters` wants it.
[[nodiscard]] std::string label_filter(const std::vector<std::string>& labels);

struct EngineRequest {
    std::string what; // is being done, for messages: "cannot start the sandbox"
    std::string method = "GET";
    std::string path; // without the version, percent-encoded: "/containers/json"
    Query query;
    std::optional<json::object> body;
    net::HttpHeaders headers;
    bool idempotent = false; // more than GET and HEAD
    std::chrono::milliseconds limit = std::chrono::seconds(120);
};

class EngineClient {
public:
    EngineClient(boost::asio::any_io_executor executor, net::HttpTarget target);

    // The answer, whose status is below 400. Asked again, once, when the connection broke and the request is idempotent.
    Task<net::HttpResponse> call(EngineRequest request) const;
    // What `read` makes of the answer's JSON; see read_json().
    template <class T>
    Task<T> get(EngineRequest request, T (*read)(const json::value&)) const {
        auto response = co_await call(std::move(request));
        if (!response) co_return response.error();
        co_return read_json(response->body, read);
    }
    // An answer that goes on. Its head has come, and its status is below 400.
    Task<net::HttpStream> stream(EngineRequest request) const;
    // A connection that carries bytes both ways from here on.
    Task<net::HttpStream> attach(EngineRequest request) const;
    // A body of unknown length.
    Task<net::HttpResponse> upload(EngineRequest request, net::HttpBodySource source) const;
    // A request whose answer tells how it goes on, with a body or without one (empty). The status of the last message.
    Task<std::string> follow(EngineRequest request, net::HttpBodySource source, ProgressDecoder::Listener listener) const;

private:
    struct State;
    Task<unsigned> api_minor() const;
    Task<net::HttpRequest> prepare(const EngineRequest& request) const;
    Task<net::HttpStream> check_stream(const EngineRequest& request, Result<net::HttpStream> stream) const;

    std::shared_ptr<State> state_;
};

} // namespace sandboxkit::docker
