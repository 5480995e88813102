// SPDX-License-Identifier: Apache-2.0
// What is kept of the output of processes, against a model that keeps all of it.
#include "guest/spool.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

using namespace sandboxkit::guest;

namespace {

const std::string temporary = std::filesystem::temp_directory_path();

std::shared_ptr<SpoolSpace> space(std::size_t slots = 100, std::vector<std::string> directories = {temporary},
                                  std::size_t memory = 16 << 20) {
    return std::make_shared<SpoolSpace>(SpillFile(std::move(directories), slots), memory);
}

// Everything from `offset` on, each stream marked by a letter in front of its bytes.
std::string read_all(Spool& spool, std::uint64_t offset) {
    std::string all;
    while (offset < spool.last()) {
        const Spool::Piece piece = spool.read(offset);
        REQUIRE(!piece.bytes.empty());
        all += "oet"[static_cast<int>(piece.stream)];
        all += piece.bytes;
        offset += piece.bytes.size();
    }
    return all;
}

std::string numbers(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) text += std::to_string(i) + ' ';
    return text;
}

} // namespace

TEST_CASE("slots of the file are used again, and the file goes when none is in use") {
    const auto files_of_this_program = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
    };
    const auto before = files_of_this_program();
    SpillFile file({"/nonexistent", temporary}, 3);
    CHECK(file.used() == 0);
    const auto a = file.put("a");
    const auto b = file.put(std::string(SpillFile::slot_size, 'b'));
    const auto c = file.put("");
    REQUIRE(a);
    REQUIRE(b);
    REQUIRE(c);
    CHECK(!file.put("d"));
    CHECK(files_of_this_program() == before + 1);
    CHECK(file.get(*b, SpillFile::slot_size) == std::string(SpillFile::slot_size, 'b'));
    CHECK(file.get(*b, 1) == "b");
    file.free(*b);
    const auto d = file.put("dd");
    REQUIRE(d);
    CHECK(*d == *b);
    CHECK(file.get(*d, 2) == "dd");
    CHECK(file.get(*a, 1) == "a");
    for (const auto& slot : {a, c, d}) file.free(*slot);
    CHECK(file.used() == 0);
    CHECK(files_of_this_program() == before);
    CHECK(!SpillFile({"/nonexistent", "/proc"}, 3).put("x"));
}

TEST_CASE("streams keep their order, and what is needed stays") {
    Spool spool(space(), {});
    CHECK(spool.first() == 0);
    CHECK(spool.last() == 0);
    spool.append(Stream::standard_output, "one");
    spool.append(Stream::standard_output, "two");
    spool.append(Stream::standard_error, "three");
    spool.append(Stream::standard_output, "");
    spool.append(Stream::terminal, "four");
    CHECK(spool.last() == 15);
    CHECK(read_all(spool, 0) == "oonetwoethreetfour");
    CHECK(read_all(spool, 4) == "owoethreetfour");
    CHECK(read_all(spool, 15).empty());
    // What was last before that may be asked for again.
    spool.need_from(15);
    CHECK(read_all(spool, 0) == "oonetwoethreetfour");
}

