// SPDX-License-Identifier: Apache-2.0
// Opens the output of a process: of a new one, or of one that runs.
#pragma once

#include "envd/calls.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::envd {

Task<std::shared_ptr<ProcessStream>> start_process(CorePtr core, ExecRequest request, std::string tag);
Task<std::shared_ptr<ProcessStream>> connect_process(CorePtr core, ProcessSelector process, std::optional<std::uint64_t> offset);

} // namespace sandboxkit::envd
