// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;
using enum SessionState;

namespace {
struct SessionFixture : Fixture {
    std::string profile = make.usable_profile();
    NewSession request = make.session(profile);
};
} // namespace

TEST_CASE_FIXTURE(SessionFixture, "a session is recorded before anything is made, and read back whole") {
    request.client_token = "token";
    request.idle_limit = 60s;
    const auto made = store->create_session(request);
    REQUIRE(made);
    CHECK(made->created);
    const Session s = store->session(request.id).value();
    CHECK(s.id == request.id);
    CHECK(s.profile == profile);
    CHECK(s.principal == "bob");
    CHECK(s.client_token == "token");
    CHECK(s.provider == "local");
    CHECK(s.image_id == "img_" + profile);
    CHECK(s.creation_token == request.creation_token);
    CHECK(s.engine == "eng_1");
    CHECK(s.version == 1);
    CHECK(s.state == starting);
    CHECK(s.sandbox_id.empty());
    CHECK(s.idle_limit == 60s);
    CHECK_FALSE(s.time_limit);
    CHECK_FALSE(s.idle_deadline);
    CHECK_FALSE(s.deadline);
    CHECK(s.created == at(4000));
    CHECK(s.timeline.empty());
    CHECK(s.notes.empty());
    CHECK(s.error.empty());
}

TEST_CASE_FIXTURE(SessionFixture, "the same principal and token get the first session, in whatever state it is") {
    request.client_token = "token";
    store->create_session(request).value();
    NewSession second = make.session(profile, "token");
    auto again = store->create_session(second);
    REQUIRE(again);
    CHECK_FALSE(again->created);
    CHECK(again->session.id == request.id);
    store->move_session(request.id, starting, failed, {}, at(5000)).value();
    again = store->create_session(second);
    CHECK_FALSE(again->created);
    CHECK(again->session.state == failed);
    second.actor = {"carol"};
    CHECK(store->create_session(second)->created);
    NewSession third = make.session(profile), fourth = make.session(profile);
    CHECK(store->create_session(third)->created); // no token: always a new one
    CHECK(store->create_session(fourth)->created);
    CHECK(store->sessions(true)->size() == 4);
    CHECK(store->sessions(false)->size() == 3);
}

TEST_CASE_FIXTURE(SessionFixture, "a session starts only from the usable snapshot of a version that exists") {
    SUBCASE("no profile") {
        request.profile = "prf_no";
        CHECK(code(store->create_session(request)) == "no_profile");
    }
    SUBCASE("no version") {
        request.version = 7;
        CHECK(code(store->create_session(request)) == "no_version");
    }
    SUBCASE("an image that was replaced meanwhile") {
        request.image_id = "img_old";
        CHECK(kind(store->create_session(request)) == ErrorClass::conflict);
        CHECK(code(store->create_session(request)) == "image_replaced");
    }
    CHECK(store->sessions(true)->empty());
}

TEST_CASE_FIXTURE(SessionFixture, "a transition changes what it names and nothing else") {
    store->create_session(request).value();
    SessionChange change;
    change.sandbox_id = "sbx";
    change.timeline = R"({"steps":[]})";
    change.notes = "[]";
    change.deadline = std::optional(at(90000));
    change.idle_deadline = std::optional(at(80000));
    const auto moved = store->move_session(request.id, starting, running, change, at(5000));
    REQUIRE(moved);
    CHECK(moved->state == running);
    CHECK(moved->sandbox_id == "sbx");

    SessionChange second;
    second.idle_deadline = std::optional<Timestamp>(); // cleared
    second.engine = "eng_2";
    second.error = R"({"class":"internal"})";
    REQUIRE(store->move_session(request.id, running, stopped, second, at(6000)));
    const Session s = store->session(request.id).value();
    CHECK(s.state == stopped);
    CHECK(s.engine == "eng_2");
    CHECK(s.sandbox_id == "sbx");
    CHECK(s.timeline == R"({"steps":[]})");
    CHECK(s.notes == "[]");
    CHECK(s.error == R"({"class":"internal"})");
    CHECK(s.deadline == at(90000));
    CHECK_FALSE(s.idle_deadline);
    CHECK(s.creation_token == request.creation_token);
}

