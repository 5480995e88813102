// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;

namespace {
const Error broken{ErrorClass::timeout, "setup_timeout", "the setup script ran too long",
                   "raise the limit",   "detail \xFF",   {{"/a", "b", "c", "d"}}};
}

TEST_CASE_FIXTURE(Fixture, "a job is queued, leased, and succeeds") {
    const std::string id = make.profile();
    const std::string job = make.version(id);
    const auto leased = store->lease_next_job("eng_1", at(3000), 30s, nobody_is_dead).value();
    REQUIRE(leased);
    CHECK(leased->info.id == job);
    CHECK(leased->info.state == JobState::running);
    CHECK(leased->info.attempt == 1);
    CHECK(leased->info.created == at(2000));
    CHECK(leased->info.started == at(3000));
    CHECK(leased->lease_owner == "eng_1");
    CHECK(leased->lease_until == at(33000));
    CHECK(leased->info.host == "local");

    REQUIRE(store->set_job_phase(job, "eng_1", BuildPhase::setup_script));
    CHECK(store->job(job)->info.phase == BuildPhase::setup_script);
    REQUIRE(store->renew_lease(job, "eng_1", at(20000), 30s));
    CHECK(store->job(job)->lease_until == at(50000));
    REQUIRE(store->succeed_job(job, "eng_1", {"local", "img"}, R"({"m":1})", at(60000)));

    const Job done = store->job(job).value();
    CHECK(done.info.state == JobState::succeeded);
    CHECK(done.info.finished == at(60000));
    CHECK(done.lease_owner.empty());
    CHECK_FALSE(done.lease_until);
    const Version v = store->version(id, 1).value();
    CHECK(v.image == ImageHandle{"local", "img"});
    CHECK(v.manifest == R"({"m":1})");
    CHECK(v.last_job_state == JobState::succeeded);
    CHECK_FALSE(store->lease_next_job("eng_1", at(99999), 30s, nobody_is_dead).value());
}

TEST_CASE_FIXTURE(Fixture, "a failed refresh keeps the usable image and tells why") {
    const std::string id = make.usable_profile();
    store->enqueue_snapshot_job("job_r", id, 1, "local", JobTrigger::scheduled_refresh, {"alice"}, at(4000)).value();
    CHECK(store->job("job_r")->info.trigger == JobTrigger::scheduled_refresh);
    store->lease_next_job("eng", at(4100), 30s, nobody_is_dead).value();
    REQUIRE(store->fail_job("job_r", "eng", BuildPhase::setup_script, broken, at(4200)));
    const Job job = store->job("job_r").value();
    CHECK(job.info.state == JobState::failed);
    CHECK(job.info.phase == BuildPhase::setup_script);
    CHECK(job.info.finished == at(4200));
    REQUIRE(job.info.error);
    CHECK(job.info.error->kind == ErrorClass::timeout);
    CHECK(job.info.error->code == "setup_timeout");
    CHECK(job.info.error->detail == "detail \xEF\xBF\xBD");
    CHECK(job.info.error->problems == broken.problems);
    const Version v = store->version(id, 1).value();
    CHECK(v.image == ImageHandle{"local", "img_" + id});
    CHECK(v.last_job == "job_r");
    CHECK(v.last_job_state == JobState::failed);
    CHECK(v.snapshot_state() == SnapshotState::ready);
}

TEST_CASE_FIXTURE(Fixture, "a failed first build leaves the version without an image") {
    const std::string id = make.profile();
    const std::string job = make.version(id);
    store->lease_next_job("eng", at(3000), 30s, nobody_is_dead).value();
    store->fail_job(job, "eng", BuildPhase::start, broken, at(3100)).value();
    CHECK(store->version(id, 1)->snapshot_state() == SnapshotState::failed);
    CHECK_FALSE(store->newest_usable_version(id).value());
}

TEST_CASE_FIXTURE(Fixture, "one active job a version and host") {
    const std::string id = make.profile();
    make.version(id);
    const auto second = store->enqueue_snapshot_job("job_b", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1));
    CHECK(kind(second) == ErrorClass::conflict);
    CHECK(code(second) == "job_active");
    CHECK(store->enqueue_snapshot_job("job_c", id, 1, "elsewhere", JobTrigger::manual_refresh, {"alice"}, at(1)));
    make.version(id);
    CHECK(store->jobs(id)->size() == 3);
    CHECK(code(store->enqueue_snapshot_job("job_d", id, 9, "local", JobTrigger::manual_refresh, {"alice"}, at(1))) ==
          "no_version");
    CHECK(code(store->enqueue_snapshot_job("job_d", "prf_no", 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1))) ==
          "no_profile");
}

