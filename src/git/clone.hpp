// SPDX-License-Identifier: Apache-2.0
// Cloning with libgit2: branch, depth, progress, cancellation, limits, and a mirror cache that makes later clones cheap.
#pragma once

#include <sandboxkit/credentials.hpp>
#include <sandboxkit/error.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace sandboxkit::git {

struct CloneLimits {
    std::chrono::seconds total{1800}; // for the whole clone
    std::chrono::seconds stall{30};   // without a byte from the server
    std::uint64_t received_bytes = 8ULL << 30;
    std::uint64_t objects = 20'000'000;
    std::uint64_t references = 200'000;         // a server that advertises more is refused
    std::uint64_t checkout_bytes = 32ULL << 30; // of the work tree, counted before it is written
    std::uint64_t checkout_files = 5'000'000;   // and directories
    std::uint64_t file_bytes = 512ULL << 20;    // of one file, or other object, which libgit2 holds in memory
};

struct CloneRequest {
    std::string url; // http(s)://, ssh://, user@host:path, file:///
    std::optional<std::string> branch;
    // Instead of a branch: a tag's short name, or a commit by its 40 hex digits. HEAD is then detached. A commit that is not in
    // the history of a branch or tag is not found; with a depth it must be the end of one, or the server must give any.
    std::optional<std::string> revision{};
    std::optional<std::uint32_t> depth;
    bool submodules = false;           // theirs too, all with their whole history: at most 100, 8 inside each other
    std::filesystem::path destination; // must not exist, or be an empty directory; its parent exists
    std::filesystem::path mirrors;     // the cache directory; empty: no cache
    CloneLimits limits;
    std::filesystem::path known_hosts;     // for SSH; empty: the user's own file. An unknown host key is refused.
    std::filesystem::path ssh_private_key; // for SSH; empty: the keys of the agent that SSH_AUTH_SOCK names, no others
    // For HTTP: asked on the thread of the clone, at most once for each URL, when the server has asked for a user name and
    // password, and while no lock is held and no connection open. Its time counts as the clone's. Empty: there is none. The URL
    // is the clone's, or that of a submodule on the same server.
    std::function<Result<std::optional<Credential>>(const std::string& url)> credential{};
};

struct CloneProgress {
    std::uint64_t received_bytes = 0, received_objects = 0, total_objects = 0;
    std::uint64_t checked_out = 0, checkout_total = 0; // files
};

struct CloneResult {
    std::string commit; // 40 hex digits, what HEAD is at
    std::string branch; // checked out; empty: HEAD is detached
    std::uint64_t received_bytes = 0;
    bool from_mirror = false;
    // Files that name contents in Git LFS, which are not fetched: they are in the work tree as the few lines that git keeps.
    std::uint64_t lfs_pointers = 0;
    std::size_t submodules = 0; // cloned
};

// Blocks. On an error nothing is left at `destination`; the mirror is left whole or removed.
// The checkout's config holds the URL as given and no credential. Hooks of templates are not installed; filters, smudge
// commands are not run. Errors: not_found (no such repository, branch or revision), permission (credentials
// needed), unavailable, timeout, quota (a limit), cancelled, invalid (a URL of another kind), and that of `credential` as it is.
//
// A credential goes to the URL's host alone, over https, or over http to this machine without a proxy: permission
// "credential_in_the_clear" else, and it is not asked for. Once there is one, a redirect to another host is refused (permission
// "redirect_refused"); one to another port of it is followed. "credentials_refused": the server did not take it;
// "access_forbidden": it did, and does not allow this repository. A mirror serves no clone but one that its server has just listed
// its references to; of one URL it is the same for everybody, so that a clone's objects may be more than its references reach.
// What errors tell holds no secret, even where the server sent it back.
Result<CloneResult> clone(const CloneRequest& request, std::stop_token stop,
                          const std::function<void(const CloneProgress&)>& progress);

} // namespace sandboxkit::git
