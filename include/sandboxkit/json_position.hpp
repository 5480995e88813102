// SPDX-License-Identifier: Apache-2.0
// From a problem's JSON pointer to the place in the text that an editor should jump to.
#pragma once

#include <sandboxkit/json_pointer.hpp>
#include <sandboxkit/strict_json.hpp>
#include <sandboxkit/text_position.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

namespace detail {

// One pass over any bytes, without recursion: containers beside the path are skipped by counting brackets, and of the path the
// open ones are remembered, which are not more than the pointer has tokens. Reads no further than to the first byte that cannot
// be JSON as far as it is looked at; what was found until then counts.
class PointerScan {
public:
    PointerScan(std::string_view text, std::vector<std::string> tokens) : text_(text) {
        for (std::string& token : tokens) {
            const auto index = array_index(token);
            tokens_.push_back({std::move(token), index});
        }
    }

    [[nodiscard]] std::optional<std::size_t> offset() {
        skip_space();
        if (at_ >= text_.size()) return {};
        found_ = at_;
        do { // at_ is where a value of the path begins
            if (levels_.size() < tokens_.size() && (peek() == '{' || peek() == '[')) {
                levels_.push_back({peek() == '{', 0});
                ++at_;
            } else if (!skip_value()) {
                break;
            }
        } while (next_of_path());
        return found_;
    }

private:
    struct Token {
        std::string key;
        std::optional<std::size_t> index;
    };
    // An open object or array of the path; its place in levels_ is that of the token that is looked for in it.
    struct Level {
        bool object;
        std::size_t count; // members and elements begun
    };

    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
    void skip_space() noexcept {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    bool take(char c) noexcept {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    // Goes on in the innermost level, and in those around it when it ends, to the next value that a prefix of the pointer names.
    // Of equal keys each is one, so that the last stays.
    bool next_of_path() {
        while (!levels_.empty()) {
            Level& level = levels_.back();
            skip_space();
            if (take(level.object ? '}' : ']')) {
                levels_.pop_back();
                continue;
            }
            if (level.count > 0 && !take(',')) return false;
            skip_space();
            const std::size_t begin = at_;
            const Token& token = tokens_[levels_.size() - 1];
            bool named = false;
            if (level.object) {
                if (!skip_string()) return false;
                named = is_key(text_.substr(begin, at_ - begin), token.key);
                skip_space();
                if (!take(':')) return false;
                skip_space();
            } else {
                named = token.index == level.count;
            }
            if (at_ >= text_.size() || peek() == ']' || peek() == '}' || peek() == ',') return false; // no value
            ++level.count;
            if (named) {
                found_ = begin;
                return true;
            }
            if (!skip_value()) return false;
        }
        return false;
    }

    // A string, a run of other characters, or a container with all that is in it.
    bool skip_value() noexcept {
        std::size_t open = 0;
        do {
            skip_space();
            const char c = peek();
            if (at_ >= text_.size()) return false;
            if (c == '"') {
                if (!skip_string()) return false;
            } else if (c == '{' || c == '[') {
                ++open, ++at_;
            } else if (c == '}' || c == ']') {
                if (open == 0) return false;
                --open, ++at_;
            } else if (c == ',' || c == ':') {
                if (open == 0) return false;
                ++at_;
            } else {
                while (at_ < text_.size() && !is_space(text_[at_]) &&
                       std::string_view("\"{}[],:").find(text_[at_]) == std::string_view::npos)
                    ++at_;
            }
        } while (open > 0);
        return true;
    }

    // False when there is none, or nothing closes it.
    bool skip_string() noexcept {
        if (!take('"')) return false;
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (c == '"') return true;
            if (c == '\\' && at_ < text_.size()) ++at_;
        }
        return false;
    }

    // `quoted` is a string with its quotes.
    static bool is_key(std::string_view quoted, std::string_view token) {
        std::string_view key = quoted.substr(1, quoted.size() - 2);
        boost::json::value read;
        if (key.find('\\') != std::string_view::npos) {
            const JsonLimits limits;
            ProblemList problems; // of a key with a bad escape, which nothing names
            auto string = StrictParser(quoted, limits, problems).document();
            if (!string || !string->is_string()) return false;
            read = std::move(*string);
            key = read.get_string();
        }
        if (key == token) return true;
        // pointer_to cuts keys of more than 128 bytes. Compared in its own form, so that this knows nothing of where it cuts.
        if (key.size() <= 128 || token.size() > 128 + 3 || !token.ends_with("...")) return false;
        return pointer_to("", key) == exact_pointer_to("", token.substr(0, token.size() - 3)) + "...";
    }

    std::string_view text_;
    std::vector<Token> tokens_;
    std::vector<Level> levels_;
    std::size_t at_ = 0;
    std::size_t found_ = 0; // where the value stands that the longest prefix of the pointer names
};

} // namespace detail

// Where what `pointer` names stands in `text`: the key of an object's member (its opening quote), the first byte of an array's
// element, the first byte that is not white space for "". When it names nothing, the nearest value around it that exists, as for
// "missing_field". Of equal keys the last. A token that pointer_to has cut finds a key that it would cut alike.
//
// For any bytes: text that is not JSON is read as far as it is JSON, roughly. Nothing when the text is empty or white space,
// or `pointer` is no JSON pointer. Takes time in proportion to the text and the pointer. (A problem of the code "syntax" has the
// pointer "": its line and column are in its message, counted in the same way.)
[[nodiscard]] inline std::optional<TextPosition> position_of(std::string_view text, std::string_view pointer) {
    auto tokens = pointer_tokens(pointer);
    if (!tokens) return {};
    const auto offset = detail::PointerScan(text, std::move(*tokens)).offset();
    if (!offset) return {};
    return text_position(text, *offset);
}

} // namespace sandboxkit
