// SPDX-License-Identifier: Apache-2.0
// Cloning from a repository on this machine.
#pragma once

#include "git/references.hpp"
#include "git/transport.hpp"

namespace sandboxkit::git {

// Gives `destination` what a fetch from the repository at `access.url.path` would: only what its branches and tags
// reach, with the request's depth. libgit2's own local transport can do neither a depth nor a shallow repository as source.
[[nodiscard]] Result<Target> take_from_local(git_repository* destination, Access& access);

} // namespace sandboxkit::git
