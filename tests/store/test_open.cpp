// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include <sys/stat.h>

#include <fstream>

using namespace store_test;

namespace {
unsigned mode(const std::filesystem::path& path) {
    struct stat s {};
    REQUIRE(::stat(path.c_str(), &s) == 0);
    return s.st_mode & 07777;
}
} // namespace

TEST_CASE("a new store and its directories are private") {
    TemporaryDirectory directory;
    const mode_t before = ::umask(0); // so that only our own care can make them private
    {
        const auto file = directory.path / "a" / "b" / "store.db";
        auto store = open_store(file);
        Maker{*store}.profile();
        CHECK(mode(directory.path / "a") == 0700);
        CHECK(mode(directory.path / "a" / "b") == 0700);
        CHECK(mode(file) == 0600);
        CHECK(mode(file.string() + "-wal") == 0600);
        CHECK(mode(file.string() + "-shm") == 0600);
    }
    ::umask(before);
}

TEST_CASE("the file is a store to SQLite too: its mark, WAL, and no side files after a close") {
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    std::string identity;
    {
        auto store = open_store(file);
        identity = store->store_id().value();
        CHECK(identity.size() > 20);
        RawConnection raw(file);
        CHECK(raw.text("PRAGMA application_id") == "1396856907");
        CHECK(raw.text("PRAGMA user_version") == std::to_string(schema_version));
        CHECK(raw.text("PRAGMA journal_mode") == "wal");
        CHECK(raw.text("PRAGMA integrity_check") == "ok");
    }
    CHECK_FALSE(std::filesystem::exists(file.string() + "-wal"));
    CHECK(open_store(file)->store_id().value() == identity);
    CHECK(open_store(directory.path / "other.db")->store_id().value() != identity);
}

TEST_CASE("what was written is there after a reopen") {
    TemporaryDirectory directory;
    std::string profile, session;
    {
        auto store = open_store(directory.path / "store.db");
        Maker make{*store};
        profile = make.usable_profile();
        session = store->create_session(make.session(profile)).value().session.id;
    }
    auto store = open_store(directory.path / "store.db");
    CHECK(store->profile(profile)->usable_version == 1u);
    CHECK(store->session(session)->state == SessionState::starting);
}

TEST_CASE("paths with spaces, signs and non-ASCII letters work; a double quote is refused by name") {
    TemporaryDirectory directory;
    for (const char* name :
         {"a  b.db", "a=b;c'd", "\xC3\xA9\xE2\x82\xAC", "file:x?mode=memory", " lead", "trail ", "%41", "a\nb"}) {
        CAPTURE(name);
        {
            auto store = open_store(directory.path / "sub dir = 1" / name);
            Maker{*store}.profile();
            CHECK(std::filesystem::exists(directory.path / "sub dir = 1" / name));
        }
        CHECK(open_store(directory.path / "sub dir = 1" / name)->profiles()->size() == 1);
    }
    for (const std::filesystem::path& bad :
         {directory.path / "a\"b", directory.path, std::filesystem::path(""), directory.path / "x" / ""}) {
        CAPTURE(bad);
        const auto opened = Store::open(bad);
        CHECK(kind(opened) == ErrorClass::invalid);
        CHECK(code(opened) == "store_path");
    }
}

TEST_CASE("a relative path is meant from the directory at the time of opening") {
    TemporaryDirectory directory;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(directory.path);
    auto store = open_store("store.db");
    std::filesystem::current_path(before);
    Maker{*store}.profile();
    CHECK(std::filesystem::exists(directory.path / "store.db"));
}

TEST_CASE("a path through a file, and one that cannot be made") {
    TemporaryDirectory directory;
    std::ofstream(directory.path / "plain") << "x";
    CHECK(kind(Store::open(directory.path / "plain" / "store.db")) == ErrorClass::permission);
    CHECK(kind(Store::open("/proc/self/nowhere/store.db")) == ErrorClass::permission);
}

