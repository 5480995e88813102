// SPDX-License-Identifier: Apache-2.0
// Processes race on one file, and die in the middle of writing it. The program starts itself again as the other
// processes: `test_store_processes --child ROLE FILE NUMBER`.
#define DOCTEST_CONFIG_IMPLEMENT
#include "store_fixture.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <set>
#include <sstream>

using namespace store_test;

namespace {

constexpr int process_count = 4;
constexpr int round_count = 15;

// A child process and the pipe of its standard output.
class Child {
public:
    Child(const std::string& role, const std::filesystem::path& file, int number) {
        int out[2], in[2];
        // Close-on-exec: a sibling that held these ends would keep this child waiting, or its reader.
        if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(in, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
        const std::string text = std::to_string(number), path = file.string();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            ::execl("/proc/self/exe", "child", "--child", role.c_str(), path.c_str(), text.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(out[1]);
        ::close(in[0]);
        out_ = out[0];
        in_ = in[1];
    }
    ~Child() {
        kill();
        ::close(out_);
        if (in_ >= 0) ::close(in_);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // One line without its end; empty at the end of the output.
    std::string line() {
        std::string s;
        char c = 0;
        while (::read(out_, &c, 1) == 1 && c != '\n') s += c;
        return s;
    }
    void go() {
        ::close(in_);
        in_ = -1;
    }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
    }

private:
    pid_t pid_ = -1;
    int out_ = -1, in_ = -1;
};

void say(const std::string& line) {
    const std::string text = line + "\n";
    if (::write(1, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(3);
}

// Every round of every race: what this process won, as "race round".
int racer(Store& store, const std::string& number) {
    const std::string profile = "prf_1";
    for (int round = 0; round < round_count; ++round) {
        const std::string r = std::to_string(round);
        NewSession request = Maker{store}.session(profile, "token " + r);
        request.id = "ses_" + number + "_" + r;
        const auto session = store.create_session(request);
        if (!session) return say("error " + session.error().code), 1;
        if (session->created) say("token " + r);
        say("same" + r + " " + session->session.id);

        const auto job = store.enqueue_snapshot_job("job_" + r + "_" + number, profile, 1, "host " + r,
                                                    JobTrigger::manual_refresh, {"alice"}, at(1));
        if (job)
            say("enqueue " + r);
        else if (job.error().code != "job_active")
            return say("error " + job.error().code), 1;

        const auto leased = store.lease_next_job("eng_" + number, at(2), 1h, nobody_is_dead);
        if (!leased) return say("error " + leased.error().code), 1;
        if (*leased) say("lease " + (*leased)->info.id);

        Save save;
        save.expected = static_cast<std::uint32_t>(round + 1); // one of these is kept a round
        save.name = number;
        save.record = "{}";
        save.instructions = "by " + number;
        save.proposal = "prp_" + r;
        const auto saved = store.save(profile, save);
        if (saved)
            say("save " + r);
        else if (saved.error().code != "stale_revision" && saved.error().code != "proposal_closed")
            return say("error " + saved.error().code), 1;

        const auto moved = store.move_session(session->session.id, SessionState::starting, SessionState::running, {}, at(3));
        if (moved)
            say("move " + r);
        else if (moved.error().code != "session_state")
            return say("error " + moved.error().code), 1;
    }
    say("done");
    return 0;
}

// Writes without end; says what was acknowledged.
int writer(Store& store, const std::string& number) {
    for (int i = 0;; ++i) {
        const std::string id = "prf_" + number + "_" + std::to_string(i);
        if (const auto r = store.create_profile({id, "n", "{}", "{}", "sha256:" + id, {"alice"}, at(i)}); !r)
            return say("error " + r.error().code), 1;
        say(id);
        if (const auto r = save_draft(store, id, 1, "saved", std::string(3000, 'x'), "d", "alice", at(i)); !r)
            return say("error " + r.error().code), 1;
        say(id + " saved");
    }
}

int child(const std::string& role, const std::filesystem::path& file, const std::string& number) {
    ::signal(SIGPIPE, SIG_DFL);
    auto opened = Store::open(file);
    if (!opened) return say("error " + opened.error().code), 1;
    say("ready");
    char c = 0;
    while (::read(0, &c, 1) > 0) {
    } // until the parent lets all go at once
    return role == "race" ? racer(**opened, number) : writer(**opened, number);
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "of several processes exactly one wins each race") {
    REQUIRE(make.usable_profile() == "prf_1");
    for (int round = 0; round < round_count; ++round)
        store->propose({"prp_" + std::to_string(round), "prf_1", 1, "general", "{}", "[]", {"alice"}, at(1)}).value();
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < process_count; ++i) children.push_back(std::make_unique<Child>("race", file, i));
    for (auto& c : children) REQUIRE(c->line() == "ready");
    for (auto& c : children) c->go();
    std::multiset<std::string> won;
    std::set<std::string> same;
    for (auto& c : children)
        for (;;) {
            const std::string line = c->line();
            REQUIRE_FALSE(line.empty());
            REQUIRE(line.find("error") == std::string::npos);
            if (line == "done") break;
            if (line.starts_with("same"))
                same.insert(line);
            else
                won.insert(line);
        }
    for (int round = 0; round < round_count; ++round)
        for (const char* race : {"token ", "enqueue ", "save ", "move "}) {
            CAPTURE(race);
            CAPTURE(round);
            CHECK(won.count(race + std::to_string(round)) == 1);
        }
    CHECK(same.size() == round_count);
    CHECK(store->profile("prf_1")->revision == 1 + round_count);
    CHECK(store->instructions("prf_1")->size() == round_count);
    CHECK(store->proposals("prf_1")->empty());
    for (const Job& job : store->jobs("prf_1").value()) {
        CHECK(won.count("lease " + job.info.id) <= 1);
        CHECK(job.info.attempt == (job.info.state == JobState::queued ? 0u : 1u));
    }
}

TEST_CASE_FIXTURE(Fixture, "a process that is killed while it writes loses nothing that it said was done") {
    std::map<std::string, bool> acknowledged; // and whether the second write was, too
    for (int round = 0; round < 12; ++round) {
        Child first("write", file, 2 * round), second("write", file, 2 * round + 1);
        REQUIRE(first.line() == "ready");
        REQUIRE(second.line() == "ready");
        first.go();
        second.go();
        const auto take = [&](const std::string& line) {
            REQUIRE(line.find("error") == std::string::npos);
            if (line.empty()) return;
            std::istringstream words(line);
            std::string id, saved;
            words >> id >> saved;
            acknowledged[id] = saved == "saved";
        };
        // Each round dies at another point; the other process goes on and is not hindered.
        for (int i = 0; i < 5 + 3 * round; ++i) take(first.line());
        first.kill();
        // What was in the pipe was acknowledged as well. A line cut short is not possible: each is one write.
        for (std::string line = first.line(); !line.empty(); line = first.line()) take(line);
        for (int i = 0; i < 5; ++i) take(second.line());
        second.kill();
        for (std::string line = second.line(); !line.empty(); line = second.line()) take(line);

        auto reopened = open_store(file);
        for (const auto& [id, saved] : acknowledged) {
            const auto profile = reopened->profile(id);
            REQUIRE(profile);
            // Not acknowledged is not "not done": the process may have died between the two.
            if (saved) CHECK(profile->draft_revision == 2);
            CHECK(reopened->activity(id, {}, whole_log)->size() == profile->draft_revision);
        }
    }
    CHECK(acknowledged.size() > 50);
    CHECK(RawConnection(file).text("PRAGMA integrity_check") == "ok");
    CHECK(RawConnection(file).texts("PRAGMA foreign_key_check").empty());
}

TEST_CASE("a process killed on either side of a commit leaves all of it or nothing") {
    // The verb's callback ends the process; here it is a forked child, so that the parent can look.
    for (const bool after : {false, true}) {
        CAPTURE(after);
        TemporaryDirectory directory;
        const auto file = directory.path / "store.db";
        open_store(file);
        const pid_t pid = ::fork();
        if (pid == 0) {
            Options options;
            options.on_commit = [&](std::string_view, bool now_after) {
                if (now_after == after) ::kill(::getpid(), SIGKILL);
            };
            auto store = Store::open(file, options);
            if (store) (void)(*store)->create_profile({"prf_x", "n", "{}", "{}", "d", {"alice"}, at(1)});
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status));
        auto store = open_store(file);
        CHECK(store->profile("prf_x").has_value() == after);
        CHECK(store->draft("prf_x").has_value() == after);
        CHECK(store->create_profile({"prf_y", "n", "{}", "{}", "d", {"alice"}, at(1)}));
    }
}

TEST_CASE("a process killed on either side of a save or a deletion leaves all of it or nothing") {
    for (const std::string_view verb : {"save", "delete_profile"})
        for (const bool after : {false, true}) {
            CAPTURE(verb);
            CAPTURE(after);
            TemporaryDirectory directory;
            const auto file = directory.path / "store.db";
            std::string profile, job;
            {
                auto store = open_store(file);
                Maker make{*store};
                profile = make.usable_profile();
                job = make.version(profile);
                save_draft(*store, profile, {}, "before", "{}", "sha256:draft", "alice", at(1)).value();
                store->propose({"prp_1", profile, 3, "general", "{}", "[]", {"alice"}, at(1)}).value();
            }
            const pid_t pid = ::fork();
            if (pid == 0) {
                Options options;
                options.on_commit = [&](std::string_view now, bool now_after) {
                    if (now == verb && now_after == after) ::kill(::getpid(), SIGKILL);
                };
                auto opened = Store::open(file, options);
                if (!opened) ::_exit(1);
                Save save;
                save.expected = 3;
                save.name = "after";
                save.record = "{}";
                save.digest = "sha256:new";
                save.recipe = "{}";
                save.instructions = "be brief";
                save.proposal = "prp_1";
                if (verb == "save")
                    (void)(*opened)->save(profile, save);
                else
                    (void)(*opened)->delete_profile(profile, {"alice"}, at(5));
                ::_exit(0);
            }
            int status = 0;
            ::waitpid(pid, &status, 0);
            CHECK(WIFSIGNALED(status));
            auto store = open_store(file);
            const bool saved = verb == "save" && after, deleted = verb == "delete_profile" && after;
            const auto log = store->activity(profile, {}, 1)->front();
            CHECK(log.action == (saved ? "edit.keep" : deleted ? "profile.delete" : "edit.propose"));
            CHECK(store->proposal("prp_1")->state == (saved     ? ProposalState::kept
                                                      : deleted ? ProposalState::discarded
                                                                : ProposalState::open));
            CHECK(store->job(job)->info.state == (deleted ? JobState::cancelled : JobState::queued));
            CHECK(store->images_in_use("local")->size() == (deleted ? 0 : 1));
            CHECK(store->profile(profile).has_value() == !deleted);
            if (deleted) continue;
            CHECK(store->profile(profile)->name == (saved ? "after" : "before"));
            CHECK(store->profile(profile)->revision == (saved ? 4 : 3));
            CHECK(store->draft(profile)->digest == (saved ? "sha256:new" : "sha256:draft"));
            CHECK(store->instructions(profile)->size() == (saved ? 1 : 0));
        }
}

TEST_CASE("a process killed while it makes the store leaves one that opens") {
    for (const bool after : {false, true}) {
        TemporaryDirectory directory;
        const auto file = directory.path / "dir" / "store.db";
        const pid_t pid = ::fork();
        if (pid == 0) {
            Options options;
            options.on_commit = [&](std::string_view, bool now_after) {
                if (now_after == after) ::kill(::getpid(), SIGKILL);
            };
            (void)Store::open(file, options);
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status));
        CHECK(open_store(file)->profiles()->empty());
    }
}

int main(int argc, char** argv) {
    if (argc == 5 && std::string_view(argv[1]) == "--child") return child(argv[2], argv[3], argv[4]);
    return doctest::Context(argc, argv).run();
}
