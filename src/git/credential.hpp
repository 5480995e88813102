// SPDX-License-Identifier: Apache-2.0
// The credential of one clone: when it may be asked for, and that nobody hears of it but the server.
#pragma once

#include "git/transport.hpp"

namespace sandboxkit::git {

// After the server asked for one: asks who knows, and keeps in `access.credential` what they gave, if anything. permission
// "credential_in_the_clear", without asking, where it would be sent so; invalid "credential_malformed".
[[nodiscard]] Result<void> find_credential(Access& access);

// Of a server that answers a credential by asking for one.
[[nodiscard]] Error credentials_refused();

// The error of an attempt that had a credential: says so, and does not repeat it where the server sent it back.
[[nodiscard]] Error without_credential(Error error, const Access& access);

} // namespace sandboxkit::git
