// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sandboxkit/error.hpp>

#include <filesystem>

namespace sandboxkit::engine {

// The guest program: `named` if given, else SANDBOXKIT_GUEST of the environment, else where this build or its
// installation put it. not_found tells where was looked.
Result<std::filesystem::path> find_guest(const std::filesystem::path& named);

} // namespace sandboxkit::engine
