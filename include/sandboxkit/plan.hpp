// SPDX-License-Identifier: Apache-2.0
// A recipe compiled to an ordered list of steps; the difference of two recipes; reuse or rebuild, with reasons.
// Pure functions: the same input gives the same output on every platform.
#pragma once

#include <sandboxkit/digest.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/step_kind.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

struct Step {
    StepKind kind{};
    bool snapshot_relevant = false;
    boost::json::object detail; // what the step acts on: the part of the recipe whose fields belong to it (profile_fields.hpp)
    std::string digest;         // "sha256:<hex>" over kind and detail
};

struct Plan {
    std::vector<Step> steps;
    std::string digest;          // over all steps
    std::string snapshot_digest; // over the snapshot-relevant ones: equal digests may share a snapshot
};

// Whether building the recipe's snapshot runs scripts of the profile, which see what they run with.
[[nodiscard]] inline bool runs_scripts(const Recipe& recipe) noexcept;

// All functions here take recipes that read_profile or read_recipe accepted.
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

// Empty exactly when the canonical forms are equal. Lists are compared by the keys of their elements (a repository's identifier,
// a server's name) where their order means nothing, and as a whole where it does.
[[nodiscard]] inline std::vector<FieldChange> diff(const Recipe& before, const Recipe& after);
// Of the record too; its fields are snapshot-neutral.
[[nodiscard]] inline std::vector<FieldChange> diff(const Profile& before, const Profile& after);

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
