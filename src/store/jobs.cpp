// SPDX-License-Identifier: Apache-2.0
// Snapshot jobs: queued, leased by one engine at a time, ended once.
#include "store/sql_store.hpp"

#include <algorithm>
#include <set>

namespace sandboxkit::store {

namespace {

constexpr std::uint32_t attempt_limit = 3;

const std::string job_columns =
    "SELECT id, profile, version, host, cause, state, phase, attempt, error, created, started, finished,"
    " lease_owner, lease_until FROM jobs ";
const std::string one_job = job_columns + "WHERE id = ?";
const std::string all_jobs = job_columns + "ORDER BY sequence DESC";
const std::string profile_jobs = job_columns + "WHERE profile = ? ORDER BY sequence DESC";
const std::string active_jobs = job_columns + "WHERE state IN ('queued', 'running') ORDER BY sequence";

struct JobRow {
    Job job;
    std::string error;

    void into(Statement& statement) {
        JobInfo& i = job.info;
        statement.into(i.id, i.profile, i.version, i.host, i.trigger, i.state, i.phase, i.attempt, error, i.created, i.started,
                       i.finished, job.lease_owner, job.lease_until);
    }
    Job take() {
        job.info.error.reset();
        if (!error.empty()) {
            auto parsed = error_from_json(error);
            if (!parsed) throw BadRow("the error of a job cannot be read");
            job.info.error = std::move(*parsed);
        }
        return job;
    }
};

std::vector<Job> list(Statement statement) {
    std::vector<Job> all;
    JobRow row;
    row.into(statement);
    while (statement.step()) all.push_back(row.take());
    return all;
}

Result<Job> read_job(Connection& db, std::string_view id) {
    JobRow row;
    Statement statement = db.query(one_job);
    row.into(statement.with(id));
    if (!statement.step()) return not_found("job", "no_job", id);
    return row.take();
}

// What an owner's verb returns when it changed no row.
Error not_owner(Connection& db, std::string_view id, std::string_view engine) {
    const Result<Job> job = read_job(db, id);
    if (!job) return job.error();
    return make_error(ErrorClass::conflict, "lease_lost",
                      "job '" + std::string(id) + "' is " + std::string(to_string(job->info.state)) + " and not run by '" +
                          std::string(engine) + "'",
                      "stop working on it");
}

// Whether an engine that is at work on others may run the job now: it waits, or its owner is gone.
bool is_free(const Job& job, Timestamp now, const std::set<std::string>& dead, const std::set<std::string>& at_work) {
    if (at_work.contains(job.info.id)) return false;
    if (job.info.state == JobState::queued) return true;
    return (job.lease_until && *job.lease_until <= now) || dead.contains(job.lease_owner);
}

void give_up(Connection& db, const Job& job, Timestamp now) {
    const Error error =
        make_error(ErrorClass::internal, "attempts_exhausted",
                   "the build was begun " + std::to_string(attempt_limit) + " times, and its process ended each time in phase '" +
                       std::string(to_string(job.info.phase)) + "'",
                   "look at the build's log and at the host's memory, then refresh the snapshot");
    db.query("UPDATE jobs SET state = 'failed', error = ?, finished = ?, lease_owner = '', lease_until = NULL WHERE id = ?")
        .with(to_json(error), now, job.info.id)
        .run();
}

} // namespace

void insert_job(Connection& db, std::string_view id, std::string_view profile, std::uint32_t version, std::string_view host,
                JobTrigger trigger, std::string_view principal, Timestamp now) {
    db.query("INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created)"
             " VALUES (?, ?, ?, ?, ?, ?, 'queued', 'queued', ?)")
        .with(id, profile, version, host, trigger, principal, now)
        .run();
}

std::vector<std::string> cancel_jobs(Connection& db, std::string_view profile, Timestamp now) {
    std::vector<std::string> ids;
    {
        std::string id;
        Statement statement =
            db.query("SELECT id FROM jobs WHERE profile = ? AND state IN ('queued', 'running') ORDER BY sequence");
        statement.with(profile).into(id);
        while (statement.step()) ids.push_back(id);
    }
    db.query("UPDATE jobs SET state = 'cancelled', finished = ?, lease_owner = '', lease_until = NULL"
             " WHERE profile = ? AND state IN ('queued', 'running')")
        .with(now, profile)
        .run();
    return ids;
}

Result<Job> SqlStore::enqueue_snapshot_job(std::string_view id, std::string_view profile, std::uint32_t version,
                                           std::string_view host, JobTrigger trigger, const Actor& actor, Timestamp now) {
    return write("enqueue_snapshot_job", [&](Connection& db) -> Result<Job> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        if (!version_exists(db, profile, version))
            return not_found("version", "no_version", std::string(profile) + "@" + std::to_string(version));
        std::string active;
        if (db.query("SELECT id FROM jobs WHERE profile = ? AND version = ? AND host = ? AND state IN ('queued', 'running')")
                .with(profile, version, host)
                .into(active)
                .step())
            return make_error(ErrorClass::conflict, "job_active", "job '" + active + "' builds this version's snapshot already",
                              "wait for it or cancel it");
        db.query("INSERT OR IGNORE INTO snapshots (profile, version, host) VALUES (?, ?, ?)").with(profile, version, host).run();
        insert_job(db, id, profile, version, host, trigger, actor.principal, now);
        record_activity(db, now, actor, profile, "snapshot.refresh",
                        {{"version", version},
                         {"host", std::string(host)},
                         {"job", std::string(id)},
                         {"trigger", std::string(to_string(trigger))}});
        return read_job(db, id);
    });
}

