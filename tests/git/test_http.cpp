// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include <future>
#include <latch>
#include <random>

#include <sys/stat.h>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http((make_repository(directory / "repo.git"), directory.path())) {}
    [[nodiscard]] fs::path repository() const { return directory / "repo.git"; }
    [[nodiscard]] CloneRequest request(const std::string& path = "/repo.git") const {
        return test::request(http.url(path), directory / "clone");
    }
};

// Cancels from the first word of progress.
Result<CloneResult> cancelled_midway(const CloneRequest& r) {
    std::stop_source stop;
    return git::clone(r, stop.get_token(), [&](const CloneProgress& p) {
        if (p.total_objects > 0) stop.request_stop();
    });
}

} // namespace

TEST_CASE("a clone over HTTP is what git would have made") {
    Server server;
    auto r = server.request();
    CloneProgress last;
    auto result = git::clone(r, {}, [&](const CloneProgress& p) { last = p; });
    REQUIRE(result.has_value());
    CHECK(result->branch == "main");
    CHECK(result->commit == git::test::git(server.repository(), {"rev-parse", "main"}));
    CHECK(result->received_bytes > 300'000);
    CHECK_FALSE(result->from_mirror);
    CHECK(last.received_bytes == result->received_bytes);
    CHECK(last.total_objects > 0);
    CHECK(last.received_objects == last.total_objects);
    CHECK(last.checked_out == 4);
    CHECK(last.checkout_total == 4);

    const auto& clone = r.destination;
    check_healthy(clone);
    CHECK(read_file(clone / "README") == "third\n");
    CHECK(fs::read_symlink(clone / "run") == "src/run.sh");
    CHECK((fs::status(clone / "src/run.sh").permissions() & fs::perms::owner_exec) != fs::perms::none);
    CHECK(git::test::git(clone, {"rev-list", "--count", "HEAD"}) == "3");
    CHECK(git::test::git(clone, {"branch", "-a", "--format=%(refname)"}) ==
          "refs/heads/main\nrefs/remotes/origin/HEAD\nrefs/remotes/origin/dev\nrefs/remotes/origin/main");
    CHECK(git::test::git(clone, {"tag"}) == "v1\nv2");
    CHECK(git::test::git(clone, {"rev-parse", "--abbrev-ref", "main@{upstream}"}) == "origin/main");
    CHECK(git::test::git(clone, {"config", "remote.origin.url"}) == r.url);
    git::test::git(clone, {"fetch", "-q"}); // and git goes on from here
}

TEST_CASE("a branch and a depth") {
    Server server;
    auto r = server.request();
    r.branch = "dev";
    SUBCASE("branch") {
        CHECK(cloned(r).branch == "dev");
        CHECK(fs::exists(r.destination / "dev.txt"));
        CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "4");
    }
    SUBCASE("depth 1") {
        r.depth = 1;
        r.mirrors = server.directory / "mirrors";
        const auto result = cloned(r);
        CHECK_FALSE(result.from_mirror);
        CHECK_FALSE(fs::exists(r.mirrors));
        CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "1");
        CHECK(git::test::git(r.destination, {"branch", "-r", "--format=%(refname)"}) ==
              "refs/remotes/origin/HEAD\nrefs/remotes/origin/dev");
        check_healthy(r.destination);
        git::test::git(r.destination, {"fetch", "-q", "--unshallow"});
        fs::remove(r.destination / ".git/FETCH_HEAD");
        CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "4");
    }
    SUBCASE("depth 2") {
        r.depth = 2;
        cloned(r);
        CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "2");
    }
    SUBCASE("depth beyond the beginning") {
        r.depth = 1000;
        cloned(r);
        CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "4");
    }
    check_healthy(r.destination);
}

TEST_CASE("a detached HEAD on the server is checked out detached") {
    Server server;
    const auto commit = git::test::git(server.repository(), {"rev-parse", "main~1"});
    git::test::git(server.repository(), {"update-ref", "--no-deref", "HEAD", commit});
    auto r = server.request();
    SUBCASE("whole") {}
    SUBCASE("depth") {
        r.depth = 1;
    }
    SUBCASE("mirror") {
        r.mirrors = server.directory / "mirrors";
    }
    const auto result = cloned(r);
    CHECK(result.branch.empty());
    CHECK(result.commit == commit);
    CHECK(git::test::git(r.destination, {"rev-parse", "HEAD"}) == commit);
    check_healthy(r.destination);
}

