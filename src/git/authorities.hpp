// SPDX-License-Identifier: Apache-2.0
// Whom clones over TLS believe.
#pragma once

#include <sandboxkit/error.hpp>

#include <filesystem>

namespace sandboxkit::git {

// From now on the certificate authorities of this PEM file count as well as those in /etc/ssl/certs: for the whole process, as
// libgit2 has it, and until it ends. The same file again changes nothing. Thread-safe. Errors: conflict "authorities_in_use"
// while clones run, or after another file; invalid "authorities_unreadable".
[[nodiscard]] Result<void> trust_authorities(const std::filesystem::path& file);

} // namespace sandboxkit::git
