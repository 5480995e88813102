// SPDX-License-Identifier: Apache-2.0
// The store against the providers' own lists: what a dead process left is finished or removed. Idempotent; several
// engines may do it at once.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

// Which hosts: those at hand, or those reached over a wire, which may be down and which nobody at hand waits for.
enum class Where : std::uint8_t { at_hand, elsewhere };

// The hosts do not wait for each other. One that does not answer, or behind which another one answers, is left as it is.
Task<void> reconcile(Context& context, Where where);

// Stops the sessions whose idle or absolute time limit has passed.
Task<void> enforce_time_limits(Context& context, Where where);

// Both, on a timer, until the engine closes; elsewhere at once, too.
Task<void> run_housekeeping(Context& context, Where where);

} // namespace sandboxkit::engine
