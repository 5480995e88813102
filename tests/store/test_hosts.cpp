// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;

namespace {

const Actor alice{"alice"};

NewHost far(const std::string& definition = R"({"d":1})") {
    return {"far", definition, "alice", at(10)};
}

// The profile's version 1 gets an image on the host, by a job of its own.
void build_on(Fixture& f, const std::string& profile, const std::string& host, const std::string& image) {
    const std::string job = "job_" + profile + "_" + host;
    f.store->enqueue_snapshot_job(job, profile, 1, host, JobTrigger::manual_refresh, alice, at(1)).value();
    REQUIRE(f.store->lease_next_job("eng", at(2), 1h, nobody_is_dead).value()->info.id == job);
    f.store->succeed_job(job, "eng", {"memory", image}, R"({"on":")" + host + "\"}", at(9000)).value();
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "a host is kept as it was given, and its name is taken") {
    CHECK(store->hosts()->empty());
    CHECK(code(store->host("far")) == "no_host");
    const auto added = store->add_host(far()).value();
    CHECK(added.definition == R"({"d":1})");
    CHECK(added.created == at(10));
    CHECK(added.created_by == "alice");
    CHECK(code(store->add_host(far())) == "host_exists");
    store->add_host({"abroad", "{}", "bob", at(11)}).value();
    auto again = open_store(file);
    const auto all = again->hosts().value();
    REQUIRE(all.size() == 2);
    CHECK(all[0].name == "abroad");
    CHECK(all[1].definition == R"({"d":1})");
    CHECK(again->remove_host("far", false, alice, at(12)));
    CHECK(code(again->remove_host("far", true, alice, at(12))) == "no_host");
    CHECK(store->add_host(far()));
}

TEST_CASE_FIXTURE(Fixture, "the identity that came first stays, until the host is given up") {
    CHECK(store->host_identity("local", "one").value() == "one");
    CHECK(store->host_identity("local", "two").value() == "one");
    CHECK(store->host_identity("other", "two").value() == "two");
    CHECK(store->host_identities().value() == std::map<std::string, std::string>{{"local", "one"}, {"other", "two"}});
    store->give_up_host("local", alice, at(1)).value();
    CHECK(store->host_identity("local", "two").value() == "two");
}

TEST_CASE_FIXTURE(Fixture, "the default host goes with its removal") {
    CHECK_FALSE(store->default_host().value());
    store->add_host(far()).value();
    store->set_default_host("far").value();
    CHECK(store->default_host().value() == "far");
    store->give_up_host("far", alice, at(1)).value();
    CHECK(store->default_host().value() == "far"); // it is there, and was only emptied
    store->remove_host("far", false, alice, at(1)).value();
    CHECK_FALSE(store->default_host().value());
    store->set_default_host("local").value();
    store->set_default_host(std::nullopt).value();
    CHECK_FALSE(store->default_host().value());
}

