// SPDX-License-Identifier: Apache-2.0
// What is said to a Git credential helper, and what it answers: gitcredentials(7), git-credential(1). No I/O.
#pragma once

#include <sandboxkit/credentials.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::credentials {

// The attributes of a request, and of the credential if there is one; with the empty line at the end. `path`: whether the
// repository is among them. Nothing for a URL that has no such form.
[[nodiscard]] std::optional<std::string> helper_input(const CredentialRequest& request, bool path, const Credential* credential);

// Lines "key=value" up to an empty one or the end; keys that mean nothing here are passed over, as Git does. None without a
// password, or when the helper says "quit". internal "credential_command_answer" for what is none of this; no part of it is in
// the error.
[[nodiscard]] Result<std::optional<Credential>> read_helper_answer(std::string_view text);

} // namespace sandboxkit::credentials
