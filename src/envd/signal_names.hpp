// SPDX-License-Identifier: Apache-2.0
// envd reports a death by signal as text: "signal: killed", with Go's names for the signals of Linux.
#pragma once

#include <optional>
#include <string_view>

namespace sandboxkit::envd {

// The number in a status such as "signal: killed (core dumped)" or "signal: signal 34"; nothing for another text.
[[nodiscard]] std::optional<int> signal_of_status(std::string_view status);

} // namespace sandboxkit::envd
