// SPDX-License-Identifier: Apache-2.0
// Edits of a profile, and what became of them.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/principal.hpp>
#include <sandboxkit/section.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit {

// One section in place of what it was: one operation a section, for a form, an API and an assistant alike.
struct SectionEdit {
    Section section = Section::general;
    // A JSON object of the section's members (docs/profile.md); those left out take their defaults.
    std::string members{};
    // The profile's revision that the edit was made on. When it has changed since, the edit is a conflict "stale_revision", whose
    // problems name each field in which the profile and this edit differ, with both values. Absent: whatever is there is
    // replaced.
    std::optional<std::uint32_t> expected_revision{};
};

enum class ProposalState : std::uint8_t { open, kept, discarded };

constexpr std::string_view to_string(ProposalState s) noexcept {
    constexpr std::string_view names[] = {"open", "kept", "discarded"};
    return names[static_cast<std::size_t>(s)];
}

// An edit that was shown and waits for somebody to keep or discard it, perhaps another program.
struct EditProposal {
    std::string id; // "edt_..."
    std::string profile;
    Section section = Section::general;
    std::string members;              // as in SectionEdit
    std::vector<FieldChange> changes; // what it changes, on the revision that it was made on
    std::uint32_t base_revision = 0;
    std::string proposed_by; // principal id
    Channel channel = Channel::api;
    Timestamp proposed{};
    ProposalState state = ProposalState::open;
};

// One of the revisions of a profile's agent instructions, without its text.
struct InstructionsRevision {
    std::uint32_t revision = 0; // 1, 2, ...
    std::string digest;         // "sha256:<hex>" of the text
    std::uint64_t bytes = 0;
    std::string principal;
    Timestamp at{};
};

// One line of the append-only log of what was done to a profile.
struct ActivityEntry {
    std::int64_t sequence = 0; // grows; unique in the store
    Timestamp at{};
    std::string principal;
    Channel channel = Channel::api;
    std::string action;  // "profile.create", "edit.keep", "version.publish", ...
    std::string section; // of an edit: the section's name, or "document"; else empty
    std::string detail;  // a JSON object: digests before and after, the pointers that changed, ...
};

} // namespace sandboxkit
