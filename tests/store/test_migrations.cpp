// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include "store/failure.hpp"
#include "store/migrations.hpp"

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
