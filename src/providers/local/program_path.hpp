// SPDX-License-Identifier: Apache-2.0
// Where the programs are that the local provider runs.
#pragma once

#include <filesystem>
#include <string>

namespace sandboxkit::local {

// Looks in $PATH and then in the system's own directories, which an ordinary PATH leaves out. A name with a slash is taken
// as it is. Absolute and executable, or empty.
std::filesystem::path find_program(const std::string& name);

} // namespace sandboxkit::local
