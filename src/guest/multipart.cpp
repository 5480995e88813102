// SPDX-License-Identifier: Apache-2.0
#include "guest/multipart.hpp"

#include "guest/encoding.hpp"

#include <algorithm>

namespace sandboxkit::guest {
namespace {

constexpr std::size_t head_limit = 8 << 10; // of one part, and of what comes before the first
constexpr std::size_t blanks_limit = 64;    // behind a boundary

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

// A line that merely begins like a boundary is data.
MultipartReader::Delimiter MultipartReader::find_delimiter(std::string_view text) const {
    using Kind = Delimiter::Kind;
    for (std::size_t from = 0;;) {
        const std::size_t at = text.find(delimiter_, from);
        // Its beginning may be at the end.
        if (at == std::string_view::npos) return {Kind::none, text.size() - std::min(text.size(), delimiter_.size() - 1), 0};
        std::string_view after = text.substr(at + delimiter_.size());
        if (after.starts_with("--")) return {Kind::last, at, delimiter_.size() + 2};
        const std::size_t blanks = std::min(after.find_first_not_of(" \t"), after.size());
        after.remove_prefix(blanks);
        if (after.starts_with("\r\n")) return {Kind::next, at, delimiter_.size() + blanks};
        const bool undecided = after.empty() || after == "\r" || (after == "-" && blanks == 0);
        if (undecided && blanks <= blanks_limit) return {Kind::none, at, 0};
        from = at + 1;
    }
}

MultipartReader::Event MultipartReader::next() {
    using Kind = Delimiter::Kind;
    data_size_ = 0;
    const std::string_view rest = std::string_view(buffer_).substr(begin_);
    switch (state_) {
    case State::end: return Event::end;
    case State::bad: return Event::bad;
    case State::preamble: {
        const Delimiter delimiter = find_delimiter(rest);
        if (delimiter.kind == Kind::none) {
            if (rest.size() <= head_limit) return Event::need_more;
            return state_ = State::bad, Event::bad;
        }
        begin_ += delimiter.at + delimiter.length;
        if (delimiter.kind == Kind::last) return state_ = State::end, Event::end;
        state_ = State::head;
        return next();
    }
    case State::head: {
        // The line end of the boundary is still there: a part without fields begins with an empty line.
        const std::size_t end = rest.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            if (rest.size() <= head_limit) return Event::need_more;
            return state_ = State::bad, Event::bad;
        }
        head_ = parse_head(end == 0 ? std::string_view() : rest.substr(2, end - 2));
        begin_ += end + 4;
        state_ = State::body;
        return Event::part;
    }
    case State::body: {
        const Delimiter delimiter = find_delimiter(rest);
        if (delimiter.at > 0) {
            data_begin_ = begin_;
            data_size_ = delimiter.at;
            begin_ += delimiter.at;
            return Event::data;
        }
        if (delimiter.kind == Kind::none) return Event::need_more;
        begin_ += delimiter.length;
        state_ = delimiter.kind == Kind::last ? State::end : State::head;
        return Event::part_end;
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