TEST_CASE("every write verb tells before and after its commit, and reads tell nothing") {
    TemporaryDirectory directory;
    std::vector<std::string> told;
    Options options;
    options.on_commit = [&](std::string_view verb, bool after) { told.push_back(std::string(verb) + (after ? "+" : "-")); };
    auto store = open_store(directory.path / "store.db", options);
    Maker make{*store};
    const auto expect = [&](const char* verb, int line) {
        const std::vector<std::string> wanted{std::string(verb) + "-", std::string(verb) + "+"};
        CHECK_MESSAGE(told == wanted, "line " << line);
        told.clear();
    };
    CHECK(told.size() == 2 * schema_version); // each step is one
    told.clear();
    const std::string id = make.profile();
    expect("create_profile", __LINE__);
    save_draft(*store, id, {}, "n", "{}", "sha256:2", "alice", at(1)).value();
    expect("save", __LINE__);
    store->propose({"prp_1", id, 2, "general", "{}", "[]", {"alice"}, at(1)}).value();
    expect("propose", __LINE__);
    store->discard_proposal("prp_1", {"alice"}, at(1)).value();
    expect("discard_proposal", __LINE__);
    const std::string job = make.version(id);
    expect("publish_draft", __LINE__);
    store->lease_next_job("eng", at(2), 30s, nobody_is_dead).value();
    expect("lease_next_job", __LINE__);
    store->release_job(job, "eng").value();
    expect("release_job", __LINE__);
    store->lease_next_job("eng", at(2), 30s, nobody_is_dead).value();
    told.clear();
    store->renew_lease(job, "eng", at(3), 30s).value();
    expect("renew_lease", __LINE__);
    store->set_job_phase(job, "eng", BuildPhase::start).value();
    expect("set_job_phase", __LINE__);
    store->append_job_log(job, "eng", "x").value();
    expect("append_job_log", __LINE__);
    store->fail_job(job, "eng", BuildPhase::start, Error{}, at(4)).value();
    expect("fail_job", __LINE__);
    store->enqueue_snapshot_job("job_b", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(5)).value();
    expect("enqueue_snapshot_job", __LINE__);
    store->cancel_job("job_b", {"alice"}, at(6)).value();
    expect("cancel_job", __LINE__);
    store->enqueue_snapshot_job("job_c", id, 1, "local", JobTrigger::manual_refresh, {"alice"}, at(5)).value();
    store->lease_next_job("eng", at(7), 30s, nobody_is_dead).value();
    told.clear();
    store->succeed_job("job_c", "eng", {"local", "img_" + id}, "{}", at(8)).value();
    expect("succeed_job", __LINE__);
    store->set_stale("local", "img_" + id, true).value();
    expect("set_stale", __LINE__);
    NewSession request = make.session(id, "token");
    store->create_session(request).value();
    expect("create_session", __LINE__);
    store->move_session(request.id, SessionState::starting, SessionState::running, {}, at(9)).value();
    expect("move_session", __LINE__);
    store->change_session(request.id, SessionState::running, {}).value();
    expect("change_session", __LINE__);
    const std::string other = make.profile();
    told.clear();
    store->delete_profile(other, {"alice"}, at(9)).value();
    expect("delete_profile", __LINE__);
    store->add_host({"far", "{}", "alice", at(9)}).value();
    expect("add_host", __LINE__);
    store->host_identity("far", "daemon 1").value();
    expect("host_identity", __LINE__);
    store->set_default_host("far").value();
    expect("set_default_host", __LINE__);
    store->give_up_host("far", {"alice"}, at(9)).value();
    expect("give_up_host", __LINE__);
    store->remove_host("far", false, {"alice"}, at(9)).value();
    expect("remove_host", __LINE__);

    store->set_stale("local", "img_" + id, true).value();
    CHECK_FALSE(store->create_session(request)->created);
    CHECK_FALSE(store->lease_next_job("eng", at(10), 30s, nobody_is_dead).value());
    CHECK(store->create_session(make.session("prf_no")).has_error());
    CHECK(store->delete_profile(id, {"alice"}, at(10)).has_error());
    CHECK(save_draft(*store, id, 1, "n", "{}", "d", "alice", at(10)).has_error());
    CHECK(store->discard_proposal("prp_1", {"alice"}, at(10)).has_error());
    CHECK(store->profiles());
    CHECK(store->usage(id));
    CHECK(store->proposal("prp_1"));
    CHECK(store->proposals(id));
    CHECK(store->instructions(id));
    CHECK(store->versions(id));
    CHECK(store->job_log(job));
    CHECK(store->activity(id, {}, whole_log));
    CHECK(told.empty());
}

TEST_CASE_FIXTURE(Fixture, "a store is bound to one state directory, once") {
    CHECK_FALSE(store->state_directory().value());
    CHECK(store->bind_state_directory({"std_1", "/first"})->id == "std_1");
    CHECK(store->bind_state_directory({"std_2", "/second"})->id == "std_1");
    CHECK(store->state_directory().value()->path == "/first");
    CHECK(RawConnection(file).run("UPDATE store SET state_id = 'std_3'") != "");
}
