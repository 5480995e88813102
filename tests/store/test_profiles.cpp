// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include "store/column.hpp"

#include <algorithm>

using namespace store_test;

TEST_CASE_FIXTURE(Fixture, "a new profile has its first draft and is read back whole") {
    const auto created = store->create_profile(
        {"prf_a", "Name \xC3\xA9", R"({"description":"what it is"})", R"({"image":"host"})", "sha256:1", {"alice"}, at(123456)});
    REQUIRE(created);
    CHECK(created->created);
    for (const auto& made : {created->profile, store->profile("prf_a").value(), store->profiles()->front()}) {
        CHECK(made.id == "prf_a");
        CHECK(made.name == "Name \xC3\xA9");
        CHECK(made.record == R"({"description":"what it is"})");
        CHECK(made.revision == 1);
        CHECK(made.created == at(123456));
        CHECK(made.created_by == "alice");
        CHECK(made.draft_revision == 1);
        CHECK_FALSE(made.latest_version);
        CHECK_FALSE(made.usable_version);
        CHECK(made.instructions_revision == 0);
    }

    const auto draft = store->draft("prf_a");
    REQUIRE(draft);
    CHECK(draft->profile == "prf_a");
    CHECK(draft->revision == 1);
    CHECK(draft->recipe == R"({"image":"host"})");
    CHECK(draft->digest == "sha256:1");
}

