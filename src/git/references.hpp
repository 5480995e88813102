// SPDX-License-Identifier: Apache-2.0
// What a repository has to offer, and which of it a clone checks out.
#pragma once

#include "git/libgit2.hpp"

#include <map>
#include <optional>
#include <string>

namespace sandboxkit::git {

struct Listing {
    std::map<std::string, git_oid> branches; // without refs/heads/
    std::map<std::string, git_oid> tags;     // without refs/tags/
    std::optional<git_oid> head;             // absent: HEAD names a branch that does not exist
    std::string head_branch;                 // what HEAD names; empty: a commit, or not told
};

struct Target {
    std::string branch; // empty: HEAD is detached
    git_oid commit{};
};

// Of a connected remote. More references than the limit are a quota error.
[[nodiscard]] Result<Listing> list_references(git_remote* remote, const Watch& watch);
[[nodiscard]] Result<Listing> list_references(git_repository* repository, Watch& watch);

[[nodiscard]] Result<Target> choose(const Listing& listing, const std::optional<std::string>& branch);

// Replaces a repository's references, all packed, by the listing's: its branches under `prefix`, and its tags. With a
// target to keep to: that branch only, and no tags. One file, durable when the call returns, however many they are;
// libgit2's own way writes a file for each, and its log, which takes minutes where there are thousands.
[[nodiscard]] Result<void> write_references(git_repository* repository, const Listing& listing, const std::string& prefix,
                                            const Target* only);
inline constexpr const char* own_branches = "refs/heads/";
inline constexpr const char* origins_branches = "refs/remotes/origin/";

} // namespace sandboxkit::git
