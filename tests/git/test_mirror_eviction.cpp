// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include "git/mirror_eviction.hpp"

#include <csignal>
#include <set>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

// Repositories a, b, c, ..., each with a mirror in the order of their names.
struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http(directory.path()) {
        make_repository(directory / "a.git");
        for (const std::string name : {"b", "c"}) {
            fs::copy(directory / "a.git", directory / (name + ".git"), fs::copy_options::recursive);
            cloned_from(name == "b" ? "a" : "b");
        }
        cloned_from("c");
    }
    [[nodiscard]] fs::path mirrors() const { return directory / "mirrors"; }
    [[nodiscard]] CloneRequest request(const std::string& name) const {
        auto r = test::request(http.url("/" + name + ".git"), directory / "clone");
        r.mirrors = mirrors();
        return r;
    }
    // Whether there was a mirror.
    bool cloned_from(const std::string& name) const {
        const auto result = cloned(request(name));
        check_healthy(directory / "clone");
        fs::remove_all(directory / "clone");
        return result.from_mirror;
    }
    [[nodiscard]] std::size_t count(const std::string& extension) const {
        std::size_t n = 0;
        for (const auto& entry : fs::directory_iterator(mirrors()))
            if (entry.path().extension() == extension) ++n;
        return n;
    }
    [[nodiscard]] std::uint64_t bytes() const {
        std::uint64_t sum = 0;
        for (const auto& entry : fs::recursive_directory_iterator(mirrors()))
            if (entry.is_regular_file()) sum += entry.file_size();
        return sum;
    }
};

Evicted evict(const fs::path& mirrors, std::uint64_t most) {
    auto evicted = evict_mirrors(mirrors, most);
    REQUIRE(evicted.has_value());
    return *evicted;
}

} // namespace

TEST_CASE("the mirrors used least recently go first, and no more than must") {
    const Server server;
    const auto all = server.bytes();
    CHECK(evict(server.mirrors(), UINT64_MAX).mirrors == 0);
    CHECK(evict(server.mirrors(), all).mirrors == 0);
    CHECK(server.cloned_from("a")); // now b is the oldest
    const auto evicted = evict(server.mirrors(), all - 1);
    CHECK(evicted.mirrors == 1);
    CHECK(evicted.bytes == all - server.bytes());
    CHECK(server.count(".evicted") == 0);
    CHECK(server.cloned_from("a"));
    CHECK(server.cloned_from("c"));
    CHECK_FALSE(server.cloned_from("b"));
    CHECK(evict(server.mirrors(), 0).mirrors == 3);
    CHECK(server.bytes() == 0);
    CHECK_FALSE(server.cloned_from("a"));
}

TEST_CASE("there may be no mirrors at all") {
    const TemporaryDirectory directory;
    CHECK(evict(directory / "absent", 0).mirrors == 0);
    CHECK_FALSE(fs::exists(directory / "absent"));
    CHECK(evict(directory.path(), 0).mirrors == 0);
}

TEST_CASE("a mirror in use stays") {
    Server server;
    write_file(server.directory / "halt", ""); // an update of a does not come to its end
    std::string text;                          // of which half a pack is more than a packet
    for (std::uint64_t i = 0, x = 1; i < 40'000; ++i)
        text += std::to_string(x = x * 6364136223846793005ULL + 1442695040888963407ULL) + "\n";
    add_commit(server.directory / "a.git", "main", "more", text);
    const auto r = server.request("a");
    Child user({fs::read_symlink("/proc/self/exe").string(), "--clone", r.url, r.destination.string(), r.mirrors.string()});
    REQUIRE(user.read_line() == "receiving");
    CHECK(evict(server.mirrors(), 0).mirrors == 2);
    CHECK(server.count(".git") == 1);
    user.kill(SIGKILL);
    user.wait();
    CHECK(evict(server.mirrors(), 0).mirrors == 1);
}

TEST_CASE("what a dead process left is removed") {
    const Server server;
    const auto mirror = [&] {
        for (const auto& entry : fs::directory_iterator(server.mirrors()))
            if (entry.path().extension() == ".git") return entry.path();
        return fs::path();
    }();
    SUBCASE("while it evicted") {
        fs::rename(mirror, fs::path(mirror).replace_extension(".evicted"));
    }
    SUBCASE("while it made a mirror") {
        fs::rename(mirror, fs::path(mirror).replace_extension(".new"));
    }
    CHECK(evict(server.mirrors(), UINT64_MAX).mirrors == 0);
    CHECK(server.count(".evicted") == 0);
    CHECK(server.count(".new") == 0);
    CHECK(server.count(".git") == 2);
    for (const std::string name : {"a", "b", "c"}) server.cloned_from(name);
    CHECK(server.count(".git") == 3);
}
