// SPDX-License-Identifier: Apache-2.0
// What the C ABI costs, through the shared library that others load.
#pragma once

#include <sandboxkit/engine.hpp>

#include <filesystem>
#include <string>

namespace sandboxkit::bench {

// A queue alone, and operations that do nothing: one at a time, many in flight, ten thousand at once.
void bench_capi(const std::filesystem::path& scratch, int samples);

// A command in a session, against the same through C++. `options`: of `engine`.
void bench_capi_exec(Engine& engine, const Principal& who, const EngineOptions& options, const std::string& profile, int samples);

} // namespace sandboxkit::bench
