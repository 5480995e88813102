// SPDX-License-Identifier: Apache-2.0
// Reading JSON that someone else wrote. Boost.JSON's own parser keeps the last of two equal keys without a word, rounds some
// doubles wrongly and says "syntax error"; here nothing is dropped, numbers are exact, and an error says where and what.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/json_pointer.hpp>
#include <sandboxkit/text_position.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sandboxkit {

struct JsonLimits {
    std::size_t size = std::size_t{1} << 20; // bytes of text; more is refused without looking at it
    std::size_t depth = 32;                  // arrays and objects inside each other
};

// The offset of the first byte that is not part of well-formed UTF-8 (RFC 3629), or npos.
[[nodiscard]] constexpr std::size_t invalid_utf8_at(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char lead = byte(i);
        std::size_t more = 0;
        unsigned char low = 0x80, high = 0xBF; // of the second byte: no overlong form, no surrogate, nothing past U+10FFFF
        if (lead < 0x80) {
            ++i;
            continue;
        }
        if (lead >= 0xC2 && lead <= 0xDF)
            more = 1;
        else if (lead >= 0xE0 && lead <= 0xEF)
            more = 2;
        else if (lead >= 0xF0 && lead <= 0xF4)
            more = 3;
        else
            return i;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
        if (text.size() - i <= more || byte(i + 1) < low || byte(i + 1) > high) return i;
        for (std::size_t k = 2; k <= more; ++k)
            if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return i;
        i += more + 1;
    }
    return std::string_view::npos;
}

// The pointer of a member or element of what `parent` points to (RFC 6901). A token longer than that many bytes is cut and
// marked with "...": it only names what is wrong, and a document must not make its report larger than itself.
[[nodiscard]] inline std::string pointer_to(std::string_view parent, std::string_view token, std::size_t longest = 128) {
    const bool cut = token.size() > longest;
    if (cut) {
        std::size_t end = longest;
        while (end > 0 && (static_cast<unsigned char>(token[end]) & 0xC0) == 0x80) --end; // not inside a character
        token = token.substr(0, end);
    }
    std::string pointer = exact_pointer_to(parent, token);
    if (cut) pointer += "...";
    return pointer;
}
[[nodiscard]] inline std::string pointer_to(std::string_view parent, std::size_t index) {
    return pointer_to(parent, std::to_string(index));
}

// Collects the faults of one document: all of them, up to a number that a person could still read.
class ProblemList {
public:
    static constexpr std::size_t capacity = 200;

    void add(std::string pointer, std::string code, std::string message, std::string remedy = {}) {
        if (problems_.size() < capacity) {
            problems_.push_back({std::move(pointer), std::move(code), std::move(message), std::move(remedy)});
        } else {
            ++left_out_;
        }
    }
    [[nodiscard]] bool empty() const noexcept { return problems_.empty(); }

    // What was collected. If some did not fit, the last one says how many, with the code "more_problems".
    [[nodiscard]] std::vector<Problem> take() {
        if (left_out_ > 0)
            problems_.push_back(
                {"", "more_problems", "there are " + std::to_string(left_out_) + " more problems", "correct these first"});
        left_out_ = 0;
        return std::exchange(problems_, {});
    }

private:
    std::vector<Problem> problems_;
    std::size_t left_out_ = 0;
};

// An error of class invalid over all of `problems` (at least one): "the profile is not valid: /image: ... (and 2 more)".
[[nodiscard]] inline Error document_error(std::string code, std::string_view what, std::vector<Problem> problems) {
    const Problem& first = problems.front();
    std::string message(what);
    message += " is not valid: ";
    if (!first.pointer.empty()) message += first.pointer + ": ";
    message += first.message;
    if (problems.size() > 1) message += " (and " + std::to_string(problems.size() - 1) + " more)";
    std::string remedy = first.remedy;
    return Error{ErrorClass::invalid, std::move(code), std::move(message), std::move(remedy), {}, std::move(problems)};
}

