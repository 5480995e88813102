// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;

TEST_CASE_FIXTURE(Fixture, "publishing freezes the draft as the next version and queues its job") {
    const std::string id = make.profile();
    Publish p = make.publish(id, "job_p");
    p.decision = R"({"reuse":false})";
    const auto v = store->publish_draft(p);
    REQUIRE(v);
    CHECK(v->profile == id);
    CHECK(v->number == 1);
    CHECK(v->recipe == R"({"image":"host"})");
    CHECK(v->digest == "sha256:" + id);
    CHECK(v->plan_snapshot_digest == "sha256:plan");
    CHECK(v->decision == R"({"reuse":false})");
    CHECK(v->published_by == "alice");
    CHECK(v->published == at(2000));
    CHECK_FALSE(v->image);
    CHECK(v->manifest.empty());
    CHECK(v->last_job == "job_p");
    CHECK(v->last_job_state == JobState::queued);
    CHECK(v->snapshot_state() == SnapshotState::pending);

    const Job job = store->job("job_p").value();
    CHECK(job.info.profile == id);
    CHECK(job.info.version == 1);
    CHECK(job.info.trigger == JobTrigger::publish);
    CHECK(job.info.state == JobState::queued);
    CHECK(job.info.host == "local");

    const store::Profile info = store->profile(id).value();
    CHECK(info.draft_revision == 0);
    CHECK(info.latest_version == 1u);
    CHECK_FALSE(info.usable_version);
    make.version(id);
    CHECK(store->profile(id)->latest_version == 2u);
    CHECK(store->versions(id)->size() == 2);
    CHECK(store->versions(id)->back().number == 2);
}

TEST_CASE_FIXTURE(Fixture, "publishing refuses what it must, and then changes nothing") {
    const std::string id = make.profile();
    Publish p = make.publish(id, "job_p");

    SUBCASE("a draft that was changed meanwhile") {
        save_draft(*store, id, {}, "n", "{}", "sha256:2", "alice", at(1)).value();
        const auto v = store->publish_draft(p);
        CHECK(kind(v) == ErrorClass::conflict);
        CHECK(code(v) == "draft_changed");
    }
    SUBCASE("a draft equal to the newest version") {
        store->publish_draft(p).value();
        save_draft(*store, id, {}, "n", "{}", "sha256:" + id, "alice", at(1)).value();
        const auto v = store->publish_draft(make.publish(id, "job_q"));
        CHECK(kind(v) == ErrorClass::conflict);
        CHECK(code(v) == "no_change");
        CHECK(store->draft(id));
        CHECK(code(store->job("job_q")) == "no_job");
        return;
    }
    SUBCASE("no profile") {
        p.profile = "prf_no";
        CHECK(code(store->publish_draft(p)) == "no_profile");
    }
    SUBCASE("neither an image nor a job, or both") {
        p.job_id.clear();
        CHECK(code(store->publish_draft(p)) == "bad_publish");
        p.job_id = "job_p";
        p.reuse_image = ImageHandle{"local", "img"};
        CHECK(code(store->publish_draft(p)) == "bad_publish");
    }
    SUBCASE("an image that nothing uses any more") {
        p.job_id.clear();
        p.reuse_image = ImageHandle{"local", "img_gone"};
        const auto v = store->publish_draft(p);
        CHECK(kind(v) == ErrorClass::conflict);
        CHECK(code(v) == "image_replaced");
    }
    CHECK(store->versions(id)->empty());
    CHECK(store->profile(id)->draft_revision != 0);
    CHECK(store->jobs("")->empty());
}

TEST_CASE_FIXTURE(Fixture, "no draft, nothing to publish") {
    const std::string id = make.profile();
    make.version(id);
    const auto v = store->publish_draft(make.publish(id, "job_q"));
    CHECK(kind(v) == ErrorClass::conflict);
    CHECK(code(v) == "no_change");
}

