// SPDX-License-Identifier: Apache-2.0
// What must hold under races, and against a mistake of our own, is a constraint here.
#include "store/migrations.hpp"

#include "store/store.hpp"

#include <array>

namespace sandboxkit::store {

namespace {

constexpr std::string_view version_1[] = {
    R"(CREATE TABLE store (
        one        INTEGER PRIMARY KEY CHECK (one = 1),
        id         TEXT NOT NULL,
        state_id   TEXT CHECK (state_id <> ''),
        state_path TEXT,
        CHECK ((state_id IS NULL) = (state_path IS NULL))))",
    R"(CREATE TRIGGER store_is_bound_once BEFORE UPDATE OF state_id, state_path ON store WHEN OLD.state_id IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a store keeps to its state directory'); END)",
    "INSERT INTO store (one, id) VALUES (1, 'sto_' || lower(hex(randomblob(12))))",

    R"(CREATE TABLE profiles (
        sequence      INTEGER PRIMARY KEY,
        id            TEXT NOT NULL UNIQUE CHECK (id <> ''),
        name          TEXT NOT NULL,
        description   TEXT NOT NULL,
        created       INTEGER NOT NULL,
        created_by    TEXT NOT NULL,
        last_revision INTEGER NOT NULL CHECK (last_revision >= 1)))",

    // The primary key: one draft a profile.
    R"(CREATE TABLE drafts (
        profile  TEXT NOT NULL PRIMARY KEY REFERENCES profiles (id),
        revision INTEGER NOT NULL CHECK (revision >= 1),
        recipe   TEXT NOT NULL,
        digest   TEXT NOT NULL))",

    R"(CREATE TABLE versions (
        profile              TEXT NOT NULL REFERENCES profiles (id),
        number               INTEGER NOT NULL CHECK (number >= 1),
        recipe               TEXT NOT NULL,
        digest               TEXT NOT NULL,
        plan_snapshot_digest TEXT NOT NULL,
        decision             TEXT NOT NULL,
        published_by         TEXT NOT NULL,
        published            INTEGER NOT NULL,
        PRIMARY KEY (profile, number)))",
    R"(CREATE TRIGGER versions_never_change BEFORE UPDATE ON versions
        BEGIN SELECT RAISE(ABORT, 'a published version never changes'); END)",
    R"(CREATE TRIGGER versions_never_go BEFORE DELETE ON versions
        BEGIN SELECT RAISE(ABORT, 'a published version is not deleted'); END)",
    // INSERT OR REPLACE deletes without asking the trigger above.
    R"(CREATE TRIGGER versions_are_not_replaced BEFORE INSERT ON versions
        WHEN EXISTS (SELECT 1 FROM versions WHERE profile = NEW.profile AND number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'a published version is not replaced'); END)",

    R"(CREATE TABLE snapshots (
        sequence INTEGER PRIMARY KEY,
        profile  TEXT NOT NULL,
        version  INTEGER NOT NULL,
        host     TEXT NOT NULL CHECK (host <> ''),
        provider TEXT CHECK (provider <> ''),
        image_id TEXT CHECK (image_id <> ''),
        manifest TEXT NOT NULL DEFAULT '',
        stale    INTEGER NOT NULL DEFAULT 0 CHECK (stale IN (0, 1)),
        made     INTEGER,
        UNIQUE (profile, version, host),
        FOREIGN KEY (profile, version) REFERENCES versions (profile, number),
        CHECK ((provider IS NULL) = (image_id IS NULL)),
        CHECK ((made IS NULL) = (image_id IS NULL)),
        CHECK (image_id IS NOT NULL OR (stale = 0 AND manifest = ''))))",
    "CREATE INDEX snapshots_by_image ON snapshots (provider, image_id)",

    R"(CREATE TABLE jobs (
        sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
        id           TEXT NOT NULL UNIQUE CHECK (id <> ''),
        profile      TEXT NOT NULL,
        version      INTEGER NOT NULL,
        host         TEXT NOT NULL CHECK (host <> ''),
        cause        TEXT NOT NULL CHECK (cause IN ('publish', 'manual_refresh', 'scheduled_refresh')),
        requested_by TEXT NOT NULL,
        state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
        phase        TEXT NOT NULL CHECK (phase IN ('queued', 'repositories', 'image', 'start', 'setup_script', 'capture', 'record')),
        attempt      INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND 3),
        error        TEXT NOT NULL DEFAULT '',
        created      INTEGER NOT NULL,
        started      INTEGER,
        finished     INTEGER,
        lease_owner  TEXT NOT NULL DEFAULT '',
        lease_until  INTEGER,
        provider     TEXT CHECK (provider <> ''),
        image_id     TEXT CHECK (image_id <> ''),
        log_bytes    INTEGER NOT NULL DEFAULT 0 CHECK (log_bytes >= 0),
        FOREIGN KEY (profile, version) REFERENCES versions (profile, number),
        CHECK ((provider IS NULL) = (image_id IS NULL)),
        CHECK ((state = 'succeeded') = (image_id IS NOT NULL)),
        CHECK ((state = 'failed') = (error <> '')),
        CHECK ((state = 'running') = (lease_owner <> '')),
        CHECK ((state = 'running') = (lease_until IS NOT NULL)),
        CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished IS NOT NULL))))",
    "CREATE UNIQUE INDEX jobs_one_active ON jobs (profile, version, host) WHERE state IN ('queued', 'running')",
    "CREATE INDEX jobs_active ON jobs (sequence) WHERE state IN ('queued', 'running')",
    "CREATE INDEX jobs_by_version ON jobs (profile, version, sequence)",
    R"(CREATE TRIGGER jobs_end_once BEFORE UPDATE OF state ON jobs
        WHEN OLD.state IN ('succeeded', 'failed', 'cancelled') AND NEW.state <> OLD.state
        BEGIN SELECT RAISE(ABORT, 'an ended job stays ended'); END)",

    // Pieces of a log by the offset of their first byte; what was left out is a gap.
    R"(CREATE TABLE job_log (
        sequence INTEGER PRIMARY KEY,
        job      TEXT NOT NULL REFERENCES jobs (id),
        start    INTEGER NOT NULL CHECK (start >= 0),
        bytes    BLOB NOT NULL CHECK (length(bytes) > 0),
        UNIQUE (job, start)))",

    R"(CREATE TABLE sessions (
        sequence       INTEGER PRIMARY KEY,
        id             TEXT NOT NULL UNIQUE CHECK (id <> ''),
        profile        TEXT NOT NULL,
        version        INTEGER NOT NULL,
        principal      TEXT NOT NULL,
        client_token   TEXT NOT NULL,
        provider       TEXT NOT NULL CHECK (provider <> ''),
        image_id       TEXT NOT NULL CHECK (image_id <> ''),
        creation_token TEXT NOT NULL,
        engine         TEXT NOT NULL,
        state          TEXT NOT NULL CHECK (state IN ('starting', 'running', 'stopped', 'removing', 'removed', 'failed')),
        sandbox_id     TEXT NOT NULL DEFAULT '',
        idle_limit     INTEGER CHECK (idle_limit >= 0),
        time_limit     INTEGER CHECK (time_limit >= 0),
        idle_deadline  INTEGER,
        deadline       INTEGER,
        created        INTEGER NOT NULL,
        timeline       TEXT NOT NULL DEFAULT '',
        notes          TEXT NOT NULL DEFAULT '',
        error          TEXT NOT NULL DEFAULT '',
        FOREIGN KEY (profile, version) REFERENCES versions (profile, number)))",
    "CREATE UNIQUE INDEX sessions_by_token ON sessions (principal, client_token) WHERE client_token <> ''",
    "CREATE INDEX sessions_not_ended ON sessions (sequence) WHERE state NOT IN ('removed', 'failed')",
    R"(CREATE TRIGGER sessions_end_once BEFORE UPDATE OF state ON sessions
        WHEN OLD.state IN ('removed', 'failed') AND NEW.state <> OLD.state
        BEGIN SELECT RAISE(ABORT, 'an ended session stays ended'); END)",

    R"(CREATE TABLE activity (
        sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
        at        INTEGER NOT NULL,
        principal TEXT NOT NULL,
        profile   TEXT NOT NULL REFERENCES profiles (id),
        action    TEXT NOT NULL CHECK (action <> ''),
        detail    TEXT NOT NULL))",
    "CREATE INDEX activity_by_profile ON activity (profile, sequence)",
    R"(CREATE TRIGGER activity_never_changes BEFORE UPDATE ON activity
        BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END)",
    R"(CREATE TRIGGER activity_never_goes BEFORE DELETE ON activity
        BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END)",
    R"(CREATE TRIGGER activity_is_not_replaced BEFORE INSERT ON activity
        WHEN EXISTS (SELECT 1 FROM activity WHERE sequence = NEW.sequence)
        BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END)",
};

constexpr std::array<Migration, 1> all{{{1, version_1}}};
static_assert(all.back().version == schema_version);

} // namespace

std::span<const Migration> migrations() {
    return all;
}

} // namespace sandboxkit::store
