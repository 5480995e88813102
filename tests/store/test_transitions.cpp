// SPDX-License-Identifier: Apache-2.0
// Random sequences of verbs against a model that is no more than the rules' own words.
#include "store_fixture.hpp"

#include <algorithm>
#include <map>
#include <random>

using namespace store_test;

namespace {
constexpr SessionState session_states[] = {SessionState::starting, SessionState::running, SessionState::stopped,
                                           SessionState::removing, SessionState::removed, SessionState::failed};
}

TEST_CASE_FIXTURE(Fixture, "sessions move only along the allowed transitions") {
    const std::string profile = make.usable_profile();
    std::mt19937 random(7);
    const auto any = [&] { return session_states[random() % std::size(session_states)]; };
    std::map<std::string, SessionState> model;
    for (int i = 0; i < 12; ++i) {
        const NewSession request = make.session(profile);
        store->create_session(request).value();
        model[request.id] = SessionState::starting;
    }
    int moved = 0;
    for (int i = 0; i < 1000; ++i) {
        auto& [id, state] = *std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        // Mostly from the real state: a blind choice rarely gets anywhere.
        const SessionState from = random() % 4 == 0 ? any() : state, to = any();
        const auto result = store->move_session(id, from, to, {}, at(i));
        if (!may_become(from, to)) {
            CHECK(code(result) == "bad_transition");
        } else if (from != state) {
            CHECK(code(result) == "session_state");
        } else {
            REQUIRE(result);
            CHECK(result->state == to);
            state = to;
            ++moved;
        }
        // Ended sessions make room, so that the walk goes on.
        if (state == SessionState::removed || state == SessionState::failed) {
            const NewSession request = make.session(profile);
            store->create_session(request).value();
            CHECK(store->session(id)->state == state);
            model.erase(id);
            model[request.id] = SessionState::starting;
        }
    }
    CHECK(moved > 100);
    std::map<std::string, SessionState> stored;
    for (const Session& s : store->sessions(false).value()) stored[s.id] = s.state;
    CHECK(stored == model);
}

TEST_CASE_FIXTURE(Fixture, "jobs end once, are owned by one, and give their version an image only by success") {
    struct Model {
        std::string profile;
        JobState state = JobState::queued;
        std::string owner;
        std::uint32_t attempt = 0;
        std::int64_t until = 0;
    };
    std::mt19937 random(11);
    std::vector<std::string> order; // of job ids: the oldest first
    std::map<std::string, Model> jobs;
    std::map<std::string, std::string> image;
    std::vector<std::string> profiles;
    for (int i = 0; i < 3; ++i) {
        profiles.push_back(make.profile());
        const std::string id = make.version(profiles.back());
        order.push_back(id);
        jobs[id].profile = profiles.back();
    }
    const std::string engines[] = {"eng_a", "eng_b"};
    std::int64_t now = 10'000;
    int succeeded = 0, exhausted = 0;
    for (int i = 0; i < 1000; ++i) {
        now += static_cast<std::int64_t>(random() % 40);
        const std::string& engine = engines[random() % 2];
        const std::string id = order[order.size() - 1 - random() % std::min<std::size_t>(order.size(), 6)];
        Model& job = jobs[id];
        const bool owned = job.state == JobState::running && job.owner == engine;
        const auto end = [&](JobState state) {
            job.state = state;
            job.owner.clear();
        };
        switch (random() % 8) {
        case 0:
        case 1: {
            std::string expected;
            for (const std::string& candidate : order) {
                Model& m = jobs[candidate];
                if (!is_active(m.state) || (m.state == JobState::running && m.until > now)) continue;
                if (m.attempt == 3) {
                    m.state = JobState::failed;
                    m.owner.clear();
                    ++exhausted;
                    continue;
                }
                m.state = JobState::running;
                m.owner = engine;
                ++m.attempt;
                m.until = now + 200;
                expected = candidate;
                break;
            }
            const auto leased = store->lease_next_job(engine, at(now), 200ms, nobody_is_dead).value();
            CHECK((leased ? leased->info.id : "") == expected);
            break;
        }
        case 2: {
            const auto r = store->renew_lease(id, engine, at(now), 200ms);
            CHECK(code(r) == (owned ? "" : "lease_lost"));
            if (owned) job.until = now + 200;
            break;
        }
        case 3: {
            const std::string made = "img_" + std::to_string(i);
            const auto r = store->succeed_job(id, engine, {"local", made}, "{}", at(now));
            CHECK(code(r) == (owned ? "" : "lease_lost"));
            if (owned) {
                end(JobState::succeeded);
                image[job.profile] = made;
                ++succeeded;
            }
            break;
        }
        case 4: {
            const auto r = store->fail_job(id, engine, BuildPhase::start, Error{}, at(now));
            CHECK(code(r) == (owned ? "" : "lease_lost"));
            if (owned) end(JobState::failed);
            break;
        }
        case 5: {
            if (random() % 3 != 0) break;
            const auto r = store->cancel_job(id, {"alice"}, at(now));
            CHECK(code(r) == (is_active(job.state) ? "" : "job_ended"));
            if (r) end(JobState::cancelled);
            break;
        }
        case 6: {
            if (random() % 3 != 0) break;
            const auto r = store->release_job(id, engine);
            CHECK(code(r) == (owned ? "" : "lease_lost"));
            if (owned) {
                end(JobState::queued);
                --job.attempt;
            }
            break;
        }
        default: {
            const std::string profile = profiles[random() % profiles.size()];
            const bool active = std::any_of(jobs.begin(), jobs.end(), [&](const auto& j) {
                return j.second.profile == profile && is_active(j.second.state);
            });
            const std::string fresh = "job_r" + std::to_string(i);
            const auto r =
                store->enqueue_snapshot_job(fresh, profile, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(now));
            CHECK(code(r) == (active ? "job_active" : ""));
            if (r) {
                order.push_back(fresh);
                jobs[fresh].profile = profile;
            }
        }
        }
    }
    CHECK(succeeded > 10);
    CHECK(exhausted > 3);
    for (const auto& [id, model] : jobs) {
        const Job job = store->job(id).value();
        CHECK(job.info.state == model.state);
        CHECK(job.info.attempt == model.attempt);
        CHECK(job.lease_owner == model.owner);
    }
    for (const std::string& profile : profiles) {
        const Version v = store->version(profile, 1).value();
        CHECK((v.image ? v.image->id : "") == image[profile]);
    }
}
