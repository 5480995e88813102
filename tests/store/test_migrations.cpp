// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include "store/failure.hpp"
#include "store/migrations.hpp"

#include <sandboxkit/canonical.hpp>

#include <boost/json/parse.hpp>

#include <array>
#include <fstream>

using namespace store_test;

namespace {

void empty_file(const std::filesystem::path& file) {
    std::ofstream made(file);
}

std::string migrate_code(const std::filesystem::path& file, std::span<const Migration> steps) {
    try {
        Connection connection(file);
        migrate(connection, steps, {}, file);
        return "";
    } catch (const Failure& f) {
        return f.error.code;
    } catch (const soci::soci_error&) {
        return error_of_current_exception(file, 0).code;
    }
}

} // namespace

TEST_CASE("the steps are numbered without a gap, and the last one is the schema's version") {
    int expected = 0;
    for (const Migration& m : migrations()) {
        CHECK(m.version == ++expected);
        CHECK_FALSE(m.statements.empty());
    }
    CHECK(expected == schema_version);
}

TEST_CASE("a store of every earlier version opens, with the schema of a new one") {
    TemporaryDirectory directory;
    const auto fresh = directory.path / "fresh.db";
    open_store(fresh);
    const auto schema = RawConnection(fresh).texts("SELECT sql FROM sqlite_master ORDER BY name");
    for (int version = 0; version <= schema_version; ++version) {
        CAPTURE(version);
        const auto file = directory.path / (std::to_string(version) + ".db");
        empty_file(file);
        CHECK(migrate_code(file, migrations().first(static_cast<std::size_t>(version))).empty());
        CHECK(RawConnection(file).text("PRAGMA user_version") == std::to_string(version));
        auto store = open_store(file);
        Maker{*store}.usable_profile();
        RawConnection raw(file);
        CHECK(raw.text("PRAGMA user_version") == std::to_string(schema_version));
        CHECK(raw.texts("SELECT sql FROM sqlite_master ORDER BY name") == schema);
    }
}

TEST_CASE("a store of version 1 keeps all that is in it") {
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    empty_file(file);
    REQUIRE(migrate_code(file, migrations().first(1)).empty());
    const std::string description = "what \"it\"\tis: caf\xC3\xA9 \\ it's\n";
    {
        RawConnection raw(file);
        const auto run = [&](const std::string& sql) {
            const std::string said = raw.run(sql);
            REQUIRE_MESSAGE(said.empty(), said);
        };
        run("INSERT INTO profiles (id, name, description, created, created_by, last_revision) VALUES"
            " ('prf_a', 'a name', 'what \"it\"' || char(9) || 'is: caf\xC3\xA9 \\ it''s' || char(10), 100, 'alice', 7),"
            " ('prf_b', 'no words', '', 200, 'bob', 1)");
        run("INSERT INTO drafts VALUES ('prf_a', 7, '{\"image\":\"x\"}', 'sha256:7'), ('prf_b', 1, '{}', 'sha256:1')");
        run("INSERT INTO versions VALUES ('prf_a', 1, '{}', 'sha256:v', 'sha256:p', '{}', 'alice', 300)");
        run("INSERT INTO snapshots (profile, version, host, provider, image_id, manifest, stale, made)"
            " VALUES ('prf_a', 1, 'local', 'local', 'img_a', '{}', 0, 400)");
        run("INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created)"
            " VALUES ('job_a', 'prf_a', 1, 'local', 'manual_refresh', 'alice', 'queued', 'queued', 500)");
        for (const char* state : {"running", "removed", "stopped"})
            run("INSERT INTO sessions (id, profile, version, principal, client_token, provider, image_id, creation_token, engine,"
                " state, created) VALUES ('ses_" +
                std::string(state) + "', 'prf_a', 1, 'bob', 'token " + state + "', 'local', 'img_a', 't', 'eng', '" + state +
                "', 600)");
        run("INSERT INTO activity (at, principal, profile, action, detail) VALUES (100, 'alice', 'prf_a', 'profile.create', "
            "'{}'),"
            " (200, 'bob', 'prf_b', 'profile.create', '{}'), (300, 'carol', 'prf_a', 'draft.save', '{\"revision\":7}')");
    }
    std::string id_before = RawConnection(file).text("SELECT id FROM store");

    auto store = open_store(file);
    CHECK(store->store_id().value() == id_before);
    const auto a = store->profile("prf_a").value(), b = store->profile("prf_b").value();
    CHECK(a.name == "a name");
    CHECK(a.record == R"({"description":"what \"it\"\tis: caf)"
                      "\xC3\xA9"
                      R"( \\ it's\n"})");
    CHECK(a.revision == 7);
    CHECK(a.draft_revision == 7);
    CHECK(a.created == at(100));
    CHECK(a.created_by == "alice");
    CHECK(a.latest_version == 1u);
    CHECK(a.usable_version == 1u);
    CHECK(a.instructions_revision == 0);
    CHECK(b.record == "{}");
    CHECK(store->profiles()->size() == 2);
    CHECK(store->draft("prf_a")->recipe == R"({"image":"x"})");
    CHECK(store->draft("prf_a")->revision == 7);
    CHECK(store->version("prf_a", 1)->digest == "sha256:v");
    CHECK(store->images_in_use("local").value() == std::set<std::string>{"img_a"});
    CHECK(store->job("job_a")->info.state == JobState::queued);

    const auto session = store->session("ses_running").value();
    CHECK(session.state == SessionState::running);
    CHECK(session.principal == "bob");
    CHECK(session.instructions_revision == 0);
    CHECK(store->sessions(true)->size() == 3);
    CHECK(store->sessions(false)->size() == 2);

    const auto log = store->activity("prf_a", {}, whole_log).value();
    REQUIRE(log.size() == 2);
    CHECK(log[0].sequence == 3);
    CHECK(log[0].principal == "carol");
    CHECK(log[0].action == "draft.save");
    CHECK(log[0].detail == R"({"revision":7})");
    CHECK(log[0].channel == Channel::api);
    CHECK(log[0].section.empty());
    RawConnection raw(file);
    for (const char* sql : {"UPDATE activity SET principal = 'x' WHERE sequence = 1", "DELETE FROM activity WHERE sequence = 1",
                            "UPDATE activity SET channel = 'form'"})
        CHECK(raw.run(sql).find("append-only") != std::string::npos);
    CHECK(raw.run("DELETE FROM versions").find("not deleted") != std::string::npos);
    CHECK(raw.run("UPDATE sessions SET state = 'running' WHERE state = 'removed'").find("stays ended") != std::string::npos);
    CHECK(raw.text("PRAGMA integrity_check") == "ok");
    CHECK(raw.texts("PRAGMA foreign_key_check").empty());

    // And goes on from there.
    const auto saved = save_draft(*store, "prf_a", 7, "new name", "{}", "sha256:8", "dave", at(700));
    REQUIRE(saved);
    CHECK(saved->revision == 8);
    CHECK(store->activity("prf_a", {}, 1)->front().sequence == 4);
    CHECK(code(store->delete_profile("prf_a", {"dave"}, at(800))) == "profile_in_use");
    CHECK(store->delete_profile("prf_b", {"dave"}, at(800)));
    store.reset();
    CHECK(open_store(file)->profile("prf_a")->revision == 8);
}

