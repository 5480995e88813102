// SPDX-License-Identifier: Apache-2.0
// What the Docker provider costs, on the daemon that the docker command would use, against that daemon's own API and command.
#pragma once

#include <sandboxkit/engine.hpp>

#include <cstdint>
#include <filesystem>

namespace sandboxkit::bench {

struct DockerSize {
    int start_samples, exec_samples, concurrent, capture_samples;
    int files;
    std::uint64_t bytes; // of the layer that is captured
};

[[nodiscard]] bool docker_is_there();

// Throws when it is not.
void bench_docker(Engine& engine, const Principal& who, const EngineOptions& options, const std::filesystem::path& scratch,
                  const DockerSize& size);

} // namespace sandboxkit::bench
