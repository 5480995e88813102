// SPDX-License-Identifier: Apache-2.0
// The rules hold against anyone who can write the file, not only against our own code.
#include "store_fixture.hpp"

#include "store/column.hpp"

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

TEST_CASE_FIXTURE(RawFixture, "one profile a principal and token") {
    NewProfile request{"prf_token", "n", "{}", "{}", "d", {"alice"}, at(1), "token"};
    store->create_profile(request).value();
    const std::string insert =
        "INSERT INTO profiles (id, name, created, created_by, last_revision, client_token) VALUES ('p', 'n', 1, ";
    refused(insert + "'alice', 1, 'token')", "UNIQUE");
    refused("INSERT OR REPLACE INTO profiles (id, name, created, created_by, last_revision) VALUES ('" + profile +
                "', 'n', 1, 'a', 1)",
            "not replaced");
    refused("UPDATE profiles SET client_token = 'token', created_by = 'alice' WHERE id = '" + profile + "'", "UNIQUE");
    CHECK(raw.run(insert + "'bob', 1, 'token')").empty());
}

TEST_CASE_FIXTURE(RawFixture, "every edit raises the revision by one") {
    const std::string why = "raises the revision by one";
    refused("UPDATE profiles SET name = 'x'", why);
    refused("UPDATE profiles SET record = '{\"a\":1}'", why);
    refused("UPDATE profiles SET last_revision = last_revision", why);
    refused("UPDATE profiles SET last_revision = last_revision + 2", why);
    refused("UPDATE profiles SET last_revision = last_revision - 1", why);
    refused("UPDATE profiles SET record = '', last_revision = last_revision + 1", "CHECK");
    CHECK(raw.run("UPDATE profiles SET name = 'x', last_revision = last_revision + 1").empty());
}

TEST_CASE_FIXTURE(RawFixture, "a proposal ends once, and never changes") {
    for (const char* id : {"prp_1", "prp_2"}) store->propose({id, profile, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    store->discard_proposal("prp_2", {"alice"}, at(2)).value();
    refused("UPDATE proposals SET state = 'open', closed = NULL, closed_by = '' WHERE id = 'prp_2'", "stays closed");
    refused("UPDATE proposals SET state = 'kept' WHERE id = 'prp_2'", "stays closed");
    refused("UPDATE proposals SET closed_by = 'bob' WHERE id = 'prp_2'", "stays closed");
    refused("UPDATE proposals SET state = 'kept' WHERE id = 'prp_1'", "CHECK"); // without an end
    refused("UPDATE proposals SET closed = 1 WHERE id = 'prp_1'", "CHECK");     // ended, yet open
    refused("UPDATE proposals SET closed_by = 'bob' WHERE id = 'prp_1'", "CHECK");
    refused("UPDATE proposals SET state = 'asleep', closed = 1 WHERE id = 'prp_1'", "CHECK");
    for (const char* set : {"edit = '{\"a\":1}'", "changes = ''", "section = 'x'", "base_revision = 2", "profile = 'x'",
                            "id = 'x'", "proposed_by = 'bob'", "channel = 'form'", "proposed = 9", "sequence = 9"})
        refused("UPDATE proposals SET " + std::string(set) + " WHERE id = 'prp_1'", "never changes");
    refused("DELETE FROM proposals", "not deleted");
    const std::string columns = "(id, profile, base_revision, section, edit, changes, proposed_by, channel, proposed) VALUES (";
    refused("INSERT OR REPLACE INTO proposals " + columns + "'prp_1', '" + profile + "', 1, '', '', '', 'a', 'api', 1)",
            "not replaced");
    refused("INSERT INTO proposals " + columns + "'p', 'prf_no', 1, '', '', '', 'a', 'api', 1)", "FOREIGN KEY");
    refused("INSERT INTO proposals " + columns + "'p', '" + profile + "', 0, '', '', '', 'a', 'api', 1)", "CHECK");
    refused("INSERT INTO proposals " + columns + "'p', '" + profile + "', 1, '', '', '', 'a', 'pigeon', 1)", "CHECK");
    refused("INSERT INTO proposals " + columns + "'', '" + profile + "', 1, '', '', '', 'a', 'api', 1)", "CHECK");
}

TEST_CASE_FIXTURE(RawFixture, "open proposals have the limit that the code has") {
    for (std::uint32_t i = 1; i < open_proposals_limit; ++i)
        store->propose({"prp_" + std::to_string(i), profile, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    const std::string insert = "INSERT INTO proposals (id, profile, base_revision, section, edit, changes, proposed_by, channel,"
                               " proposed) SELECT hex(randomblob(9)), '" +
                               profile + "', 1, '', '', '', 'a', 'api', 1";
    CHECK(raw.run(insert).empty());
    refused(insert, "too many open");
    CHECK(raw.run("UPDATE proposals SET state = 'kept', closed = 1, closed_by = 'a' WHERE id = 'prp_1'").empty());
    CHECK(raw.run(insert).empty());
}

TEST_CASE_FIXTURE(RawFixture, "what is new in version 2 has its rules, too") {
    refused("UPDATE sessions SET instructions_revision = -1", "CHECK");
    refused("INSERT INTO activity (at, principal, channel, profile, action, detail) VALUES (1, 'a', 'pigeon', '" + profile +
                "', 'x', '{}')",
            "CHECK");
    // The names in the schema are those of the code.
    for (const Channel channel : EnumValues<Channel>::all)
        CHECK(raw.run("INSERT INTO activity (at, principal, channel, profile, action, detail) VALUES (1, 'a', '" +
                      std::string(to_string(channel)) + "', '" + profile + "', 'x', '{}')")
                  .empty());
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

    store->propose({"prp_1", profile, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    store->propose({"prp_2", profile, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    CHECK(raw.run("UPDATE proposals SET state = 'asleep' WHERE id = 'prp_1'").empty());
    CHECK(code(store->proposal("prp_1")) == "store_damaged");
    CHECK(code(store->discard_proposal("prp_1", {"alice"}, at(1))) == "store_damaged");
    CHECK(store->proposal("prp_2"));
    CHECK(raw.run("INSERT INTO activity (at, principal, channel, profile, action, detail) VALUES (1, 'a', 'pigeon', '" + profile +
                  "', 'x', '{}')")
              .empty());
    CHECK(code(store->activity(profile, {}, 1)) == "store_damaged");
    const std::int64_t next = std::stoll(raw.text("SELECT max(sequence) FROM activity"));
    CHECK(store->activity(profile, next, 1)); // what is whole can be read around it
    CHECK(code(store->usage(profile)) == "store_damaged");
    CHECK(raw.run("DROP TRIGGER profiles_count_edits; UPDATE profiles SET last_revision = 4294967296").empty());
    CHECK(code(store->profile(profile)) == "store_damaged");
    CHECK(code(store->profiles()) == "store_damaged");
    CHECK(code(store->save(profile, Save{})) == "store_damaged");
}
