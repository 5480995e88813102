// SPDX-License-Identifier: Apache-2.0
// A recipe compiled to an ordered list of steps; the difference of two recipes; reuse or rebuild, with reasons.
// Pure functions: the same input gives the same output on every platform.
#pragma once

#include <sandboxkit/digest.hpp>
#include <sandboxkit/profile.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class StepKind : std::uint8_t {
    base_image,       // snapshot-relevant
    clone_repository, // snapshot-relevant; one a repository
    run_setup_script, // snapshot-relevant; absent when the script is empty
    capture,          // snapshot-relevant; always last of them
    apply_limits,     // late-bound, like all below
    connect_network,
    protect_paths, // read-only repositories; absent when there are none
    bind_environment,
};

constexpr std::string_view to_string(StepKind k) noexcept {
    constexpr std::string_view names[] = {"base_image",   "clone_repository", "run_setup_script", "capture",
                                          "apply_limits", "connect_network",  "protect_paths",    "bind_environment"};
    return names[static_cast<std::size_t>(k)];
}

struct Step {
    StepKind kind{};
    bool snapshot_relevant = false;
    boost::json::object detail; // canonical: what the step acts on
    std::string digest;         // "sha256:<hex>" over kind and detail
};

struct Plan {
    std::vector<Step> steps;
    std::string digest;          // over all steps
    std::string snapshot_digest; // over the snapshot-relevant ones: equal digests may share a snapshot
};

// All functions here take recipes that read_profile or read_recipe accepted. Persistence is in no step: this build does
// not enact it (publish_problems).
[[nodiscard]] inline Plan compile(const Recipe& recipe);

enum class FieldClass : std::uint8_t { snapshot_relevant, snapshot_neutral };

constexpr std::string_view to_string(FieldClass c) noexcept {
    return c == FieldClass::snapshot_relevant ? "snapshot_relevant" : "snapshot_neutral";
}

// One differing field of two recipes.
struct FieldChange {
    std::string pointer; // JSON pointer into the canonical form of the later recipe; for what was removed, of the earlier
    FieldClass field_class = FieldClass::snapshot_relevant;
    std::string before, after; // canonical JSON; empty: absent
    std::string reason;        // why it is relevant or neutral, one line
    friend bool operator==(const FieldChange&, const FieldChange&) = default;
};

// Empty exactly when the canonical forms are equal. Repositories are compared by identifier, environment by name.
[[nodiscard]] inline std::vector<FieldChange> diff(const Recipe& before, const Recipe& after);

// Steps of two plans that differ, for people: "- run_setup_script sha256:ab..", "+ run_setup_script sha256:cd..", in the
// order of the steps; a repository's has its identifier behind it.
[[nodiscard]] inline std::vector<std::string> diff(const Plan& before, const Plan& after);

struct RebuildDecision {
    bool reuse = false;               // the previous version's snapshot serves this one too
    std::vector<FieldChange> changes; // against the version before; empty for the first
    std::string reason;               // one line
    friend bool operator==(const RebuildDecision&, const RebuildDecision&) = default;
};

// `before` is null for the first version. Reuse is decided exactly when the plans' snapshot digests are equal.
[[nodiscard]] inline RebuildDecision decide_rebuild(const Recipe* before, const Recipe& after);

} // namespace sandboxkit

#include <sandboxkit/plan_compile.hpp>
#include <sandboxkit/plan_diff.hpp>
