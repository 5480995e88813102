// SPDX-License-Identifier: Apache-2.0
// Ready-made sources of credentials: a token, a command, a GitHub App, and several of them, each for its part of the world.
// Like every CredentialSource they may be called from several threads at once, and block there. None keeps a secret on disk, and
// no error of theirs holds one.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/credentials.hpp>
#include <sandboxkit/export.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

// Where a secret is: exactly one of the two. Read at each use, so that a new one acts at once; a line end after it is not part
// of it. invalid "secret_unreadable": there is none, an empty one, or one of more than 64 KiB.
struct SecretPlace {
    std::filesystem::path file{}; // absolute; a regular file
    std::string variable{};       // of this process's environment
};

// A password or a token as it is, without a time at which it ends: of GitLab (any user name), of Bitbucket Cloud (user name
// "x-bitbucket-api-token-auth" for API tokens, "x-token-auth" for those of repositories, projects and workspaces), of a registry.
struct StaticToken {
    std::string username{}; // as Credential::username
    SecretPlace secret{};
};
[[nodiscard]] SANDBOXKIT_API std::shared_ptr<CredentialSource> static_token(StaticToken token);

// A program that speaks the protocol of Git's credential helpers (gitcredentials(7)), run as `argv... get` with the attributes
// protocol, host and, where it is wanted, path; once more with `erase` for a credential that its server refused. Errors:
// unavailable "credential_command_failed", timeout "credential_command_timeout", quota "credential_command_output", internal
// "credential_command_answer".
struct CredentialCommand {
    std::vector<std::string> argv{};        // its program is an absolute path; no shell sees it
    bool path = false;                      // whether it is told the repository, or only the host
    std::vector<std::string> environment{}; // variables that it gets beside PATH, HOME, USER, LOGNAME and LC_ALL=C
    // 1..600, else the nearest of these; then it is killed, with all of its process group. A host application that ignores
    // SIGCHLD leaves nobody to tell how the command ended: then each is taken for failed.
    std::chrono::seconds limit{30};
};
[[nodiscard]] SANDBOXKIT_API std::shared_ptr<CredentialSource> credential_command(CredentialCommand command);

// Installation tokens of a GitHub App, each for one repository, to read its contents or, to push, to write them. One is used
// again until five minutes before it ends, and revoked when the last that used it is over. Nothing for pulls of images, nor for
// repositories of another host than the API's: "HOST" and "api.HOST" are one.
// Errors: invalid "github_key", "github_repository" (a URL of another form), "github_moved"; not_found "github_not_installed";
// permission "github_unauthenticated", "github_forbidden", "github_permissions", "github_reference_push"; quota
// "github_rate_limit"; unavailable "github_unavailable"; internal "github_answer"; and those of the connection, "github_...".
struct GithubApp {
    std::string issuer{};      // client ID, or app ID
    SecretPlace private_key{}; // RSA, PEM, without a passphrase
    // Of GitHub Enterprise Server: "https://HOST/api/v3". https, or http to this machine.
    std::string api = "https://api.github.com";
    std::filesystem::path ca_file{};         // whose authorities alone are trusted; empty: the system's
    std::chrono::milliseconds limit{30'000}; // > 0; for one request
    std::shared_ptr<Clock> clock{};          // null: the system's
};
// invalid "github_api" for an `api` that is none of these, or a `ca_file` for one without TLS.
[[nodiscard]] SANDBOXKIT_API Result<std::shared_ptr<CredentialSource>> github_app(GithubApp app);

// What a source is for. Its credentials are offered nowhere else.
struct CredentialScope {
    // "https://host[:port][/path]", http to this machine only: the repositories at or below the path, in whole components and
    // with regard to case; of a registry the host alone.
    std::string url{};
    std::optional<std::string> connection{}; // only requests that name this connection; absent: whatever they name
};

// Whether the request is in the scope. Nothing is in a scope, or is one, whose URL has user information, a query, or a path that
// servers may read in more than one way: with empty, "." or ".." components, encoded slashes, backslashes.
[[nodiscard]] SANDBOXKIT_API bool covers(const CredentialScope& scope, const CredentialRequest& request);

struct ScopedSource {
    CredentialScope scope{};
    std::shared_ptr<CredentialSource> source{};
};
// Asks the one source whose scope is the narrowest that covers the request: with its connection before without, then by the
// longest path; of equals the first. None: there is no credential.
[[nodiscard]] SANDBOXKIT_API std::shared_ptr<CredentialSource> scoped_sources(std::vector<ScopedSource> sources);

// The sources that a JSON document describes (docs/credentials.md), in their scopes. It names secrets by file or variable and
// holds none. invalid "credential_sources_invalid" with every problem at once, each with its pointer.
[[nodiscard]] SANDBOXKIT_API Result<std::shared_ptr<CredentialSource>> read_credential_sources(std::string_view document);

} // namespace sandboxkit
