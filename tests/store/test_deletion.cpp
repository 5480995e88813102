// SPDX-License-Identifier: Apache-2.0
// A deleted profile: its history stays, and nothing is made of it again.
#include "store_fixture.hpp"

#include "store/column.hpp"

using namespace store_test;

namespace {

struct DeletionFixture : Fixture {
    std::string id = make.usable_profile();
    std::string other = make.usable_profile();
    RawConnection raw{file};

    Result<void> remove() { return store->delete_profile(id, {"dave", Channel::form}, at(9000)); }
    void refused(const std::string& sql, const std::string& why) {
        const std::string said = raw.run(sql);
        CHECK_MESSAGE(said.find(why) != std::string::npos, sql << ": " << said);
    }
};

} // namespace

TEST_CASE_FIXTURE(DeletionFixture, "a deleted profile is told apart from one that never was, by every verb") {
    const NewSession late = make.session(id);
    const std::uint32_t revision = store->profile(id)->revision;
    remove().value();
    const auto deleted = [](const auto& result) {
        CHECK(kind(result) == ErrorClass::not_found);
        CHECK(code(result) == "profile_deleted");
    };
    deleted(store->profile(id));
    deleted(store->draft(id));
    deleted(store->save(id, Save{}));
    deleted(remove());
    deleted(store->usage(id));
    deleted(store->propose({"prp_1", id, revision, "general", "{}", "[]", {"alice"}, at(1)}));
    deleted(store->proposals(id));
    deleted(store->instructions(id));
    deleted(store->instructions_text(id, 1));
    Publish p;
    p.profile = id;
    p.draft_revision = revision;
    p.host = "local";
    p.job_id = "job_late";
    deleted(store->publish_draft(p));
    deleted(store->version(id, 1));
    deleted(store->version(id, 9));
    deleted(store->versions(id));
    deleted(store->newest_usable_version(id));
    deleted(store->enqueue_snapshot_job("job_late", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1)));
    deleted(store->jobs(id));
    deleted(store->create_session(late));
    CHECK(code(store->create_profile({id, "n", "{}", "{}", "d", {"alice"}, at(1)})) == "already_exists");

    REQUIRE(store->profiles()->size() == 1);
    CHECK(store->profiles()->front().id == other);
    CHECK(store->profile(other));
    CHECK(store->newest_usable_version(other)->has_value());
}

TEST_CASE_FIXTURE(DeletionFixture, "the deletion is in the log, which stays readable, as do ended sessions and jobs") {
    using enum SessionState;
    const NewSession request = make.session(id, "token");
    store->create_session(request).value();
    store->move_session(request.id, starting, failed, {}, at(8000)).value();
    const std::size_t before = store->activity(id, {}, whole_log)->size();
    const std::string job = store->jobs(id)->front().info.id;
    remove().value();

    const auto log = store->activity(id, {}, whole_log).value();
    CHECK(log.size() == before + 1);
    CHECK(log.front().action == "profile.delete");
    CHECK(log.front().principal == "dave");
    CHECK(log.front().channel == Channel::form);
    CHECK(log.front().at == at(9000));
    CHECK(log.front().detail == R"({"cancelled_jobs":[],"discarded_proposals":[]})");
    CHECK(store->session(request.id)->profile == id);
    CHECK(store->sessions(true)->size() == 1);
    CHECK_FALSE(store->create_session(request)->created); // the same token: the session that was made first
    CHECK(store->job(job)->info.state == JobState::succeeded);
    CHECK(store->job_log(job));
    CHECK(store->jobs("")->size() == 2);
    CHECK(raw.text("SELECT count(*) FROM versions WHERE profile = '" + id + "'") == "1");
}

