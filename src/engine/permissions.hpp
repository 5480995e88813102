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

// Who may launch from the profile. On a thread that may wait for the store.
Result<AccessList> access_list_of(Context& context, std::string_view profile);

// The whole decision, for a profile or session that exists. Both read the access list where the decision depends on it, now:
// a decision is never kept, as another process may change the list. On a thread that may wait for the store.
Result<void> check_profile(Context& context, Action action, const Principal& who, std::string_view profile);
Result<void> check_session(Context& context, Action action, const Principal& who, const store::Session& session);

} // namespace sandboxkit::engine
