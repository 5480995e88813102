// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include <csignal>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http((make_repository(directory / "repo.git"), directory.path())) {}
    [[nodiscard]] fs::path repository() const { return directory / "repo.git"; }
    [[nodiscard]] CloneRequest request(const std::string& name) const {
        auto r = test::request(http.url("/repo.git"), directory / name);
        r.mirrors = directory / "mirrors";
        return r;
    }
    // The one mirror.
    [[nodiscard]] fs::path mirror() const {
        for (const auto& entry : fs::directory_iterator(directory / "mirrors"))
            if (entry.path().extension() == ".git") return entry.path();
        return {};
    }
    [[nodiscard]] std::size_t count(const std::string& extension) const {
        std::size_t n = 0;
        for (const auto& entry : fs::directory_iterator(directory / "mirrors"))
            if (entry.path().extension() == extension) ++n;
        return n;
    }
    // Another process that clones.
    [[nodiscard]] Child clone_elsewhere(const std::string& name) const {
        const auto r = request(name);
        return Child({fs::read_symlink("/proc/self/exe").string(), "--clone", r.url, r.destination.string(), r.mirrors.string()});
    }
};

} // namespace

TEST_CASE("the second clone costs a look at the server") {
    Server server;
    const auto first = cloned(server.request("first"));
    CHECK_FALSE(first.from_mirror);
    CHECK(first.received_bytes > 300'000);
    const auto second = cloned(server.request("second"));
    CHECK(second.from_mirror);
    CHECK(second.received_bytes < 10'000);
    CHECK(second.commit == first.commit);
    check_healthy(server.directory / "first");
    check_healthy(server.directory / "second");
    CHECK(git::test::git(server.directory / "first", {"for-each-ref"}) ==
          git::test::git(server.directory / "second", {"for-each-ref"}));
    CHECK(git::test::git(server.directory / "second", {"config", "remote.origin.url"}) == server.http.url("/repo.git"));
    // Nothing shared: the clone outlives its mirror.
    fs::remove_all(server.directory / "mirrors");
    check_healthy(server.directory / "second");
}

TEST_CASE("a mirror follows its server") {
    Server server;
    cloned(server.request("first"));
    const auto commit = add_commit(server.repository(), "main", "new.txt", "new\n");
    git::test::git(server.repository(), {"branch", "-D", "dev"});
    git::test::git(server.repository(), {"branch", "topic", commit});
    const auto result = cloned(server.request("second"));
    CHECK(result.from_mirror);
    CHECK(result.commit == commit);
    CHECK(result.received_bytes < 10'000);
    CHECK(read_file(server.directory / "second/new.txt") == "new\n");
    CHECK(git::test::git(server.directory / "second", {"branch", "-r", "--format=%(refname)"}) ==
          "refs/remotes/origin/HEAD\nrefs/remotes/origin/main\nrefs/remotes/origin/topic");
    check_healthy(server.directory / "second");

    // Rewritten history too.
    git::test::git(server.repository(), {"update-ref", "refs/heads/main", "main~2"});
    CHECK(cloned(server.request("third")).commit == git::test::git(server.repository(), {"rev-parse", "main"}));
    // And a failure does not harm it.
    git::test::git(server.repository(), {"branch", "-D", "topic"});
    auto r = server.request("fourth");
    r.branch = "topic";
    refused(r, ErrorClass::not_found, "branch_not_found");
    CHECK(cloned(server.request("fifth")).from_mirror);
}

TEST_CASE("a damaged mirror is made again") {
    Server server;
    cloned(server.request("first"));
    const auto mirror = server.mirror();
    fs::path pack;
    for (const auto& entry : fs::directory_iterator(mirror / "objects/pack"))
        if (entry.path().extension() == ".pack") pack = entry.path();
    SUBCASE("no pack") {
        fs::remove(pack);
    }
    SUBCASE("half a pack") {
        fs::permissions(pack, fs::perms::owner_write, fs::perm_options::add);
        fs::resize_file(pack, fs::file_size(pack) / 2);
    }
    SUBCASE("another pack") {
        auto bytes = read_file(pack);
        for (std::size_t i = 1000; i < bytes.size() - 20; ++i) bytes[i] = 0;
        fs::remove(pack);
        write_file(pack, bytes);
    }
    SUBCASE("one bit of a pack") { // of a file that is not checked out, perhaps
        auto bytes = read_file(pack);
        bytes[bytes.size() / 3] ^= 4;
        fs::remove(pack);
        write_file(pack, bytes);
    }
    SUBCASE("no index") {
        fs::remove(fs::path(pack).replace_extension(".idx"));
    }
    SUBCASE("half an index") {
        const auto index = fs::path(pack).replace_extension(".idx");
        fs::permissions(index, fs::perms::owner_write, fs::perm_options::add);
        fs::resize_file(index, fs::file_size(index) / 2);
    }
    SUBCASE("the index of another pack") {
        const auto other = server.directory / "other.git";
        make_repository(other);
        add_commit(other, "main", "more", "more\n");
        git::test::git(other, {"repack", "-adq"});
        const auto index = fs::path(pack).replace_extension(".idx");
        fs::remove(index);
        for (const auto& entry : fs::directory_iterator(other / "objects/pack"))
            if (entry.path().extension() == ".idx") fs::copy_file(entry.path(), index);
    }
    SUBCASE("neither pack nor index") {
        fs::remove(pack);
        fs::remove(fs::path(pack).replace_extension(".idx"));
    }
    SUBCASE("no HEAD") {
        fs::remove(mirror / "HEAD");
    }
    SUBCASE("a config that cannot be read") {
        write_file(mirror / "config", "[core");
    }
    SUBCASE("an update that died") {
        write_file(mirror / "updating", "");
    }
    SUBCASE("too many packs") {
        for (int i = 0; i < 60; ++i) write_file(mirror / "objects/pack" / ("pack-" + std::to_string(i) + ".pack"), "");
    }
    CHECK_FALSE(cloned(server.request("second")).from_mirror);
    check_healthy(server.directory / "second");
    CHECK(cloned(server.request("third")).from_mirror);
    CHECK(server.count(".git") == 1);
    CHECK(server.count(".new") == 0);
}

TEST_CASE("references of a mirror that are damaged become the server's again") {
    Server server;
    cloned(server.request("first"));
    const auto references = read_file(server.mirror() / "packed-refs");
    SUBCASE("none are references") {
        write_file(server.mirror() / "packed-refs", std::string(100'000, '\xff'));
    }
    SUBCASE("to nothing") {
        write_file(server.mirror() / "packed-refs", std::string(40, 'a') + " refs/heads/main\n");
    }
    cloned(server.request("second"));
    check_healthy(server.directory / "second");
    CHECK(read_file(server.mirror() / "packed-refs") == references);
}

TEST_CASE("two processes clone one URL at once") {
    Server server;
    auto a = server.clone_elsewhere("a"), b = server.clone_elsewhere("b");
    CHECK(a.wait() == 0);
    CHECK(b.wait() == 0);
    check_healthy(server.directory / "a");
    check_healthy(server.directory / "b");
    CHECK(cloned(server.request("c")).from_mirror);
}

TEST_CASE("a process killed in the middle") {
    Server server;
    const bool update = [] {
        bool yes = false;
        SUBCASE("of the first clone") {}
        SUBCASE("of an update") {
            yes = true;
        }
        return yes;
    }();
    if (update) {
        cloned(server.request("before"));
        // More than fits into one packet of the protocol, of which half would be nothing.
        std::string text;
        for (std::uint64_t i = 0, x = 1; i < 40'000; ++i)
            text += std::to_string(x = x * 6364136223846793005ULL + 1442695040888963407ULL) + "\n";
        add_commit(server.repository(), "main", "more.txt", text);
    }
    write_file(server.directory / "halt", "");
    auto victim = server.clone_elsewhere("victim");
    REQUIRE(victim.read_line() == "receiving");
    if (update)
        CHECK(fs::exists(server.mirror() / "updating"));
    else
        CHECK(server.count(".new") == 1);
    victim.kill(SIGKILL);
    CHECK(victim.wait() == 128 + SIGKILL);
    fs::remove(server.directory / "halt");
    CHECK_FALSE(cloned(server.request("after")).from_mirror);
    check_healthy(server.directory / "after");
    CHECK(server.count(".new") == 0);
    CHECK_FALSE(fs::exists(server.mirror() / "updating"));
    CHECK(cloned(server.request("again")).from_mirror);
}

TEST_CASE("waiting for another's update can be cancelled") {
    Server server;
    write_file(server.directory / "halt", "");
    auto other = server.clone_elsewhere("other");
    REQUIRE(other.read_line() == "receiving");
    std::stop_source stop;
    std::jthread canceller([&] { stop.request_stop(); });
    refused(server.request("mine"), ErrorClass::cancelled, "cancelled", stop.get_token());
    other.kill(SIGKILL);
}
