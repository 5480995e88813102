// SPDX-License-Identifier: Apache-2.0
// What all calls of one client share, and those that have one answer.
#pragma once

#include "envd/client.hpp"
#include "envd/guest_errors.hpp"
#include "net/http_client.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::envd {

inline constexpr const char* health_name = "health";
inline constexpr std::size_t answer_limit = 8U << 20;

// Each call holds it, so a call outlives the client's handle.
struct Core {
    Core(boost::asio::any_io_executor executor, Endpoint given, const ClientLimits& l);

    net::HttpClient http;
    const ClientLimits limits;
    const Endpoint endpoint;
    std::string access_token; // the endpoint's, or the one that init() set
    bool probed = false;      // /health answered, where a server that has our extensions announces them
    bool extensions = false;  // it announced them, there or elsewhere

    void learn(const net::HttpHead& head);
    [[nodiscard]] Result<net::HttpRequest> complete(net::HttpRequest request) const;
};
using CorePtr = std::shared_ptr<Core>;

// Refuses an endpoint that says what cannot be, and one through which a token would cross a network without encryption.
[[nodiscard]] Result<void> check_endpoint(const Endpoint& endpoint, bool has_token);

struct Call {
    std::string name; // for people, in errors
    Route route = Route::rpc;
    unsigned expected_status = 200;
    std::size_t body = answer_limit;                  // bytes of the answer
    std::optional<std::chrono::milliseconds> total{}; // absent: ClientLimits::answer
};

Task<net::HttpResponse> perform(CorePtr core, Result<net::HttpRequest> request, Call call);
Task<void> perform_void(CorePtr core, Result<net::HttpRequest> request, Call call);

// The error of an answer to `call` (as in Call) whose head has come and is not the expected one, with as much of its text as
// comes in `limit`.
boost::asio::awaitable<Error> read_refusal(net::HttpStream stream, std::string call, Route route,
                                           std::chrono::milliseconds limit);

// `otherwise`, when the server does not have our extensions. It is asked once.
Task<void> need_extensions(CorePtr core, Error otherwise);

// An RPC whose body must be too large to be believed breaks the protocol; for files it is the caller's limit.
[[nodiscard]] Error as_protocol_error(Error error);

template <class T>
Task<T> perform_decoded(CorePtr core, Result<net::HttpRequest> request, Call call, Result<T> (*decode)(std::string_view)) {
    auto response = co_await perform(std::move(core), std::move(request), std::move(call));
    if (!response) co_return as_protocol_error(response.error());
    co_return decode(response->body);
}

} // namespace sandboxkit::envd
