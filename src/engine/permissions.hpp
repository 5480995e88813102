// SPDX-License-Identifier: Apache-2.0
// The permissions of permission.hpp, held against what the store has. Every function of the engine asks in this order, so that
// nobody learns of what is not theirs to know: the scopes, before anything is read; then whether it exists; then the access list
// and whose session it is. Who lacks the scope hears the same of what there is and of what there is not. Refused: permission
// "not_permitted", with the reason and the remedy of the decision.
#pragma once

#include "engine/context.hpp"

#include <sandboxkit/permission.hpp>

namespace sandboxkit::engine {

// That the principal is one (invalid "principal_invalid"), and has a scope for the action. Reads nothing.
Result<void> check_scopes(Action action, const Principal& who);

// For the activity log.
[[nodiscard]] inline store::Actor actor_of(const Principal& who) {
    return {who.id, who.channel};
}

// The decision about a profile whose access list is at hand.
Result<void> check_profile(Action action, const Principal& who, const AccessList& list);

// What `who` may see of a profile: without a scope to read it, its name and description are all of its record, and with that for
// the access list, that list.
ProfileInfo visible_to(const Principal& who, ProfileInfo info);

// The whole decision, for a profile or session that exists. Both read the access list where the decision depends on it, now:
// a decision is never kept, as another process may change the list. On a thread that may wait for the store.
Result<void> check_profile(Context& context, Action action, const Principal& who, std::string_view profile);
Result<void> check_session(Context& context, Action action, const Principal& who, const store::Session& session);

} // namespace sandboxkit::engine
