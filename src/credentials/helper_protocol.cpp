// SPDX-License-Identifier: Apache-2.0
#include "credentials/helper_protocol.hpp"

#include "credentials/http_url.hpp"

#include <charconv>

namespace sandboxkit::credentials {

namespace {

Error bad_answer(std::string message) {
    return {ErrorClass::internal,
            "credential_command_answer",
            std::move(message),
            "it has to speak the protocol of Git's credential helpers",
            "",
            {}};
}

std::string_view take_line(std::string_view& text) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

} // namespace

std::optional<std::string> helper_input(const CredentialRequest& request, bool path, const Credential* credential) {
    const auto url = parse_http_url(request.url);
    if (!url) return {};
    std::string text;
    // Growing would leave copies of the password behind.
    text.reserve(2 * request.url.size() + 64 + (credential ? credential->username.size() + credential->secret.size() : 0));
    text += std::string("protocol=") + (url->tls ? "https" : "http") + "\nhost=" + authority_of(*url) + "\n";
    if (path && !url->path.empty()) {
        std::string whole;
        for (const auto& component : url->path) whole += (whole.empty() ? "" : "/") + component;
        text += "path=" + whole + "\n";
    }
    if (credential) {
        if (!credential->username.empty()) text += "username=" + credential->username + "\n";
        ((text += "password=") += credential->secret) += "\n";
    }
    text += "\n";
    return text;
}

Result<std::optional<Credential>> read_helper_answer(std::string_view text) {
    Credential credential;
    bool found = false, quit = false;
    while (!text.empty()) {
        const auto line = take_line(text);
        if (line.empty()) break;
        const auto equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return bad_answer("the credential command answered with a line that is no key=value");
        const auto key = line.substr(0, equals), value = line.substr(equals + 1);
        if (key == "username") {
            credential.username = value;
        } else if (key == "password") {
            credential.secret = value;
            found = !value.empty();
        } else if (key == "quit") {
            quit = value == "1" || value == "true";
        } else if (key == "password_expiry_utc") {
            std::int64_t seconds = 0;
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
            if (error != std::errc{} || end != value.data() + value.size() || seconds < 0 || seconds > 253'402'300'799)
                return bad_answer("the credential command answered with an expiry that is no time");
            credential.expires = std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
        }
    }
    if (!found || quit) return std::nullopt;
    return std::optional<Credential>(credential);
}

} // namespace sandboxkit::credentials
