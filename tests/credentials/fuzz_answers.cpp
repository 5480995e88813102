// SPDX-License-Identifier: Apache-2.0
// What credential helpers and GitHub answer: read or refused, and never repeated in an error.
#include "credentials/github_api.hpp"
#include "credentials/helper_protocol.hpp"
#include "credentials/http_url.hpp"

#include <cstdint>
#include <cstdlib>

using namespace sandboxkit;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto check = [&](const Error& error) {
        if (!error.detail.empty() || (size > 20 && error.message.find(text) != std::string::npos)) std::abort();
    };
    const auto helper = credentials::read_helper_answer(text);
    if (!helper)
        check(helper.error());
    else if (*helper && ((*helper)->secret.empty() || (*helper)->secret.find('\n') != std::string::npos))
        std::abort();
    const auto token = credentials::read_access_token(text);
    if (!token)
        check(token.error());
    else if (token->token.empty() || token->token.find('\n') != std::string::npos)
        std::abort();
    const auto installation = credentials::read_installation(text);
    if (!installation) check(installation.error());
    if (const auto url = credentials::parse_http_url(text))
        for (const auto& component : url->path)
            if (component.empty() || component == ".." || component.find('/') != std::string::npos) std::abort();
    return 0;
}
