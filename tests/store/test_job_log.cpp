// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

#include <algorithm>
#include <random>

using namespace store_test;

namespace {

constexpr std::size_t end_size = 512 * 1024;

// What the store promises, in the simplest way.
std::string expected(const std::string& all) {
    if (all.size() <= 2 * end_size) return all;
    return all.substr(0, end_size) + "\n... " + std::to_string(all.size() - 2 * end_size) + " bytes left out ...\n" +
           all.substr(all.size() - end_size);
}

struct LogFixture : Fixture {
    std::string job = make.version(make.profile());
    LogFixture() { store->lease_next_job("eng", at(3000), 1h, nobody_is_dead).value(); }

    std::string all;
    void append(const std::string& bytes) {
        REQUIRE(store->append_job_log(job, "eng", bytes));
        all += bytes;
    }
    // Not CHECK(a == b): a failure would print megabytes.
    void check() {
        const std::string log = store->job_log(job).value();
        const std::string wanted = expected(all);
        CHECK(log.size() == wanted.size());
        const bool same = log == wanted;
        CHECK_MESSAGE(same, "differs after " << all.size() << " bytes");
    }
};

std::string numbered(std::size_t size, int seed) {
    std::string s;
    for (int line = 0; s.size() < size; ++line) s += std::to_string(seed) + ":" + std::to_string(line) + "\n";
    s.resize(size);
    return s;
}

} // namespace

TEST_CASE_FIXTURE(LogFixture, "a short log is kept whole, whatever its bytes") {
    check();
    append("hello\n");
    append("");
    append(std::string("\0\xFF\xFE\x80 not text\0", 15));
    append("'; DROP TABLE jobs; --");
    check();
}

TEST_CASE_FIXTURE(LogFixture, "the borders") {
    for (const std::size_t size :
         {end_size - 1, std::size_t{1}, std::size_t{1}, end_size - 2, std::size_t{1}, std::size_t{1}, std::size_t{40'000}}) {
        append(numbered(size, static_cast<int>(all.size())));
        check();
    }
}

TEST_CASE_FIXTURE(LogFixture, "one append that is larger than the log, into an empty and into a full one") {
    append(numbered(5'000'000, 1));
    check();
    append(numbered(3'000'000, 2));
    check();
    append("last\n");
    check();
}

TEST_CASE_FIXTURE(LogFixture, "pieces of any size make the same log") {
    std::mt19937 random(42);
    std::uniform_int_distribution<std::size_t> exponent(0, 17);
    for (int i = 0; i < 200; ++i)
        append(numbered(std::uniform_int_distribution<std::size_t>(0, std::size_t{1} << exponent(random))(random), i));
    check();
    CHECK(all.size() > 2 * end_size);
}

TEST_CASE_FIXTURE(LogFixture, "small appends are gathered, and what was left out is gone from the file") {
    for (int i = 0; i < 400; ++i) append("line " + std::to_string(i) + "\n");
    RawConnection raw(file);
    CHECK(raw.text("SELECT count(*) FROM job_log") == "1");
    for (int i = 0; i < 40; ++i) append(numbered(100'000, i));
    check();
    CHECK(raw.text("SELECT max(length(bytes)) <= 16384 FROM job_log") == "1");
    CHECK(raw.text("SELECT sum(length(bytes)) <= 2 * 524288 + 16384 FROM job_log") == "1");
}

TEST_CASE_FIXTURE(LogFixture, "a second attempt goes on in the same log; an ended job's log stays") {
    append("first attempt\n");
    store->lease_next_job("eng", at(3000 + 3'600'000), 1h, nobody_is_dead).value();
    append("second attempt\n");
    store->succeed_job(job, "eng", {"local", "i"}, "{}", at(1)).value();
    CHECK(code(store->append_job_log(job, "eng", "x")) == "lease_lost");
    check();
}
