// SPDX-License-Identifier: Apache-2.0
// Threads race on one store, and on two stores of one file: exactly one wins.
#include "store_fixture.hpp"

#include <atomic>
#include <barrier>
#include <set>
#include <thread>

using namespace store_test;

namespace {

constexpr int thread_count = 8;

struct RaceFixture : Fixture {
    std::unique_ptr<Store> second = open_store(file);

    // Every thread calls `body(store, number)` at the same moment; half of them on the second store.
    template <class Body>
    void race(Body body) {
        std::barrier start(thread_count);
        std::vector<std::thread> threads;
        for (int i = 0; i < thread_count; ++i)
            threads.emplace_back([&, i] {
                start.arrive_and_wait();
                body(i % 2 == 0 ? *store : *second, i);
            });
        for (std::thread& t : threads) t.join();
    }
};

} // namespace

TEST_CASE_FIXTURE(RaceFixture, "one session for a token") {
    const std::string profile = make.usable_profile();
    for (int round = 0; round < 10; ++round) {
        std::vector<NewSession> requests;
        for (int i = 0; i < thread_count; ++i) requests.push_back(make.session(profile, "token " + std::to_string(round)));
        std::vector<std::string> got(thread_count);
        std::atomic<int> created = 0;
        race([&](Store& s, int i) {
            const auto r = s.create_session(requests[static_cast<std::size_t>(i)]);
            if (!r) return;
            got[static_cast<std::size_t>(i)] = r->session.id;
            if (r->created) ++created;
        });
        CHECK(created == 1);
        CHECK(std::set<std::string>(got.begin(), got.end()).size() == 1);
        CHECK_FALSE(got[0].empty());
    }
    CHECK(store->sessions(true)->size() == 10);
}

TEST_CASE_FIXTURE(RaceFixture, "one active job") {
    const std::string profile = make.usable_profile();
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> won = 0, refused = 0;
        race([&](Store& s, int i) {
            const std::string id = "job_race" + std::to_string(round) + "_" + std::to_string(i);
            const auto r = s.enqueue_snapshot_job(id, profile, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1));
            ++(r ? won : refused);
            if (!r && r.error().code != "job_active") won += 100;
        });
        CHECK(won == 1);
        CHECK(refused == thread_count - 1);
        store->cancel_job(store->jobs("")->front().info.id, {"alice"}, at(2)).value();
    }
}

TEST_CASE_FIXTURE(RaceFixture, "a job is leased to one engine") {
    const std::string profile = make.usable_profile();
    for (int round = 0; round < 10; ++round) {
        const std::string id = "job_round" + std::to_string(round);
        store->enqueue_snapshot_job(id, profile, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(1)).value();
        std::atomic<int> won = 0, failed = 0;
        race([&](Store& s, int i) {
            const std::string engine = "eng_" + std::to_string(i);
            const auto r = s.lease_next_job(engine, at(2), 1h, nobody_is_dead);
            if (!r)
                ++failed;
            else if (*r)
                ++won;
        });
        CHECK(won == 1);
        CHECK(failed == 0);
        CHECK(store->job(id)->info.attempt == 1);
        store->cancel_job(id, {"alice"}, at(3)).value();
    }
}

TEST_CASE_FIXTURE(RaceFixture, "a transition happens once") {
    const std::string profile = make.usable_profile();
    for (int round = 0; round < 10; ++round) {
        const NewSession request = make.session(profile);
        store->create_session(request).value();
        std::atomic<int> won = 0, conflicts = 0;
        race([&](Store& s, int i) {
            const auto to = i % 3 == 0 ? SessionState::failed : SessionState::running;
            const auto r = s.move_session(request.id, SessionState::starting, to, {}, at(5));
            if (r)
                ++won;
            else if (r.error().code == "session_state")
                ++conflicts;
        });
        CHECK(won == 1);
        CHECK(conflicts == thread_count - 1);
    }
}

TEST_CASE_FIXTURE(RaceFixture, "version numbers and revisions have no gap and no double") {
    const std::string profile = make.profile();
    std::atomic<int> published = 0, saved = 0;
    race([&](Store& s, int i) {
        for (int n = 0; n < 10; ++n) {
            const std::string key = std::to_string(i) + "_" + std::to_string(n);
            const auto save = save_draft(s, profile, {}, "n", "{}", "sha256:" + key, "alice", at(1));
            if (!save) continue;
            ++saved;
            Publish p;
            p.profile = profile;
            p.draft_revision = save->draft_revision;
            p.decision = "{}";
            p.host = "local";
            p.actor = {"alice"};
            p.job_id = "job_" + key;
            const auto v = s.publish_draft(p);
            if (v) ++published;
        }
    });
    CHECK(saved == thread_count * 10);
    const auto versions = store->versions(profile).value();
    CHECK(static_cast<int>(versions.size()) == published);
    for (std::size_t i = 0; i < versions.size(); ++i) CHECK(versions[i].number == i + 1);
    CHECK(store->activity(profile, {}, whole_log)->size() == static_cast<std::size_t>(1 + saved + published));
}

