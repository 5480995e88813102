// SPDX-License-Identifier: Apache-2.0
#include "git/credential.hpp"

#include "git/http_credential.hpp"

#include <openssl/crypto.h>

namespace sandboxkit::git {

namespace {

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
    if (auto ok = check_credential(**given); !ok) return ok.error();
    access.credential = **given;
    if (access.credential->username.empty()) access.credential->username = "x-access-token";
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

// Who it is, is believed: the credential is a good one, for something else.
static Error access_forbidden() {
    return {ErrorClass::permission,
            "access_forbidden",
            "the server takes the credential that the host application gave, and does not allow it this repository",
            "give it the right to read this repository, or check the URL",
            "",
            {}};
}

Error without_credential(Error error, const Access& access) {
    if (error.code == "credentials_required") {
        std::string detail = std::move(error.detail);
        error = detail.find("status code: 403") == std::string::npos ? credentials_refused() : access_forbidden();
        error.detail = std::move(detail);
    }
    std::string sent = basic_credential(*access.credential);
    for (auto* text : {&error.message, &error.remedy, &error.detail}) {
        black_out(*text, sent);
        black_out(*text, access.credential->secret);
    }
    ::OPENSSL_cleanse(sent.data(), sent.size());
    return error;
}

} // namespace sandboxkit::git