namespace detail {

// Recursive descent over text that is known to be UTF-8; the recursion is bounded by limits.depth.
class StrictParser {
public:
    StrictParser(std::string_view text, const JsonLimits& limits, ProblemList& problems)
        : text_(text), limits_(limits), problems_(problems) {}

    // Nothing when the text is not JSON. Duplicate keys (the first stays) and numbers that no double holds (0 stays) are reported
    // too, but reading goes on, so that they are told together with what else is wrong.
    [[nodiscard]] std::optional<boost::json::value> document(boost::json::storage_ptr storage = {}) {
        boost::json::value value(std::move(storage));
        if (text_.starts_with("\xEF\xBB\xBF")) {
            fail("expected a value, found a byte order mark", "save the document as UTF-8 without a byte order mark");
            return {};
        }
        if (!read_value(value, "a value")) return {};
        skip_space();
        if (at_ != text_.size()) {
            fail("expected the end of the document, found " + found());
            return {};
        }
        return value;
    }

private:
    static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    void skip_space() noexcept {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    }
    bool take(char c) noexcept {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    [[nodiscard]] std::string found() const {
        if (at_ >= text_.size()) return "the end of the document";
        const auto c = static_cast<unsigned char>(text_[at_]);
        if (c < 0x20 || c == 0x7F) return "the control character " + std::to_string(c);
        std::size_t end = at_ + 1;
        while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
        return "'" + std::string(text_.substr(at_, end - at_)) + "'";
    }
    bool fail(std::string message, std::string remedy = {}, std::string code = "syntax") {
        problems_.add("", std::move(code), position(text_, at_) + ": " + std::move(message), std::move(remedy));
        return false;
    }
    bool fail_expected(std::string_view what) {
        std::string remedy;
        if (peek() == '\'') remedy = "JSON strings are written in double quotes";
        if (peek() == '/' || peek() == '#') remedy = "JSON has no comments";
        return fail("expected " + std::string(what) + ", found " + found(), std::move(remedy));
    }
    [[nodiscard]] std::string pointer() const {
        std::string out;
        for (const auto& token : path_) out = pointer_to(out, token);
        return out;
    }

    bool read_value(boost::json::value& out, std::string_view expected) {
        skip_space();
        switch (peek()) {
        case '{': return read_object(out);
        case '[': return read_array(out);
        case '"': return read_string(out.emplace_string());
        case 't': return read_word("true", out, true);
        case 'f': return read_word("false", out, false);
        case 'n': return read_word("null", out, nullptr);
        default:
            if (peek() == '-' || is_digit(peek())) return read_number(out);
            return fail_expected(expected);
        }
    }

    bool read_word(std::string_view word, boost::json::value& out, boost::json::value value) {
        if (!text_.substr(at_).starts_with(word)) return fail("expected " + std::string(word) + ", found another word");
        at_ += word.size();
        out = std::move(value);
        return true;
    }

    bool enter() {
        if (path_.size() < limits_.depth) return true;
        return fail("more than " + std::to_string(limits_.depth) + " arrays and objects are inside each other",
                    "make the document flatter", "too_deep");
    }

    bool read_object(boost::json::value& out) {
        if (!enter()) return false;
        boost::json::object& object = out.emplace_object();
        ++at_;
        skip_space();
        if (take('}')) return true;
        std::string_view expected = "a member name in double quotes, or '}'";
        for (;;) {
            skip_space();
            if (peek() == '}') return fail("expected a member name in double quotes, found '}'", "remove the comma before it");
            if (peek() != '"') return fail_expected(expected);
            expected = "a member name in double quotes";
            boost::json::string key(object.storage());
            if (!read_string(key)) return false;
            skip_space();
            if (!take(':')) return fail_expected("':' after a member name");
            path_.emplace_back(key);
            boost::json::value value(object.storage());
            if (!read_value(value, "a value after ':'")) return false;
            if (!object.emplace(key, std::move(value)).second)
                problems_.add(pointer(), "duplicate_key", "this member is given more than once", "keep one of them");
            path_.pop_back();
            skip_space();
            if (take('}')) return true;
            if (!take(',')) return fail_expected("',' or '}' after a member");
        }
    }

    bool read_array(boost::json::value& out) {
        if (!enter()) return false;
        boost::json::array& array = out.emplace_array();
        ++at_;
        skip_space();
        if (take(']')) return true;
        std::string_view expected = "a value or ']'";
        for (;;) {
            skip_space();
            if (peek() == ']') return fail("expected a value after ',', found ']'", "remove the comma before it");
            path_.push_back(std::to_string(array.size()));
            boost::json::value value(array.storage());
            if (!read_value(value, expected)) return false;
            expected = "a value after ','";
            array.push_back(std::move(value));
            path_.pop_back();
            skip_space();
            if (take(']')) return true;
            if (!take(',')) return fail_expected("',' or ']' after an element");
        }
    }

    bool read_string(boost::json::string& out) {
        const std::size_t begin = at_++;
        for (;;) {
            std::size_t plain = at_;
            while (plain < text_.size() && text_[plain] != '"' && text_[plain] != '\\' &&
                   static_cast<unsigned char>(text_[plain]) >= 0x20)
                ++plain;
            out.append(text_.substr(at_, plain - at_));
            at_ = plain;
            if (take('"')) return true;
            if (at_ >= text_.size()) {
                at_ = begin;
                return fail("this string has no closing quote");
            }
            if (peek() != '\\')
                return fail("expected a character of a string, found " + found(), "write line ends as \\n, tabs as \\t");
            if (!read_escape(out)) return false;
        }
    }

    bool read_escape(boost::json::string& out) {
        const std::size_t begin = at_++; // past the backslash
        const char kind = peek();
        static constexpr std::string_view kinds = "\"\\/bfnrt", means = "\"\\/\b\f\n\r\t";
        if (const auto which = kinds.find(kind); at_ < text_.size() && which != std::string_view::npos) {
            out.push_back(means[which]);
            ++at_;
            return true;
        }
        if (kind != 'u') return fail_expected("one of \" \\ / b f n r t u after a backslash");
        ++at_;
        std::uint32_t unit = 0;
        if (!read_hex(unit)) return false;
        if (unit >= 0xD800 && unit <= 0xDFFF) {
            std::uint32_t low = 0;
            const bool leading = unit <= 0xDBFF && take('\\') && take('u');
            if (leading && !read_hex(low)) return false;
            if (!leading || low < 0xDC00 || low > 0xDFFF) {
                at_ = begin;
                return fail("half of a surrogate pair", "write the character itself, or both halves");
            }
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        }
        const auto tail = [&](unsigned shift) { out.push_back(static_cast<char>(0x80 | ((unit >> shift) & 0x3F))); };
        if (unit < 0x80) {
            out.push_back(static_cast<char>(unit));
        } else if (unit < 0x800) {
            out.push_back(static_cast<char>(0xC0 | (unit >> 6)));
            tail(0);
        } else if (unit < 0x10000) {
            out.push_back(static_cast<char>(0xE0 | (unit >> 12)));
            tail(6), tail(0);
        } else {
            out.push_back(static_cast<char>(0xF0 | (unit >> 18)));
            tail(12), tail(6), tail(0);
        }
        return true;
    }

    bool read_hex(std::uint32_t& unit) {
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = peek();
            std::uint32_t digit = 0;
            if (is_digit(c))
                digit = static_cast<std::uint32_t>(c - '0');
            else if (c >= 'a' && c <= 'f')
                digit = static_cast<std::uint32_t>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F')
                digit = static_cast<std::uint32_t>(c - 'A' + 10);
            else
                return fail_expected("four hexadecimal digits after \\u");
            unit = unit * 16 + digit;
        }
        return true;
    }

