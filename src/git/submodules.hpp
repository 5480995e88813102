// SPDX-License-Identifier: Apache-2.0
// The submodules of a clone, and theirs.
#pragma once

#include "git/repository_clone.hpp"

#include <cstddef>
#include <cstdint>

namespace sandboxkit::git {

inline constexpr std::size_t most_submodules = 100; // in all
inline constexpr std::size_t deepest_submodule = 8; // one in the clone itself is at 1

struct ClonedSubmodules {
    std::size_t count = 0;
    std::uint64_t lfs_pointers = 0; // files that are such
};

// Clones each submodule at the commit that its parent names, with its repository in the parent's .git/modules, as git submodule
// update --init --recursive lays them out, and by the clone's mirrors and limits. A credential goes to the parent's own server
// alone, and is asked for anew with the submodule's URL. What is refused: submodule_rules.hpp; quota "too_many_submodules".
[[nodiscard]] Result<ClonedSubmodules> clone_submodules(Access& access, const ClonedRepository& parent);

} // namespace sandboxkit::git
