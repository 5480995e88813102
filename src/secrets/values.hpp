// SPDX-License-Identifier: Apache-2.0
// What a value looks like, whoever made it: a reference, a placeholder, words, or chance.
#pragma once

#include <cstddef>
#include <string_view>

namespace sandboxkit::secrets {

// Beyond this, a value is a document, a picture or an archive, and nobody's token. In bytes.
inline constexpr std::size_t longest_token = 4096;

[[nodiscard]] constexpr bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
[[nodiscard]] constexpr bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_letter(char c) noexcept {
    return is_upper(c) || is_lower(c);
}
[[nodiscard]] constexpr bool is_alphanumeric(char c) noexcept {
    return is_letter(c) || is_digit(c);
}
[[nodiscard]] constexpr bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
// A set of bytes, asked without a call.
class Bytes {
public:
    constexpr explicit Bytes(std::string_view bytes) {
        for (const char c : bytes) in_[static_cast<unsigned char>(c)] = true;
    }
    [[nodiscard]] constexpr bool contains(char c) const noexcept { return in_[static_cast<unsigned char>(c)]; }

private:
    bool in_[256] = {};
};
[[nodiscard]] constexpr char to_lower(char c) noexcept {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

// Shannon's, of the bytes, in bits a byte: 0..8.
[[nodiscard]] double entropy(std::string_view value);

// Names a value that is elsewhere, or computes it: "${TOKEN}", "$TOKEN", "{env:TOKEN}", "op://vault/item", "<token>".
[[nodiscard]] bool is_reference(std::string_view value);

// Stands for a value: "changeme", "xxxx", "your-token-here", "AKIA...EXAMPLE".
[[nodiscard]] bool is_placeholder(std::string_view value);

// Made of words, numbers and what stands between them: an identifier, a path, a host, a version.
[[nodiscard]] bool is_wordy(std::string_view value);

// As values of assignments are: no reference, placeholder, path, URL, number or word, and random enough. `by_person`: a
// password, of which less is asked.
[[nodiscard]] bool is_secret_value(std::string_view value, bool by_person);

// Random without any doubt: a token of letters of both cases and digits, and no encoding of a text, a digest or a known format.
[[nodiscard]] bool is_random_token(std::string_view value);

} // namespace sandboxkit::secrets
