// SPDX-License-Identifier: Apache-2.0
#include "guest/request_reader.hpp"

#include "guest/encoding.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

namespace sandboxkit::guest {
namespace {

namespace http = boost::beast::http;

// Bytes that the parser cannot consume yet: a head, or the line before a chunk. More is an attack.
constexpr std::size_t unparsed_limit = header_limit + (64 << 10);

// A body that is handed on piece by piece.
struct PieceBody {
    using value_type = std::string;
    class reader {
    public:
        template <bool isRequest, class Fields>
        explicit reader(http::header<isRequest, Fields>&, value_type& piece) : piece_(piece) {}
        void init(const boost::optional<std::uint64_t>&, boost::system::error_code& ec) { ec = {}; }
        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::system::error_code& ec) {
            ec = {};
            std::size_t size = 0;
            for (const boost::asio::const_buffer buffer : boost::beast::buffers_range_ref(buffers)) {
                piece_.append(static_cast<const char*>(buffer.data()), buffer.size());
                size += buffer.size();
            }
            return size;
        }
        void finish(boost::system::error_code& ec) { ec = {}; }

    private:
        value_type& piece_;
    };
};

} // namespace

struct RequestReader::Parser {
    http::request_parser<PieceBody> http;
};

const std::string* RequestHead::find(std::string_view name) const {
    for (const auto& [key, value] : fields)
        if (equals_ignoring_case(key, name)) return &value;
    return nullptr;
}

std::string_view RequestHead::field(std::string_view name) const {
    const std::string* value = find(name);
    return value != nullptr ? std::string_view(*value) : std::string_view();
}

RequestReader::RequestReader() = default;
RequestReader::~RequestReader() = default;

void RequestReader::feed(std::string_view bytes) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    buffer_.append(bytes);
}

std::string_view RequestReader::body() const {
    return parser_ ? std::string_view(parser_->http.get().body()) : std::string_view();
}

RequestReader::Event RequestReader::fail(unsigned status, std::string message) {
    failed_ = true;
    error_status_ = status;
    error_message_ = std::move(message);
    return Event::bad;
}

void RequestReader::take_head() {
    const auto& message = parser_->http.get();
    const std::string_view target(message.target().data(), message.target().size());
    const std::size_t question = target.find('?');
    head_ = RequestHead{};
    head_.method = std::string(message.method_string());
    head_.path = std::string(target.substr(0, question));
    if (question != std::string_view::npos) head_.query = std::string(target.substr(question + 1));
    head_.version = message.version();
    head_.keep_alive = message.keep_alive();
    for (const auto& field : message) head_.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
    head_.expects_continue = equals_ignoring_case(head_.field("Expect"), "100-continue");
    const auto length = parser_->http.content_length();
    if (length) head_.content_length = *length;
}

RequestReader::Event RequestReader::next() {
    if (failed_) return Event::bad;
    if (parser_) parser_->http.get().body().clear();
    if (parser_ && head_done_ && parser_->http.is_done()) {
        parser_.reset();
        head_done_ = false;
        return Event::end;
    }
    if (begin_ == buffer_.size()) {
        // An idle connection keeps no buffer.
        if (!parser_) std::string().swap(buffer_);
        return Event::need_more;
    }
    if (!parser_) {
        parser_ = std::make_unique<Parser>();
        parser_->http.header_limit(header_limit);
        parser_->http.body_limit(boost::none); // each route has its own
    }
    boost::system::error_code ec;
    const std::size_t used = parser_->http.put(boost::asio::buffer(buffer_.data() + begin_, buffer_.size() - begin_), ec);
    begin_ += used;
    if (ec == http::error::need_more) {
        ec = {};
    } else if (ec == http::error::header_limit) {
        return fail(431, "the header of the request is larger than " + std::to_string(header_limit) + " bytes");
    } else if (ec) {
        return fail(400, "the request is not HTTP/1.1: " + ec.message());
    }
    if (!head_done_ && parser_->http.is_header_done()) {
        head_done_ = true;
        parser_->http.eager(true);
        take_head();
        // The parser takes a body in another coding, whose end it cannot tell, for none at all: it would be the next request.
        for (const auto& [name, value] : head_.fields)
            if (equals_ignoring_case(name, "Transfer-Encoding") && !equals_ignoring_case(value, "chunked"))
                return fail(501, "the Transfer-Encoding '" + value + "' is not supported: only chunked is");
        return Event::head;
    }
    if (!parser_->http.get().body().empty()) return Event::body;
    if (head_done_ && parser_->http.is_done()) return next();
    if (buffer_.size() - begin_ > unparsed_limit) return fail(400, "a line of the request is too long");
    return Event::need_more;
}

} // namespace sandboxkit::guest
