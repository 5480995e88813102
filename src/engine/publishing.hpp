// SPDX-License-Identifier: Apache-2.0
// The publish gate: a draft becomes an immutable version, and its snapshot is reused or queued.
#pragma once

#include "engine/context.hpp"

#include <vector>

namespace sandboxkit::engine {

// What the recipe asks of its provider and the provider does not do here. Pure.
std::vector<Problem> capability_problems(const Recipe& recipe, const Capabilities& can);

// Every problem of the recipe at the publish gate: what this build does not enact, and what the provider cannot do.
Task<std::vector<Problem>> publish_gate(Context& context, Recipe recipe);

Task<VersionInfo> publish(Context& context, store::Actor actor, std::string profile);
Task<std::vector<Problem>> validate(Context& context, std::string document, bool for_publish);

} // namespace sandboxkit::engine
