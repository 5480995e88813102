// SPDX-License-Identifier: Apache-2.0
// What this host has for the local provider: for the provider itself, and for doctor().
#pragma once

#include "providers/local/local_provider.hpp"
#include "providers/local/sandboxes.hpp"

#include <filesystem>

namespace sandboxkit::local {

// permission "needs_root".
Result<void> check_root();
// The guest program, absolute and resolved. not_found "guest_missing".
Result<std::filesystem::path> check_guest(const std::filesystem::path& guest);
// Why there is no open egress here; empty when there is.
std::string egress_open_missing(const std::filesystem::path& slirp);

// Finds out everything, trials of the runtimes included. Errors: what a sandbox cannot do without.
Result<Host> survey_host(const LocalOptions& options, const StateDirectory& state);

} // namespace sandboxkit::local
