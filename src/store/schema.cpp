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

// The rest of the record beside the name, edits that wait to be kept, the history of the agent instructions, deletion, and by
// which way something was done.
constexpr std::string_view version_2[] = {
    "ALTER TABLE profiles ADD COLUMN record TEXT NOT NULL DEFAULT '{}' CHECK (record <> '')",
    "UPDATE profiles SET record = json_object('description', description) WHERE description <> ''",
    "ALTER TABLE profiles DROP COLUMN description",
    "ALTER TABLE profiles ADD COLUMN client_token TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE profiles ADD COLUMN deleted INTEGER", // when; NULL: it is not
    "CREATE UNIQUE INDEX profiles_by_token ON profiles (created_by, client_token) WHERE client_token <> ''",
    R"(CREATE TRIGGER profiles_count_edits BEFORE UPDATE OF name, record, last_revision ON profiles
        WHEN NEW.last_revision <> OLD.last_revision + 1
        BEGIN SELECT RAISE(ABORT, 'every edit raises the revision by one'); END)",
    R"(CREATE TRIGGER profiles_stay_deleted BEFORE UPDATE ON profiles WHEN OLD.deleted IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a deleted profile stays as it is'); END)",
    R"(CREATE TRIGGER profiles_never_go BEFORE DELETE ON profiles
        BEGIN SELECT RAISE(ABORT, 'a profile is only marked as deleted'); END)",
    R"(CREATE TRIGGER profiles_are_not_replaced BEFORE INSERT ON profiles
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'a profile is not replaced'); END)",

    "ALTER TABLE sessions ADD COLUMN instructions_revision INTEGER NOT NULL DEFAULT 0 CHECK (instructions_revision >= 0)",
    "CREATE INDEX sessions_by_profile ON sessions (profile, state)",

    R"(ALTER TABLE activity ADD COLUMN channel TEXT NOT NULL DEFAULT 'api'
        CHECK (channel IN ('api', 'form', 'assistant', 'command_line')))",
    "ALTER TABLE activity ADD COLUMN section TEXT NOT NULL DEFAULT ''",

    R"(CREATE TABLE instructions (
        profile   TEXT NOT NULL REFERENCES profiles (id),
        revision  INTEGER NOT NULL,
        text      TEXT NOT NULL,
        digest    TEXT NOT NULL CHECK (digest <> ''),
        principal TEXT NOT NULL,
        at        INTEGER NOT NULL,
        PRIMARY KEY (profile, revision)))",
    R"(CREATE TRIGGER instructions_never_change BEFORE UPDATE ON instructions
        BEGIN SELECT RAISE(ABORT, 'the history of instructions is append-only'); END)",
    R"(CREATE TRIGGER instructions_never_go BEFORE DELETE ON instructions
        BEGIN SELECT RAISE(ABORT, 'the history of instructions is append-only'); END)",
    // Also against INSERT OR REPLACE.
    R"(CREATE TRIGGER instructions_have_no_gap BEFORE INSERT ON instructions
        WHEN NEW.revision <> 1 + (SELECT coalesce(max(revision), 0) FROM instructions WHERE profile = NEW.profile)
        BEGIN SELECT RAISE(ABORT, 'the history of instructions is append-only'); END)",

    R"(CREATE TABLE proposals (
        sequence      INTEGER PRIMARY KEY,
        id            TEXT NOT NULL UNIQUE CHECK (id <> ''),
        profile       TEXT NOT NULL REFERENCES profiles (id),
        base_revision INTEGER NOT NULL CHECK (base_revision >= 1),
        section       TEXT NOT NULL,
        edit          TEXT NOT NULL,
        changes       TEXT NOT NULL,
        proposed_by   TEXT NOT NULL,
        channel       TEXT NOT NULL CHECK (channel IN ('api', 'form', 'assistant', 'command_line')),
        proposed      INTEGER NOT NULL,
        state         TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'kept', 'discarded')),
        closed        INTEGER,
        closed_by     TEXT NOT NULL DEFAULT '',
        CHECK ((state = 'open') = (closed IS NULL)),
        CHECK (state <> 'open' OR closed_by = '')))",
    "CREATE INDEX proposals_open ON proposals (profile, sequence) WHERE state = 'open'",
    R"(CREATE TRIGGER proposals_end_once BEFORE UPDATE ON proposals WHEN OLD.state <> 'open'
        BEGIN SELECT RAISE(ABORT, 'a closed proposal stays closed'); END)",
    R"(CREATE TRIGGER proposals_never_change BEFORE UPDATE OF sequence, id, profile, base_revision, section, edit, changes,
            proposed_by, channel, proposed ON proposals
        BEGIN SELECT RAISE(ABORT, 'what was proposed never changes'); END)",
    R"(CREATE TRIGGER proposals_never_go BEFORE DELETE ON proposals
        BEGIN SELECT RAISE(ABORT, 'a proposal is not deleted'); END)",
    R"(CREATE TRIGGER proposals_are_not_replaced BEFORE INSERT ON proposals
        WHEN EXISTS (SELECT 1 FROM proposals WHERE id = NEW.id OR sequence = NEW.sequence)
        BEGIN SELECT RAISE(ABORT, 'a proposal is not replaced'); END)",
    R"(CREATE TRIGGER proposals_have_a_limit BEFORE INSERT ON proposals
        WHEN 100 <= (SELECT count(*) FROM proposals WHERE profile = NEW.profile AND state = 'open')
        BEGIN SELECT RAISE(ABORT, 'too many open proposals'); END)",

    // Deletion: nothing that is in use is deleted, nothing is made of what is deleted.
    R"(CREATE TRIGGER profiles_in_use_stay BEFORE UPDATE OF deleted ON profiles
        WHEN EXISTS (SELECT 1 FROM sessions WHERE profile = NEW.id AND state NOT IN ('removed', 'failed'))
            OR EXISTS (SELECT 1 FROM jobs WHERE profile = NEW.id AND state IN ('queued', 'running'))
            OR EXISTS (SELECT 1 FROM proposals WHERE profile = NEW.id AND state = 'open')
            OR EXISTS (SELECT 1 FROM drafts WHERE profile = NEW.id)
            OR EXISTS (SELECT 1 FROM snapshots WHERE profile = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the profile is in use'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_sessions BEFORE INSERT ON sessions
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_drafts BEFORE INSERT ON drafts
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_versions BEFORE INSERT ON versions
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_snapshots BEFORE INSERT ON snapshots
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_jobs BEFORE INSERT ON jobs
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_proposals BEFORE INSERT ON proposals
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
    R"(CREATE TRIGGER deleted_profiles_have_no_new_instructions BEFORE INSERT ON instructions
        WHEN EXISTS (SELECT 1 FROM profiles WHERE id = NEW.profile AND deleted IS NOT NULL)
        BEGIN SELECT RAISE(ABORT, 'the profile was deleted'); END)",
};

