// SPDX-License-Identifier: Apache-2.0
#include "guest/multipart.hpp"

#include "guest/encoding.hpp"

#include <algorithm>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t head_limit = 8 << 10; // of one part, and of what comes before the first

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// A parameter of a header field such as `form-data; name="file"`.
std::optional<std::string> parameter(std::string_view field, std::string_view name) {
    std::size_t at = field.find(';');
    while (at != std::string_view::npos) {
        field.remove_prefix(at + 1);
        const std::size_t equals = field.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        const std::string_view key = trim(field.substr(0, equals));
        field.remove_prefix(equals + 1);
        field = trim(field);
        std::string value;
        if (field.starts_with('"')) {
            std::size_t i = 1;
            for (; i < field.size() && field[i] != '"'; ++i) {
                // Browsers escape only the quote; other backslashes are part of the name.
                if (field[i] == '\\' && i + 1 < field.size() && (field[i + 1] == '"' || field[i + 1] == '\\')) ++i;
                value += field[i];
            }
            if (i >= field.size()) return std::nullopt;
            field.remove_prefix(i + 1);
        } else {
            value = std::string(trim(field.substr(0, field.find(';'))));
        }
        if (equals_ignoring_case(key, name)) return value;
        at = field.find(';');
    }
    return std::nullopt;
}

PartHead parse_head(std::string_view text) {
    PartHead head;
    constexpr std::string_view disposition = "content-disposition";
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\r\n"), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 2, text.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !equals_ignoring_case(trim(line.substr(0, colon)), disposition)) continue;
        head.name = parameter(line, "name").value_or("");
        head.filename = parameter(line, "filename").value_or("");
    }
    return head;
}

} // namespace

void MultipartReader::feed(std::string_view bytes) {
    if (state_ == State::end || state_ == State::bad) return;
    buffer_.erase(0, begin_);
    begin_ = 0;
    data_size_ = 0;
    buffer_.append(bytes);
}

MultipartReader::Event MultipartReader::next() {
    data_size_ = 0;
    const std::string_view rest = std::string_view(buffer_).substr(begin_);
    switch (state_) {
    case State::end: return Event::end;
    case State::bad: return Event::bad;
    case State::preamble: {
        const std::size_t at = rest.find(delimiter_);
        if (at == std::string_view::npos) {
            if (rest.size() > head_limit + delimiter_.size()) return state_ = State::bad, Event::bad;
            return Event::need_more;
        }
        begin_ += at + delimiter_.size();
        state_ = State::after_delimiter;
        return next();
    }
    case State::after_delimiter: {
        if (rest.size() < 2) return Event::need_more;
        if (rest.starts_with("--")) return state_ = State::end, Event::end;
        // White space may follow a boundary.
        const std::size_t line = rest.find("\r\n");
        if (line == std::string_view::npos && rest.size() < 128) return Event::need_more;
        if (line == std::string_view::npos || !trim(rest.substr(0, line)).empty()) return state_ = State::bad, Event::bad;
        begin_ += line; // its end stays: a part without fields begins with an empty line
        state_ = State::head;
        return next();
    }
    case State::head: {
        const std::size_t end = rest.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            if (rest.size() > head_limit) return state_ = State::bad, Event::bad;
            return Event::need_more;
        }
        head_ = parse_head(end == 0 ? std::string_view() : rest.substr(2, end - 2));
        begin_ += end + 4;
        state_ = State::body;
        return Event::part;
    }
    case State::body: {
        const std::size_t at = rest.find(delimiter_);
        if (at == 0) {
            begin_ += delimiter_.size();
            state_ = State::after_delimiter;
            return Event::part_end;
        }
        // Without a delimiter, its beginning may still be at the end.
        const std::size_t size = at != std::string_view::npos ? at : rest.size() - std::min(rest.size(), delimiter_.size() - 1);
        if (size == 0) return Event::need_more;
        data_begin_ = begin_;
        data_size_ = size;
        begin_ += size;
        return Event::data;
    }
    }
    return Event::bad;
}

std::optional<std::string> multipart_boundary(std::string_view content_type) {
    if (!equals_ignoring_case(trim(content_type.substr(0, content_type.find(';'))), "multipart/form-data")) return std::nullopt;
    auto boundary = parameter(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > 70) return std::nullopt;
    return boundary;
}

} // namespace sandboxkit::guest