TEST_CASE_FIXTURE(RaceFixture, "one edit of a revision is kept, whatever it edits") {
    const std::string profile = make.usable_profile();
    for (int round = 0; round < 10; ++round) {
        const std::uint32_t revision = store->profile(profile)->revision;
        const std::string proposal = "prp_" + std::to_string(round);
        store->propose({proposal, profile, revision, "general", "{}", "[]", {"alice"}, at(1)}).value();
        std::atomic<int> won = 0, stale = 0, closed = 0;
        race([&](Store& s, int i) {
            Save save;
            save.expected = revision;
            save.name = "of thread " + std::to_string(i);
            save.record = "{}";
            if (i % 3 == 0) save.instructions = save.name;
            if (i % 3 == 1) save.proposal = proposal;
            if (i % 3 == 2) save.recipe = save.digest = save.name;
            const auto r = s.save(profile, save);
            if (r) ++won;
            if (code(r) == "stale_revision") ++stale;
            if (code(r) == "proposal_closed") ++closed;
        });
        CHECK(won == 1);
        CHECK(won + stale + closed == thread_count);
        CHECK(store->profile(profile)->revision == revision + 1);
    }
    const auto history = store->instructions(profile).value();
    for (std::size_t i = 0; i < history.size(); ++i) CHECK(history[i].revision == history.size() - i);
}

TEST_CASE_FIXTURE(RaceFixture, "without an expectation every edit is kept, and the history has no gap") {
    const std::string profile = make.profile();
    race([&](Store& s, int i) {
        for (int n = 0; n < 10; ++n) {
            Save save;
            save.name = save.record = "x";
            save.instructions = std::to_string(i) + " " + std::to_string(n);
            s.save(profile, save).value();
        }
    });
    CHECK(store->profile(profile)->revision == 1 + thread_count * 10);
    CHECK(store->profile(profile)->instructions_revision == thread_count * 10);
    CHECK(store->instructions(profile)->size() == thread_count * 10);
}

TEST_CASE_FIXTURE(RaceFixture, "a profile that is deleted has no session that goes on, and a session has its profile") {
    for (int round = 0; round < 20; ++round) {
        const std::string profile = make.usable_profile();
        std::vector<NewSession> requests;
        for (int i = 0; i < thread_count; ++i) requests.push_back(make.session(profile));
        std::atomic<int> started = 0, deleted = 0, unexpected = 0;
        race([&](Store& s, int i) {
            if (i < 2) {
                const auto r = s.delete_profile(profile, {"alice"}, at(5));
                if (r)
                    ++deleted;
                else if (code(r) != "profile_in_use" && code(r) != "profile_deleted")
                    ++unexpected;
            } else {
                const auto r = s.create_session(requests[static_cast<std::size_t>(i)]);
                if (r)
                    ++started;
                else if (code(r) != "profile_deleted")
                    ++unexpected;
            }
        });
        CHECK(unexpected == 0);
        CHECK(deleted == (started == 0 ? 1 : 0));
        CHECK(store->profile(profile).has_value() == (deleted == 0));
    }
}

TEST_CASE_FIXTURE(RaceFixture, "one profile for a token") {
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> created = 0;
        std::vector<std::string> got(thread_count);
        race([&](Store& s, int i) {
            NewProfile n{"prf_" + std::to_string(round) + "_" + std::to_string(i), "n", "{}", "{}", "d", {"alice"}, at(1)};
            n.client_token = "token " + std::to_string(round);
            const auto r = s.create_profile(n);
            if (!r) return;
            got[static_cast<std::size_t>(i)] = r->profile.id;
            if (r->created) ++created;
        });
        CHECK(created == 1);
        CHECK(std::set<std::string>(got.begin(), got.end()).size() == 1);
        CHECK_FALSE(got[0].empty());
    }
    CHECK(store->profiles()->size() == 10);
}

TEST_CASE_FIXTURE(RaceFixture, "readers see whole transactions while others write") {
    const std::string profile = make.profile();
    Save first;
    first.name = first.record = first.digest = "-";
    first.recipe = "-";
    store->save(profile, first).value();
    std::atomic<bool> done = false;
    std::atomic<int> torn = 0, errors = 0, reads = 0;
    race([&](Store& s, int i) {
        if (i == 0) {
            for (int n = 0; n < 100; ++n) {
                const std::string value = std::to_string(n);
                Save save;
                save.name = save.record = save.digest = value;
                save.recipe = value;
                save.instructions = value;
                if (!s.save(profile, save)) ++errors;
            }
            done = true;
            return;
        }
        do {
            const auto info = s.profile(profile);
            const auto draft = s.draft(profile);
            const auto log = s.activity(profile, {}, whole_log);
            if (!info || !draft || !log)
                ++errors;
            else if (info->name != info->record || draft->recipe != draft->digest)
                ++torn;
            ++reads;
        } while (!done);
    });
    CHECK(torn == 0);
    CHECK(errors == 0);
    CHECK(reads > 0);
}

TEST_CASE("many open a new store at once, and it is one store") {
    for (int round = 0; round < 5; ++round) {
        TemporaryDirectory directory;
        const auto file = directory.path / "new" / "store.db";
        std::barrier start(thread_count);
        std::vector<std::string> ids(thread_count);
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < thread_count; ++i)
            threads.emplace_back([&, i] {
                start.arrive_and_wait();
                auto opened = Store::open(file);
                ids[i] = opened ? (*opened)->store_id().value() : opened.error().code + " " + opened.error().detail;
            });
        for (std::thread& t : threads) t.join();
        for (const std::string& id : ids) CHECK(id == ids[0]);
        CHECK(ids[0].starts_with("sto_"));
    }
}
