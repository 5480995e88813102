// SPDX-License-Identifier: Apache-2.0
#include "secrets/values.hpp"

#include "secrets/pattern.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sandboxkit::secrets {

double entropy(std::string_view value) {
    if (value.empty()) return 0;
    std::array<std::uint32_t, 256> counts{};
    for (const char c : value) ++counts[static_cast<unsigned char>(c)];
    const double size = static_cast<double>(value.size());
    double bits = 0;
    for (const auto count : counts)
        if (count > 0) bits -= count / size * std::log2(count / size);
    return bits;
}

static bool is_name_part(char c) noexcept {
    return is_alphanumeric(c) || c == '_';
}

static bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

static bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return text.starts_with(part); });
}

bool is_reference(std::string_view value) {
    if (value.empty()) return false;
    const char first = value.front(), last = value.back();
    if (first == '$' && value.size() > 1 && (is_letter(value[1]) || value[1] == '_') &&
        std::all_of(value.begin() + 1, value.end(), is_name_part))
        return true;
    if ((first == '{' && last == '}') || (first == '<' && last == '>') || (first == '%' && last == '%' && value.size() > 2) ||
        (first == '[' && last == ']'))
        return true;
    if (contains_any(value, {"${", "$(", "{{", "<%", "%(", "#{"})) return true;
    for (std::size_t at = value.find('$'); at != std::string_view::npos && at + 2 < value.size(); at = value.find('$', at + 1))
        if ((is_upper(value[at + 1]) || value[at + 1] == '_') && (is_upper(value[at + 2]) || value[at + 2] == '_')) return true;
    // Managers of secrets, and what they encrypted.
    return starts_with_any(value, {"vault:",   "op://",    "arn:", "ssm:",    "ssm/",     "aws-sm:",   "secretsmanager:",
                                   "gcp:",     "gcpsm:",   "env:", "file:",   "ref:",     "ref+",      "sops:",
                                   "doppler:", "bws:",     "kms:", "secret:", "secrets/", "keyvault:", "@Microsoft.KeyVault",
                                   "ENC[",     "{cipher}", "!Ref", "!Sub",    "!vault",   "$2a$",      "$2b$",
                                   "$2y$",     "$argon2",  "$5$",  "$6$",     "$y$",      "$pbkdf2",   "projects/"});
}

bool is_placeholder(std::string_view value) {
    std::array<bool, 256> seen{};
    std::size_t distinct = 0, run = 1;
    for (std::size_t i = 0; i < value.size(); ++i) {
        bool& s = seen[static_cast<unsigned char>(value[i])];
        distinct += !s;
        s = true;
        run = i > 0 && value[i] == value[i - 1] ? run + 1 : 1;
        if (run >= 4 && (value[i] == 'x' || value[i] == 'X' || value[i] == '*' || value[i] == '.')) return true;
        if (run >= 8 && value.size() <= 128) return true;
    }
    if (distinct <= 4) return true;
    // The longer a random value, the more of these it has by chance.
    static const Pattern& words = *new const Pattern(
        "(?i)example|change[_-]?me|changeit|placeholder|redacted|your[_-]|your(?:token|key|secret|pass|api)|dummy|sample|fixme|"
        "replace[_-]|replaceme|insert[_-]|not[_-]?real|not[_-]a[_-]real|fake[_-]|[_-]fake|my[_-]?(?:token|secret)|my[_-]api|"
        "[_-]goes[_-]here|<(?:token|password|secret)|0123456789|1234567890|abcdefghij|\\xe2\\x80\\xa6"); // the last: an ellipsis
    return words.find(value.substr(0, 200), 0, {});
}

static bool is_vowel(char c) noexcept {
    const char l = to_lower(c);
    return l == 'a' || l == 'e' || l == 'i' || l == 'o' || l == 'u' || l == 'y';
}