TEST_CASE("a store of version 2 keeps all that is in it, each session and snapshot on the host of its provider") {
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    empty_file(file);
    REQUIRE(migrate_code(file, migrations().first(2)).empty());
    {
        RawConnection raw(file);
        const auto run = [&](const std::string& sql) {
            const std::string said = raw.run(sql);
            REQUIRE_MESSAGE(said.empty(), said);
        };
        run("INSERT INTO profiles (id, name, record, created, created_by, last_revision) VALUES"
            " ('prf_a', 'a name', '{\"description\":\"d\"}', 100, 'alice', 7)");
        run("INSERT INTO versions VALUES ('prf_a', 1, '{}', 'sha256:v', 'sha256:p', '{}', 'alice', 300)");
        for (const std::string provider : {"local", "memory"}) {
            run("INSERT INTO snapshots (profile, version, host, provider, image_id, manifest, stale, made) VALUES ('prf_a', 1, "
                "'" +
                provider + "', '" + provider + "', 'img_" + provider + "', '{\"m\":1}', 1, 400)");
            for (const std::string state : {"running", "removed", "failed"})
                run("INSERT INTO sessions (id, profile, version, principal, client_token, provider, image_id, creation_token,"
                    " engine, state, created, instructions_revision) VALUES ('ses_" +
                    provider + "_" + state + "', 'prf_a', 1, 'bob', '', '" + provider + "', 'img_old', 't', 'eng', '" + state +
                    "', 600, 0)");
        }
        run("INSERT INTO jobs (id, profile, version, host, cause, requested_by, state, phase, created)"
            " VALUES ('job_a', 'prf_a', 1, 'memory', 'manual_refresh', 'alice', 'queued', 'queued', 500)");
    }
    auto store = open_store(file);
    for (const std::string host : {"local", "memory"}) {
        for (const std::string state : {"running", "removed", "failed"}) {
            const auto session = store->session("ses_" + host + "_" + state).value();
            CHECK(session.host == host);
            CHECK(session.provider == host);
            CHECK(to_string(session.state) == state);
        }
        CHECK(store->images_in_use(host).value() == std::set<std::string>{"img_" + host, "img_old"});
        const auto version = store->version("prf_a", 1).value();
        REQUIRE(version.on(host));
        CHECK(version.on(host)->image == ImageHandle{host, "img_" + host});
        CHECK(version.on(host)->manifest == R"({"m":1})");
        CHECK(version.on(host)->state() == SnapshotState::stale);
        CHECK(version.on(host)->made == at(400));
    }
    CHECK(store->job("job_a")->info.host == "memory");
    CHECK(store->hosts()->empty());
    CHECK_FALSE(store->default_host().value());
    RawConnection raw(file);
    CHECK(raw.text("PRAGMA integrity_check") == "ok");
    CHECK(raw.texts("PRAGMA foreign_key_check").empty());
}

