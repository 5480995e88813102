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
    git_oid commit{};   // of a tag: what it names, until resolve()
    std::string tag{};  // that was asked for
    bool listed = true; // false: a commit that was asked for, and is the end of nothing listed
};

// Of a connected remote. More references than the limit are a quota error.
[[nodiscard]] Result<Listing> list_references(git_remote* remote, const Watch& watch);
[[nodiscard]] Result<Listing> list_references(git_repository* repository, Watch& watch);

// Whether a revision is a commit's id, and not a tag.
[[nodiscard]] bool is_commit_id(std::string_view revision);

// A revision that is a commit is taken as it is.
[[nodiscard]] Result<Target> choose(const Listing& listing, const CloneRequest& request);

// The full name of a reference that is listed as this object; empty: there is none.
[[nodiscard]] std::string name_of(const Listing& listing, const git_oid& id);

// The commit of the request's revision, once the objects are there; any other target is as it was.
[[nodiscard]] Result<Target> resolve(git_repository* repository, Target target, const CloneRequest& request, const Watch& watch);

// That what is listed has the target in its history: a mirror holds also what its server has dropped since.
[[nodiscard]] Result<void> check_history(git_repository* repository, const Listing& listing, const Target& target,
                                         const Watch& watch);

// Replaces a repository's references, all packed, by the listing's: its branches under `prefix`, and its tags. With a
// target to keep to: its branch or tag only. One file, durable when the call returns, however many they are;
// libgit2's own way writes a file for each, and its log, which takes minutes where there are thousands.
[[nodiscard]] Result<void> write_references(git_repository* repository, const Listing& listing, const std::string& prefix,
                                            const Target* only);
inline constexpr const char* own_branches = "refs/heads/";
inline constexpr const char* origins_branches = "refs/remotes/origin/";

} // namespace sandboxkit::git
