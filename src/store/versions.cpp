// SPDX-License-Identifier: Apache-2.0
// Published versions and their snapshots. A version never changes; what comes and goes is its row in `snapshots`.
#include "store/sql_store.hpp"

#include <algorithm>

namespace sandboxkit::store {

namespace {

// A version's snapshots are kept by host; shown is the one made last.
const std::string version_columns =
    "SELECT v.profile, v.number, v.recipe, v.digest, v.plan_snapshot_digest, v.decision, v.published_by, v.published,"
    " s.provider, s.image_id, coalesce(s.manifest, ''), coalesce(s.stale, 0), j.id, j.state"
    " FROM versions v"
    " LEFT JOIN snapshots s ON s.sequence = (SELECT sequence FROM snapshots u WHERE u.profile = v.profile AND u.version = "
    "v.number"
    "  AND u.image_id IS NOT NULL ORDER BY u.made DESC, u.sequence DESC LIMIT 1)"
    " LEFT JOIN jobs j ON j.sequence = (SELECT max(sequence) FROM jobs k WHERE k.profile = v.profile AND k.version = v.number) ";
const std::string one_version = version_columns + "WHERE v.profile = ? AND v.number = ?";
const std::string all_versions = version_columns + "WHERE v.profile = ? ORDER BY v.number";
const std::string newest_version = version_columns + "WHERE v.profile = ? ORDER BY v.number DESC LIMIT 1";
const std::string newest_usable =
    version_columns + "WHERE v.profile = ? AND s.image_id IS NOT NULL ORDER BY v.number DESC LIMIT 1";

const std::string snapshots_of_version =
    "SELECT s.host, s.provider, s.image_id, s.manifest, s.stale, s.made, j.id, j.state FROM snapshots s"
    " LEFT JOIN jobs j ON j.sequence = (SELECT max(sequence) FROM jobs k WHERE k.profile = s.profile AND k.version = s.version"
    "  AND k.host = s.host)"
    " WHERE s.profile = ? AND s.version = ? ORDER BY s.host";

std::vector<Snapshot> read_snapshots(Connection& db, std::string_view profile, std::uint32_t number) {
    std::vector<Snapshot> all;
    Snapshot s;
    std::optional<std::string> provider, image_id;
    Statement statement = db.query(snapshots_of_version);
    statement.with(profile, number).into(s.host, provider, image_id, s.manifest, s.stale, s.made, s.last_job, s.last_job_state);
    while (statement.step()) {
        s.image.reset();
        if (image_id) s.image = ImageHandle{provider.value_or(""), *image_id};
        all.push_back(s);
    }
    return all;
}

// Of an image, or none; and of the last job, or none.
SnapshotState state_of(bool image, bool stale, const std::optional<JobState>& job) {
    if (image) return stale ? SnapshotState::stale : SnapshotState::ready;
    if (!job) return SnapshotState::none;
    if (is_active(*job)) return SnapshotState::pending;
    return *job == JobState::failed ? SnapshotState::failed : SnapshotState::none;
}

struct VersionRow {
    Version version;
    std::optional<std::string> provider, image_id;

