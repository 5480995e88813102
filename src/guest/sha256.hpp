// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), for the signatures of file URLs. Written out, because a static program with a
// cryptographic library would be larger than the rest of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

// The 32 bytes of the digest.
[[nodiscard]] std::string sha256(std::string_view message);

// In a time that depends only on the lengths.
[[nodiscard]] bool equals_in_constant_time(std::string_view a, std::string_view b);

} // namespace sandboxkit::guest