    bool read_number(boost::json::value& out) {
        const std::size_t begin = at_;
        bool integer = true;
        take('-');
        if (!is_digit(peek())) return fail_expected("a digit after '-'");
        if (take('0')) {
            if (is_digit(peek())) return fail("expected no digit after a leading 0", "write the number without leading zeros");
        } else {
            while (is_digit(peek())) ++at_;
        }
        if (take('.')) {
            integer = false;
            if (!is_digit(peek())) return fail_expected("a digit after '.'");
            while (is_digit(peek())) ++at_;
        }
        if (peek() == 'e' || peek() == 'E') {
            integer = false;
            ++at_;
            if (!take('+')) take('-');
            if (!is_digit(peek())) return fail_expected("a digit of an exponent");
            while (is_digit(peek())) ++at_;
        }
        const char* const first = text_.data() + begin;
        const char* const last = text_.data() + at_;
        std::int64_t whole = 0;
        if (integer && std::from_chars(first, last, whole).ec == std::errc{}) {
            out = whole;
            return true;
        }
        std::uint64_t positive = 0;
        if (integer && *first != '-' && std::from_chars(first, last, positive).ec == std::errc{}) {
            out = positive;
            return true;
        }
        double number = 0;
        if (std::from_chars(first, last, number).ec != std::errc{}) {
            problems_.add(pointer(), "out_of_range", "this number is beyond what a double-precision number can hold");
            number = 0;
        }
        out = number;
        return true;
    }

public:
    // "line 3, column 14", both from 1, the column in characters.
    [[nodiscard]] static std::string position(std::string_view text, std::size_t at) {
        const TextPosition where = text_position(text, at);
        return "line " + std::to_string(where.line) + ", column " + std::to_string(where.column);
    }

private:
    std::string_view text_;
    const JsonLimits& limits_;
    ProblemList& problems_;
    std::size_t at_ = 0;
    std::vector<std::string> path_; // tokens from the root to what is being read; as long as the nesting
};

} // namespace detail

