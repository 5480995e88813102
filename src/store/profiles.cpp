// SPDX-License-Identifier: Apache-2.0
// Profiles: made, read, and deleted, which takes along all that could still be used of one, and nothing of its history.
#include "store/sql_store.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

namespace sandboxkit::store {

namespace {

constexpr std::size_t told_sessions = 5; // of those that keep a profile from being deleted

const std::string profile_columns = "SELECT p.id, p.name, p.record, p.last_revision, p.created, p.created_by,"
                                    " coalesce(d.revision, 0), (SELECT max(number) FROM versions v WHERE v.profile = p.id),"
                                    " (SELECT max(version) FROM snapshots s WHERE s.profile = p.id AND s.image_id IS NOT NULL),"
                                    " (SELECT coalesce(max(revision), 0) FROM instructions i WHERE i.profile = p.id)"
                                    " FROM profiles p LEFT JOIN drafts d ON d.profile = p.id ";
const std::string one_profile = profile_columns + "WHERE p.id = ? AND p.deleted IS NULL";
const std::string all_profiles = profile_columns + "WHERE p.deleted IS NULL ORDER BY p.created, p.sequence";

void into(Statement& statement, Profile& p) {
    statement.into(p.id, p.name, p.record, p.revision, p.created, p.created_by, p.draft_revision, p.latest_version,
                   p.usable_version, p.instructions_revision);
}

boost::json::array as_json(const std::vector<std::string>& ids) {
    boost::json::array all;
    for (const std::string& id : ids) all.emplace_back(id);
    return all;
}

// Of those that have not ended.
std::vector<std::string> session_ids(Connection& db, std::string_view profile) {
    std::vector<std::string> ids;
    std::string id;
    Statement statement =
        db.query("SELECT id FROM sessions WHERE profile = ? AND state NOT IN ('removed', 'failed') ORDER BY created, sequence");
    statement.with(profile).into(id);
    while (statement.step()) ids.push_back(id);
    return ids;
}

Error in_use(std::string_view profile, const std::vector<std::string>& sessions) {
    Error error = make_error(ErrorClass::conflict, "profile_in_use",
                             "profile '" + std::string(profile) + "' has " + std::to_string(sessions.size()) +
                                 (sessions.size() == 1 ? " session that has not ended" : " sessions that have not ended"),
                             "remove them first");
    for (std::size_t i = 0; i < std::min(sessions.size(), told_sessions); ++i) error.detail += (i == 0 ? "" : "\n") + sessions[i];
    return error;
}

} // namespace

std::optional<Error> missing_profile(Connection& db, std::string_view id) {
    bool deleted = false;
    if (!db.query("SELECT deleted IS NOT NULL FROM profiles WHERE id = ?").with(id).into(deleted).step())
        return not_found("profile", "no_profile", id);
    if (!deleted) return {};
    return make_error(ErrorClass::not_found, "profile_deleted", "profile '" + std::string(id) + "' was deleted",
                      "its activity and its ended sessions can still be read");
}

Result<Profile> read_profile(Connection& db, std::string_view id) {
    Profile profile;
    Statement statement = db.query(one_profile);
    into(statement.with(id), profile);
    if (statement.step()) return profile;
    if (auto missing = missing_profile(db, id)) return std::move(*missing);
    throw BadRow("a profile is there and is not");
}

Result<Store::CreatedProfile> SqlStore::create_profile(const NewProfile& p) {
    return write("create_profile", [&](Connection& db) -> Result<CreatedProfile> {
        std::string first;
        if (db.query("SELECT id FROM profiles WHERE created_by = ? AND client_token = ? AND client_token <> ''")
                .with(p.actor.principal, p.client_token)
                .into(first)
                .step()) {
            auto made = read_profile(db, first);
            if (!made) return made.error();
            return CreatedProfile{std::move(*made), false};
        }
        int one = 0;
        if (db.query("SELECT 1 FROM profiles WHERE id = ?").with(p.id).into(one).step())
            return make_error(ErrorClass::conflict, "already_exists", "there is or was a profile '" + p.id + "' already",
                              "use a new id");
        db.query("INSERT INTO profiles (id, name, record, created, created_by, client_token, last_revision)"
                 " VALUES (?, ?, ?, ?, ?, ?, 1)")
            .with(p.id, p.name, p.record, p.now, p.actor.principal, p.client_token)
            .run();
        db.query("INSERT INTO drafts (profile, revision, recipe, digest) VALUES (?, 1, ?, ?)")
            .with(p.id, p.recipe, p.digest)
            .run();
        boost::json::object own{{"revision", 1}, {"after", p.digest}};
        if (p.instructions)
            own["instructions_revision"] = append_instructions(db, p.id, *p.instructions, p.actor.principal, p.now);
        record_activity(db, p.now, p.actor, p.id, "profile.create", with_detail(std::move(own), p.detail));
        auto made = read_profile(db, p.id);
        if (!made) return made.error();
        return CreatedProfile{std::move(*made), true};
    });
}

Result<Profile> SqlStore::profile(std::string_view id) {
    return read([&](Connection& db) { return read_profile(db, id); });
}

Result<std::vector<Profile>> SqlStore::profiles() {
    return read([](Connection& db) -> Result<std::vector<Profile>> {
        std::vector<Profile> all;
        Profile profile;
        Statement statement = db.query(all_profiles);
        into(statement, profile);
        while (statement.step()) all.push_back(profile);
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
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        return make_error(ErrorClass::not_found, "no_draft", "profile '" + std::string(profile) + "' has no draft",
                          "edit the profile to make one");
    });
}

Result<void> SqlStore::delete_profile(std::string_view id, const Actor& actor, Timestamp now) {
    return write("delete_profile", [&](Connection& db) -> Result<void> {
        if (auto missing = missing_profile(db, id)) return std::move(*missing);
        if (const auto sessions = session_ids(db, id); !sessions.empty()) return in_use(id, sessions);
        const auto jobs = cancel_jobs(db, id, now);
        const auto proposals = discard_proposals(db, id, actor.principal, now);
        db.query("DELETE FROM snapshots WHERE profile = ?").with(id).run();
        db.query("DELETE FROM drafts WHERE profile = ?").with(id).run();
        db.query("UPDATE profiles SET deleted = ? WHERE id = ?").with(now, id).run();
        record_activity(db, now, actor, id, "profile.delete",
                        {{"cancelled_jobs", as_json(jobs)}, {"discarded_proposals", as_json(proposals)}});
        return {};
    });
}

Result<Usage> SqlStore::usage(std::string_view profile) {
    return read([&](Connection& db) -> Result<Usage> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        Usage usage;
        SessionState state{};
        std::uint64_t count = 0;
        Statement sessions = db.query("SELECT state, count(*) FROM sessions WHERE profile = ? GROUP BY state");
        sessions.with(profile).into(state, count);
        while (sessions.step()) usage.sessions[state] = count;
        db.query("SELECT count(*) FROM jobs WHERE profile = ? AND state IN ('queued', 'running')")
            .with(profile)
            .into(usage.active_jobs)
            .step();
        return usage;
    });
}

} // namespace sandboxkit::store
