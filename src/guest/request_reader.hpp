// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x requests out of bytes, without any I/O: feed it what arrived, take events until there are no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::guest {

inline constexpr std::size_t header_limit = 16 << 10; // bytes of a request line and its fields

struct RequestHead {
    std::string method;
    std::string path;  // as sent, without the query
    std::string query; // as sent, without the '?'
    unsigned version = 11;
    bool keep_alive = true;
    bool expects_continue = false;
    std::optional<std::uint64_t> content_length;
    std::vector<std::pair<std::string, std::string>> fields;

    // The first field of that name, whatever its case; nothing when there is none.
    [[nodiscard]] const std::string* find(std::string_view name) const;
    [[nodiscard]] std::string_view field(std::string_view name) const;
};

class RequestReader {
public:
    enum class Event : std::uint8_t {
        need_more, // feed more bytes
        head,      // head() is complete; its body follows
        body,      // body() is the next piece of the body
        end,       // the request is complete; the next call begins the next one
        bad,       // the bytes are not a request: error_status() and error_message(); nothing can follow
    };

    RequestReader();
    ~RequestReader();
    RequestReader(const RequestReader&) = delete;
    RequestReader& operator=(const RequestReader&) = delete;

    void feed(std::string_view bytes);
    Event next();

    [[nodiscard]] const RequestHead& head() const { return head_; }
    [[nodiscard]] std::string_view body() const;
    [[nodiscard]] unsigned error_status() const { return error_status_; }
    [[nodiscard]] const std::string& error_message() const { return error_message_; }
    // Nothing of a next request has arrived.
    [[nodiscard]] bool idle() const { return !parser_ && begin_ == buffer_.size(); }

private:
    struct Parser;
    Event fail(unsigned status, std::string message);
    void take_head();

    std::unique_ptr<Parser> parser_; // of the request under way
    std::string buffer_;
    std::size_t begin_ = 0;
    RequestHead head_;
    bool head_done_ = false;
    bool failed_ = false;
    unsigned error_status_ = 0;
    std::string error_message_;
};

} // namespace sandboxkit::guest
