// SPDX-License-Identifier: Apache-2.0
// What the in-sandbox API costs: each measure in a sandbox of its own, against the same without one.
#pragma once

#include <sandboxkit/engine.hpp>
#include <sandboxkit/provider.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace sandboxkit::bench {

// A running session, until it goes.
class BenchSession {
public:
    // `state`: the engine's state directory.
    BenchSession(Engine& engine, const Principal& who, const std::string& profile, const std::filesystem::path& state);
    ~BenchSession();
    BenchSession(const BenchSession&) = delete;
    BenchSession& operator=(const BenchSession&) = delete;

    Engine& engine;
    const Principal& who;
    std::string id;
    Endpoint endpoint; // where its guest answers
};

// So many bytes of standard output, on the plain wire and in raw frames, against a pipe.
void bench_output(const BenchSession& session, std::uint64_t bytes, int samples);

// Background processes that are started, listed, found by tag and ended: what one costs among many, against among few.
void bench_processes(const BenchSession& session, int few, int many, int samples);

// A tree of small files into the sandbox and out of it, against two tars and a pipe.
void bench_trees(const BenchSession& session, const std::filesystem::path& scratch, int files, int samples);

} // namespace sandboxkit::bench
