// SPDX-License-Identifier: Apache-2.0
#include "secrets/names.hpp"

#include "secrets/values.hpp"

#include <algorithm>
#include <span>

namespace sandboxkit::secrets {

bool equals_without_case(std::string_view text, std::string_view lower_case) noexcept {
    return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                      [](char a, char b) { return to_lower(a) == b; });
}

static bool ends_without_case(std::string_view text, std::string_view lower_case) noexcept {
    return text.size() >= lower_case.size() && equals_without_case(text.substr(text.size() - lower_case.size()), lower_case);
}

static bool is_one_of(std::string_view word, std::span<const std::string_view> lower_case) noexcept {
    return std::any_of(lower_case.begin(), lower_case.end(),
                       [&](std::string_view one) { return equals_without_case(word, one); });
}

NameWords::NameWords(std::string_view name) {
    const auto part = [&](std::size_t i) { return is_alphanumeric(name[i]); };
    std::size_t end = name.size();
    while (end > 0 && size_ < words_.size()) {
        if (!part(end - 1)) {
            --end;
            continue;
        }
        std::size_t begin = end - 1;
        // A digit belongs to the word before it ("sha256") but for "PASSWORD_2"; camel case begins a word at a capital.
        while (begin > 0 && part(begin - 1)) {
            const bool before_hump = is_upper(name[begin]) && is_lower(name[begin - 1]);
            const bool in_acronym =
                is_upper(name[begin]) && is_upper(name[begin - 1]) && begin + 1 < end && is_lower(name[begin + 1]);
            if (before_hump || in_acronym) break;
            --begin;
        }
        words_[size_++] = name.substr(begin, end - begin);
        end = begin;
    }
}

bool NameWords::contains(std::string_view lower_case) const noexcept {
    return std::any_of(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(size_),
                       [&](std::string_view word) { return equals_without_case(word, lower_case); });
}

// Words after the one that matters, which do not change what it is.
static constexpr std::string_view qualifiers[] = {
    "prod",    "production", "dev",     "development", "staging", "stage",     "test",     "testing",  "live",
    "sandbox", "local",      "default", "old",         "new",     "current",   "prev",     "previous", "value",
    "val",     "base64",     "b64",     "raw",         "plain",   "plaintext", "text",     "string",   "str",
    "data",    "main",       "global",  "ci",          "backup",  "primary",   "secondary"};
static constexpr std::string_view password_words[] = {"password",   "passwd",   "pwd", "pass",
                                                      "passphrase", "passcode", "pw",  "pswd"};
static constexpr std::string_view password_ends[] = {"password", "passwd", "passphrase"};
static constexpr std::string_view secret_words[] = {"secret", "token", "credential", "credentials", "creds",
                                                    "apikey", "jwt",   "bearer",     "pat",         "authorization",
                                                    "auth",   "salt",  "pepper",     "apitoken"};
static constexpr std::string_view secret_ends[] = {"token",     "secret",     "apikey", "secretkey",
                                                   "accesskey", "privatekey", "authkey"};
// "KEY" is a secret only after one of these.
static constexpr std::string_view keys_of[] = {
    "api",       "access",       "private",  "secret",    "signing", "sign",       "encryption", "encrypt",     "decryption",
    "enc",       "master",       "auth",     "account",   "storage", "service",    "webhook",    "client",      "shared",
    "license",   "licence",      "deploy",   "ssh",       "session", "admin",      "root",       "app",         "application",
    "cookie",    "jwt",          "hmac",     "crypto",    "cipher",  "write",      "ingest",     "integration", "authentication",
    "rest",      "server",       "bot",      "developer", "tls",     "ssl",        "rsa",        "pgp",         "gpg",
    "consumer",  "subscription", "sas",      "data",      "openai",  "anthropic",  "mistral",    "cohere",      "groq",
    "replicate", "datadog",      "sendgrid", "mailgun",   "stripe",  "algolia",    "cosmos",     "search",      "functions",
    "function",  "host",         "publish",  "personal",  "user",    "cloudflare", "llm"};
static constexpr std::string_view harmless_words[] = {
    "id",       "ids",    "uuid",   "guid",  "hash",        "digest",  "sum",     "checksum", "integrity",   "sha",
    "sha1",     "sha256", "sha512", "md5",   "fingerprint", "address", "addr",    "cid",      "etag",        "commit",
    "revision", "rev",    "ref",    "image", "url",         "uri",     "version", "cert",     "certificate", "certificates",
    "ca",       "pubkey", "file",   "path",  "dir",         "arn",     "seed"};
// A token of a text or of a page of results.
static constexpr std::string_view other_tokens[] = {"page", "continuation", "pad", "eos", "bos", "unk", "mask", "cls", "special"};

Naming naming_of(const NameWords& words) {
    std::size_t i = 0;
    const auto skippable = [&](std::string_view word) {
        return is_one_of(word, qualifiers) || std::all_of(word.begin(), word.end(), is_digit) ||
               (word.size() <= 3 && to_lower(word[0]) == 'v' && std::all_of(word.begin() + 1, word.end(), is_digit));
    };
    while (i < words.size() && skippable(words.from_end(i))) ++i;
    std::string_view last = words.from_end(i);
    // SECRET_KEY_BASE
    if (equals_without_case(last, "base") && equals_without_case(words.from_end(i + 1), "key")) last = words.from_end(++i);
    while (!last.empty() && is_digit(last.back())) last.remove_suffix(1); // TOKEN2
    if (last.empty()) return Naming::none;
    if (words.contains("public") || words.contains("pub") || words.contains("publishable") || is_one_of(last, harmless_words))
        return Naming::harmless;
    const auto ends_in = [&](std::span<const std::string_view> ends) {
        return std::any_of(ends.begin(), ends.end(), [&](std::string_view one) { return ends_without_case(last, one); });
    };
    if (is_one_of(last, password_words) || ends_in(password_ends)) return Naming::password;
    const std::string_view before = words.from_end(i + 1);
    if (equals_without_case(last, "key")) return is_one_of(before, keys_of) ? Naming::secret : Naming::none;
    if (!is_one_of(last, secret_words) && !ends_in(secret_ends)) return Naming::none;
    return is_one_of(before, other_tokens) ? Naming::none : Naming::secret;
}

} // namespace sandboxkit::secrets