TEST_CASE("a text that an old description holds is taken over byte for byte, or the step is not taken") {
    // The document's reader lets every other character through.
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    empty_file(file);
    REQUIRE(migrate_code(file, migrations().first(1)).empty());
    std::string text;
    for (char c = 1; c < 127; ++c) text += c;
    text += "\xF0\x9F\x98\x80";
    std::string quoted;
    for (char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
    CHECK(RawConnection(file)
              .run("INSERT INTO profiles (id, name, description, created, created_by, last_revision)"
                   " VALUES ('prf_a', 'n', '" +
                   quoted + "', 1, 'a', 1)")
              .empty());
    const auto record = open_store(file)->profile("prf_a")->record;
    const auto parsed = boost::json::parse(record);
    CHECK(parsed.at("description").as_string() == text);
    CHECK(canonical_json(parsed) == record);
}

TEST_CASE("each step is one transaction, and a failing one leaves the version before it") {
    static constexpr std::string_view one[] = {"CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (1)"};
    static constexpr std::string_view two[] = {"UPDATE a SET x = 2", "CREATE TABLE b (x INTEGER)"};
    static constexpr std::string_view broken[] = {"UPDATE a SET x = 3", "CREATE TABLE c (x INTEGER)",
                                                  "INSERT INTO nothing VALUES (1)"};
    static constexpr std::string_view three[] = {"UPDATE a SET x = 4"};
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    empty_file(file);
    CHECK(migrate_code(file, std::array<Migration, 1>{{{1, one}}}).empty());
    CHECK_FALSE(migrate_code(file, std::array<Migration, 3>{{{1, one}, {2, two}, {3, broken}}}).empty());
    {
        RawConnection raw(file);
        CHECK(raw.text("PRAGMA user_version") == "2");
        CHECK(raw.text("SELECT x FROM a") == "2");
        CHECK(raw.texts("SELECT name FROM sqlite_master ORDER BY name") == std::vector<std::string>{"a", "b"});
    }
    const std::array<Migration, 3> good{{{1, one}, {2, two}, {3, three}}};
    CHECK(migrate_code(file, good).empty());
    CHECK(migrate_code(file, good).empty());
    CHECK(RawConnection(file).text("SELECT x FROM a") == "4");
    CHECK(migrate_code(file, std::span(good).first(2)) == "store_too_new");
}

TEST_CASE("a store from a newer build is refused and left as it is") {
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    open_store(file);
    CHECK(RawConnection(file).run("PRAGMA user_version = " + std::to_string(schema_version + 1)).empty());
    const auto opened = Store::open(file);
    CHECK(kind(opened) == ErrorClass::data_loss);
    CHECK(code(opened) == "store_too_new");
    CHECK_FALSE(opened.error().remedy.empty());
    CHECK(RawConnection(file).text("PRAGMA user_version") == std::to_string(schema_version + 1));
}

TEST_CASE("an SQLite file of another application is refused and left as it is") {
    TemporaryDirectory directory;
    const auto file = directory.path / "other.db";
    SUBCASE("with tables") {
        CHECK(RawConnection(file).run("CREATE TABLE theirs (x)").empty());
    }
    SUBCASE("with a mark") {
        CHECK(RawConnection(file).run("PRAGMA application_id = 7").empty());
    }
    SUBCASE("with a version") {
        CHECK(RawConnection(file).run("PRAGMA user_version = 1").empty());
    }
    const auto before = std::filesystem::file_size(file);
    const auto opened = Store::open(file);
    CHECK(kind(opened) == ErrorClass::invalid);
    CHECK(code(opened) == "not_a_store");
    CHECK(std::filesystem::file_size(file) == before);
    CHECK(RawConnection(file).text("PRAGMA journal_mode") == "delete");
}

TEST_CASE("an empty file is a new store") {
    TemporaryDirectory directory;
    const auto file = directory.path / "store.db";
    empty_file(file);
    CHECK(open_store(file)->profiles()->empty());
}
