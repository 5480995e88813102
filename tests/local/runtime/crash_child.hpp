// SPDX-License-Identifier: Apache-2.0
// The process that the crash test kills: this program with --crash-child STATE GUEST IMAGE TOKEN.
#pragma once

#include <string>

namespace sandboxkit::test {

// Creates, starts, stops and destroys a sandbox; says "begin" first, and "end" when it runs.
int crash_child(const std::string& state, const std::string& guest, const std::string& image, const std::string& token);

} // namespace sandboxkit::test