// Letters that could be spoken, or an abbreviation.
static bool is_word(std::string_view letters) {
    if (letters.size() <= 3) return true;
    std::size_t vowels = 0, consonants = 0;
    for (const char c : letters) {
        if (is_vowel(c))
            ++vowels, consonants = 0;
        else if (++consonants > 4)
            return false;
    }
    return vowels * 6 >= letters.size() && vowels * 10 <= letters.size() * 7;
}

static constexpr Bytes between_words("-_./:,@+~#= ");

bool is_wordy(std::string_view value) {
    std::size_t segments = 0, letters_in_all = 0, mixed = 0, digits_in_all = 0;
    std::size_t separators = 0;
    for (std::size_t i = 0; i < value.size();) {
        if (!is_alphanumeric(value[i])) {
            // What stands between words; anything else is no word's.
            if (!between_words.contains(value[i])) return false;
            ++separators;
            ++i;
            continue;
        }
        std::size_t letters = i;
        // One hump of camel case, or capitals throughout.
        if (is_letter(value[i])) {
            std::size_t end = i + 1;
            if (is_upper(value[i]) && end < value.size() && is_upper(value[end])) {
                while (end < value.size() && is_upper(value[end])) ++end;
                if (end < value.size() && is_lower(value[end])) --end;
            } else {
                while (end < value.size() && is_lower(value[end])) ++end;
            }
            letters = end;
        }
        std::size_t digits = letters;
        while (digits < value.size() && is_digit(value[digits])) ++digits;
        const std::size_t word = letters - i, number = digits - letters;
        if (word > 0 && !is_word(value.substr(i, word))) return false;
        if (word > 0 && number > 3 && number != 4) return false;
        if (word == 0 && number > 4 && number != 8) return false; // a date has eight
        if (word > 0 && number > 0 && digits < value.size() && is_letter(value[digits])) ++mixed;
        if (word == 0 && digits < value.size() && is_letter(value[digits])) ++mixed;
        ++segments;
        letters_in_all += word;
        digits_in_all += number;
        i = digits;
    }
    if (segments == 0 || mixed > 1 + segments / 6) return false;
    // Hexadecimal has letters after digits, and more digits than words have.
    if (mixed > 0 && digits_in_all * 4 > value.size()) return false;
    // Humps of camel case are words; those of chance are two or three letters long.
    return segments <= 3 || (letters_in_all + digits_in_all) * 10 >= segments * (separators * 2 >= segments ? 30U : 37U);
}

// "12", "-1.5", "10MB", "30s", "1,000"
static bool is_number(std::string_view value) {
    std::size_t letters = 0;
    for (const char c : value) {
        if (is_letter(c))
            ++letters;
        else if (!is_digit(c) && c != '.' && c != ',' && c != '-' && c != '+' && c != '_' && c != ':' && c != '/' && c != '%')
            return false;
    }
    return letters == 0 || (letters <= 2 && is_digit(value.front()) && is_letter(value.back()) && value.size() <= 8);
}

static bool is_path(std::string_view value) {
    std::string_view rest = value;
    bool rooted = false;
    for (const std::string_view root : {"/", "./", "../", "~/", "\\\\"})
        if (rest.starts_with(root)) rooted = true;
    if (rest.size() > 2 && is_letter(rest[0]) && rest[1] == ':' && (rest[2] == '\\' || rest[2] == '/')) rooted = true;
    if (!rooted) return false;
    // A segment that is no word would do, but base64 may begin with a slash too.
    const std::size_t dot = rest.rfind('.');
    if (dot != std::string_view::npos && dot + 1 < rest.size() && rest.size() - dot <= 6 &&
        std::all_of(rest.begin() + static_cast<std::ptrdiff_t>(dot) + 1, rest.end(), is_alphanumeric))
        return true;
    const std::size_t slash = rest.find_first_of("/\\", 2);
    return is_wordy(rest.substr(0, slash)) && rest.find('+') == std::string_view::npos;
}

