// SPDX-License-Identifier: Apache-2.0
// Waiting for a snapshot, with what it tells on the way.
#pragma once

#include "cli/settings.hpp"

namespace sandboxkit::cli {

// Returns when the job has ended; a job that did not succeed is its error. The engine must have been opened to build.
[[nodiscard]] Result<JobInfo> wait_for_snapshot(const Settings& settings, Engine& engine, const std::string& job);

} // namespace sandboxkit::cli
