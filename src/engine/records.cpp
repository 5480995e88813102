// SPDX-License-Identifier: Apache-2.0
#include "engine/records.hpp"

#include <sandboxkit/profile_document.hpp>

namespace sandboxkit::engine {

// The canonical form says what a document leaves to the defaults: of the 1 MiB that a document may have it makes less than ten.
static constexpr JsonLimits stored_limits{std::size_t{16} << 20};

Result<Recipe> stored_recipe(std::string_view canonical) {
    auto recipe = read_recipe(canonical, stored_limits);
    if (recipe) return recipe;
    return Error{ErrorClass::data_loss,
                 "stored_recipe_damaged",
                 "a recipe in the store cannot be read",
                 "restore the store from a backup, or save the draft or publish the profile again",
                 recipe.error().message,
                 {}};
}

std::string stored_record(const Record& record) {
    auto members = record_to_json(record);
    members.erase("name"); // in a column of its own
    return canonical_json(members);
}

Result<Record> stored_record_of(const store::Profile& p) {
    const auto damaged = [](std::string detail) {
        return Error{ErrorClass::data_loss,
                     "stored_record_damaged",
                     "the record of a profile in the store cannot be read",
                     "restore the store from a backup, or save the profile again",
                     std::move(detail),
                     {}};
    };
    auto members = parse_strict(p.record, stored_limits);
    if (!members) return damaged(members.error().message);
    if (!members->is_object()) return damaged("not an object");
    members->get_object()["name"] = p.name;
    auto record = read_record(canonical_json(*members), stored_limits);
    if (!record) return damaged(record.error().message);
    return record;
}

Result<ProfileInfo> to_info(const store::Profile& p) {
    ProfileInfo info;
    info.id = p.id;
    auto record = stored_record_of(p);
    if (!record) return record.error();
    info.record = std::move(*record);
    info.revision = p.revision;
    info.created = p.created;
    info.created_by = p.created_by;
    info.has_draft = p.draft_revision != 0;
    info.draft_revision = p.draft_revision;
    info.latest_version = p.latest_version;
    info.usable_version = p.usable_version;
    info.instructions_revision = p.instructions_revision;
    return info;
}

Result<VersionInfo> to_info(const store::Version& v) {
    VersionInfo info;
    info.profile = v.profile;
    info.number = v.number;
    info.digest = v.digest;
    info.published = v.published;
    info.published_by = v.published_by;
    info.snapshot = v.snapshot_state();
    info.image = v.image;
    info.last_job = v.last_job;
    auto recipe = stored_recipe(v.recipe);
    if (!recipe) return recipe.error();
    info.recipe = std::move(*recipe);
    if (!v.manifest.empty()) {
        auto manifest = store::manifest_from_json(v.manifest);
        if (!manifest) return manifest.error();
        info.manifest = std::move(*manifest);
    }
    for (const store::Snapshot& s : v.snapshots) {
        HostSnapshot& snapshot = info.snapshots.emplace_back();
        snapshot.host = s.host;
        snapshot.state = s.state();
        snapshot.image = s.image;
        snapshot.made = s.made;
        snapshot.last_job = s.last_job;
        if (s.manifest.empty()) continue;
        auto manifest = store::manifest_from_json(s.manifest);
        if (!manifest) return manifest.error();
        snapshot.manifest = std::move(*manifest);
    }
    auto decision = store::decision_from_json(v.decision);
    if (!decision) return decision.error();
    info.decision = std::move(*decision);
    return info;
}

Result<SessionInfo> to_info(const store::Session& s) {
    SessionInfo info;
    info.id = s.id;
    info.profile = s.profile;
    info.version = s.version;
    info.instructions_revision = s.instructions_revision;
    info.state = s.state;
    info.host = s.host;
    info.provider = s.provider;
    info.sandbox_id = s.sandbox_id;
    info.owner = s.principal;
    info.created = s.created;
    info.idle_deadline = s.idle_deadline;
    info.deadline = s.deadline;
    if (!s.notes.empty()) {
        auto notes = store::notes_from_json(s.notes);
        if (!notes) return notes.error();
        info.notes = std::move(*notes);
    }
    if (!s.error.empty()) {
        auto error = store::error_from_json(s.error);
        if (!error) return error.error();
        info.error = std::move(*error);
    }
    if (!s.timeline.empty()) {
        auto timeline = store::timeline_from_json(s.timeline);
        if (!timeline) return timeline.error();
        info.timeline = std::move(*timeline);
    }
    return info;
}

} // namespace sandboxkit::engine
