// SPDX-License-Identifier: Apache-2.0
// The signed claim by which a GitHub App says who it is: RFC 7519, RS256.
#pragma once

#include <sandboxkit/error.hpp>

#include <chrono>
#include <string>

namespace sandboxkit::credentials {

// `private_key`: RSA of at least 2048 bits, in PEM, without a passphrase; else invalid "github_key". Issued a minute before
// `now`, for clocks that differ, and good for nine minutes after it: GitHub takes ten.
[[nodiscard]] Result<std::string> github_jwt(const std::string& issuer, const std::string& private_key,
                                             std::chrono::sys_seconds now);

} // namespace sandboxkit::credentials
