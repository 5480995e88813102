// SPDX-License-Identifier: Apache-2.0
// Edits of a profile. Every one of them goes through one function, which checks its form and its permissions, and says what it
// changes; whether it is a whole document, a section, a proposal that is kept, or instructions that are restored.
#pragma once

#include "engine/context.hpp"

#include <sandboxkit/edit.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::engine {

// A profile as it is now: its record, and its draft or else its newest version.
struct Current {
    store::Profile row;
    Profile profile;
    std::optional<std::string> published_digest; // of the newest version's recipe
};
Result<Current> load_current(store::Store& store, std::string_view id);

// What the save gate finds beyond a document's form.
Validation save_gate(const Profile& profile);

// A document's form, and when that is wrong, also what looks like a credential in it, as far as it is JSON.
Result<Profile> read_document(std::string_view document);

// The document, read and through the save gate.
Result<Profile> read_for_save(std::string_view document);

Result<KeptEdit> edit_document(Context& context, const Principal& who, std::string_view id, std::string_view document,
                               std::optional<std::uint32_t> expected);
Result<KeptEdit> edit_section(Context& context, const Principal& who, std::string_view id, const SectionEdit& edit);
Result<KeptEdit> restore_instructions(Context& context, const Principal& who, std::string_view id, std::uint32_t revision);

Result<EditProposal> propose_edit(Context& context, const Principal& who, std::string_view id, const SectionEdit& edit);
Result<KeptEdit> keep_edit(Context& context, const Principal& who, std::string_view proposal);
Result<EditProposal> discard_edit(Context& context, const Principal& who, std::string_view proposal);
Result<std::vector<EditProposal>> proposals(Context& context, std::string_view profile);

} // namespace sandboxkit::engine