TEST_CASE_FIXTURE(Fixture, "jobs are leased oldest first and listed newest first") {
    const std::string a = make.profile(), b = make.profile();
    const std::string first = make.version(a), second = make.version(b), third = make.version(a);
    for (const std::string& expected : {first, second, third})
        CHECK(store->lease_next_job("eng", at(3000), 30s, nobody_is_dead).value()->info.id == expected);
    CHECK_FALSE(store->lease_next_job("eng", at(3000), 30s, nobody_is_dead).value());
    const auto all = store->jobs("").value();
    REQUIRE(all.size() == 3);
    CHECK(all[0].info.id == third);
    CHECK(all[2].info.id == first);
    CHECK(store->jobs(b)->size() == 1);
    CHECK(code(store->jobs("prf_no")) == "no_profile");
}

TEST_CASE_FIXTURE(Fixture, "a running job is taken over only when its lease ran out or its owner is dead") {
    const std::string job = make.version(make.profile());
    store->lease_next_job("eng_1", at(3000), 30s, nobody_is_dead).value();
    store->set_job_phase(job, "eng_1", BuildPhase::capture).value();
    CHECK_FALSE(store->lease_next_job("eng_2", at(32999), 30s, nobody_is_dead).value());
    std::optional<Job> taken;
    SUBCASE("ran out") {
        taken = store->lease_next_job("eng_2", at(33000), 30s, nobody_is_dead).value();
    }
    SUBCASE("dead") {
        taken = store->lease_next_job("eng_2", at(3001), 30s, [](std::string_view engine) { return engine == "eng_1"; }).value();
    }
    REQUIRE(taken);
    CHECK(taken->info.attempt == 2);
    CHECK(taken->info.phase == BuildPhase::queued);
    CHECK(taken->info.started == at(3000));
    CHECK(taken->lease_owner == "eng_2");

    // The first owner finds its lease lost, whatever it tries, and changes nothing.
    CHECK(code(store->renew_lease(job, "eng_1", at(3100), 30s)) == "lease_lost");
    CHECK(code(store->set_job_phase(job, "eng_1", BuildPhase::record)) == "lease_lost");
    CHECK(code(store->append_job_log(job, "eng_1", "x")) == "lease_lost");
    CHECK(code(store->succeed_job(job, "eng_1", {"local", "i"}, "{}", at(3100))) == "lease_lost");
    CHECK(code(store->fail_job(job, "eng_1", BuildPhase::start, broken, at(3100))) == "lease_lost");
    CHECK(code(store->release_job(job, "eng_1")) == "lease_lost");
    CHECK(kind(store->renew_lease(job, "eng_1", at(3100), 30s)) == ErrorClass::conflict);
    CHECK(store->job(job)->info.state == JobState::running);
    CHECK(store->job_log(job).value().empty());
    CHECK_FALSE(store->version(store->job(job)->info.profile, 1)->image);
}

TEST_CASE_FIXTURE(Fixture, "a fourth attempt fails the job, and the next one is looked at") {
    const std::string a = make.profile(), b = make.profile();
    const std::string killer = make.version(a), next = make.version(b);
    std::int64_t now = 3000;
    // The second job is out of the way while the first one uses up its attempts.
    store->cancel_job(next, {"alice"}, at(now)).value();
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt, now += 1000) {
        CHECK(store->lease_next_job("eng", at(now), 1s, nobody_is_dead).value()->info.attempt == attempt);
        store->set_job_phase(killer, "eng", BuildPhase::setup_script).value();
    }
    store->enqueue_snapshot_job("job_n", b, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(now)).value();
    const auto leased = store->lease_next_job("eng", at(now), 1s, nobody_is_dead).value();
    REQUIRE(leased);
    CHECK(leased->info.id == "job_n");
    const Job given_up = store->job(killer).value();
    CHECK(given_up.info.state == JobState::failed);
    CHECK(given_up.info.phase == BuildPhase::setup_script);
    CHECK(given_up.info.attempt == 3);
    CHECK(given_up.info.finished == at(now));
    REQUIRE(given_up.info.error);
    CHECK(given_up.info.error->kind == ErrorClass::internal);
    CHECK(given_up.info.error->code == "attempts_exhausted");
    CHECK(store->version(a, 1)->snapshot_state() == SnapshotState::failed);
}