// Registered hosts; what was first seen behind each host, managed ones too; and of everything that is kept on a host, which.
constexpr std::string_view version_3[] = {
    R"(CREATE TABLE hosts (
        sequence   INTEGER PRIMARY KEY,
        name       TEXT NOT NULL UNIQUE CHECK (name <> ''),
        definition TEXT NOT NULL CHECK (definition <> ''),
        created    INTEGER NOT NULL,
        created_by TEXT NOT NULL))",
    R"(CREATE TABLE host_identities (
        host     TEXT NOT NULL PRIMARY KEY CHECK (host <> ''),
        identity TEXT NOT NULL CHECK (identity <> '')))",
    "ALTER TABLE store ADD COLUMN default_host TEXT CHECK (default_host <> '')",
    // Until now a host was its provider.
    "ALTER TABLE sessions ADD COLUMN host TEXT NOT NULL DEFAULT 'local' CHECK (host <> '')",
    "UPDATE sessions SET host = provider WHERE host <> provider",
    "DROP INDEX snapshots_by_image",
    "CREATE INDEX snapshots_by_image ON snapshots (host, image_id)",
};

constexpr std::array<Migration, 3> all{{{1, version_1}, {2, version_2}, {3, version_3}}};
static_assert(all.back().version == schema_version);

} // namespace

std::span<const Migration> migrations() {
    return all;
}

} // namespace sandboxkit::store