// For readers that go on to report their own problems: adds to `problems`; nothing when there is no document to go on with.
// Codes: too_large, bad_utf8, syntax, too_deep (no document); duplicate_key, out_of_range (the document is returned).
// `storage`: of the value; a monotonic resource for one that is read and then let go.
[[nodiscard]] inline std::optional<boost::json::value>
parse_collecting(std::string_view text, const JsonLimits& limits, ProblemList& problems, boost::json::storage_ptr storage = {}) {
    if (text.size() > limits.size) {
        problems.add("", "too_large",
                     "the document has " + std::to_string(text.size()) + " bytes, the limit is " + std::to_string(limits.size),
                     "make it smaller");
        return {};
    }
    if (const std::size_t bad = invalid_utf8_at(text); bad != std::string_view::npos) {
        problems.add("", "bad_utf8",
                     detail::StrictParser::position(text, bad) + ": expected UTF-8, found the byte " +
                         std::to_string(static_cast<unsigned char>(text[bad])),
                     "save the document as UTF-8");
        return {};
    }
    return detail::StrictParser(text, limits, problems).document(std::move(storage));
}

// RFC 8259 and nothing beyond it. Class invalid, code "json_invalid", every problem with its pointer.
[[nodiscard]] inline Result<boost::json::value> parse_strict(std::string_view text, const JsonLimits& limits = {}) {
    ProblemList problems;
    auto value = parse_collecting(text, limits, problems);
    if (!problems.empty()) return document_error("json_invalid", "the JSON document", problems.take());
    return std::move(*value);
}

// [{"pointer", "code", "message", "remedy"}, ...]
[[nodiscard]] inline boost::json::array problems_to_json(const std::vector<Problem>& problems) {
    boost::json::array out;
    for (const Problem& p : problems)
        out.push_back({{"pointer", p.pointer}, {"code", p.code}, {"message", p.message}, {"remedy", p.remedy}});
    return out;
}

} // namespace sandboxkit
