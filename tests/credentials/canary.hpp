// SPDX-License-Identifier: Apache-2.0
// Whether a text holds a secret, in one of the forms that it takes on its way.
#pragma once

#include <sandboxkit/error.hpp>

#include <boost/json/serialize.hpp>

#include <openssl/evp.h>

#include <string>
#include <string_view>

namespace sandboxkit::test {

inline std::string base64(std::string_view text) {
    std::string coded((text.size() + 2) / 3 * 4 + 1, '\0');
    coded.resize(static_cast<std::size_t>(::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(coded.data()),
                                                            reinterpret_cast<const unsigned char*>(text.data()),
                                                            static_cast<int>(text.size()))));
    return coded;
}

// `secret`: at least ten bytes. Plain, in hexadecimal digits, percent-encoded, as a JSON string, and in base64 wherever it begins
// in what was encoded.
inline bool holds(std::string_view text, std::string_view secret) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex, percent;
    for (const char c : secret) {
        const auto byte = static_cast<unsigned char>(c);
        hex += {digits[byte >> 4], digits[byte & 15]};
        if (std::isalnum(byte) != 0)
            percent += c;
        else
            percent += std::string("%") + digits[byte >> 4] + digits[byte & 15];
    }
    const std::string quoted = boost::json::serialize(boost::json::value(secret));
    for (const std::string& form : {std::string(secret), hex, percent, quoted.substr(1, quoted.size() - 2)})
        if (text.find(form) != std::string_view::npos) return true;
    for (const std::size_t before : {0, 1, 2}) {
        // Without what depends on its neighbours.
        const std::string coded = base64(std::string(before, 'x') + std::string(secret));
        if (text.find(coded.substr(4, coded.size() - 12)) != std::string_view::npos) return true;
    }
    return false;
}

inline bool holds(const Error& error, std::string_view secret) {
    for (const auto& text : {error.code, error.message, error.remedy, error.detail})
        if (holds(text, secret)) return true;
    for (const auto& problem : error.problems)
        if (holds(problem.pointer, secret) || holds(problem.message, secret) || holds(problem.remedy, secret)) return true;
    return false;
}

} // namespace sandboxkit::test
