// SPDX-License-Identifier: Apache-2.0
#include "git/http_credential.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

namespace sandboxkit::git {

namespace {

constexpr std::size_t longest_name = 1024, longest_secret = 64 << 10;

// RFC 7617 allows no control character, and libgit2 would take a NUL for the end.
bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

} // namespace

Result<void> check_credential(const Credential& credential) {
    const std::string &name = credential.username, &secret = credential.secret;
    if (secret.empty() || secret.size() > longest_secret || name.size() > longest_name || name.find(':') != std::string::npos ||
        has_control(name) || has_control(secret))
        return Error{ErrorClass::invalid,
                     "credential_malformed",
                     "the credential that the host application gave has no form that HTTP can carry",
                     "give a name without ':', and a secret that is not empty, both without control characters",
                     "",
                     {}};
    return {};
}

std::string basic_credential(const Credential& credential) {
    const std::string& name = credential.username;
    std::string plain = (name.empty() ? "x-access-token" : name) + ":" + credential.secret;
    std::string coded((plain.size() + 2) / 3 * 4 + 1, '\0'); // with the terminator
    const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(coded.data()),
                                       reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
    coded.resize(static_cast<std::size_t>(size));
    ::OPENSSL_cleanse(plain.data(), plain.size());
    return coded;
}

} // namespace sandboxkit::git
