// SPDX-License-Identifier: Apache-2.0
// Commands and files in a running session.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

Task<Process> start_process(Context& context, std::string session, ExecRequest request);
Task<ExecResult> exec(Context& context, std::string session, ExecRequest request, std::uint64_t output_limit);
Task<std::string> read_file(Context& context, std::string session, std::string path);
Task<void> write_file(Context& context, std::string session, std::string path, std::string bytes);

} // namespace sandboxkit::engine