TEST_CASE("what the server does not have, or does not give") {
    Server server;
    refused(server.request("/absent.git"), ErrorClass::not_found, "repository_not_found");
    refused(server.request("/page/x.git"), ErrorClass::not_found, "not_a_repository");
    const auto error = refused(server.request("/auth/repo.git"), ErrorClass::permission, "credentials_required");
    CHECK(error.remedy.find("connection") != std::string::npos);
    auto r = server.request();
    r.branch = "absent";
    CHECK(refused(r, ErrorClass::not_found, "branch_not_found").remedy == "its branches: dev, main");
    run({"git", "init", "-q", "--bare", (server.directory / "empty.git").string()});
    refused(server.request("/empty.git"), ErrorClass::not_found, "repository_empty");
    fs::create_directory(server.directory / "clone"); // an empty one is fine, and stays
    refused(server.request("/absent.git"), ErrorClass::not_found, "repository_not_found");
}

TEST_CASE("a destination that is in use is left alone") {
    Server server;
    auto r = server.request();
    fs::create_directory(r.destination);
    write_file(r.destination / "mine", "mine");
    auto result = do_clone(r);
    REQUIRE(result.has_error());
    CHECK(result.error().code == "destination_not_empty");
    CHECK(read_file(r.destination / "mine") == "mine");
    r.destination = server.directory / "no/parent";
    refused(r, ErrorClass::invalid, "bad_destination");
}

TEST_CASE("a server that is away or silent") {
    TemporaryDirectory directory;
    auto r = request("http://127.0.0.1:1/x.git", directory / "clone");
    refused(r, ErrorClass::unavailable, "server_unavailable");
    SilentServer silent;
    r.url = "http://127.0.0.1:" + std::to_string(silent.port()) + "/x.git";
    r.limits.stall = std::chrono::seconds(1);
    refused(r, ErrorClass::timeout, "server_stalled");
    r.url = "https://127.0.0.1:" + std::to_string(silent.port()) + "/x.git";
    refused(r, ErrorClass::timeout, "server_stalled");
    r.limits.stall = std::chrono::seconds(60);
    r.limits.total = std::chrono::seconds(1);
    refused(r, ErrorClass::timeout, "server_stalled");
}

TEST_CASE("a server that stops in the middle") {
    Server server;
    auto r = server.request("/half/repo.git");
    r.limits.stall = std::chrono::seconds(1);
    SUBCASE("plain") {}
    SUBCASE("into a mirror") {
        r.mirrors = server.directory / "mirrors";
    }
    SUBCASE("shallow") {
        r.depth = 1;
    }
    refused(r, ErrorClass::timeout, "server_stalled");
    r.url = server.http.url("/drop/repo.git");
    refused(r, ErrorClass::unavailable, "server_unavailable");
    r.url = server.http.url("/repo.git");
    cloned(r);
    check_healthy(r.destination);
}

TEST_CASE("cancelling") {
    Server server;
    auto r = server.request("/half/repo.git");
    SUBCASE("before it begins") {
        std::stop_source stop;
        stop.request_stop();
        refused(r, ErrorClass::cancelled, "cancelled", stop.get_token());
    }
    SUBCASE("in the middle") {
        r.url = server.http.url("/repo.git");
        auto result = cancelled_midway(r);
        REQUIRE(result.has_error());
        CHECK(result.error().kind == ErrorClass::cancelled);
        CHECK_FALSE(fs::exists(r.destination));
    }
    SUBCASE("while the server is silent: comes back when its time is over") {
        r.limits.stall = std::chrono::seconds(2);
        auto result = cancelled_midway(r);
        REQUIRE(result.has_error());
        CHECK(result.error().kind == ErrorClass::cancelled);
        CHECK_FALSE(fs::exists(r.destination));
    }
    SUBCASE("while the files are written") {
        r.url = server.http.url("/repo.git");
        std::stop_source stop;
        auto result = git::clone(r, stop.get_token(), [&](const CloneProgress& p) {
            if (p.checkout_total > 0) stop.request_stop();
        });
        REQUIRE(result.has_error());
        CHECK(result.error().kind == ErrorClass::cancelled);
        CHECK_FALSE(fs::exists(r.destination));
    }
}

TEST_CASE("limits") {
    Server server;
    auto r = server.request();
    SUBCASE("bytes") {
        r.limits.received_bytes = 100'000;
        refused(r, ErrorClass::quota, "too_many_bytes");
    }
    SUBCASE("objects") {
        r.limits.objects = 5;
        refused(r, ErrorClass::quota, "too_many_objects");
    }
    SUBCASE("bytes of the work tree") {
        r.limits.checkout_bytes = 100'000;
        refused(r, ErrorClass::quota, "checkout_too_large");
    }
    SUBCASE("files") {
        r.limits.checkout_files = 3;
        refused(r, ErrorClass::quota, "too_many_files");
    }
    SUBCASE("one file") {
        r.limits.file_bytes = 100'000;
        refused(r, ErrorClass::quota, "file_too_large");
    }
    SUBCASE("into a mirror") {
        r.mirrors = server.directory / "mirrors";
        r.limits.received_bytes = 100'000;
        refused(r, ErrorClass::quota, "too_many_bytes");
    }
    r.limits = CloneLimits{};
    cloned(r); // and no setting of the library stays behind
}

