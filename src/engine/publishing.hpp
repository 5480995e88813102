// SPDX-License-Identifier: Apache-2.0
// The publish gate: a draft becomes an immutable version, and its snapshot is reused or queued.
#pragma once

#include "engine/context.hpp"

#include <vector>

namespace sandboxkit::engine {

// What the recipe asks of its provider and the provider does not do here. Pure.
std::vector<Problem> capability_problems(const Recipe& recipe, const Capabilities& can);

// What the publish gate finds: between the fields and of what they refer to, what this build does not enact, and what the
// provider cannot do; and at Gate::start also what a start would find now.
Task<Validation> publish_gate(Context& context, Profile profile, Gate gate);

// Of a published version that is started on `host`. unsupported "start_refused", with every problem.
Task<void> start_gate(Context& context, Recipe recipe, std::string host);

Task<VersionInfo> publish(Context& context, store::Actor actor, std::string profile);
Task<Validation> validate(Context& context, std::string document, Gate gate);

} // namespace sandboxkit::engine
