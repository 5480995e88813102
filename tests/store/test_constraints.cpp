// SPDX-License-Identifier: Apache-2.0
// The rules hold against anyone who can write the file, not only against our own code.
#include "store_fixture.hpp"

using namespace store_test;

namespace {

struct RawFixture : Fixture {
    std::string profile = make.usable_profile();
    std::string session = store->create_session(make.session(profile, "token")).value().session.id;
    std::string queued;
    RawConnection raw{file};

    RawFixture() { queued = make.version(profile); }
    void refused(const std::string& sql, const std::string& why) {
        const std::string said = raw.run(sql);
        CHECK_MESSAGE(said.find(why) != std::string::npos, sql << ": " << said);
    }
    // Ends in the words "WHERE id = ..." of the table.
    void job_refused(const std::string& set) { refused("UPDATE jobs SET " + set + " WHERE id = '" + queued + "'", "CHECK"); }
};

} // namespace

TEST_CASE_FIXTURE(RawFixture, "one draft a profile") {
    save_draft(*store, profile, {}, "n", "{}", "d", "alice", at(1)).value();
    refused("INSERT INTO drafts VALUES ('" + profile + "', 9, '{}', 'd')", "UNIQUE");
    refused("INSERT INTO drafts VALUES ('prf_no', 1, '{}', 'd')", "FOREIGN KEY");
    refused("UPDATE drafts SET revision = 0", "CHECK");
}

TEST_CASE_FIXTURE(RawFixture, "one active job a version and host") {
    const std::string values = "', 'local', 'publish', 'x', 'queued', 'queued', 1)";
    const std::string insert =
        "INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created) VALUES ('j', '" + profile;
    refused(insert + "', 2" + values.substr(1), "UNIQUE");
    refused(insert + "', 3" + values.substr(1), "FOREIGN KEY");
    CHECK(raw.run(insert + "', 1" + values.substr(1)).empty()); // version 1 has no active one
}

TEST_CASE_FIXTURE(RawFixture, "a job's columns agree with its state") {
    job_refused("state = 'asleep'");
    job_refused("phase = 'lunch'");
    job_refused("cause = 'whim'");
    job_refused("attempt = 4");
    job_refused("attempt = -1");
    job_refused("state = 'running'");                                     // without an owner
    job_refused("state = 'running', lease_owner = 'e'");                  // without an end of the lease
    job_refused("lease_owner = 'e', lease_until = 1");                    // queued, yet owned
    job_refused("state = 'failed', finished = 1");                        // without an error
    job_refused("state = 'failed', error = '{}'");                        // without an end
    job_refused("state = 'succeeded', finished = 1");                     // without an image
    job_refused("state = 'succeeded', finished = 1, provider = 'local'"); // half a handle
    job_refused("provider = 'local', image_id = 'i'");                    // an image, yet queued
    job_refused("finished = 1");
    job_refused("host = ''");
}

TEST_CASE_FIXTURE(RawFixture, "what ended stays ended") {
    store->cancel_job(queued, {"alice"}, at(1)).value();
    refused("UPDATE jobs SET state = 'queued', finished = NULL WHERE id = '" + queued + "'", "stays ended");
    store->move_session(session, SessionState::starting, SessionState::failed, {}, at(1)).value();
    refused("UPDATE sessions SET state = 'running'", "stays ended");
}

TEST_CASE_FIXTURE(RawFixture, "an image handle has both members or neither") {
    refused("UPDATE snapshots SET provider = NULL WHERE version = 1", "CHECK");
    refused("UPDATE snapshots SET image_id = NULL WHERE version = 1", "CHECK");
    refused("UPDATE snapshots SET image_id = 'i' WHERE version = 2", "CHECK");
    refused("UPDATE snapshots SET image_id = '' WHERE version = 1", "CHECK");
    refused("UPDATE snapshots SET stale = 1 WHERE version = 2", "CHECK");
    refused("UPDATE snapshots SET stale = 2 WHERE version = 1", "CHECK");
    refused("UPDATE snapshots SET manifest = '{}' WHERE version = 2", "CHECK");
    refused("INSERT INTO snapshots (profile, version, host) VALUES ('" + profile + "', 1, 'local')", "UNIQUE");
    refused("INSERT INTO snapshots (profile, version, host) VALUES ('" + profile + "', 9, 'local')", "FOREIGN KEY");
}

TEST_CASE_FIXTURE(RawFixture, "a published version never changes and never goes") {
    refused("UPDATE versions SET recipe = '{}'", "never changes");
    refused("UPDATE versions SET number = 7", "never changes");
    refused("DELETE FROM versions", "not deleted");
    refused("INSERT OR REPLACE INTO versions SELECT profile, number, '{}', digest, plan_snapshot_digest, decision, published_by, "
            "published"
            " FROM versions",
            "not replaced");
    refused("INSERT INTO versions SELECT profile, 0, recipe, digest, plan_snapshot_digest, decision, published_by, published "
            "FROM versions"
            " LIMIT 1",
            "CHECK");
}

TEST_CASE_FIXTURE(RawFixture, "the activity log is append-only") {
    refused("UPDATE activity SET principal = 'nobody'", "append-only");
    refused("DELETE FROM activity WHERE sequence = 1", "append-only");
    refused("INSERT OR REPLACE INTO activity (sequence, at, principal, profile, action, detail) VALUES (1, 1, 'nobody', '" +
                profile + "', 'x', '{}')",
            "append-only");
    refused("INSERT INTO activity (at, principal, profile, action, detail) VALUES (1, 'a', 'prf_no', 'x', '{}')", "FOREIGN KEY");
}

TEST_CASE_FIXTURE(RawFixture, "one session a principal and token") {
    const std::string insert =
        "INSERT INTO sessions (id, profile, version, principal, client_token, provider, image_id, creation_token, engine,"
        " state, created) SELECT 'ses_raw', profile, version, principal, client_token, provider, image_id,"
        " creation_token, engine, state, created FROM sessions";
    refused(insert, "UNIQUE");
    refused("UPDATE sessions SET state = 'asleep'", "CHECK");
    refused("UPDATE sessions SET image_id = ''", "CHECK");
    refused("UPDATE sessions SET idle_limit = -1", "CHECK");
    refused("UPDATE sessions SET version = 9", "FOREIGN KEY");
    refused("DELETE FROM profiles", "only marked");
    store->create_session(make.session(profile)).value(); // no token: no rule
    store->create_session(make.session(profile)).value();
}

TEST_CASE_FIXTURE(RawFixture, "one identity") {
    refused("INSERT INTO store (one, id) VALUES (2, 'sto_2')", "CHECK");
    refused("UPDATE store SET state_id = 'std_1'", "CHECK");
}

TEST_CASE_FIXTURE(RawFixture, "a row that no build writes is told as damage, not as a defect") {
    CHECK(raw.run("PRAGMA ignore_check_constraints = ON").empty());
    CHECK(raw.run("UPDATE sessions SET state = 'asleep'").empty());
    const auto s = store->session(session);
    CHECK(kind(s) == ErrorClass::data_loss);
    CHECK(code(s) == "store_damaged");
    CHECK(store->profile(profile)); // the rest is still served
}
