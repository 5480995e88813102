// SPDX-License-Identifier: Apache-2.0
#include "net/http_served.hpp"

#include <array>
#include <charconv>

namespace sandboxkit::net {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds head_time = 60s; // from its first byte to its last
constexpr std::chrono::milliseconds body_silence = 120s;

std::string_view reason(unsigned status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 415: return "Unsupported Media Type";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "Answer";
    }
}

std::string head_of(unsigned status, const HttpHeaders& headers, bool keep_alive) {
    std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
    head += reason(status);
    head += "\r\n";
    for (const auto& [name, value] : headers) head.append(name).append(": ").append(value).append("\r\n");
    if (!keep_alive) head += "Connection: close\r\n";
    return head;
}

} // namespace

asio::awaitable<Result<std::optional<HttpRequestHead>>> HttpServed::next(std::chrono::milliseconds idle) {
    using Head = std::optional<HttpRequestHead>;
    if (parser_ && (!parser_->done() || !body_.empty()))
        co_return Error{ErrorClass::invalid, "http_stream", "the body of a request was not read", "", "", {}};
    if (parser_ && !parser_->head().keep_alive) co_return Head();
    parser_ = std::make_unique<HttpRequestParser>();
    continued_ = false;
    bool begun = false;
    auto until = std::chrono::steady_clock::time_point::max();
    while (!parser_->head_done()) {
        auto limit = idle;
        if (begun) {
            limit = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
            if (limit <= 0ms)
                co_return Error{ErrorClass::timeout, "http_timeout", "the head of a request did not come in time", "", "", {}};
        }
        auto bytes = co_await stream_.read_some(limit);
        if (!bytes) co_return bytes.error();
        if (bytes->empty() && !begun) co_return Head();
        if (bytes->empty()) co_return Error{ErrorClass::unavailable, "http_disconnected", "a request was cut off", "", "", {}};
        if (!begun) until = std::chrono::steady_clock::now() + head_time;
        begun = true;
        auto fed = parser_->feed(*bytes, body_);
        if (!fed) co_return fed.error();
    }
    co_return Head(parser_->head());
}

asio::awaitable<Result<std::string>> HttpServed::read_body() {
    while (body_.empty() && !parser_->done()) {
        if (parser_->head().expects_continue && !continued_) {
            continued_ = true;
            auto told = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n", body_silence);
            if (!told) co_return told.error();
        }
        auto bytes = co_await stream_.read_some(body_silence);
        if (!bytes) co_return bytes.error();
        if (bytes->empty()) co_return Error{ErrorClass::unavailable, "http_disconnected", "a request was cut off", "", "", {}};
        auto fed = parser_->feed(*bytes, body_);
        if (!fed) co_return fed.error();
    }
    co_return std::exchange(body_, {});
}

asio::awaitable<Result<void>> HttpServed::respond(unsigned status, HttpHeaders headers, std::string body) {
    headers.emplace_back("Content-Length", std::to_string(body.size()));
    std::string bytes = head_of(status, headers, parser_->head().keep_alive) + "\r\n" + body;
    auto written = co_await stream_.write(std::move(bytes), body_silence);
    co_return written;
}

asio::awaitable<Result<void>> HttpServed::begin(unsigned status, HttpHeaders headers) {
    headers.emplace_back("Transfer-Encoding", "chunked");
    std::string bytes = head_of(status, headers, parser_->head().keep_alive) + "\r\n";
    auto written = co_await stream_.write(std::move(bytes), body_silence);
    co_return written;
}

asio::awaitable<Result<void>> HttpServed::write(std::string piece) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), piece.size(), 16).ptr;
    std::string bytes = std::string(digits.data(), end) + "\r\n" + piece + "\r\n";
    auto written = co_await stream_.write(std::move(bytes), body_silence);
    co_return written;
}

} // namespace sandboxkit::net
