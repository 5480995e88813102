// SPDX-License-Identifier: Apache-2.0
// Whether packs on this machine are still what was written.
#pragma once

#include "git/watch.hpp"

#include <filesystem>

namespace sandboxkit::git {

// Each pack of a directory has its index, and both carry the checksum of what is in them: data_loss "pack_damaged" else. libgit2
// looks at an object's bytes only when it reads that object, and a clone hands on all of them.
[[nodiscard]] Result<void> check_packs(const std::filesystem::path& directory, Watch& watch);

} // namespace sandboxkit::git
