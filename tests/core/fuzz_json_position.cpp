// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes (a pointer, a line end, a text): a position is in the text, and in text that is JSON every value has its
// own.
#include <sandboxkit/json_position.hpp>
#include <sandboxkit/strict_json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

sandboxkit::TextPosition naive(std::string_view text, std::size_t offset) {
    sandboxkit::TextPosition position{offset, 1, 1};
    for (const char c : text.substr(0, offset)) {
        if (c == '\n')
            ++position.line, position.column = 1;
        else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80)
            ++position.column;
    }
    return position;
}

void check(std::string_view text, std::string_view pointer) {
    const auto position = sandboxkit::position_of(text, pointer);
    if (!position) {
        expect(!sandboxkit::pointer_tokens(pointer) || text.find_first_not_of(" \t\r\n") == std::string_view::npos,
               "there is a position unless there is nothing to find");
        return;
    }
    expect(position->offset < text.size(), "a position is in the text");
    expect(*position == naive(text, position->offset), "line and column are those of the offset");
}

// Each value of a document without duplicate keys, as far as `left` goes: after the one around it, and at its key.
void walk(std::string_view text, const boost::json::value& value, const std::string& pointer, std::size_t& left) {
    const auto own = sandboxkit::position_of(text, pointer);
    expect(own.has_value(), "a value has a position");
    const auto visit = [&](const std::string& token, const boost::json::value& inner) {
        if (left == 0) return std::string_view();
        --left;
        const std::string inside = sandboxkit::exact_pointer_to(pointer, token);
        const auto position = sandboxkit::position_of(text, inside);
        expect(position && position->offset > own->offset, "what is in a value stands after its beginning");
        walk(text, inner, inside, left);
        return text.substr(position->offset);
    };
    if (value.is_object()) {
        for (const auto& member : value.get_object()) {
            const std::string_view at = visit(std::string(member.key()), member.value());
            if (at.empty()) return;
            std::size_t end = 1;
            while (end < at.size() && at[end] != '"') end += at[end] == '\\' ? 2 : 1;
            const auto key = sandboxkit::parse_strict(at.substr(0, end + 1));
            expect(key && key->is_string() && key->get_string() == member.key(), "a member stands where its key does");
        }
    } else if (value.is_array()) {
        std::size_t i = 0;
        for (const auto& element : value.get_array()) {
            const std::string_view at = visit(std::to_string(i++), element);
            if (at.empty()) return;
            expect(std::string_view("\"{[tfn-0123456789").find(at.front()) != std::string_view::npos, "an element is a value");
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view pointer = input.substr(0, end), text = input.substr(std::min(end + 1, input.size()));
    check(text, pointer);
    check(text, "");
    check(input, pointer);
    if (const auto value = sandboxkit::parse_strict(text)) {
        std::size_t left = 200;
        walk(text, *value, "", left);
    }
    return 0;
}