Result<std::optional<Job>> SqlStore::lease_next_job(std::string_view engine, Timestamp now, std::chrono::milliseconds lease,
                                                    const std::function<bool(std::string_view engine)>& is_dead,
                                                    const std::set<std::string>& at_work,
                                                    const std::function<void(const JobInfo&)>& given_up) {
    // Engines ask often and there is rarely work: look first without the write lock, and ask the caller outside of it.
    const Result<std::vector<Job>> seen =
        read([](Connection& db) -> Result<std::vector<Job>> { return list(db.query(active_jobs)); });
    if (!seen) return seen.error();
    std::set<std::string> owners, dead;
    for (const Job& job : *seen)
        if (job.info.state == JobState::running) owners.insert(job.lease_owner);
    for (const std::string& owner : owners)
        if (is_dead && owner != engine && is_dead(owner)) dead.insert(owner);
    if (std::none_of(seen->begin(), seen->end(), [&](const Job& job) { return is_free(job, now, dead, at_work); }))
        return std::optional<Job>();

    std::vector<JobInfo> failed;
    Result<std::optional<Job>> next = write("lease_next_job", [&](Connection& db) -> Result<std::optional<Job>> {
        failed.clear();
        for (const Job& job : list(db.query(active_jobs))) {
            if (!is_free(job, now, dead, at_work)) continue;
            if (job.info.attempt >= attempt_limit) {
                give_up(db, job, now);
                if (Result<Job> row = read_job(db, job.info.id)) failed.push_back(std::move(row->info));
                continue;
            }
            db.query(
                  "UPDATE jobs SET state = 'running', phase = 'queued', attempt = attempt + 1, lease_owner = ?, lease_until = ?,"
                  " started = coalesce(started, ?) WHERE id = ?")
                .with(engine, Timestamp(now + lease), now, job.info.id)
                .run();
            Result<Job> leased = read_job(db, job.info.id);
            if (!leased) return leased.error();
            return std::optional<Job>(std::move(*leased));
        }
        return std::optional<Job>();
    });
    if (next && given_up)
        for (const JobInfo& job : failed) given_up(job);
    return next;
}

Result<void> SqlStore::renew_lease(std::string_view job, std::string_view engine, Timestamp now,
                                   std::chrono::milliseconds lease) {
    return write("renew_lease", [&](Connection& db) -> Result<void> {
        Statement update = db.query("UPDATE jobs SET lease_until = ? WHERE id = ? AND state = 'running' AND lease_owner = ?");
        update.with(Timestamp(now + lease), job, engine).run();
        if (update.affected() == 0) return not_owner(db, job, engine);
        return {};
    });
}

