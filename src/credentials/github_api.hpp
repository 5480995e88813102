// SPDX-License-Identifier: Apache-2.0
// The three requests of GitHub's REST API that an app needs: https://docs.github.com/rest/apps. Each blocks.
#pragma once

#include "credentials/http_url.hpp"
#include "net/http_client.hpp"

#include <sandboxkit/clock.hpp>
#include <sandboxkit/error.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace sandboxkit::credentials {

struct AccessToken {
    std::string token;
    std::chrono::sys_seconds expires{};
};

// The bodies of answers; internal "github_answer", which repeats nothing of them.
[[nodiscard]] Result<std::uint64_t> read_installation(std::string_view body);
[[nodiscard]] Result<AccessToken> read_access_token(std::string_view body);

// What an answer that is none of the good ones means; never what it says, which may be anything. `now`: to say how long a limit
// lasts.
[[nodiscard]] Error github_error(const net::HttpHead& head, std::string_view body, Timestamp now);

class GithubApi {
public:
    // Redirects are not followed: what is asked for would go to somebody else. `base`: its path is the API's.
    GithubApi(HttpUrl base, const std::filesystem::path& ca_file, std::chrono::milliseconds limit);

    // `jwt`: see github_jwt. Of the app on "owner/name".
    [[nodiscard]] Result<std::uint64_t> installation(const std::string& jwt, const std::string& owner, const std::string& name,
                                                     Timestamp now) const;
    // For one repository of the installation, by its name, with the permission `contents`: "read" or "write".
    [[nodiscard]] Result<AccessToken> access_token(const std::string& jwt, std::uint64_t installation, const std::string& name,
                                                   std::string_view contents, Timestamp now) const;
    // Of an installation token, which ends. One that is no more is no error.
    [[nodiscard]] Result<void> revoke(const std::string& token, Timestamp now) const;

private:
    Result<net::HttpResponse> send(std::string method, const std::string& path, const std::string& bearer,
                                   std::string body = {}) const;

    std::string base_path_;
    net::HttpTarget target_;
    std::chrono::milliseconds limit_;
};

} // namespace sandboxkit::credentials
