// SPDX-License-Identifier: Apache-2.0
#include "net/http_request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace sandboxkit::net {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

Error bad(std::string message, std::string detail = {}) {
    return {ErrorClass::invalid, "http_request", std::move(message), "", std::move(detail), {}};
}

} // namespace

// Beast's parser with its events turned into a head and body bytes.
class HttpRequestParser::Message : public http::basic_parser<true> {
public:
    Message() {
        eager(true);
        header_limit(head_limit);
        body_limit(boost::none); // the reader of the body has its own limit
    }

    HttpRequestHead parsed;
    std::string* body = nullptr; // where the call under way wants body bytes
    bool last_chunk = false;     // only the trailer is left

private:
    void on_request_impl(http::verb, boost::beast::string_view method, boost::beast::string_view target, int,
                         error_code&) override {
        parsed.method = std::string(method);
        parsed.target = std::string(target);
    }
    void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
    void on_field_impl(http::field field, boost::beast::string_view name, boost::beast::string_view value, error_code&) override {
        if (in_trailer_) return;
        if (field == http::field::expect) parsed.expects_continue = boost::beast::iequals(value, "100-continue");
        parsed.headers.emplace_back(std::string(name), std::string(value));
    }
    void on_header_impl(error_code&) override {
        in_trailer_ = true;
        parsed.keep_alive = keep_alive();
    }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(boost::beast::string_view bytes, error_code&) override {
        body->append(bytes.data(), bytes.size());
        return bytes.size();
    }
    void on_chunk_header_impl(std::uint64_t size, boost::beast::string_view, error_code&) override { last_chunk = size == 0; }
    std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view bytes, error_code&) override {
        body->append(bytes.data(), bytes.size());
        return bytes.size();
    }
    void on_finish_impl(error_code&) override {}

    bool in_trailer_ = false; // trailers are read and dropped: nothing here uses them
};

HttpRequestParser::HttpRequestParser() : message_(std::make_unique<Message>()) {}
HttpRequestParser::~HttpRequestParser() = default;

Result<void> HttpRequestParser::feed(std::string_view bytes, std::string& body) {
    // Bytes are copied only when a head or a chunk line was cut.
    std::string joined;
    if (!pending_.empty()) {
        joined.swap(pending_);
        joined.append(bytes);
        bytes = joined;
    }
    while (!bytes.empty()) {
        if (message_->is_done()) return bad("bytes came after a request that was not answered yet");
        message_->body = &body;
        const bool trailing = message_->last_chunk;
        error_code error;
        const std::size_t used = message_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
        message_->body = nullptr;
        bytes.remove_prefix(used);
        if (error && error != http::error::need_more) return bad("the request is not valid HTTP", error.message());
        // Beast's own limit is one of a single field: it consumes them one by one.
        if (!message_->is_done() && (trailing || !message_->is_header_done())) {
            field_bytes_ += used;
            if (field_bytes_ + bytes.size() > head_limit) return bad("the headers of the request do not end");
        }
        if (used == 0 || error == http::error::need_more) break;
    }
    if (message_->is_done()) return {};
    if (bytes.size() > head_limit) return bad("the framing of the request does not end");
    pending_.assign(bytes);
    return {};
}

bool HttpRequestParser::head_done() const {
    return message_->is_header_done();
}
bool HttpRequestParser::done() const {
    return message_->is_done();
}
const HttpRequestHead& HttpRequestParser::head() const {
    return message_->parsed;
}

} // namespace sandboxkit::net