Result<void> SqlStore::set_job_phase(std::string_view job, std::string_view engine, BuildPhase phase) {
    return write("set_job_phase", [&](Connection& db) -> Result<void> {
        Statement update = db.query("UPDATE jobs SET phase = ? WHERE id = ? AND state = 'running' AND lease_owner = ?");
        update.with(phase, job, engine).run();
        if (update.affected() == 0) return not_owner(db, job, engine);
        return {};
    });
}

Result<void> SqlStore::succeed_job(std::string_view job, std::string_view engine, const ImageHandle& image,
                                   std::string_view manifest, Timestamp now) {
    return write("succeed_job", [&](Connection& db) -> Result<void> {
        Statement update =
            db.query("UPDATE jobs SET state = 'succeeded', phase = 'record', finished = ?, provider = ?, image_id = ?,"
                     " lease_owner = '', lease_until = NULL WHERE id = ? AND state = 'running' AND lease_owner = ?");
        update.with(now, image.provider, image.id, job, engine).run();
        if (update.affected() == 0) return not_owner(db, job, engine);
        db.query("INSERT INTO snapshots (profile, version, host, provider, image_id, manifest, stale, made)"
                 " SELECT profile, version, host, provider, image_id, ?, 0, finished FROM jobs WHERE id = ?"
                 " ON CONFLICT (profile, version, host) DO UPDATE SET provider = excluded.provider, image_id = excluded.image_id,"
                 " manifest = excluded.manifest, stale = 0, made = excluded.made")
            .with(manifest, job)
            .run();
        return {};
    });
}

Result<void> SqlStore::fail_job(std::string_view job, std::string_view engine, BuildPhase phase, const Error& error,
                                Timestamp now) {
    return write("fail_job", [&](Connection& db) -> Result<void> {
        Statement update =
            db.query("UPDATE jobs SET state = 'failed', phase = ?, error = ?, finished = ?, lease_owner = '', lease_until = NULL"
                     " WHERE id = ? AND state = 'running' AND lease_owner = ?");
        update.with(phase, to_json(error), now, job, engine).run();
        if (update.affected() == 0) return not_owner(db, job, engine);
        return {};
    });
}

Result<void> SqlStore::release_job(std::string_view job, std::string_view engine) {
    return write("release_job", [&](Connection& db) -> Result<void> {
        Statement update = db.query("UPDATE jobs SET state = 'queued', phase = 'queued', attempt = attempt - 1, lease_owner = '',"
                                    " lease_until = NULL WHERE id = ? AND state = 'running' AND lease_owner = ?");
        update.with(job, engine).run();
        if (update.affected() == 0) return not_owner(db, job, engine);
        return {};
    });
}

Result<Job> SqlStore::cancel_job(std::string_view id, const Actor& actor, Timestamp now) {
    return write("cancel_job", [&](Connection& db) -> Result<Job> {
        const Result<Job> job = read_job(db, id);
        if (!job) return job.error();
        if (!is_active(job->info.state))
            return make_error(ErrorClass::conflict, "job_ended",
                              "job '" + std::string(id) + "' is " + std::string(to_string(job->info.state)) + " already", "");
        db.query("UPDATE jobs SET state = 'cancelled', finished = ?, lease_owner = '', lease_until = NULL WHERE id = ?")
            .with(now, id)
            .run();
        record_activity(db, now, actor, job->info.profile, "snapshot.cancel",
                        {{"version", job->info.version}, {"job", job->info.id}});
        return read_job(db, id);
    });
}

Result<Job> SqlStore::job(std::string_view id) {
    return read([&](Connection& db) { return read_job(db, id); });
}

Result<std::vector<Job>> SqlStore::jobs(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::vector<Job>> {
        if (profile.empty()) return list(db.query(all_jobs));
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        std::vector<Job> all;
        JobRow row;
        Statement statement = db.query(profile_jobs);
        row.into(statement.with(profile));
        while (statement.step()) all.push_back(row.take());
        return all;
    });
}

} // namespace sandboxkit::store
