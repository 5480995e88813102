// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Source {
    TemporaryDirectory directory;
    Source() { make_repository(repository()); }
    [[nodiscard]] fs::path repository() const { return directory / "repo.git"; }
    [[nodiscard]] CloneRequest request(const std::string& name = "repo.git") const {
        auto r = test::request("file://" + (directory / name).string(), directory / "clone");
        r.mirrors = directory / "mirrors"; // never used: the source is here already
        return r;
    }
};

} // namespace

TEST_CASE("a clone of a local repository") {
    Source source;
    // What no branch or tag reaches stays where it is.
    const auto secret = git::test::git(source.repository(), {"hash-object", "-w", "--stdin"}, "secret");
    auto r = source.request();
    const auto result = cloned(r);
    CHECK(result.branch == "main");
    CHECK_FALSE(fs::exists(r.mirrors));
    check_healthy(r.destination);
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "3");
    CHECK(git::test::git(r.destination, {"tag"}) == "v1\nv2");
    CHECK(git::test::git(r.destination, {"cat-file", "-t", "v1"}) == "tag");
    CHECK(git::test::git(r.destination, {"rev-parse", "origin/dev"}) ==
          git::test::git(source.repository(), {"rev-parse", "dev"}));
    CHECK_THROWS(git::test::git(r.destination, {"cat-file", "-e", secret}));
}

TEST_CASE("with a depth") {
    Source source;
    auto r = source.request();
    r.branch = "dev";
    r.depth = 2;
    cloned(r);
    check_healthy(r.destination);
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "2");
    CHECK(git::test::git(r.destination, {"branch", "-r", "--format=%(refname)"}) ==
          "refs/remotes/origin/HEAD\nrefs/remotes/origin/dev");
    git::test::git(r.destination, {"fetch", "-q", "--unshallow"});
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "4");
}

TEST_CASE("of a work tree, shallow and detached, as a build server has it") {
    Source source;
    const auto work = source.directory / "work";
    run({"git", "clone", "-q", "--depth", "2", "file://" + source.repository().string(), work.string()});
    auto r = source.request("work");
    std::string count = "2";
    SUBCASE("shallow") {
        CHECK(cloned(r).branch == "main");
    }
    SUBCASE("shallow and shallower") {
        r.depth = 1;
        count = "1";
        cloned(r);
    }
    SUBCASE("detached") {
        git::test::git(work, {"checkout", "-q", "--detach"});
        git::test::git(work, {"branch", "-D", "main"});
        CHECK(cloned(r).branch.empty());
    }
    check_healthy(r.destination);
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == count);
    CHECK(git::test::git(r.destination, {"rev-parse", "HEAD"}) == git::test::git(work, {"rev-parse", "HEAD"}));
}

TEST_CASE("of a repository whose owner is another") {
    if (::geteuid() != 0) {
        MESSAGE("SKIPPED: needs root");
        return;
    }
    Source source;
    REQUIRE(::chown(source.repository().c_str(), 12345, 12345) == 0);
    cloned(source.request());
}

TEST_CASE("what is no repository") {
    Source source;
    refused(source.request("absent"), ErrorClass::not_found, "repository_not_found");
    fs::create_directory(source.directory / "plain");
    refused(source.request("plain"), ErrorClass::not_found, "not_a_repository");
    const auto tree = git::test::git(source.repository(), {"rev-parse", "main^{tree}"});
    REQUIRE(fs::remove(source.repository() / "objects" / tree.substr(0, 2) / tree.substr(2)));
    auto result = do_clone(source.request());
    REQUIRE(result.has_error());
    CHECK_FALSE(fs::exists(source.directory / "clone"));
    CHECK(result.error().kind == ErrorClass::data_loss);
}

TEST_CASE("limits and cancelling") {
    Source source;
    auto r = source.request();
    SUBCASE("bytes") {
        r.limits.received_bytes = 100'000;
        refused(r, ErrorClass::quota, "too_many_bytes");
    }
    SUBCASE("objects") {
        r.limits.objects = 5;
        refused(r, ErrorClass::quota, "too_many_objects");
    }
    SUBCASE("references") {
        r.limits.references = 2;
        refused(r, ErrorClass::quota, "too_many_references");
    }
    SUBCASE("cancelled midway") {
        std::stop_source stop;
        auto result = git::clone(r, stop.get_token(), [&](const CloneProgress&) { stop.request_stop(); });
        REQUIRE(result.has_error());
        CHECK(result.error().kind == ErrorClass::cancelled);
        CHECK_FALSE(fs::exists(r.destination));
    }
}
