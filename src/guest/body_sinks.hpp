// SPDX-License-Identifier: Apache-2.0
// The simple ways to take the body of a request.
#pragma once

#include "guest/connection.hpp"
#include "guest/messages.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace sandboxkit::guest {

inline constexpr std::size_t message_limit = 8 << 20; // bytes of the body of a unary call, and of an envelope

// Reads and forgets the body, then answers: a response amid a body would be lost with the rest of it.
class IgnoreBody : public BodySink {
public:
    IgnoreBody(std::shared_ptr<Connection> connection, Response response)
        : connection_(std::move(connection)), response_(std::move(response)) {}
    void data(std::string_view) override {}
    void end() override { connection_->respond(std::move(response_)); }

private:
    std::shared_ptr<Connection> connection_;
    Response response_;
};

// Collects the body for one who needs all of it. A larger one is forgotten and refused by `too_large`.
class CollectBody : public BodySink {
public:
    CollectBody(std::function<void(std::string)> done, std::function<void()> too_large)
        : done_(std::move(done)), too_large_(std::move(too_large)) {}
    void data(std::string_view piece) override {
        if (body_.size() + piece.size() > message_limit + 5) large_ = true;
        if (large_)
            std::string().swap(body_);
        else
            body_ += piece;
    }
    void end() override { large_ ? too_large_() : done_(std::move(body_)); }

private:
    std::function<void(std::string)> done_;
    std::function<void()> too_large_;
    std::string body_;
    bool large_ = false;
};

// The ways in which routes refuse.
[[nodiscard]] inline Response plain_error(unsigned status, std::string_view message) {
    return {status, "application/json; charset=utf-8", http_error_body(status, message), "X-Content-Type-Options: nosniff\r\n"};
}
[[nodiscard]] inline Response rpc_error(const RpcError& error) {
    return {http_status(error.code), "application/json", error_body(error), {}};
}
// A stream that is refused is a stream of one envelope, and not an HTTP error.
[[nodiscard]] inline Response stream_error(const RpcError& error) {
    std::string body;
    append_end_of_stream(body, error);
    return {200, "application/connect+json", std::move(body), {}};
}

} // namespace sandboxkit::guest