TEST_CASE_FIXTURE(Fixture, "only jobs that used up their attempts: they are failed and none is leased") {
    const std::string job = make.version(make.profile());
    for (int i = 0; i < 3; ++i) store->lease_next_job("eng", at(3000 + i), 1ms, nobody_is_dead).value();
    CHECK_FALSE(store->lease_next_job("eng", at(4000), 1ms, nobody_is_dead).value());
    CHECK(store->job(job)->info.state == JobState::failed);
}

TEST_CASE_FIXTURE(Fixture, "a released job waits again, its attempt not counted") {
    const std::string job = make.version(make.profile());
    for (int i = 0; i < 10; ++i) {
        CHECK(store->lease_next_job("eng", at(3000 + i), 30s, nobody_is_dead).value()->info.attempt == 1);
        store->set_job_phase(job, "eng", BuildPhase::image).value();
        REQUIRE(store->release_job(job, "eng"));
        const Job released = store->job(job).value();
        CHECK(released.info.state == JobState::queued);
        CHECK(released.info.phase == BuildPhase::queued);
        CHECK(released.info.attempt == 0);
        CHECK(released.lease_owner.empty());
    }
    CHECK(code(store->release_job(job, "eng")) == "lease_lost");
}

TEST_CASE_FIXTURE(Fixture, "cancelling") {
    const std::string id = make.profile();
    const std::string job = make.version(id);
    SUBCASE("a queued job") {}
    SUBCASE("a running job, whose owner finds its lease lost") {
        store->lease_next_job("eng", at(3000), 30s, nobody_is_dead).value();
    }
    const auto cancelled = store->cancel_job(job, {"dave"}, at(4000));
    REQUIRE(cancelled);
    CHECK(cancelled->info.state == JobState::cancelled);
    CHECK(cancelled->info.finished == at(4000));
    CHECK_FALSE(cancelled->info.error);
    CHECK(code(store->renew_lease(job, "eng", at(4001), 30s)) == "lease_lost");
    CHECK(code(store->succeed_job(job, "eng", {"local", "i"}, "{}", at(4002))) == "lease_lost");
    CHECK_FALSE(store->version(id, 1)->image);
    CHECK(store->version(id, 1)->snapshot_state() == SnapshotState::none);
    CHECK(kind(store->cancel_job(job, {"dave"}, at(4003))) == ErrorClass::conflict);
    CHECK(code(store->cancel_job(job, {"dave"}, at(4003))) == "job_ended");
    CHECK_FALSE(store->lease_next_job("eng", at(9000), 30s, nobody_is_dead).value());
    CHECK(store->enqueue_snapshot_job("job_again", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(5000)));
}

TEST_CASE_FIXTURE(Fixture, "a job that does not exist is not found") {
    CHECK(code(store->job("job_no")) == "no_job");
    CHECK(code(store->job_log("job_no")) == "no_job");
    CHECK(code(store->cancel_job("job_no", {"a"}, at(1))) == "no_job");
    CHECK(code(store->renew_lease("job_no", "eng", at(1), 1s)) == "no_job");
    CHECK(code(store->set_job_phase("job_no", "eng", BuildPhase::start)) == "no_job");
    CHECK(code(store->append_job_log("job_no", "eng", "x")) == "no_job");
    CHECK(code(store->release_job("job_no", "eng")) == "no_job");
    CHECK(store->jobs("")->empty());
}

TEST_CASE_FIXTURE(Fixture, "a job that its engine is at work on is not leased to it again, whatever became of the lease") {
    const std::string job = make.version(make.profile());
    store->lease_next_job("eng_1", at(3000), 30s, nobody_is_dead).value();
    CHECK_FALSE(store->lease_next_job("eng_1", at(99999), 30s, nobody_is_dead, {job}).value());
    CHECK(store->lease_next_job("eng_2", at(99999), 30s, nobody_is_dead, {}).value()->info.attempt == 2);
}