TEST_CASE("a bomb of references") {
    Server server;
    const auto commit = git::test::git(server.repository(), {"rev-parse", "main"});
    std::string commands;
    for (int i = 0; i < 5000; ++i) commands += "create refs/heads/many/" + std::to_string(i) + " " + commit + "\n";
    git::test::git(server.repository(), {"update-ref", "--stdin"}, commands);
    auto r = server.request();
    SUBCASE("counted when they are there") {
        r.limits.references = 1000;
    }
    SUBCASE("given up on while they come") {
        r.limits.references = 10;
    }
    refused(r, ErrorClass::quota, "too_many_references");
    r.mirrors = server.directory / "mirrors";
    refused(r, ErrorClass::quota, "too_many_references");
    r.limits = CloneLimits{};
    cloned(r);
    CHECK(git::test::git(r.destination, {"rev-parse", "origin/many/4999"}) == commit);
    CHECK_FALSE(fs::exists(r.destination / ".git/refs/remotes/origin/many/4999")); // packed
}

TEST_CASE("a work tree that is many times itself") {
    Server server;
    const auto bare = server.repository();
    auto tree =
        git::test::git(bare, {"mktree"}, "100644 blob " + git::test::git(bare, {"hash-object", "-w", "--stdin"}, "x") + "\tx\n");
    for (int level = 0; level < 10; ++level) {
        std::string entries;
        for (int i = 0; i < 10; ++i) entries += "040000 tree " + tree + "\td" + std::to_string(i) + "\n";
        tree = git::test::git(bare, {"mktree"}, entries);
    }
    git::test::git(bare, {"update-ref", "refs/heads/bomb", git::test::git(bare, {"commit-tree", tree, "-m", "bomb"})});
    auto r = server.request();
    r.branch = "bomb";
    r.limits.checkout_files = 10'000;
    refused(r, ErrorClass::quota, "too_many_files");
}

TEST_CASE("a tree that wants out of its directory") {
    Server server;
    const auto bare = server.repository();
    const auto blob = git::test::git(bare, {"hash-object", "-w", "--stdin"}, "evil");
    const auto link = git::test::git(bare, {"hash-object", "-w", "--stdin"}, server.directory.path().string());
    const auto inner = git::test::git(bare, {"mktree"}, "100644 blob " + blob + "\tevil\n");
    const auto entry = [](const std::string& mode, const std::string& name, const std::string& id) {
        std::string raw = mode + ' ' + name + '\0';
        for (std::size_t i = 0; i < id.size(); i += 2) raw += static_cast<char>(std::stoi(id.substr(i, 2), nullptr, 16));
        return raw;
    };
    std::string tree;
    SUBCASE("a link and a directory of one name") {
        tree = entry("120000", "a", link) + entry("40000", "a", inner);
    }
    SUBCASE("..") {
        tree = entry("40000", "..", inner);
    }
    SUBCASE(".git") {
        tree = entry("40000", ".git", inner);
    }
    SUBCASE(".GIT") {
        tree = entry("40000", ".GIT", inner);
    }
    SUBCASE("a slash") {
        tree = entry("100644", "a/../../evil", blob);
    }
    const auto id = git::test::git(bare, {"hash-object", "-t", "tree", "-w", "--literally", "--stdin"}, tree);
    git::test::git(bare, {"update-ref", "refs/heads/evil", git::test::git(bare, {"commit-tree", id, "-m", "evil"})});
    auto r = server.request();
    r.branch = "evil";
    auto result = do_clone(r);
    REQUIRE(result.has_error());
    CHECK_FALSE(fs::exists(r.destination));
    CHECK_FALSE(fs::exists(server.directory / "evil"));
}

TEST_CASE("a branch that is advertised as what a tag is of") {
    Server server;
    auto r = server.request();
    r.url = server.http.url("/peel/repo.git");
    cloned(r);
    CHECK(read_file(r.destination / ".git/packed-refs").find("pwn") == std::string::npos);
    check_healthy(r.destination);
}

