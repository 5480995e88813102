// SPDX-License-Identifier: Apache-2.0
// Profiles, their edits, and their instructions.
#include "client.hpp"

#include <sandboxkit/section.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using capi::text_or_empty;
using sandboxkit::Engine;
using sandboxkit::Principal;

namespace {

std::optional<std::uint32_t> revision_of(int64_t expected) {
    if (expected < 0) return {};
    // No revision is that high: it is stale, as it should be told.
    return static_cast<std::uint32_t>(std::min<int64_t>(expected, UINT32_MAX));
}

sandboxkit::Error unknown_section(const std::string& name) {
    std::string known;
    for (const auto section : sandboxkit::section_names) known += (known.empty() ? "" : ", ") + std::string(section);
    return {sandboxkit::ErrorClass::invalid,
            "unknown_section",
            "a profile has no section \"" + name + "\"",
            "use one of: " + known,
            "",
            {}};
}

// The edit of a section, which `use(Engine&, const Principal&, SectionEdit)` keeps or proposes.
template <class T, class Use>
sbk_status submit_edit(sbk_operation** operation, sbk_client* client, uint64_t tag, std::string_view profile,
                       std::string_view section, std::string_view members, int64_t expected_revision, Use use) {
    return submit(operation, client, tag,
                  [profile = std::string(profile), section = std::string(section), members = std::string(members),
                   expected = revision_of(expected_revision),
                   use](Engine& engine, const Principal& who) -> sandboxkit::Result<T> {
                      const auto named = sandboxkit::section_named(section);
                      if (!named) return unknown_section(section);
                      return use(engine, who, profile, sandboxkit::SectionEdit{*named, members, expected});
                  });
}

} // namespace

sbk_status sbk_profile_create(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* document,
                              size_t document_size, const char* client_token, size_t client_token_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [document = std::string(text(document, document_size)),
                       token = text_or_empty(client_token, client_token_size)](Engine& engine, const Principal& who) {
                          return engine.create_profile(who, document, token);
                      });
    });
}

sbk_status sbk_profile_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                           size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.profile(who, profile);
                      });
    });
}

sbk_status sbk_profile_list(sbk_operation** operation, sbk_client* client, uint64_t tag) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [](Engine& engine, const Principal& who) { return engine.profiles(who); });
    });
}

sbk_status sbk_profile_draft(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                             size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.draft(who, profile);
                      });
    });
}

sbk_status sbk_profile_overview(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.overview(who, profile);
                      });
    });
}

sbk_status sbk_profile_duplicate(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                 size_t profile_size, const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), name = text_or_empty(name, name_size)](
                          Engine& engine, const Principal& who) { return engine.duplicate_profile(who, profile, name); });
    });
}

sbk_status sbk_profile_delete(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                              size_t profile_size, int force) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), force](Engine& engine, const Principal& who) {
                          return engine.delete_profile(who, profile, force != 0);
                      });
    });
}

sbk_status sbk_profile_edit(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile, size_t profile_size,
                            const char* document, size_t document_size, int64_t expected_revision) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), document = std::string(text(document, document_size)),
                       expected = revision_of(expected_revision)](Engine& engine, const Principal& who) {
                          return engine.edit_draft(who, profile, document, expected);
                      });
    });
}

sbk_status sbk_profile_edit_section(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                    size_t profile_size, const char* section, size_t section_size, const char* members,
                                    size_t members_size, int64_t expected_revision) {
    return guarded(__func__, operation, [&] {
        return submit_edit<sandboxkit::KeptEdit>(
            operation, client, tag, text(profile, profile_size), text(section, section_size), text(members, members_size),
            expected_revision,
            [](Engine& engine, const Principal& who, const std::string& id, const sandboxkit::SectionEdit& edit) {
                return engine.edit_section(who, id, edit);
            });
    });
}

sbk_status sbk_proposal_create(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                               size_t profile_size, const char* section, size_t section_size, const char* members,
                               size_t members_size, int64_t expected_revision) {
    return guarded(__func__, operation, [&] {
        return submit_edit<sandboxkit::EditProposal>(
            operation, client, tag, text(profile, profile_size), text(section, section_size), text(members, members_size),
            expected_revision,
            [](Engine& engine, const Principal& who, const std::string& id, const sandboxkit::SectionEdit& edit) {
                return engine.propose_edit(who, id, edit);
            });
    });
}

sbk_status sbk_proposal_list(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                             size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.proposals(who, profile);
                      });
    });
}

sbk_status sbk_proposal_keep(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* proposal,
                             size_t proposal_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [proposal = std::string(text(proposal, proposal_size))](Engine& engine, const Principal& who) {
                          return engine.keep_edit(who, proposal);
                      });
    });
}

sbk_status sbk_proposal_discard(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* proposal,
                                size_t proposal_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [proposal = std::string(text(proposal, proposal_size))](Engine& engine, const Principal& who) {
                          return engine.discard_edit(who, proposal);
                      });
    });
}

sbk_status sbk_instructions_list(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                 size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.instructions(who, profile);
                      });
    });
}

sbk_status sbk_instructions_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                size_t profile_size, uint32_t revision) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), revision](Engine& engine, const Principal& who) {
                          return engine.instructions_text(who, profile, revision);
                      });
    });
}

sbk_status sbk_instructions_restore(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                    size_t profile_size, uint32_t revision) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), revision](Engine& engine, const Principal& who) {
                          return engine.restore_instructions(who, profile, revision);
                      });
    });
}

sbk_status sbk_profile_activity(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                size_t profile_size, uint32_t limit, int64_t before) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), limit, before](Engine& engine, const Principal& who) {
                          return engine.activity(who, profile, limit, before < 0 ? std::optional<std::int64_t>() : before);
                      });
    });
}

sbk_status sbk_profile_validate(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* document,
                                size_t document_size, sbk_gate gate) {
    return guarded(__func__, operation, [&] {
        const int number = capi::number_of(gate);
        if (number < SBK_GATE_SAVE || number > SBK_GATE_START) throw capi::Misuse{};
        return submit(
            operation, client, tag,
            [document = std::string(text(document, document_size)), gate](Engine& engine, const Principal& who) mutable {
                return engine.validate(who, std::move(document), static_cast<sandboxkit::Gate>(gate));
            });
    });
}
