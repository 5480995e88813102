// SPDX-License-Identifier: Apache-2.0
// The face's part about profiles and versions.
#include <sandboxkit/engine.hpp>

#include "engine/editing.hpp"
#include "engine/engine_impl.hpp"
#include "engine/profiles.hpp"
#include "engine/publishing.hpp"
#include "engine/records.hpp"

#include <utility>

namespace sandboxkit {

using engine::check_scopes;
using engine::Context;

Result<ProfileInfo> Engine::create_profile(const Principal& who, std::string_view document, std::string_view client_token) {
    if (auto ok = check_scopes(Action::create_profile, who); !ok) return ok.error();
    return engine::create_profile(*impl_->context, who, document, client_token);
}

Result<ProfileInfo> Engine::profile(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::see_profile, who); !ok) return ok.error();
    auto row = impl_->context->store->profile(id);
    if (!row) return row.error();
    auto info = engine::to_info(*row);
    if (!info) return info;
    if (auto ok = engine::check_profile(Action::see_profile, who, info->record.access); !ok) return ok.error();
    return engine::visible_to(who, std::move(*info));
}

Result<std::vector<ProfileInfo>> Engine::profiles(const Principal& who) const {
    if (auto ok = check_scopes(Action::see_profile, who); !ok) return ok.error();
    auto rows = impl_->context->store->profiles();
    if (!rows) return rows.error();
    std::vector<ProfileInfo> seen;
    for (const auto& row : *rows) {
        auto info = engine::to_info(row);
        if (!info) return info.error();
        if (engine::check_profile(Action::see_profile, who, info->record.access))
            seen.push_back(engine::visible_to(who, std::move(*info)));
    }
    return seen;
}

Result<Profile> Engine::draft(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    auto current = engine::load_current(*impl_->context->store, id);
    if (!current) return current.error();
    return std::move(current->profile);
}

Result<Overview> Engine::overview(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return engine::overview(*impl_->context, id);
}

Result<ProfileInfo> Engine::duplicate_profile(const Principal& who, std::string_view id, std::string_view name) {
    if (auto ok = check_scopes(Action::duplicate_profile, who); !ok) return ok.error();
    return engine::duplicate_profile(*impl_->context, who, id, name);
}

Operation<void> Engine::delete_profile(const Principal& who, std::string_view id, bool force) {
    return impl_->run<void>(Action::delete_profile, who,
                            [&](Context& c) { return engine::delete_profile(c, who, std::string(id), force); });
}

Result<KeptEdit> Engine::edit_draft(const Principal& who, std::string_view id, std::string_view document,
                                    std::optional<std::uint32_t> expected_revision) {
    if (auto ok = check_scopes(Action::edit_profile, who); !ok) return ok.error();
    return engine::edit_document(*impl_->context, who, id, document, expected_revision);
}

Result<KeptEdit> Engine::edit_section(const Principal& who, std::string_view id, const SectionEdit& edit) {
    const Action action = edit.section == Section::access ? Action::edit_access_list : Action::edit_profile;
    if (auto ok = check_scopes(action, who); !ok) return ok.error();
    return engine::edit_section(*impl_->context, who, id, edit);
}

Result<EditProposal> Engine::propose_edit(const Principal& who, std::string_view id, const SectionEdit& edit) {
    if (auto ok = check_scopes(Action::propose_edit, who); !ok) return ok.error();
    return engine::propose_edit(*impl_->context, who, id, edit);
}

Result<KeptEdit> Engine::keep_edit(const Principal& who, std::string_view proposal) {
    if (auto ok = check_scopes(Action::propose_edit, who); !ok) return ok.error();
    return engine::keep_edit(*impl_->context, who, proposal);
}

Result<EditProposal> Engine::discard_edit(const Principal& who, std::string_view proposal) {
    if (auto ok = check_scopes(Action::propose_edit, who); !ok) return ok.error();
    return engine::discard_edit(*impl_->context, who, proposal);
}

Result<std::vector<EditProposal>> Engine::proposals(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return engine::proposals(*impl_->context, id);
}

Result<std::vector<InstructionsRevision>> Engine::instructions(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return impl_->context->store->instructions(id);
}

Result<std::string> Engine::instructions_text(const Principal& who, std::string_view id, std::uint32_t revision) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return impl_->context->store->instructions_text(id, revision);
}

Result<KeptEdit> Engine::restore_instructions(const Principal& who, std::string_view id, std::uint32_t revision) {
    if (auto ok = check_scopes(Action::edit_profile, who); !ok) return ok.error();
    return engine::restore_instructions(*impl_->context, who, id, revision);
}

Result<std::vector<ActivityEntry>> Engine::activity(const Principal& who, std::string_view id, std::uint32_t limit,
                                                    std::optional<std::int64_t> before) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return engine::activity(*impl_->context, id, limit, before);
}

Operation<Validation> Engine::validate(const Principal& who, std::string document, Gate gate) {
    return impl_->run<Validation>(Action::validate_profile, who,
                                  [&](Context& c) { return engine::validate(c, std::move(document), gate); });
}

Result<std::string> Engine::export_version(const Principal& who, std::string_view id, std::uint32_t number) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    return engine::export_version(*impl_->context, id, number);
}

Result<ProfileInfo> Engine::import_version(const Principal& who, std::string_view file, std::string_view name) {
    if (auto ok = check_scopes(Action::import_profile, who); !ok) return ok.error();
    return engine::import_version(*impl_->context, who, file, name);
}

Operation<VersionInfo> Engine::publish(const Principal& who, std::string_view id) {
    return impl_->run<VersionInfo>(Action::publish_profile, who,
                                   [&](Context& c) { return engine::publish(c, engine::actor_of(who), std::string(id)); });
}

Result<VersionInfo> Engine::version(const Principal& who, std::string_view id, std::uint32_t number) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    auto version = impl_->context->store->version(id, number);
    if (!version) return version.error();
    return engine::to_info(*version);
}

Result<std::vector<VersionInfo>> Engine::versions(const Principal& who, std::string_view id) const {
    if (auto ok = check_scopes(Action::read_profile, who); !ok) return ok.error();
    auto versions = impl_->context->store->versions(id);
    if (!versions) return versions.error();
    std::vector<VersionInfo> infos;
    for (const auto& version : *versions) {
        auto info = engine::to_info(version);
        if (!info) return info.error();
        infos.push_back(std::move(*info));
    }
    return infos;
}

} // namespace sandboxkit
