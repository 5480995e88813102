// SPDX-License-Identifier: Apache-2.0
// The store against the providers' own lists: what a dead process left is finished or removed. Idempotent; several
// engines may do it at once.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

Task<void> reconcile(Context& context);

// Stops the sessions whose idle or absolute time limit has passed.
Task<void> enforce_time_limits(Context& context);

// Both, on a timer, until the engine closes.
Task<void> run_housekeeping(Context& context);

} // namespace sandboxkit::engine