TEST_CASE_FIXTURE(Fixture, "snapshots are kept by version and host") {
    const std::string id = make.usable_profile();
    build_on(*this, id, "far", "img_far");
    const auto version = store->version(id, 1).value();
    REQUIRE(version.snapshots.size() == 2);
    CHECK(version.snapshots[0].host == "far");
    CHECK(version.snapshots[1].host == "local");
    CHECK(version.image == ImageHandle{"memory", "img_far"}); // the one made last
    CHECK(version.on("far")->manifest == R"({"on":"far"})");
    CHECK(version.on("local")->image == ImageHandle{"local", "img_" + id});
    CHECK(version.on("nowhere") == nullptr);
    CHECK(store->versions(id)->front().snapshots.size() == 2);

    // The same id on another host is another image.
    build_on(*this, id, "near", "img_far");
    store->set_stale("far", "img_far", true).value();
    CHECK(store->version(id, 1)->on("far")->state() == SnapshotState::stale);
    CHECK(store->version(id, 1)->on("near")->state() == SnapshotState::ready);
    CHECK(store->images_in_use("far").value() == std::set<std::string>{"img_far"});
    CHECK(store->images_in_use("nowhere")->empty());

    store->enqueue_snapshot_job("job_q", id, 1, "fourth", JobTrigger::manual_refresh, alice, at(1)).value();
    CHECK(store->version(id, 1)->on("fourth")->state() == SnapshotState::pending);
    CHECK(store->version(id, 1)->on("fourth")->last_job == "job_q");
    CHECK(store->version(id, 1)->on("near")->last_job == "job_" + id + "_near");
    store->cancel_job("job_q", alice, at(2)).value();
    CHECK(store->version(id, 1)->on("fourth")->state() == SnapshotState::none);

    // A session and a reuse take an image of their own host only.
    NewSession session = make.session(id);
    session.host = "far";
    CHECK(code(store->create_session(session)) == "image_replaced"); // that is the image on "local"
    session.image_id = "img_far";
    CHECK(store->create_session(session)->session.host == "far");
    save_draft(*store, id, {}, "n", "{}", "sha256:2", "alice", at(1)).value();
    Publish p = make.publish(id, "");
    p.host = "elsewhere";
    p.reuse_image = ImageHandle{"memory", "img_far"};
    CHECK(code(store->publish_draft(p)) == "image_replaced");
    p.host = "near";
    CHECK(store->publish_draft(p)->on("near")->state() == SnapshotState::ready);
}

TEST_CASE_FIXTURE(Fixture, "a host in use is not removed, unless it is forced: what is there is then given up") {
    store->add_host(far()).value();
    const std::string id = make.usable_profile();
    const auto kept = store->create_session(make.session(id)).value().session; // on "local"
    CHECK(store->remove_host("far", false, alice, at(1)));
    store->add_host(far()).value();
    const auto refused = [&] {
        const auto removed = store->remove_host("far", false, alice, at(1));
        CHECK(kind(removed) == ErrorClass::conflict);
        CHECK(code(removed) == "host_in_use");
    };
    store->enqueue_snapshot_job("job_q", id, 1, "far", JobTrigger::manual_refresh, alice, at(1)).value();
    refused();
    store->cancel_job("job_q", alice, at(1)).value();
    build_on(*this, id, "far", "img_far");
    refused();
    std::vector<std::string> sessions;
    for (const auto state : {SessionState::starting, SessionState::running, SessionState::stopped, SessionState::removing}) {
        NewSession n = make.session(id);
        n.host = "far";
        n.image_id = "img_far";
        const auto made = store->create_session(n).value().session;
        sessions.push_back(made.id);
        if (state == SessionState::starting) continue;
        store->move_session(made.id, SessionState::starting, SessionState::running, {}, at(1)).value();
        if (state != SessionState::running) store->move_session(made.id, SessionState::running, state, {}, at(1)).value();
    }
    store->enqueue_snapshot_job("job_r", id, 1, "far", JobTrigger::manual_refresh, alice, at(1)).value();
    store->host_identity("far", "one").value();
    refused();

    const auto given = store->remove_host("far", true, alice, at(20)).value();
    CHECK(given.sessions == sessions);
    CHECK(given.jobs == std::vector<std::string>{"job_r"});
    CHECK(given.snapshots == 1);
    CHECK(store->session(sessions[0])->state == SessionState::failed);
    for (std::size_t i = 1; i < sessions.size(); ++i) CHECK(store->session(sessions[i])->state == SessionState::removed);
    for (const auto& session : sessions) CHECK(error_from_json(store->session(session)->error)->code == "host_given_up");
    CHECK(store->job("job_r")->info.state == JobState::cancelled);
    CHECK(store->version(id, 1)->snapshots.size() == 1);
    CHECK(store->images_in_use("far")->empty());
    CHECK(store->host_identities()->empty());
    CHECK(store->activity(id, {}, 1)->front().action == "session.give_up");
    CHECK(store->session(kept.id)->state == SessionState::starting);
    RawConnection raw(file);
    CHECK(raw.texts("PRAGMA foreign_key_check").empty());
}
