// SPDX-License-Identifier: Apache-2.0
// One repository cloned into its place, again where its mirror was damaged, and once more with a credential where its server
// asks.
#pragma once

#include "git/checkout.hpp"
#include "git/transport.hpp"

#include <filesystem>
#include <vector>

namespace sandboxkit::git {

struct Place {
    std::filesystem::path work_tree;     // absent, or an empty directory
    std::filesystem::path git_directory; // empty: .git in the work tree; else made, and .git is a file that names it
};

struct ClonedRepository {
    CloneResult result;
    RepositoryPtr repository;
    git_oid commit{};
    std::filesystem::path work_tree;
    std::vector<Gitlink> submodules; // of its commit
};

// An error may leave something at the place, which is the caller's to clear.
[[nodiscard]] Result<ClonedRepository> clone_repository(Access& access, const Place& place);

// Removes a directory with what is in it, or what is in it alone; as far as that goes.
void clear_directory(const std::filesystem::path& path, bool keep);

} // namespace sandboxkit::git
