// SPDX-License-Identifier: Apache-2.0
#include "net/http_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace sandboxkit::net {

namespace http = boost::beast::http;
using boost::system::error_code;

// Beast's parser with its events turned into a head and body bytes.
class HttpResponseParser::Message : public http::basic_parser<false> {
public:
    Message() {
        eager(true);
        header_limit(head_limit);
        body_limit(boost::none); // the reader of the body has its own limit
    }

    HttpHead parsed;
    std::string* body = nullptr; // where the call under way wants body bytes
    bool last_chunk = false;     // only the trailer is left

private:
    void on_request_impl(http::verb, boost::beast::string_view, boost::beast::string_view, int, error_code&) override {}
    void on_response_impl(int code, boost::beast::string_view, int, error_code& error) override {
        if (code < 100 || code > 599)
            error = http::error::bad_status;
        else
            parsed.status = static_cast<unsigned>(code);
    }
    void on_field_impl(http::field, boost::beast::string_view name, boost::beast::string_view value, error_code&) override {
        if (!in_trailer_) parsed.headers.emplace_back(std::string(name), std::string(value));
    }
    void on_header_impl(error_code&) override { in_trailer_ = true; }
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

HttpResponseParser::HttpResponseParser() : message_(std::make_unique<Message>()) {}
HttpResponseParser::~HttpResponseParser() = default;

Result<void> HttpResponseParser::restart_after_interim() {
    if (message_->parsed.status == 101 || ++interim_responses_ > interim_responses_limit)
        return Error{
            ErrorClass::internal, "peer_protocol", "the peer sent interim responses that were not asked for", "", "", {}};
    message_ = std::make_unique<Message>();
    field_bytes_ = 0;
    return {};
}

Result<void> HttpResponseParser::feed(std::string_view bytes, std::string& body) {
    // Bytes are copied only when a head or a chunk line was cut.
    std::string joined;
    if (!pending_.empty()) {
        joined.swap(pending_);
        joined.append(bytes);
        bytes = joined;
    }
    while (!bytes.empty()) {
        if (message_->is_done()) {
            excess_ = true;
            return {};
        }
        message_->body = &body;
        const bool trailing = message_->last_chunk;
        error_code error;
        const std::size_t used = message_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
        message_->body = nullptr;
        bytes.remove_prefix(used);
        if (error && error != http::error::need_more)
            return Error{ErrorClass::internal, "peer_protocol", "the peer's answer is not valid HTTP", "", error.message(), {}};
        // Beast's own limit is one of a single field: it consumes them one by one.
        if (!message_->is_done() && (trailing || !message_->is_header_done())) {
            field_bytes_ += used;
            if (field_bytes_ + bytes.size() > head_limit)
                return Error{ErrorClass::internal, "peer_protocol", "the peer's headers do not end", "", "", {}};
        }
        if (message_->is_done() && message_->parsed.status < 200) {
            auto restarted = restart_after_interim();
            if (!restarted) return restarted;
            continue;
        }
        if (used == 0 || error == http::error::need_more) break;
    }
    if (message_->is_done()) {
        excess_ = excess_ || !bytes.empty();
        return {};
    }
    if (bytes.size() > head_limit)
        return Error{ErrorClass::internal, "peer_protocol", "the peer's HTTP framing does not end", "", "", {}};
    pending_.assign(bytes);
    return {};
}

bool HttpResponseParser::finish() {
    if (message_->is_done()) return true;
    if (!head_done() || !message_->need_eof()) return false;
    error_code error;
    message_->put_eof(error);
    return !error && message_->is_done();
}

bool HttpResponseParser::head_done() const {
    return message_->is_header_done() && message_->parsed.status >= 200;
}
bool HttpResponseParser::done() const {
    return message_->is_done() && message_->parsed.status >= 200;
}
bool HttpResponseParser::reusable() const {
    return done() && message_->keep_alive() && !message_->need_eof() && !excess_;
}
bool HttpResponseParser::ends_with_connection() const {
    return head_done() && message_->need_eof();
}
const HttpHead& HttpResponseParser::head() const {
    return message_->parsed;
}

} // namespace sandboxkit::net