// A call or an index in a language: os.environ["X"], getpass.getpass(), file("x").
static bool is_expression(std::string_view value) {
    const std::size_t bracket = value.find_first_of("([");
    return bracket != std::string_view::npos && bracket > 2 &&
           std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(bracket),
                       [](char c) { return is_name_part(c) || c == '.' || c == ':' || c == '>' || c == '-'; }) &&
           is_wordy(value.substr(0, bracket));
}

bool is_secret_value(std::string_view value, bool by_person) {
    if (value.size() < (by_person ? 6U : 8U)) return false;
    bool letters = false, digits = false, upper = false, lower = false, symbols = false;
    for (const char c : value) {
        if (is_space(c) || static_cast<unsigned char>(c) < 0x20) return false;
        upper |= is_upper(c), lower |= is_lower(c), digits |= is_digit(c), symbols |= !is_alphanumeric(c);
    }
    letters = upper || lower;
    if (!letters && !symbols) return false; // a number, however long: of anything
    if (is_reference(value) || is_placeholder(value) || is_number(value) || value.find("://") != std::string_view::npos ||
        is_path(value) || is_expression(value))
        return false;
    if (is_wordy(value)) {
        // "Summer2024" is a password, and "oauth2" an identifier: by the name it can be told, unless words are joined.
        const bool joined = std::any_of(value.begin(), value.end(),
                                        [](char c) { return c == '-' || c == '_' || c == '.' || c == '/' || c == ':'; });
        if (!by_person || joined || !digits || value.size() < 7) return false;
    }
    const double bits = entropy(value);
    if (by_person) return bits >= 2.3 && (digits || symbols || (upper && lower));
    if (value.size() < 16) return bits >= 2.75 && (digits || symbols) + upper + lower >= 2;
    return bits >= 3.0;
}

static int sextet(char c) noexcept {
    if (is_upper(c)) return c - 'A';
    if (is_lower(c)) return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    return c == '-' || c == '+' ? 62 : 63;
}

// Whether base64 decodes to something that people or programs wrote as text.
static bool encodes_text(std::string_view value) {
    std::uint32_t bits = 0;
    int count = 0;
    std::size_t bytes = 0, printable = 0;
    for (const char c : value) {
        bits = bits << 6 | static_cast<std::uint32_t>(sextet(c));
        if ((count += 6) < 8) continue;
        count -= 8;
        const auto byte = static_cast<unsigned char>(bits >> count);
        ++bytes;
        printable += (byte >= 0x20 && byte < 0x7F) || byte == '\n' || byte == '\t' || byte == '\r';
    }
    return printable * 20 >= bytes * 19;
}

bool is_random_token(std::string_view value) {
    if (value.size() < 32 || value.size() > 256) return false;
    std::size_t upper = 0, lower = 0, digits = 0, symbols = 0, changes = 0;
    int before = -1;
    for (const char c : value) {
        int kind = 3;
        if (is_upper(c))
            ++upper, kind = 0;
        else if (is_lower(c))
            ++lower, kind = 1;
        else if (is_digit(c))
            ++digits, kind = 2;
        else if (c == '-' || c == '_')
            ++symbols;
        else
            return false;
        changes += before != -1 && kind != before;
        before = kind;
    }
    const std::size_t size = value.size();
    if (upper * 8 < size || lower * 8 < size || digits < 2 || symbols * 8 > size || changes * 5 < size * 2) return false;
    // Certificates, SSH keys, gzip, zip, PNG, PEM, IPFS; digests that say so; keys that are published.
    if (starts_with_any(value, {"sha256-", "sha384-", "sha512-", "pk_", "sb_publishable_", "MII", "AAAA", "H4sI", "UEsDB",
                                "iVBOR", "LS0t", "Qm"}))
        return false;
    // Of 32 random characters of 62, 4.4 bits or more are told 99 times of 100.
    if (entropy(value) < 4.2 || is_reference(value) || is_placeholder(value) || is_wordy(value)) return false;
    return !encodes_text(value);
}

} // namespace sandboxkit::secrets
