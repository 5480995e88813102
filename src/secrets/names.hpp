// SPDX-License-Identifier: Apache-2.0
// What the name of a variable or member says about its value.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace sandboxkit::secrets {

// The words of a name in snake, kebab, dotted or camel form, case kept: "dbPassword2" is "db", "Password", "2". Of a longer
// name only the last words.
class NameWords {
public:
    explicit NameWords(std::string_view name);

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Counted from the end; empty when there are not so many.
    [[nodiscard]] std::string_view from_end(std::size_t i) const noexcept { return i < size_ ? words_[i] : std::string_view{}; }
    [[nodiscard]] bool contains(std::string_view lower_case) const noexcept;

private:
    std::array<std::string_view, 12> words_{}; // the last one first
    std::size_t size_ = 0;
};

enum class Naming : unsigned char {
    none,     // nothing
    harmless, // an id, a digest, a certificate, ...: random to look at, and no secret
    secret,   // a token, a key, a secret: made by a machine
    password, // made by a person, perhaps
};

// By the last word that means something: PASSWORD_FILE is a file, TOKEN_LIMIT a limit, and SECRET_KEY_2 a key.
[[nodiscard]] Naming naming_of(const NameWords& words);

// ASCII letters without case; `lower_case` is.
[[nodiscard]] bool equals_without_case(std::string_view text, std::string_view lower_case) noexcept;

} // namespace sandboxkit::secrets
