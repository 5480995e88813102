// SPDX-License-Identifier: Apache-2.0
// multipart/form-data (RFC 7578) out of bytes, without any I/O and without keeping a part in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

struct PartHead {
    std::string name;
    std::string filename; // empty: none
};

class MultipartReader {
public:
    enum class Event : std::uint8_t {
        need_more,
        part, // head() of the next part
        data, // data(): a piece of it, valid until the next call
        part_end,
        end, // the last boundary has passed; what follows is ignored
        bad,
    };

    explicit MultipartReader(std::string_view boundary) : delimiter_("\r\n--" + std::string(boundary)) {}

    void feed(std::string_view bytes);
    Event next();
    [[nodiscard]] const PartHead& head() const { return head_; }
    [[nodiscard]] std::string_view data() const { return std::string_view(buffer_).substr(data_begin_, data_size_); }

private:
    enum class State : std::uint8_t { preamble, head, body, end, bad };

    struct Delimiter {
        enum class Kind : std::uint8_t { none, next, last } kind;
        std::size_t at; // what is before it is data; with none: what is certainly data
        std::size_t length;
    };
    [[nodiscard]] Delimiter find_delimiter(std::string_view text) const;

    std::string delimiter_;
    // Begins as if a line had ended, so that the first boundary is found as the others are.
    std::string buffer_ = "\r\n";
    std::size_t begin_ = 0, data_begin_ = 0, data_size_ = 0;
    State state_ = State::preamble;
    PartHead head_;
};

// The boundary parameter of a Content-Type; nothing when it is not multipart/form-data with a valid one.
[[nodiscard]] std::optional<std::string> multipart_boundary(std::string_view content_type);

} // namespace sandboxkit::guest
