// SPDX-License-Identifier: Apache-2.0
// A credential in the form in which HTTP carries it (RFC 7617).
#pragma once

#include <sandboxkit/credentials.hpp>

#include <string>

namespace sandboxkit::git {

// invalid "credential_malformed" when HTTP cannot carry it. The message quotes nothing of it.
[[nodiscard]] Result<void> check_credential(const Credential& credential);

// "name:secret" in base64, with the name that stands for an empty one. A secret, to be overwritten after use.
[[nodiscard]] std::string basic_credential(const Credential& credential);

} // namespace sandboxkit::git
