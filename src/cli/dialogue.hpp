// SPDX-License-Identifier: Apache-2.0
// Questions to somebody who sits there.
#pragma once

#include <string>
#include <string_view>

namespace sandboxkit::cli {

// Whether there is somebody: standard input and standard error are a terminal.
[[nodiscard]] bool somebody_there();

// Asks on standard error until the answer begins with one of `letters`, upper or lower case, and returns it, lower case. An
// empty line is the first of them; the end of input is 'n'.
[[nodiscard]] char ask(const std::string& question, std::string_view letters);

} // namespace sandboxkit::cli