TEST_CASE("a small piece is not cut, a large one is") {
    Spool spool(space(), {});
    spool.append(Stream::standard_output, std::string(SpillFile::slot_size - 20, 'x'));
    const std::uint64_t small = spool.last();
    spool.append(Stream::standard_output, "the size of a line or a little more");
    CHECK(spool.read(small).bytes == "the size of a line or a little more");
    const std::uint64_t large = spool.last();
    spool.append(Stream::standard_error, std::string(100'000, 'y'));
    CHECK(read_all(spool, large).size() > 100'001);
}

TEST_CASE("what is needed goes from memory to disk, and is forgotten from the oldest on beyond that") {
    const auto shared = space();
    const std::string text = numbers(0, 40'000);
    {
        Spool spool(shared, {.recent = 1000, .memory = 70'000, .slots = 3});
        for (std::size_t i = 0; i < 150'000; i += 100) spool.append(Stream::standard_output, text.substr(i, 100));
        CHECK(spool.first() == 0);
        CHECK(spool.memory() <= 70'000);
        CHECK(shared->memory == spool.memory());
        CHECK(shared->file.used() == 3);
        CHECK(spool.read(0).bytes == text.substr(0, spool.read(0).bytes.size()));
        std::string all = read_all(spool, 0);
        std::erase(all, 'o');
        CHECK(all == text.substr(0, 150'000));

        for (std::size_t i = 150'000; i < 200'000; i += 100) spool.append(Stream::standard_output, text.substr(i, 100));
        CHECK(spool.first() > 0);
        CHECK(shared->file.used() == 3);
        all = read_all(spool, spool.first());
        std::erase(all, 'o');
        CHECK(all == text.substr(spool.first(), 200'000 - spool.first()));

        spool.need_from(spool.last());
        CHECK(shared->file.used() == 0);
        CHECK(spool.first() <= spool.last() - 1000);
        CHECK(spool.first() > spool.last() - 50'000);
        spool.leave_memory();
        CHECK(spool.memory() == 0);
        CHECK(shared->file.used() > 0);
        CHECK(spool.first() <= spool.last() - 1000);
    }
    CHECK(shared->memory == 0);
    CHECK(shared->file.used() == 0);
}

TEST_CASE("what comes later does not push out what was last before what is needed") {
    Spool spool(space(), {.recent = 1000, .memory = 100'000, .slots = 10});
    const std::string text = numbers(0, 2000);
    spool.append(Stream::standard_output, text);
    spool.need_from(5000);
    for (int i = 0; i < 20; ++i) spool.append(Stream::standard_error, std::string(10'000, 'x'));
    CHECK(spool.first() <= 4000);
    CHECK(spool.read(4000).bytes.substr(0, 1000) == std::string_view(text).substr(4000, 1000));
}

TEST_CASE("without a disk the oldest is forgotten") {
    for (const auto& directories : {std::vector<std::string>{}, std::vector<std::string>{"/nonexistent", "/proc"}}) {
        Spool spool(space(100, directories), {.recent = 1000, .memory = 100'000, .slots = 10});
        for (int i = 0; i < 300; ++i) spool.append(Stream::standard_output, std::string(1000, static_cast<char>('a' + i % 26)));
        CHECK(spool.last() == 300'000);
        CHECK(spool.first() >= 200'000);
        CHECK(spool.first() < 300'000 - 60'000);
        spool.leave_memory();
        CHECK(spool.first() == spool.last());
    }
}

TEST_CASE("several spools share the file, in bounds") {
    const auto shared = space(4);
    const Spool::Limits limits{.recent = 0, .memory = 40'000, .slots = 3};
    auto greedy = std::make_unique<Spool>(shared, limits);
    Spool late(shared, limits);
    greedy->append(Stream::standard_output, std::string(1'000'000, 'g'));
    late.append(Stream::standard_output, std::string(1'000'000, 'l'));
    CHECK(shared->file.used() == 4);
    CHECK(greedy->last() - greedy->first() >= 3 * 32'000);
    CHECK(late.last() - late.first() >= 1 * 32'000);
    greedy.reset();
    late.append(Stream::standard_output, std::string(1'000'000, 'l'));
    CHECK(shared->file.used() == 3);
    CHECK(late.last() - late.first() >= 3 * 32'000);
}

TEST_CASE("when all together hold too much, those that hold most go to disk, and lose nothing that is needed") {
    const auto shared = space(1000, {temporary}, 1 << 20);
    std::vector<std::unique_ptr<Spool>> spools;
    for (int i = 0; i < 200; ++i) spools.push_back(std::make_unique<Spool>(shared, Spool::Limits{}));
    std::mt19937 random(5);
    for (int i = 0; i < 20'000; ++i) {
        Spool& spool = *spools[std::min(random() % 200, random() % 200)];
        spool.append(Stream::standard_output, std::string(random() % 1000, static_cast<char>('a' + spool.last() % 26)));
        REQUIRE(shared->memory <= (1 << 20));
    }
    CHECK(shared->file.used() > 100);
    for (const auto& spool : spools) {
        CHECK(spool->first() == 0);
        CHECK(read_all(*spool, 0).size() >= spool->last());
    }
    spools.clear();
    CHECK(shared->memory == 0);
    CHECK(shared->file.used() == 0);
}

TEST_CASE("bytes that alternate between the streams are kept at a bounded cost") {
    const auto shared = space();
    Spool spool(shared, {.recent = 0, .memory = 1 << 20, .slots = 2});
    for (int i = 0; i < 400'000; ++i) spool.append(i % 2 == 0 ? Stream::standard_output : Stream::standard_error, "x");
    CHECK(spool.memory() <= (1 << 20));
    CHECK(spool.last() - spool.first() > 100'000);
    for (std::uint64_t offset = spool.first(); offset < spool.last(); ++offset) {
        const Spool::Piece piece = spool.read(offset);
        if (piece.bytes != "x" || (piece.stream == Stream::standard_output) != (offset % 2 == 0)) FAIL("at ", offset);
    }
}

TEST_CASE("whatever is done, what is kept is what was written") {
    std::mt19937 random(7);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    for (int round = 0; round < 40; ++round) {
        const auto shared = space(1 + below(12));
        const Spool::Limits limits{.recent = below(100'000), .memory = 1 + below(200'000), .slots = below(10)};
        Spool spool(shared, limits);
        Spool other(shared, limits);
        std::string streams;
        std::string bytes;
        std::uint64_t needed = 0;
        for (int step = 0; step < 300; ++step) {
            switch (below(8)) {
            case 0: spool.leave_memory(); break;
            case 1: other.append(Stream::standard_output, std::string(below(20'000), 'z')); break;
            case 2: other.need_from(other.last()); break;
            case 3:
                needed = needed + below(spool.last() - needed + 1);
                spool.need_from(needed);
                break;
            default: {
                const auto stream = static_cast<Stream>(below(3));
                std::string piece(below(10) == 0 ? below(100'000) : below(300), '\0');
                for (char& c : piece) c = static_cast<char>(random());
                spool.append(stream, piece);
                bytes += piece;
                streams.append(piece.size(), static_cast<char>(stream));
            }
            }
            REQUIRE(spool.last() == bytes.size());
            REQUIRE(spool.first() <= spool.last());
            REQUIRE(spool.memory() <= limits.memory);
            REQUIRE(shared->memory == spool.memory() + other.memory());
            for (int i = 0; i < 5 && spool.first() < spool.last(); ++i) {
                const std::uint64_t offset = spool.first() + below(spool.last() - spool.first());
                const Spool::Piece piece = spool.read(offset);
                REQUIRE(!piece.bytes.empty());
                REQUIRE(piece.bytes == std::string_view(bytes).substr(offset, piece.bytes.size()));
                const std::string_view of = std::string_view(streams).substr(offset, piece.bytes.size());
                REQUIRE(of.find_first_not_of(static_cast<char>(piece.stream)) == std::string_view::npos);
            }
        }
    }
}
