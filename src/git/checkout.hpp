// SPDX-License-Identifier: Apache-2.0
// From commits to a work tree, counted before it is written.
#pragma once

#include "git/references.hpp"

#include <string>
#include <vector>

namespace sandboxkit::git {

struct Gitlink { // where a commit has another repository's
    std::string path;
    git_oid commit{};
};

struct CheckedOut {
    std::vector<Gitlink> submodules{};
    std::uint64_t lfs_pointers = 0; // files that are such
};

// Points HEAD at the target (a local branch that follows origin's, or the commit itself) and writes the work tree in
// batches, between which the clone may end. Refused before a file is written: more than the limits, and names that no
// honest tree has ("..", ".git", one name twice in a directory).
[[nodiscard]] Result<CheckedOut> check_out(git_repository* repository, const Target& target, Watch& watch);

} // namespace sandboxkit::git
