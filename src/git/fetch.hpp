// SPDX-License-Identifier: Apache-2.0
// From a server into a repository on disk.
#pragma once

#include "git/references.hpp"
#include "git/transport.hpp"

#include <filesystem>
#include <string>

namespace sandboxkit::git {

// Makes an empty repository at `path` (not a bare one: at `path`/.git) with its own config only and the remote "origin".
// With a work tree, which is an existing directory or made, `path` is the git directory, and the work tree's .git a file that
// names it; both name each other relatively.
[[nodiscard]] Result<RepositoryPtr> make_repository(const std::string& path, bool bare, const std::string& url,
                                                    const std::string& refspec, const Watch& watch,
                                                    const std::filesystem::path& work_tree = {});

// Connects to `repository`'s origin and chooses what to check out; then fetches: all branches and tags, or with
// the request's depth that branch alone.
[[nodiscard]] Result<Target> fetch(git_repository* repository, Access& access);

// Fetches nothing but what the mirror lacks, and drops what the server no longer has.
[[nodiscard]] Result<Target> fetch_mirror(git_repository* mirror, Access& access);

} // namespace sandboxkit::git
