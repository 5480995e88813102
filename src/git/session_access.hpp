// SPDX-License-Identifier: Apache-2.0
// What the git of a session may ask of a server, over git's smart HTTP. Pure rules, no I/O; the requests come from the sandbox
// and are not trusted.
//
//   repository                    fetch   push
//   primary                       yes     makes and moves branches (refs/heads/...); deletes none, and touches no other reference
//   context, reference, or any
//   that is read-only             yes     no
//
// Whether a push that moves a branch throws commits away cannot be seen in it: a branch that must not be forced is protected at
// its server.
#pragma once

#include "git/push_commands.hpp"

#include <sandboxkit/error.hpp>
#include <sandboxkit/profile.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::git {

enum class GitService : std::uint8_t {
    upload_pack,  // git fetch, pull, clone and ls-remote
    receive_pack, // git push
};

// "git-upload-pack" and "git-receive-pack", as they are called on the wire.
[[nodiscard]] std::string_view to_string(GitService service) noexcept;

struct GitRequest {
    std::string repository; // the identifier in the profile
    GitService service = GitService::upload_pack;
    bool advertisement = false; // what the repository offers, which comes first; else the service itself
    friend bool operator==(const GitRequest&, const GitRequest&) = default;
};

// What a request asks for: GET /<identifier>/info/refs?service=<service>, or POST /<identifier>/<service>. `target` is its path
// and query as sent. All else is refused, with what git shows its user as the message: not_found "git_request_unknown",
// unsupported "git_dumb_http", invalid "git_request_malformed".
[[nodiscard]] Result<GitRequest> read_git_request(std::string_view method, std::string_view target,
                                                  std::string_view content_type);

// permission "git_push_not_allowed" for a push to a repository that the table above does not let be written to.
[[nodiscard]] Result<void> check_service(const Repository& repository, GitService service);

// Why this may not be done to the primary repository, in a few words that git shows beside the reference; nothing when it may.
[[nodiscard]] std::optional<std::string> push_refusal(const PushCommand& command);

// The variables (git-config: GIT_CONFIG_COUNT) that send git to `port` on the loopback in place of the repositories' own URLs,
// after those that `environment` has of that kind. invalid "git_config_count" when what it has is no number.
[[nodiscard]] Result<std::map<std::string, std::string>> git_environment(const std::map<std::string, std::string>& environment,
                                                                         const std::vector<Repository>& repositories,
                                                                         std::uint16_t port);

} // namespace sandboxkit::git
