// SPDX-License-Identifier: Apache-2.0
// Snapshot jobs and what a snapshot was made from.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

enum class JobState : std::uint8_t { queued, running, succeeded, failed, cancelled };
enum class JobTrigger : std::uint8_t { publish, manual_refresh, scheduled_refresh };

// Where a build is, or where it failed.
enum class BuildPhase : std::uint8_t {
    queued,
    repositories, // cloning
    image,        // preparing the base image and the checkouts
    start,        // starting the build sandbox
    setup_script,
    capture, // sealing and syncing
    record,  // writing the result down
};

constexpr bool is_active(JobState s) noexcept {
    return s == JobState::queued || s == JobState::running;
}

// The transitions a job may take; running -> queued is the retry after its owner died.
constexpr bool may_become(JobState from, JobState to) noexcept {
    switch (from) {
    case JobState::queued: return to == JobState::running || to == JobState::cancelled || to == JobState::failed;
    case JobState::running:
        return to == JobState::succeeded || to == JobState::failed || to == JobState::cancelled || to == JobState::queued;
    default: return false;
    }
}

// A version's own state, apart from its jobs'.
enum class SnapshotState : std::uint8_t {
    none,    // never built
    pending, // no usable image yet; a job is queued or running
    ready,   // sessions may start
    stale,   // ready, but an ingredient changed since (for example the host's /usr): sessions still start, and say so
    failed,  // no usable image, and the last job failed
};

// One thing a snapshot was made from.
struct Ingredient {
    std::string kind;   // "base_image", "repository", "setup_script", "layer"
    std::string name;   // image reference, repository identifier, ...
    std::string digest; // "sha256:<hex>"; for a repository "git:<commit>"; for the host image "fingerprint:<hex>"
    std::string branch{}; // of a repository: checked out; else empty
    friend bool operator==(const Ingredient&, const Ingredient&) = default;
};

struct Manifest {
    std::string version_digest; // of the recipe
    std::vector<Ingredient> ingredients;
    friend bool operator==(const Manifest&, const Manifest&) = default;
};

// The provider's handle: both members or neither is the store's constraint.
struct ImageHandle {
    std::string provider;
    std::string id;
    friend bool operator==(const ImageHandle&, const ImageHandle&) = default;
};

constexpr std::string_view to_string(JobState s) noexcept {
    constexpr std::string_view names[] = {"queued", "running", "succeeded", "failed", "cancelled"};
    return names[static_cast<std::size_t>(s)];
}
constexpr std::string_view to_string(JobTrigger t) noexcept {
    constexpr std::string_view names[] = {"publish", "manual_refresh", "scheduled_refresh"};
    return names[static_cast<std::size_t>(t)];
}
constexpr std::string_view to_string(BuildPhase p) noexcept {
    constexpr std::string_view names[] = {"queued", "repositories", "image", "start", "setup_script", "capture", "record"};
    return names[static_cast<std::size_t>(p)];
}
constexpr std::string_view to_string(SnapshotState s) noexcept {
    constexpr std::string_view names[] = {"none", "pending", "ready", "stale", "failed"};
    return names[static_cast<std::size_t>(s)];
}
} // namespace sandboxkit