TEST_CASE_FIXTURE(SessionFixture, "compare and set") {
    store->create_session(request).value();
    const auto wrong = store->move_session(request.id, running, stopped, {}, at(5000));
    CHECK(kind(wrong) == ErrorClass::conflict);
    CHECK(code(wrong) == "session_state");
    const auto never = store->move_session(request.id, running, failed, {}, at(5000));
    CHECK(kind(never) == ErrorClass::internal);
    CHECK(code(never) == "bad_transition");
    CHECK(code(store->move_session("ses_no", starting, running, {}, at(5000))) == "no_session");
    CHECK(store->session(request.id)->state == starting);
}

TEST_CASE_FIXTURE(SessionFixture, "a change without a transition holds only in the named state") {
    store->create_session(request).value();
    SessionChange change;
    change.engine = "eng_2";
    CHECK(store->change_session(request.id, starting, change)->engine == "eng_2");
    CHECK(code(store->change_session(request.id, running, change)) == "session_state");
    CHECK(code(store->change_session("ses_no", running, change)) == "no_session");
}

TEST_CASE_FIXTURE(SessionFixture, "sessions are listed by creation time") {
    NewSession late = make.session(profile), early = make.session(profile);
    late.now = at(9000);
    early.now = at(8000);
    store->create_session(late).value();
    store->create_session(early).value();
    const auto all = store->sessions(false).value();
    REQUIRE(all.size() == 2);
    CHECK(all[0].id == early.id);
    CHECK(code(store->session("ses_no")) == "no_session");
    CHECK(code(store->create_session(late)) == "already_exists");
}

TEST_CASE("a change that expects an engine is refused when another one has the session by now") {
    Fixture f;
    const auto session = f.store->create_session(f.make.session(f.make.usable_profile())).value().session;
    SessionChange take;
    take.expected_engine = session.engine;
    take.engine = "eng_2";
    CHECK(f.store->change_session(session.id, SessionState::starting, take).value().engine == "eng_2");
    take.engine = "eng_3";
    const auto late = f.store->change_session(session.id, SessionState::starting, take);
    CHECK(kind(late) == ErrorClass::conflict);
    CHECK(code(late) == "session_state");
    CHECK(f.store->session(session.id).value().engine == "eng_2");
}

TEST_CASE_FIXTURE(SessionFixture, "a credential is used by the principal of the session or job, whoever else is at work") {
    store->create_session(request).value();
    CredentialRecord record;
    record.profile = profile;
    record.version = 1;
    record.session = request.id;
    record.detail = R"({"purpose": "push", "given": true, "session": "forged"})";
    record.now = at(5000);
    REQUIRE(store->record_credential(record));
    const Activity of_session = store->activity(profile, {}, 1)->front();
    CHECK(of_session.principal == "bob");
    CHECK(of_session.action == "credential.use");
    CHECK(of_session.at == at(5000));
    CHECK(of_session.detail == R"({"session":")" + request.id + R"(","version":1,"purpose":"push","given":true})");

    record.session.clear();
    record.job = *store->version(profile, 1)->last_job;
    record.detail = "{}";
    REQUIRE(store->record_credential(record));
    CHECK(store->activity(profile, {}, 1)->front().detail == R"({"job":")" + record.job + R"(","version":1})");

    record.job = "job_none";
    CHECK(store->record_credential(record).error().code == "no_job");
    record.session = "ses_none";
    CHECK(store->record_credential(record).error().code == "no_session");
    record.session = request.id;
    record.detail = "no object";
    CHECK(store->record_credential(record).error().code == "bad_detail");
    CHECK(store->activity(profile, {}, 1)->front().detail.find("\"job\"") != std::string::npos);
}
