// SPDX-License-Identifier: Apache-2.0
// Snapshot jobs: leased from the store, built in a one-off sandbox, recorded. Whoever has the store open may do it.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

// Works on queued jobs, and on those whose engine died, until the engine closes. One coroutine an engine.
Task<void> run_builders(Context& context);

// A line of the log.
void log_cancelled(const Context& context, const JobInfo& job);

Task<JobInfo> wait_for_job(Context& context, std::string job, ProgressHandler progress);

} // namespace sandboxkit::engine
