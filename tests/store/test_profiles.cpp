// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;

TEST_CASE_FIXTURE(Fixture, "a new profile has its first draft and is read back whole") {
    const auto made =
        store->create_profile({"prf_a", "Name \xC3\xA9", "what it is", R"({"image":"host"})", "sha256:1", "alice", at(123456)});
    REQUIRE(made);
    CHECK(made->id == "prf_a");
    CHECK(made->record == Record{"Name \xC3\xA9", "what it is"});
    CHECK(made->created == at(123456));
    CHECK(made->created_by == "alice");
    CHECK(made->has_draft);
    CHECK(made->draft_revision == 1);
    CHECK_FALSE(made->latest_version);
    CHECK_FALSE(made->usable_version);

    const auto draft = store->draft("prf_a");
    REQUIRE(draft);
    CHECK(draft->profile == "prf_a");
    CHECK(draft->revision == 1);
    CHECK(draft->recipe == R"({"image":"host"})");
    CHECK(draft->digest == "sha256:1");
}

TEST_CASE_FIXTURE(Fixture, "an id is used once") {
    const std::string id = make.profile();
    const auto again = store->create_profile({id, "n", "", "{}", "d", "alice", at(1)});
    CHECK(kind(again) == ErrorClass::conflict);
    CHECK(code(again) == "already_exists");
    CHECK(store->profile(id)->record.name == "name");
}

TEST_CASE_FIXTURE(Fixture, "profiles are listed by creation time") {
    store->create_profile({"prf_late", "n", "", "{}", "d", "alice", at(200)}).value();
    store->create_profile({"prf_early", "n", "", "{}", "d", "alice", at(100)}).value();
    store->create_profile({"prf_late_too", "n", "", "{}", "d", "alice", at(200)}).value();
    const auto all = store->profiles().value();
    REQUIRE(all.size() == 3);
    CHECK(all[0].id == "prf_early");
    CHECK(all[1].id == "prf_late");
    CHECK(all[2].id == "prf_late_too");
    CHECK(all[2].has_draft);
}

TEST_CASE_FIXTURE(Fixture, "saving a draft replaces it, sets the record and counts on") {
    const std::string id = make.profile();
    const auto saved =
        store->save_draft(id, 1, {"new name", "new description"}, R"({"image":"x"})", "sha256:2", "carol", at(1100));
    REQUIRE(saved);
    CHECK(saved->draft_revision == 2);
    CHECK(saved->record == Record{"new name", "new description"});
    CHECK(store->draft(id)->recipe == R"({"image":"x"})");

    SUBCASE("a stale revision changes nothing") {
        const auto stale = store->save_draft(id, 1, {"other", ""}, "{}", "sha256:3", "carol", at(1200));
        CHECK(kind(stale) == ErrorClass::conflict);
        CHECK(code(stale) == "stale_revision");
        CHECK(store->profile(id)->record.name == "new name");
        CHECK(store->draft(id)->digest == "sha256:2");
    }
    SUBCASE("revisions grow over the life of the profile, past a publish") {
        make.version(id);
        CHECK(code(store->draft(id)) == "no_draft");
        CHECK(store->profile(id)->draft_revision == 0);
        CHECK(code(store->save_draft(id, 2, {"n", ""}, "{}", "sha256:3", "carol", at(1200))) == "stale_revision");
        CHECK(store->save_draft(id, 0, {"n", ""}, "{}", "sha256:3", "carol", at(1200))->draft_revision == 3);
    }
    SUBCASE("without an expectation the last one wins") {
        CHECK(store->save_draft(id, {}, {"n", ""}, "{}", "sha256:3", "carol", at(1200))->draft_revision == 3);
    }
}

TEST_CASE_FIXTURE(Fixture, "what does not exist is not found") {
    CHECK(code(store->profile("prf_no")) == "no_profile");
    CHECK(code(store->draft("prf_no")) == "no_profile");
    CHECK(code(store->activity("prf_no")) == "no_profile");
    const auto saved = store->save_draft("prf_no", {}, {"n", ""}, "{}", "d", "alice", at(1));
    CHECK(kind(saved) == ErrorClass::not_found);
    CHECK(store->profiles()->empty());
}

TEST_CASE_FIXTURE(Fixture, "the activity log tells who did what, in order") {
    const std::string id = make.profile();
    store->save_draft(id, {}, {"n", ""}, "{}", "sha256:2", "carol", at(1100)).value();
    const std::string first = make.version(id);
    store->cancel_job(first, "dave", at(2100)).value();
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::manual_refresh, "erin", at(2200)).value();
    store->lease_next_job("eng", at(2300), 1h, nobody_is_dead).value();
    store->succeed_job("job_r", "eng", {"local", "img_" + id}, "{}", at(2400)).value();
    const auto session = store->create_session(make.session(id)).value().session;
    using enum SessionState;
    store->move_session(session.id, starting, running, {}, at(5000)).value();
    SessionChange by_frank;
    by_frank.principal = "frank";
    store->move_session(session.id, running, stopped, by_frank, at(5100)).value();
    store->move_session(session.id, stopped, starting, {}, at(5200)).value();
    store->move_session(session.id, starting, stopped, {}, at(5250)).value(); // a resume that failed
    store->move_session(session.id, stopped, removing, {}, at(5300)).value();
    store->move_session(session.id, removing, removed, {}, at(5400)).value();

    std::vector<std::string> told;
    std::int64_t last = 0;
    for (const Activity& a : store->activity(id).value()) {
        CHECK(a.profile == id);
        CHECK(a.sequence > last);
        last = a.sequence;
        told.push_back(a.principal + " " + a.action);
    }
    CHECK(told == std::vector<std::string>{"alice profile.create", "carol draft.save", "alice version.publish",
                                           "dave snapshot.cancel", "erin snapshot.refresh", "bob session.start",
                                           "frank session.stop", "bob session.resume", "bob session.remove"});
    const auto all = store->activity(id).value();
    CHECK(all[1].detail == R"({"revision":2,"before":"sha256:prf_1","after":"sha256:2"})");
    CHECK(all[1].at == at(1100));
}

TEST_CASE_FIXTURE(Fixture, "text comes back byte for byte") {
    const std::string odd("a'\"; DROP TABLE profiles; --\0\n\x01 \xF0\x9F\x98\x80", 36);
    store->create_profile({"prf_odd", odd, "", "{\"setup_script\":\"" + std::string(300'000, 'x') + "\"}", odd, odd, at(1)})
        .value();
    CHECK(store->profile("prf_odd")->record.name == odd);
    CHECK(store->profile("prf_odd")->created_by == odd);
    CHECK(store->draft("prf_odd")->digest == odd);
    CHECK(store->draft("prf_odd")->recipe.size() == 300'019);
    CHECK(code(store->profile("x' OR '1'='1")) == "no_profile");
}
