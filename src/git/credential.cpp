// SPDX-License-Identifier: Apache-2.0
#include "git/credential.hpp"

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

// What goes over the wire.
std::string basic(const Credential& credential) {
    std::string plain = credential.username + ":" + credential.secret;
    std::string coded((plain.size() + 2) / 3 * 4 + 1, '\0'); // with the terminator
    const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(coded.data()),
                                       reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
    coded.resize(static_cast<std::size_t>(size));
    ::OPENSSL_cleanse(plain.data(), plain.size());
    return coded;
}

void black_out(std::string& text, std::string_view secret) {
    constexpr std::string_view mark = "[...]";
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + mark.size()))
        text.replace(at, secret.size(), mark);
}

} // namespace

Result<void> find_credential(Access& access) {
    if (!access.url.tls && !is_this_machine(access.url.host))
        return Error{ErrorClass::permission,
                     "credential_in_the_clear",
                     "the server asks for credentials, which are not sent in the clear to another machine",
                     "use https:// in the repository's URL",
                     "",
                     {}};
    auto given = access.request.credential(access.request.url);
    if (!given) return given.error();
    if (!access.watch.go_on()) return *access.watch.why();
    access.watch.begin_waiting();
    if (!*given) return {};
    const std::string &name = (*given)->username, &secret = (*given)->secret;
    if (secret.empty() || secret.size() > longest_secret || name.size() > longest_name || name.find(':') != std::string::npos ||
        has_control(name) || has_control(secret))
        return Error{ErrorClass::invalid,
                     "credential_malformed",
                     "the credential that the host application gave has no form that HTTP can carry",
                     "give a name without ':', and a secret that is not empty, both without control characters",
                     "",
                     {}};
    access.credential = **given;
    if (name.empty()) access.credential->username = "x-access-token";
    return {};
}

Error credentials_refused() {
    return {ErrorClass::permission,
            "credentials_refused",
            "the server does not accept the credential that the host application gave",
            "check that it is valid still, and may read this repository",
            "",
            {}};
}

Error without_credential(Error error, const Access& access) {
    if (error.code == "credentials_required") {
        std::string detail = std::move(error.detail);
        error = credentials_refused();
        error.detail = std::move(detail);
    }
    std::string sent = basic(*access.credential);
    for (auto* text : {&error.message, &error.remedy, &error.detail}) {
        black_out(*text, sent);
        black_out(*text, access.credential->secret);
    }
    ::OPENSSL_cleanse(sent.data(), sent.size());
    return error;
}

} // namespace sandboxkit::git
