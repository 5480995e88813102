// SPDX-License-Identifier: Apache-2.0
// Reading a secret from where the operator keeps it.
#pragma once

#include <sandboxkit/credential_sources.hpp>

#include <string>

namespace sandboxkit::credentials {

// `what` is how messages call it, "the token". The caller overwrites what it gets. See SecretPlace.
[[nodiscard]] Result<std::string> read_secret(const SecretPlace& place, const std::string& what);

} // namespace sandboxkit::credentials
