// SPDX-License-Identifier: Apache-2.0
// Resource classes and the limits they mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class ResourceClass : std::uint8_t {
    planning,          // 1 CPU, 2 GiB
    development,       // 2 CPU, 4 GiB
    development_large, // 4 CPU, 8 GiB
};

// As the profile says it: a class, and overrides on top.
struct Resources {
    ResourceClass resource_class = ResourceClass::development;
    std::optional<double> cpus;             // 0.01..1024
    std::optional<std::uint64_t> memory_mb; // MiB, 16..16'777'216
    std::optional<std::uint32_t> processes; // 8..4'194'304 processes and threads
    std::optional<std::uint64_t> disk_mb;   // MiB, 16..1'073'741'824; only where the provider has it

    friend bool operator==(const Resources&, const Resources&) = default;
};

// What a provider is asked to enforce.
struct Limits {
    double cpus = 2;
    std::uint64_t memory_bytes = 4ULL << 30;
    std::uint32_t processes = 4096;
    std::optional<std::uint64_t> disk_bytes;

    friend bool operator==(const Limits&, const Limits&) = default;
};

inline constexpr std::uint32_t default_process_limit = 4096;

[[nodiscard]] constexpr Limits limits_of(const Resources& r) noexcept {
    Limits limits;
    switch (r.resource_class) {
    case ResourceClass::planning: limits = {1, 2ULL << 30, default_process_limit, {}}; break;
    case ResourceClass::development: limits = {2, 4ULL << 30, default_process_limit, {}}; break;
    case ResourceClass::development_large: limits = {4, 8ULL << 30, default_process_limit, {}}; break;
    }
    if (r.cpus) limits.cpus = *r.cpus;
    if (r.memory_mb) limits.memory_bytes = *r.memory_mb << 20;
    if (r.processes) limits.processes = *r.processes;
    if (r.disk_mb) limits.disk_bytes = *r.disk_mb << 20;
    return limits;
}

} // namespace sandboxkit
