// SPDX-License-Identifier: Apache-2.0
// Commands in a running session.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

Task<Process> start_process(Context& context, Principal who, std::string session, ExecRequest request);
Task<ExecResult> exec(Context& context, Principal who, std::string session, ExecRequest request, std::uint64_t output_limit);
Task<std::vector<ProcessInfo>> processes(Context& context, Principal who, std::string session);
Task<Process> attach_process(Context& context, Principal who, std::string session, std::string process,
                             std::optional<std::uint64_t> offset);
Task<void> signal_process(Context& context, Principal who, std::string session, std::string process, int number);

} // namespace sandboxkit::engine
