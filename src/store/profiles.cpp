// SPDX-License-Identifier: Apache-2.0
// Profiles, their drafts, and the activity log.
#include "store/sql_store.hpp"

#include <boost/json/serialize.hpp>

namespace sandboxkit::store {

namespace {

const std::string profile_columns = "SELECT p.id, p.name, p.description, p.created, p.created_by, coalesce(d.revision, 0),"
                                    " (SELECT max(number) FROM versions v WHERE v.profile = p.id),"
                                    " (SELECT max(version) FROM snapshots s WHERE s.profile = p.id AND s.image_id IS NOT NULL)"
                                    " FROM profiles p LEFT JOIN drafts d ON d.profile = p.id ";
const std::string one_profile = profile_columns + "WHERE p.id = ?";
const std::string all_profiles = profile_columns + "ORDER BY p.created, p.sequence";

void into(Statement& statement, ProfileInfo& info) {
    statement.into(info.id, info.record.name, info.record.description, info.created, info.created_by, info.draft_revision,
                   info.latest_version, info.usable_version);
}

Result<ProfileInfo> read_profile(Connection& db, std::string_view id) {
    ProfileInfo info;
    Statement statement = db.query(one_profile);
    into(statement.with(id), info);
    if (!statement.step()) return not_found("profile", "no_profile", id);
    info.has_draft = info.draft_revision != 0;
    return info;
}

} // namespace

void record_activity(Connection& db, Timestamp at, std::string_view principal, std::string_view profile, std::string_view action,
                     const boost::json::object& detail) {
    db.query("INSERT INTO activity (at, principal, profile, action, detail) VALUES (?, ?, ?, ?, ?)")
        .with(at, principal, profile, action, boost::json::serialize(detail))
        .run();
}

bool profile_exists(Connection& db, std::string_view id) {
    int one = 0;
    return db.query("SELECT 1 FROM profiles WHERE id = ?").with(id).into(one).step();
}

Result<ProfileInfo> SqlStore::create_profile(const NewProfile& p) {
    return write("create_profile", [&](Connection& db) -> Result<ProfileInfo> {
        if (profile_exists(db, p.id))
            return make_error(ErrorClass::conflict, "already_exists", "there is a profile '" + p.id + "' already",
                              "use a new id");
        db.query("INSERT INTO profiles (id, name, description, created, created_by, last_revision) VALUES (?, ?, ?, ?, ?, 1)")
            .with(p.id, p.name, p.description, p.now, p.principal)
            .run();
        db.query("INSERT INTO drafts (profile, revision, recipe, digest) VALUES (?, 1, ?, ?)")
            .with(p.id, p.recipe, p.digest)
            .run();
        record_activity(db, p.now, p.principal, p.id, "profile.create", {{"revision", 1}, {"after", p.digest}});
        return read_profile(db, p.id);
    });
}

Result<ProfileInfo> SqlStore::profile(std::string_view id) {
    return read([&](Connection& db) { return read_profile(db, id); });
}

Result<std::vector<ProfileInfo>> SqlStore::profiles() {
    return read([](Connection& db) -> Result<std::vector<ProfileInfo>> {
        std::vector<ProfileInfo> all;
        ProfileInfo info;
        Statement statement = db.query(all_profiles);
        into(statement, info);
        while (statement.step()) {
            info.has_draft = info.draft_revision != 0;
            all.push_back(info);
        }
        return all;
    });
}

Result<Draft> SqlStore::draft(std::string_view profile) {
    return read([&](Connection& db) -> Result<Draft> {
        Draft draft;
        if (db.query("SELECT profile, revision, recipe, digest FROM drafts WHERE profile = ?")
                .with(profile)
                .into(draft.profile, draft.revision, draft.recipe, draft.digest)
                .step())
            return draft;
        if (!profile_exists(db, profile)) return not_found("profile", "no_profile", profile);
        return make_error(ErrorClass::not_found, "no_draft", "profile '" + std::string(profile) + "' has no draft",
                          "edit the profile to make one");
    });
}

Result<ProfileInfo> SqlStore::save_draft(std::string_view profile, std::optional<std::uint32_t> expected, const Record& record,
                                         std::string_view recipe, std::string_view digest, std::string_view principal,
                                         Timestamp now) {
    return write("save_draft", [&](Connection& db) -> Result<ProfileInfo> {
        std::uint32_t last = 0;
        if (!db.query("SELECT last_revision FROM profiles WHERE id = ?").with(profile).into(last).step())
            return not_found("profile", "no_profile", profile);
        std::uint32_t current = 0; // no draft: 0, as ProfileInfo has it
        std::string before;
        db.query("SELECT revision, digest FROM drafts WHERE profile = ?").with(profile).into(current, before).step();
        if (expected && *expected != current)
            return make_error(ErrorClass::conflict, "stale_revision",
                              "the draft is at revision " + std::to_string(current) + ", not " + std::to_string(*expected),
                              "read the draft again and repeat the edit on it");
        const std::uint32_t revision = last + 1;
        db.query("UPDATE profiles SET name = ?, description = ?, last_revision = ? WHERE id = ?")
            .with(record.name, record.description, revision, profile)
            .run();
        db.query("INSERT INTO drafts (profile, revision, recipe, digest) VALUES (?, ?, ?, ?) ON CONFLICT (profile)"
                 " DO UPDATE SET revision = excluded.revision, recipe = excluded.recipe, digest = excluded.digest")
            .with(profile, revision, recipe, digest)
            .run();
        record_activity(
            db, now, principal, profile, "draft.save",
            {{"revision", revision}, {"before", before}, {"after", boost::json::string_view(digest.data(), digest.size())}});
        return read_profile(db, profile);
    });
}

Result<std::vector<Activity>> SqlStore::activity(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::vector<Activity>> {
        if (!profile_exists(db, profile)) return not_found("profile", "no_profile", profile);
        std::vector<Activity> all;
        Activity a;
        Statement statement =
            db.query("SELECT sequence, at, principal, profile, action, detail FROM activity WHERE profile = ? ORDER BY sequence");
        statement.with(profile).into(a.sequence, a.at, a.principal, a.profile, a.action, a.detail);
        while (statement.step()) all.push_back(a);
        return all;
    });
}

} // namespace sandboxkit::store