TEST_CASE_FIXTURE(Fixture, "an older version's digest may be published again") {
    const std::string id = make.profile();
    make.version(id);
    make.version(id, "sha256:b");
    make.version(id, "sha256:" + id);
    CHECK(store->versions(id)->size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "a reused image serves the new version at once") {
    const std::string id = make.usable_profile();
    const ImageHandle image{"local", "img_" + id};
    bool stale = false;
    SUBCASE("fresh") {}
    SUBCASE("stale, as it was") {
        stale = true;
    }
    store->set_stale("local", image.id, stale).value();
    save_draft(*store, id, {}, "n", "{}", "sha256:2", "alice", at(1)).value();
    Publish p = make.publish(id, "");
    p.reuse_image = image;
    p.reuse_manifest = R"({"m":1})";
    const auto v = store->publish_draft(p);
    REQUIRE(v);
    CHECK(v->number == 2);
    CHECK(v->image == image);
    CHECK(v->manifest == R"({"m":1})");
    CHECK(v->stale == stale);
    CHECK(v->snapshot_state() == (stale ? SnapshotState::stale : SnapshotState::ready));
    CHECK_FALSE(v->last_job);
    CHECK(store->profile(id)->usable_version == 2u);
    CHECK(store->images_in_use("local").value() == std::set{image.id});
}

TEST_CASE_FIXTURE(Fixture, "the newest usable version is not the newest version") {
    const std::string id = make.profile();
    CHECK_FALSE(store->newest_usable_version(id).value());
    CHECK(code(store->newest_usable_version("prf_no")) == "no_profile");
    make.use(id);
    const std::string second = make.version(id);
    CHECK(store->newest_usable_version(id).value()->number == 1);
    CHECK(store->profile(id)->usable_version == 1u);
    CHECK(store->profile(id)->latest_version == 2u);
    store->lease_next_job("eng", at(1), 1h, nobody_is_dead).value();
    store->succeed_job(second, "eng", {"local", "img_2"}, R"({"m":2})", at(2)).value();
    const auto newest = store->newest_usable_version(id).value();
    REQUIRE(newest);
    CHECK(newest->number == 2);
    CHECK(newest->manifest == R"({"m":2})");
}

TEST_CASE_FIXTURE(Fixture, "stale marks every snapshot on the image, and comes off again") {
    const std::string a = make.usable_profile(), b = make.usable_profile();
    store->set_stale("local", "img_" + a, true).value();
    CHECK(store->version(a, 1)->snapshot_state() == SnapshotState::stale);
    CHECK(store->version(b, 1)->snapshot_state() == SnapshotState::ready);
    CHECK(store->newest_usable_version(a).value()->stale);
    store->set_stale("local", "img_" + a, false).value();
    CHECK(store->version(a, 1)->snapshot_state() == SnapshotState::ready);
    CHECK(store->set_stale("local", "img_nobody", true));
}

TEST_CASE_FIXTURE(Fixture, "a refresh makes a stale snapshot fresh and replaces the image") {
    const std::string id = make.usable_profile();
    store->set_stale("local", "img_" + id, true).value();
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1)).value();
    CHECK(store->version(id, 1)->snapshot_state() == SnapshotState::stale);
    store->lease_next_job("eng", at(2), 1h, nobody_is_dead).value();
    store->succeed_job("job_r", "eng", {"local", "img_new"}, "{}", at(3)).value();
    CHECK(store->version(id, 1)->image == ImageHandle{"local", "img_new"});
    CHECK_FALSE(store->version(id, 1)->stale);
    CHECK(store->images_in_use("local").value() == std::set<std::string>{"img_new"});
}

TEST_CASE_FIXTURE(Fixture, "images of sessions not yet ended are in use") {
    const std::string id = make.usable_profile();
    const auto session = store->create_session(make.session(id)).value().session;
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1)).value();
    store->lease_next_job("eng", at(2), 1h, nobody_is_dead).value();
    store->succeed_job("job_r", "eng", {"local", "img_z"}, "{}", at(3)).value();
    CHECK(store->images_in_use("local").value() == std::set<std::string>{"img_" + id, "img_z"});
    store->move_session(session.id, SessionState::starting, SessionState::failed, {}, at(4)).value();
    CHECK(store->images_in_use("local").value() == std::set<std::string>{"img_z"});
}

TEST_CASE_FIXTURE(Fixture, "what does not exist is not found") {
    const std::string id = make.profile();
    CHECK(code(store->version(id, 1)) == "no_version");
    CHECK(code(store->version("prf_no", 1)) == "no_profile");
    CHECK(code(store->versions("prf_no")) == "no_profile");
    CHECK(store->versions(id)->empty());
}

TEST_CASE("the snapshot's state follows from image, staleness and last job") {
    Version v;
    CHECK(v.snapshot_state() == SnapshotState::none);
    v.last_job_state = JobState::running;
    CHECK(v.snapshot_state() == SnapshotState::pending);
    v.last_job_state = JobState::failed;
    CHECK(v.snapshot_state() == SnapshotState::failed);
    v.last_job_state = JobState::cancelled;
    CHECK(v.snapshot_state() == SnapshotState::none);
    v.image = ImageHandle{"local", "i"};
    for (JobState s : {JobState::queued, JobState::running, JobState::failed, JobState::cancelled, JobState::succeeded}) {
        v.last_job_state = s; // the version's own state is apart from its jobs'
        CHECK(v.snapshot_state() == SnapshotState::ready);
    }
    v.stale = true;
    CHECK(v.snapshot_state() == SnapshotState::stale);
}