TEST_CASE_FIXTURE(Fixture, "the same principal and token get the profile made first") {
    NewProfile request{"prf_a", "first", "{}", "{}", "sha256:1", {"alice"}, at(1), "token"};
    CHECK(store->create_profile(request)->created);
    request.id = "prf_b";
    request.name = "second";
    const auto again = store->create_profile(request);
    REQUIRE(again);
    CHECK_FALSE(again->created);
    CHECK(again->profile.id == "prf_a");
    CHECK(again->profile.name == "first");
    CHECK(store->activity("prf_a", {}, whole_log)->size() == 1);

    SUBCASE("of another principal, or without a token, it is another one") {
        request.actor.principal = "bob";
        CHECK(store->create_profile(request)->created);
        request.id = "prf_c";
        request.client_token.clear();
        CHECK(store->create_profile(request)->created);
        request.id = "prf_d";
        CHECK(store->create_profile(request)->created);
        CHECK(store->profiles()->size() == 4);
    }
    SUBCASE("a deleted one is not made again") {
        store->delete_profile("prf_a", {"alice"}, at(2)).value();
        CHECK(code(store->create_profile(request)) == "profile_deleted");
        CHECK(store->profiles()->empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "an id is used once") {
    const std::string id = make.profile();
    const auto again = store->create_profile({id, "n", "{}", "{}", "d", {"alice"}, at(1)});
    CHECK(kind(again) == ErrorClass::conflict);
    CHECK(code(again) == "already_exists");
    CHECK(store->profile(id)->name == "name");
}

TEST_CASE_FIXTURE(Fixture, "profiles are listed by creation time") {
    store->create_profile({"prf_late", "n", "{}", "{}", "d", {"alice"}, at(200)}).value();
    store->create_profile({"prf_early", "n", "{}", "{}", "d", {"alice"}, at(100)}).value();
    store->create_profile({"prf_late_too", "n", "{}", "{}", "d", {"alice"}, at(200)}).value();
    const auto all = store->profiles().value();
    REQUIRE(all.size() == 3);
    CHECK(all[0].id == "prf_early");
    CHECK(all[1].id == "prf_late");
    CHECK(all[2].id == "prf_late_too");
    CHECK(all[2].draft_revision == 1);
}

TEST_CASE_FIXTURE(Fixture, "saving a draft replaces it, sets the record and counts on") {
    const std::string id = make.profile();
    const auto saved = save_draft(*store, id, 1, "new name", R"({"image":"x"})", "sha256:2", "carol", at(1100));
    REQUIRE(saved);
    CHECK(saved->draft_revision == 2);
    CHECK(saved->revision == 2);
    CHECK(saved->name == "new name");
    CHECK(store->draft(id)->recipe == R"({"image":"x"})");

    SUBCASE("a stale revision changes nothing") {
        const auto stale = save_draft(*store, id, 1, "other", "{}", "sha256:3", "carol", at(1200));
        CHECK(kind(stale) == ErrorClass::conflict);
        CHECK(code(stale) == "stale_revision");
        CHECK(store->profile(id)->name == "new name");
        CHECK(store->draft(id)->digest == "sha256:2");
    }
    SUBCASE("revisions grow over the life of the profile, past a publish") {
        make.version(id);
        CHECK(code(store->draft(id)) == "no_draft");
        CHECK(store->profile(id)->draft_revision == 0);
        CHECK(code(save_draft(*store, id, 0, "n", "{}", "sha256:3", "carol", at(1200))) == "stale_revision");
        CHECK(save_draft(*store, id, 2, "n", "{}", "sha256:3", "carol", at(1200))->draft_revision == 3);
    }
    SUBCASE("without an expectation the last one wins") {
        CHECK(save_draft(*store, id, {}, "n", "{}", "sha256:3", "carol", at(1200))->draft_revision == 3);
    }
}

TEST_CASE_FIXTURE(Fixture, "what does not exist is not found") {
    CHECK(code(store->profile("prf_no")) == "no_profile");
    CHECK(code(store->draft("prf_no")) == "no_profile");
    CHECK(code(store->activity("prf_no", {}, whole_log)) == "no_profile");
    CHECK(code(store->usage("prf_no")) == "no_profile");
    CHECK(code(store->delete_profile("prf_no", {"alice"}, at(1))) == "no_profile");
    const auto saved = save_draft(*store, "prf_no", {}, "n", "{}", "d", "alice", at(1));
    CHECK(kind(saved) == ErrorClass::not_found);
    CHECK(store->profiles()->empty());
}

TEST_CASE_FIXTURE(Fixture, "the activity log tells who did what, in order") {
    const std::string id = make.profile();
    save_draft(*store, id, {}, "n", "{}", "sha256:2", "carol", at(1100)).value();
    const std::string first = make.version(id);
    store->cancel_job(first, {"dave"}, at(2100)).value();
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::manual_refresh, {"erin"}, at(2200)).value();
    store->lease_next_job("eng", at(2300), 1h, nobody_is_dead).value();
    store->succeed_job("job_r", "eng", {"local", "img_" + id}, "{}", at(2400)).value();
    const auto session = store->create_session(make.session(id)).value().session;
    using enum SessionState;
    store->move_session(session.id, starting, running, {}, at(5000)).value();
    SessionChange by_frank;
    by_frank.actor = Actor{"frank", Channel::form};
    store->move_session(session.id, running, stopped, by_frank, at(5100)).value();
    store->move_session(session.id, stopped, starting, {}, at(5200)).value();
    store->move_session(session.id, starting, stopped, {}, at(5250)).value(); // a resume that failed
    store->move_session(session.id, stopped, removing, {}, at(5300)).value();
    store->move_session(session.id, removing, removed, {}, at(5400)).value();

    std::vector<std::string> told;
    auto log = store->activity(id, {}, whole_log).value();
    std::reverse(log.begin(), log.end());
    std::int64_t last = 0;
    for (const Activity& a : log) {
        CHECK(a.profile == id);
        CHECK(a.sequence > last);
        last = a.sequence;
        told.push_back(a.principal + " " + a.action);
    }
    CHECK(told == std::vector<std::string>{"alice profile.create", "carol edit.keep", "alice version.publish",
                                           "dave snapshot.cancel", "erin snapshot.refresh", "bob session.start",
                                           "frank session.stop", "bob session.resume", "bob session.remove"});
    CHECK(log[0].detail == R"({"revision":1,"after":"sha256:prf_1"})");
    CHECK(log[1].detail == R"({"revision":2})");
    CHECK(log[1].section == "document");
    CHECK(log[1].at == at(1100));
    CHECK(log[5].channel == Channel::api);
    CHECK(log[5].section.empty());
    CHECK(log[6].channel == Channel::form);
}

TEST_CASE_FIXTURE(Fixture, "the activity log is read page by page, the newest first") {
    const std::string id = make.profile(), other = make.profile();
    for (int i = 0; i < 6; ++i) save_draft(*store, i % 2 == 0 ? id : other, {}, "n", "{}", "d", "carol", at(1100 + i)).value();
    std::vector<std::int64_t> seen;
    std::optional<std::int64_t> before;
    for (;;) {
        const auto page = store->activity(id, before, 3).value();
        if (page.empty()) break;
        CHECK(page.size() <= 3);
        for (const Activity& a : page) {
            CHECK(a.profile == id);
            CHECK((!before || a.sequence < *before));
            before = a.sequence;
            seen.push_back(a.sequence);
        }
    }
    CHECK(seen.size() == 4);
    CHECK(store->activity(id, {}, 1)->front().at == at(1104));
    CHECK(store->activity(id, {}, 0)->empty());
}

TEST_CASE_FIXTURE(Fixture, "every way by which a call came is in the log") {
    const std::string id = make.profile();
    for (const Channel channel : EnumValues<Channel>::all) {
        Save save;
        save.name = "n";
        save.record = "{}";
        save.actor = {"alice", channel};
        store->save(id, save).value();
        CHECK(store->activity(id, {}, 1)->front().channel == channel);
    }
}

TEST_CASE_FIXTURE(Fixture, "what uses a profile is counted") {
    const std::string id = make.usable_profile(), other = make.usable_profile();
    CHECK(store->usage(id)->sessions.empty());
    CHECK(store->usage(id)->active_jobs == 0);
    using enum SessionState;
    for (int i = 0; i < 3; ++i) {
        const auto session = store->create_session(make.session(id)).value().session;
        if (i > 0) store->move_session(session.id, starting, i == 1 ? running : failed, {}, at(5)).value();
    }
    store->create_session(make.session(other)).value();
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::manual_refresh, {"erin"}, at(6)).value();
    const auto usage = store->usage(id).value();
    CHECK(usage.sessions == std::map<SessionState, std::uint64_t>{{starting, 1}, {running, 1}, {failed, 1}});
    CHECK(usage.active_jobs == 1);
}

TEST_CASE_FIXTURE(Fixture, "text comes back byte for byte") {
    const std::string odd("a'\"; DROP TABLE profiles; --\0\n\x01 \xF0\x9F\x98\x80", 36);
    store->create_profile({"prf_odd", odd, odd, "{\"setup_script\":\"" + std::string(300'000, 'x') + "\"}", odd, {odd}, at(1)})
        .value();
    CHECK(store->profile("prf_odd")->name == odd);
    CHECK(store->profile("prf_odd")->record == odd);
    CHECK(store->profile("prf_odd")->created_by == odd);
    CHECK(store->draft("prf_odd")->digest == odd);
    CHECK(store->draft("prf_odd")->recipe.size() == 300'019);
    CHECK(code(store->profile("x' OR '1'='1")) == "no_profile");
}
