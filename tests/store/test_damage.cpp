// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include <fstream>

using namespace store_test;

namespace {

constexpr std::size_t page = 4096;

// A closed store with enough in it that every table has pages of its own.
struct DamageFixture {
    TemporaryDirectory directory;
    std::filesystem::path file = directory.path / "store.db";
    std::string profile;
    std::string bytes;

    DamageFixture() {
        {
            auto store = open_store(file);
            Maker make{*store};
            for (int i = 0; i < 40; ++i) {
                profile = make.usable_profile();
                store->create_session(make.session(profile)).value();
                Save save;
                save.name = "n";
                save.record = "{}";
                save.instructions = std::string(500, 'i');
                store->save(profile, save).value();
                store->propose({"prp_" + profile, profile, 2, "general", std::string(500, 'e'), "[]", {"alice"}, at(1)}).value();
            }
        }
        bytes = read();
    }
    std::string read() const {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& content) const {
        // A log that a failed close left would put whole pages back.
        for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
        std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
    }
};

// Reads all there is.
std::vector<std::string> read_everything(Store& store) {
    std::vector<std::string> codes;
    const auto note = [&](const auto& result) {
        if (!result) codes.push_back(result.error().code);
    };
    const auto profiles = store.profiles();
    note(profiles);
    if (profiles)
        for (const store::Profile& p : *profiles) {
            note(store.versions(p.id));
            note(store.jobs(p.id));
            note(store.activity(p.id, {}, whole_log));
            note(store.newest_usable_version(p.id));
            note(store.instructions(p.id));
            note(store.instructions_text(p.id, 1));
            note(store.proposals(p.id));
            note(store.usage(p.id));
        }
    note(store.sessions(true));
    note(store.images_in_use("local"));
    note(store.jobs(""));
    note(store.hosts());
    note(store.host_identities());
    note(store.default_host());
    return codes;
}

void check_damaged(const Result<std::unique_ptr<Store>>& opened) {
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == ErrorClass::data_loss);
    CHECK(opened.error().code == "store_damaged");
    CHECK(opened.error().remedy.find("backup") != std::string::npos);
}

} // namespace

TEST_CASE_FIXTURE(DamageFixture, "garbage is a damaged store") {
    SUBCASE("a text") {
        write("this is not a database, it is a letter\n" + std::string(5000, 'x'));
    }
    SUBCASE("zeros") {
        write(std::string(bytes.size(), '\0'));
    }
    SUBCASE("a few bytes") {
        write("x");
    }
    SUBCASE("a broken header") {
        bytes[20] = '\x7f';
        bytes.replace(0, 16, "SQLite format 4 ");
        write(bytes);
    }
    check_damaged(Store::open(file));
    CHECK(read().size() > 0);
}

TEST_CASE_FIXTURE(DamageFixture, "a truncated file is a damaged store") {
    for (const std::size_t size : {std::size_t{1}, std::size_t{100}, page / 2, page, page * 3, bytes.size() - page,
                                   bytes.size() - 512, bytes.size() - 1}) {
        CAPTURE(size);
        write(bytes.substr(0, size));
        check_damaged(Store::open(file));
    }
}

TEST_CASE_FIXTURE(DamageFixture, "a lost page is told, at the opening or by the verb that needs it") {
    REQUIRE(bytes.size() % page == 0);
    const int free_pages = std::stoi(RawConnection(file).text("PRAGMA freelist_count"));
    int at_open = 0, later = 0, unused = 0;
    for (std::size_t offset = 0; offset < bytes.size(); offset += page) {
        CAPTURE(offset / page);
        std::string damaged = bytes;
        damaged.replace(offset, page, page, '\0');
        write(damaged);
        auto opened = Store::open(file);
        if (!opened) {
            check_damaged(opened);
            ++at_open;
            continue;
        }
        const auto codes = read_everything(**opened);
        for (const std::string& c : codes) CHECK(c == "store_damaged");
        if (!codes.empty()) ++later;
        // A page that no read needed is of an index, or free; nothing was lost with a free one.
        if (codes.empty() && RawConnection(file).text("PRAGMA integrity_check") == "ok") ++unused;
        const std::string id = "prf_" + std::to_string(offset);
        const auto made = (*opened)->create_profile({id, "n", "{}", "{}", "d", {"a"}, at(1)});
        if (!made) CHECK(code(made) == "store_damaged");
        CHECK((*opened)->profile(id).has_value() == made.has_value());
    }
    CHECK(unused <= free_pages);

    // Nothing of a store that could not be opened is left open.
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        CHECK_FALSE(std::filesystem::read_symlink(entry.path(), gone).native().starts_with(file.native()));
    }
    CHECK(at_open > 3);
    CHECK(later > 3);
}

TEST_CASE_FIXTURE(DamageFixture, "flipped bytes never crash the store") {
    std::uint32_t random = 1;
    for (int round = 0; round < 150; ++round) {
        std::string damaged = bytes;
        for (int i = 0; i < 8; ++i) {
            random = random * 1664525u + 1013904223u;
            damaged[random % damaged.size()] = static_cast<char>(random >> 24);
        }
        write(damaged);
        auto opened = Store::open(file);
        if (!opened) {
            CHECK_MESSAGE((code(opened) == "store_damaged" || code(opened) == "not_a_store" || code(opened) == "store_too_new"),
                          code(opened));
            continue;
        }
        for (const std::string& c : read_everything(**opened)) // a key that was flipped is one that is not there
            CHECK_MESSAGE((c == "store_damaged" || c == "no_profile" || c == "no_instructions"), c);
    }
}

TEST_CASE_FIXTURE(DamageFixture, "a table that is missing is damage") {
    CHECK(RawConnection(file).run("DROP TABLE job_log; DROP TABLE store").empty());
    CHECK(Store::open(file).has_error());
}
