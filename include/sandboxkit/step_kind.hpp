// SPDX-License-Identifier: Apache-2.0
// The steps of a plan. Those up to `capture` make the snapshot; the others are taken at every start.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sandboxkit {

enum class StepKind : std::uint8_t {
    base_image,
    install_features,
    script_environment, // what build hooks and the setup script run with; absent without either
    run_build_hooks,
    install_agent,
    clone_repository, // one a repository
    configure_agent,
    run_setup_script,
    capture, // always the last of these
    apply_limits,
    connect_network,
    protect_paths, // read-only checkouts
    attach_persistence,
    bind_identity,
    bind_environment,
    bind_connections,
    govern_commands,
    run_runtime_hooks,
    prewarm,
    probe,
};

inline constexpr std::array<std::string_view, 20> step_kind_names = {
    "base_image",       "install_features", "script_environment", "run_build_hooks", "install_agent",
    "clone_repository", "configure_agent",  "run_setup_script",   "capture",         "apply_limits",
    "connect_network",  "protect_paths",    "attach_persistence", "bind_identity",   "bind_environment",
    "bind_connections", "govern_commands",  "run_runtime_hooks",  "prewarm",         "probe"};
static_assert(step_kind_names.size() == static_cast<std::size_t>(StepKind::probe) + 1);

constexpr std::string_view to_string(StepKind k) noexcept {
    return step_kind_names[static_cast<std::size_t>(k)];
}

constexpr bool is_snapshot_relevant(StepKind k) noexcept {
    return k <= StepKind::capture;
}

} // namespace sandboxkit