    void into(Statement& statement) {
        statement.into(version.profile, version.number, version.recipe, version.digest, version.plan_snapshot_digest,
                       version.decision, version.published_by, version.published, provider, image_id, version.manifest,
                       version.stale, version.last_job, version.last_job_state);
    }
    Version take() {
        version.image.reset();
        if (image_id) version.image = ImageHandle{provider.value_or(""), *image_id};
        return version;
    }
};

template <class... Key>
std::optional<Version> find(Connection& db, const std::string& sql, const Key&... key) {
    std::optional<Version> found;
    {
        VersionRow row;
        Statement statement = db.query(sql);
        row.into(statement.with(key...));
        if (!statement.step()) return std::nullopt;
        found = row.take();
    }
    found->snapshots = read_snapshots(db, found->profile, found->number);
    return found;
}

Error no_version(std::string_view profile, std::uint32_t number) {
    return not_found("version", "no_version", std::string(profile) + "@" + std::to_string(number));
}

} // namespace

SnapshotState Version::snapshot_state() const {
    return state_of(image.has_value(), stale, last_job_state);
}

SnapshotState Snapshot::state() const {
    return state_of(image.has_value(), stale, last_job_state);
}

const Snapshot* Version::on(std::string_view host) const {
    const auto found = std::find_if(snapshots.begin(), snapshots.end(), [&](const Snapshot& s) { return s.host == host; });
    return found == snapshots.end() ? nullptr : &*found;
}

bool version_exists(Connection& db, std::string_view profile, std::uint32_t number) {
    int one = 0;
    return db.query("SELECT 1 FROM versions WHERE profile = ? AND number = ?").with(profile, number).into(one).step();
}

Result<Version> SqlStore::publish_draft(const Publish& p) {
    if (p.host.empty() || p.reuse_image.has_value() == !p.job_id.empty())
        return make_error(ErrorClass::internal, "bad_publish",
                          "a publish names a host, and either an image to reuse or a job to queue",
                          "please report this as a defect");
    return write("publish_draft", [&](Connection& db) -> Result<Version> {
        Draft draft;
        if (!db.query("SELECT revision, recipe, digest FROM drafts WHERE profile = ?")
                 .with(p.profile)
                 .into(draft.revision, draft.recipe, draft.digest)
                 .step()) {
            if (auto missing = missing_profile(db, p.profile)) return std::move(*missing);
            return make_error(ErrorClass::conflict, "no_change",
                              "profile '" + p.profile + "' has no draft: all of it is published", "edit the profile first");
        }
        std::uint32_t revision = 0;
        db.query("SELECT last_revision FROM profiles WHERE id = ?").with(p.profile).into(revision).step();
        if (draft.revision != p.draft_revision || (p.profile_revision && *p.profile_revision != revision))
            return make_error(ErrorClass::conflict, "draft_changed", "the profile was changed while it was being published",
                              "look at it again, then publish it");
        std::uint32_t number = 1;
        if (const auto newest = find(db, newest_version, p.profile)) {
            if (newest->digest == draft.digest)
                return make_error(ErrorClass::conflict, "no_change",
                                  "the draft is the same as version " + std::to_string(newest->number), "change the draft first");
            number = newest->number + 1;
        }
        db.query("INSERT INTO versions (profile, number, recipe, digest, plan_snapshot_digest, decision, published_by, published)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .with(p.profile, number, draft.recipe, draft.digest, p.plan_snapshot_digest, p.decision, p.actor.principal, p.now)
            .run();
        db.query("DELETE FROM drafts WHERE profile = ?").with(p.profile).run();
        if (p.reuse_image) {
            // Once nothing uses an image it may be removed at any moment, so it is not taken up again.
            std::optional<int> stale;
            db.query("SELECT max(stale) FROM snapshots WHERE host = ? AND image_id = ?")
                .with(p.host, p.reuse_image->id)
                .into(stale)
                .step();
            if (!stale)
                return make_error(ErrorClass::conflict, "image_replaced", "the snapshot to reuse was replaced meanwhile",
                                  "publish again");
            db.query("INSERT INTO snapshots (profile, version, host, provider, image_id, manifest, stale, made)"
                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .with(p.profile, number, p.host, p.reuse_image->provider, p.reuse_image->id, p.reuse_manifest, *stale, p.now)
                .run();
        } else {
            db.query("INSERT INTO snapshots (profile, version, host) VALUES (?, ?, ?)").with(p.profile, number, p.host).run();
            insert_job(db, p.job_id, p.profile, number, p.host, JobTrigger::publish, p.actor.principal, p.now);
        }
        record_activity(db, p.now, p.actor, p.profile, "version.publish",
                        {{"version", number}, {"digest", draft.digest}, {"reuse", p.reuse_image.has_value()}, {"job", p.job_id}});
        auto version = find(db, one_version, p.profile, number);
        if (!version) throw BadRow("a version that was just written is not there");
        return std::move(*version);
    });
}

Result<Version> SqlStore::version(std::string_view profile, std::uint32_t number) {
    return read([&](Connection& db) -> Result<Version> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        if (auto version = find(db, one_version, profile, number)) return std::move(*version);
        return no_version(profile, number);
    });
}

Result<std::vector<Version>> SqlStore::versions(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::vector<Version>> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        std::vector<Version> all;
        {
            VersionRow row;
            Statement statement = db.query(all_versions);
            row.into(statement.with(profile));
            while (statement.step()) all.push_back(row.take());
        }
        for (Version& version : all) version.snapshots = read_snapshots(db, version.profile, version.number);
        return all;
    });
}

Result<std::optional<Version>> SqlStore::newest_usable_version(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::optional<Version>> {
        if (auto version = find(db, newest_usable, profile)) return version;
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        return std::optional<Version>();
    });
}

Result<void> SqlStore::set_stale(std::string_view host, std::string_view image, bool stale) {
    const auto differs = [&](Connection& db) -> Result<bool> {
        int one = 0;
        return db.query("SELECT 1 FROM snapshots WHERE host = ? AND image_id = ? AND stale <> ? LIMIT 1")
            .with(host, image, stale)
            .into(one)
            .step();
    };
    // Asked at every open and on a timer, and almost always true already: no write lock for that.
    const Result<bool> needed = read(differs);
    if (!needed) return needed.error();
    if (!*needed) return {};
    return write("set_stale", [&](Connection& db) -> Result<void> {
        db.query("UPDATE snapshots SET stale = ? WHERE host = ? AND image_id = ? AND stale <> ?")
            .with(stale, host, image, stale)
            .run();
        return {};
    });
}

Result<std::set<std::string>> SqlStore::images_in_use(std::string_view host) {
    return read([&](Connection& db) -> Result<std::set<std::string>> {
        std::set<std::string> all;
        std::string image;
        Statement statement = db.query("SELECT image_id FROM snapshots WHERE host = ? AND image_id IS NOT NULL UNION "
                                       "SELECT image_id FROM sessions WHERE host = ? AND state NOT IN ('removed', 'failed')");
        statement.with(host, host).into(image);
        while (statement.step()) all.insert(image);
        return all;
    });
}

} // namespace sandboxkit::store