TEST_CASE("git's settings as links to what must not be opened") {
    Server server;
    const auto bare = server.repository();
    const auto fifo = server.directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto blob = git::test::git(bare, {"hash-object", "-w", "--stdin"}, "text\n");
    const auto link = git::test::git(bare, {"hash-object", "-w", "--stdin"}, fifo.string());
    std::string inner = "120000 blob " + link + "\t.gitattributes\n100644 blob " + blob + "\tfile\n";
    std::string outer = "120000 blob " + link + "\t.gitattributes\n120000 blob " + link + "\t.gitignore\n040000 tree " +
                        git::test::git(bare, {"mktree"}, inner) + "\tinner\n";
    for (int i = 0; i < 2100; ++i) outer += "100644 blob " + blob + "\tz" + std::to_string(i) + "\n";
    const auto tree = git::test::git(bare, {"mktree"}, outer);
    git::test::git(bare, {"update-ref", "refs/heads/links", git::test::git(bare, {"commit-tree", tree, "-m", "links"})});
    auto r = server.request();
    r.branch = "links";
    cloned(r); // opening the FIFO would wait for ever
    for (const auto* name : {".gitattributes", ".gitignore", "inner/.gitattributes"})
        CHECK(fs::read_symlink(r.destination / name) == fifo);
    CHECK(read_file(r.destination / "inner/file") == "text\n");
}

TEST_CASE("an object too large for memory, which no file of the work tree is") {
    Server server;
    const auto bare = server.repository();
    std::string text(3 << 20, '\0');
    std::mt19937 random(1);
    for (char& c : text) c = static_cast<char>(random());
    const auto commit = [&](const std::string& blob, const std::string& parent) {
        const auto tree = git::test::git(bare, {"mktree"}, "100644 blob " + blob + "\tfile\n");
        return git::test::git(bare, parent.empty() ? std::vector<std::string>{"commit-tree", tree, "-m", "a"}
                                                   : std::vector<std::string>{"commit-tree", tree, "-p", parent, "-m", "a"});
    };
    const auto store = [&](const std::string& bytes) { return git::test::git(bare, {"hash-object", "-w", "--stdin"}, bytes); };
    auto tip = commit(store(text), "");
    tip = commit(store(text + "more"), tip); // the server sends one as a delta of the other
    tip = commit(store("small"), tip);
    git::test::git(bare, {"update-ref", "refs/heads/large", tip});
    git::test::git(bare, {"repack", "-adf"});
    auto r = server.request();
    r.branch = "large";
    SUBCASE("refused") {
        r.limits.file_bytes = 1 << 20;
        refused(r, ErrorClass::quota, "object_too_large");
    }
    SUBCASE("through a mirror") {
        r.limits.file_bytes = 1 << 20;
        r.mirrors = server.directory / "mirrors";
        refused(r, ErrorClass::quota, "object_too_large");
    }
    SUBCASE("of a repository on this machine") {
        r.limits.file_bytes = 1 << 20;
        r.url = "file://" + bare.string();
        refused(r, ErrorClass::quota, "object_too_large");
    }
    SUBCASE("within the limit") {
        cloned(r);
        check_healthy(r.destination);
    }
}

TEST_CASE("filters, submodules and the user's settings have no part in it") {
    Server server;
    const auto bare = server.repository();
    const auto commit = git::test::git(bare, {"rev-parse", "main"});
    const auto attributes = git::test::git(bare, {"hash-object", "-w", "--stdin"}, "*.txt filter=evil\n");
    const auto text = git::test::git(bare, {"hash-object", "-w", "--stdin"}, "plain\n");
    const auto modules = git::test::git(bare, {"hash-object", "-w", "--stdin"},
                                        "[submodule \"sub\"]\n\tpath = sub\n\turl = https://127.0.0.1:1/x\n");
    const auto tree =
        git::test::git(bare, {"mktree"},
                       "100644 blob " + attributes + "\t.gitattributes\n100644 blob " + modules +
                           "\t.gitmodules\n160000 commit " + commit + "\tsub\n100644 blob " + text + "\ttext.txt\n");
    git::test::git(bare, {"update-ref", "refs/heads/odd", git::test::git(bare, {"commit-tree", tree, "-m", "odd"})});
    auto r = server.request();
    r.branch = "odd";
    cloned(r);
    CHECK(read_file(r.destination / "text.txt") == "plain\n");
    CHECK(fs::is_empty(r.destination / "sub"));
}

TEST_CASE("clones in several threads") {
    Server server;
    std::vector<std::future<Result<CloneResult>>> clones;
    for (int i = 0; i < 4; ++i) {
        auto r = server.request();
        r.destination = server.directory / ("clone" + std::to_string(i));
        r.mirrors = server.directory / "mirrors";
        clones.push_back(std::async(std::launch::async, [r] { return do_clone(r); }));
    }
    for (auto& clone : clones) CHECK(clone.get().has_value());
    for (int i = 0; i < 4; ++i) check_healthy(server.directory / ("clone" + std::to_string(i)));
}