TEST_CASE_FIXTURE(DeletionFixture, "a profile with sessions that have not ended stays") {
    using enum SessionState;
    std::vector<std::string> ids;
    for (int i = 0; i < 7; ++i) {
        const NewSession request = make.session(id);
        store->create_session(request).value();
        ids.push_back(request.id);
    }
    store->move_session(ids[1], starting, running, {}, at(5)).value();
    store->move_session(ids[2], starting, stopped, {}, at(5)).value();
    store->move_session(ids[3], starting, removing, {}, at(5)).value();
    store->move_session(ids[4], starting, failed, {}, at(5)).value();
    store->create_session(make.session(other)).value();
    make.version(id);
    store->propose({"prp_1", id, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();

    const auto refused = remove();
    CHECK(kind(refused) == ErrorClass::conflict);
    CHECK(code(refused) == "profile_in_use");
    CHECK(refused.error().message.find(" 6 sessions") != std::string::npos);
    CHECK(refused.error().detail == ids[0] + "\n" + ids[1] + "\n" + ids[2] + "\n" + ids[3] + "\n" + ids[5]);
    // Nothing of it was done.
    CHECK(store->profile(id));
    CHECK(store->usage(id)->active_jobs == 1);
    CHECK(store->proposals(id)->size() == 1);
    CHECK(store->newest_usable_version(id)->has_value());

    for (const std::size_t i : {0u, 1u, 2u, 5u, 6u}) {
        const SessionState state = store->session(ids[i])->state;
        store->move_session(ids[i], state, removing, {}, at(6)).value();
    }
    CHECK(code(remove()) == "profile_in_use");
    for (const std::size_t i : {0u, 1u, 2u, 3u, 5u, 6u}) store->move_session(ids[i], removing, removed, {}, at(7)).value();
    CHECK(remove());
}

TEST_CASE_FIXTURE(DeletionFixture, "with a profile go its jobs, its draft, its open proposals and its hold on images") {
    const std::string running = make.version(id);
    REQUIRE(store->lease_next_job("eng_1", at(5000), 1h, nobody_is_dead).value()->info.id == running);
    const std::string queued = make.version(id);
    save_draft(*store, id, {}, "n", "{}", "sha256:draft", "alice", at(5000)).value();
    for (const char* proposal : {"prp_1", "prp_2"})
        store->propose({proposal, id, 2, "general", "{}", "[]", {"alice"}, at(1)}).value();
    store->discard_proposal("prp_1", {"alice"}, at(2)).value();
    const std::string others_job = make.version(other);
    store->propose({"prp_other", other, 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    REQUIRE(store->images_in_use("local")->size() == 2);

    remove().value();
    for (const std::string& job : {running, queued}) {
        const Job row = store->job(job).value();
        CHECK(row.info.state == JobState::cancelled);
        CHECK(row.info.finished == at(9000));
        CHECK(row.lease_owner.empty());
    }
    CHECK(code(store->renew_lease(running, "eng_1", at(9001), 1h)) == "lease_lost");
    CHECK(code(store->append_job_log(running, "eng_1", "x")) == "lease_lost");
    CHECK(code(store->succeed_job(running, "eng_1", {"local", "img_late"}, "{}", at(9002))) == "lease_lost");
    CHECK(store->proposal("prp_1")->closed_by == "alice");
    CHECK(store->proposal("prp_2")->state == ProposalState::discarded);
    CHECK(store->proposal("prp_2")->closed_by == "dave");
    CHECK(code(store->discard_proposal("prp_2", {"alice"}, at(1))) == "proposal_closed");
    const auto images = store->images_in_use("local").value();
    CHECK(images == std::set<std::string>{"img_" + other});
    CHECK(store->activity(id, {}, 1)->front().detail ==
          R"({"cancelled_jobs":[")" + running + R"(",")" + queued + R"("],"discarded_proposals":["prp_2"]})");
    CHECK(raw.text("SELECT count(*) FROM drafts") == "0");
    CHECK(raw.text("SELECT count(*) FROM snapshots WHERE profile = '" + id + "'") == "0");

    // Others are not touched.
    CHECK(store->job(others_job)->info.state == JobState::queued);
    CHECK(store->proposal("prp_other")->state == ProposalState::open);
    CHECK(store->lease_next_job("eng_1", at(9003), 1h, nobody_is_dead).value()->info.id == others_job);
}

TEST_CASE_FIXTURE(DeletionFixture, "no profile in use is deleted, whoever writes the file") {
    const std::string mark = "UPDATE profiles SET deleted = 1 WHERE id = '" + id + "'";
    const auto with = [&](const std::string& sql) {
        CHECK(raw.run("SAVEPOINT s; DELETE FROM snapshots WHERE profile = '" + id + "'").empty());
        const std::string said = raw.run(sql);
        CHECK_MESSAGE(said.empty(), said);
        if (sql.empty())
            CHECK(raw.run(mark).empty()); // the rule is not simply "never"
        else
            refused(mark, "in use");
        CHECK(raw.run("ROLLBACK TO s; RELEASE s").empty());
    };
    refused(mark, "in use"); // a snapshot
    with("");
    with("INSERT INTO drafts VALUES ('" + id + "', 2, '{}', 'd')");
    with("INSERT INTO proposals (id, profile, base_revision, section, edit, changes, proposed_by, channel, proposed)"
         " VALUES ('p', '" +
         id + "', 1, '', '', '', '', 'api', 1)");
    with("INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created)"
         " VALUES ('j', '" +
         id + "', 1, 'local', 'publish', 'x', 'queued', 'queued', 1)");
    for (const SessionState state : EnumValues<SessionState>::all) {
        if (state == SessionState::removed || state == SessionState::failed) continue;
        with("INSERT INTO sessions (id, profile, version, principal, client_token, provider, image_id, creation_token, engine,"
             " state, created) VALUES ('s', '" +
             id + "', 1, 'p', '', 'local', 'i', 't', 'e', '" + std::string(to_string(state)) + "', 1)");
    }
}

TEST_CASE_FIXTURE(DeletionFixture, "nothing is made of a deleted profile, whoever writes the file") {
    const std::string digest = store->version(id, 1)->digest;
    remove().value();
    refused(
        "INSERT INTO sessions (id, profile, version, principal, client_token, provider, image_id, creation_token, engine, state,"
        " created) VALUES ('s', '" +
            id + "', 1, 'p', '', 'local', 'i', 't', 'e', 'starting', 1)",
        "was deleted");
    refused("INSERT INTO drafts VALUES ('" + id + "', 2, '{}', 'd')", "was deleted");
    refused("INSERT INTO versions SELECT profile, 2, recipe, digest, plan_snapshot_digest, decision, published_by, published"
            " FROM versions WHERE profile = '" +
                id + "'",
            "was deleted");
    refused("INSERT INTO snapshots (profile, version, host) VALUES ('" + id + "', 1, 'local')", "was deleted");
    refused("INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created)"
            " VALUES ('j', '" +
                id + "', 1, 'local', 'publish', 'x', 'queued', 'queued', 1)",
            "was deleted");
    refused("INSERT INTO proposals (id, profile, base_revision, section, edit, changes, proposed_by, channel, proposed)"
            " VALUES ('p', '" +
                id + "', 1, '', '', '', '', 'api', 1)",
            "was deleted");
    refused("INSERT INTO instructions VALUES ('" + id + "', 1, 't', 'd', 'p', 1)", "was deleted");
    refused("UPDATE profiles SET deleted = NULL WHERE id = '" + id + "'", "stays as it is");
    refused("UPDATE profiles SET name = 'x', last_revision = last_revision + 1 WHERE id = '" + id + "'", "stays as it is");
    refused("DELETE FROM profiles WHERE id = '" + id + "'", "only marked");
    refused("INSERT OR REPLACE INTO profiles (id, name, created, created_by, last_revision) VALUES ('" + id +
                "', 'n', 1, 'a', 1)",
            "not replaced");
    refused("DELETE FROM versions WHERE profile = '" + id + "'", "not deleted");
    refused("DELETE FROM activity WHERE profile = '" + id + "'", "append-only");
    CHECK(raw.run("PRAGMA foreign_key_check").empty());
}
