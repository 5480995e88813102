// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http((make_repository(directory / "repo.git"), directory.path())) {}
    [[nodiscard]] fs::path repository() const { return directory / "repo.git"; }
    [[nodiscard]] std::string commit(const std::string& name) const {
        return git::test::git(repository(), {"rev-parse", name + "^{commit}"});
    }
    [[nodiscard]] CloneRequest request(const std::string& revision) const {
        auto r = test::request(http.url("/repo.git"), directory / "clone");
        r.revision = revision;
        return r;
    }
    // Each way that a clone can take.
    [[nodiscard]] std::vector<CloneRequest> requests(const std::string& revision) const {
        auto local = request(revision), mirrored = request(revision);
        local.url = "file://" + repository().string();
        mirrored.mirrors = directory / "mirrors";
        return {request(revision), local, mirrored, mirrored}; // the second time there is a mirror
    }
};

void check_is_at(const CloneRequest& r, const std::string& commit) {
    const auto result = cloned(r);
    CHECK(result.commit == commit);
    CHECK(result.branch.empty());
    CHECK(git::test::git(r.destination, {"rev-parse", "HEAD"}) == commit);
    CHECK_THROWS(git::test::git(r.destination, {"symbolic-ref", "-q", "HEAD"})); // detached
    CHECK(git::test::git(r.destination, {"branch", "--format=%(refname)"}).starts_with("(HEAD detached at "));
    check_healthy(r.destination);
}

} // namespace

TEST_CASE("a tag, of a commit or annotated, as git clone --branch has it") {
    Server server;
    for (const std::string tag : {"v1", "v2"}) {
        CAPTURE(tag);
        for (const auto& r : server.requests(tag)) {
            CAPTURE(r.url);
            CAPTURE(r.mirrors);
            check_is_at(r, server.commit(tag));
            const auto theirs = server.directory / "theirs";
            run({"git", "-c", "advice.detachedHead=false", "clone", "-q", "--branch", tag, r.url, theirs.string()});
            for (const auto& arguments : std::vector<std::vector<std::string>>{{"ls-files", "-s"}, {"show-ref", "--tags", "-d"}})
                CHECK(git::test::git(r.destination, arguments) == git::test::git(theirs, arguments));
            fs::remove_all(theirs);
            fs::remove_all(r.destination);
        }
    }
}

TEST_CASE("a tag with a depth") {
    Server server;
    for (const std::string tag : {"v1", "v2"})
        for (const auto& url : {server.http.url("/repo.git"), "file://" + server.repository().string()}) {
            CAPTURE(tag);
            CAPTURE(url);
            auto r = server.request(tag);
            r.url = url;
            r.depth = 1;
            check_is_at(r, server.commit(tag));
            CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "1");
            CHECK(git::test::git(r.destination, {"for-each-ref", "--format=%(refname) %(objectname)"}) ==
                  "refs/tags/" + tag + " " + git::test::git(server.repository(), {"rev-parse", tag}));
            git::test::git(r.destination, {"fetch", "-q"});
            fs::remove_all(r.destination);
        }
}

TEST_CASE("a commit") {
    Server server;
    for (const std::string name : {"main~1", "main", "dev", "v1"})
        for (const auto& r : server.requests(server.commit(name))) {
            CAPTURE(name);
            CAPTURE(r.url);
            check_is_at(r, server.commit(name));
            CHECK(git::test::git(r.destination, {"branch", "-r", "--format=%(refname)"}) ==
                  "refs/remotes/origin/dev\nrefs/remotes/origin/main");
            fs::remove_all(r.destination);
        }
}

TEST_CASE("a commit with a depth") {
    Server server;
    auto r = server.request(server.commit("dev"));
    r.depth = 1;
    SUBCASE("that a branch ends at") {}
    SUBCASE("in the middle, of a server that gives any") {
        git::test::git(server.repository(), {"config", "uploadpack.allowReachableSHA1InWant", "true"});
        r.revision = server.commit("main~1");
    }
    SUBCASE("in the middle, of a server that does not") {
        r.revision = server.commit("main~1");
        const auto error = refused(r, ErrorClass::unsupported, "commit_needs_history");
        CHECK(error.remedy.find("depth") != std::string::npos);
        r.url = "file://" + server.repository().string(); // of this machine it can be had
    }
    check_is_at(r, *r.revision);
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "1");
}

TEST_CASE("a revision that is not there") {
    Server server;
    for (const auto& revision : std::vector<std::string>{"v9", "main", "HEAD", "0123456789", std::string(40, 'a')})
        for (const auto& r : server.requests(revision)) {
            CAPTURE(revision);
            const auto error = refused(r, ErrorClass::not_found, "revision_not_found");
            CHECK(error.message.find(revision) != std::string::npos);
        }
    CHECK(refused(server.request("v9"), ErrorClass::not_found, "revision_not_found").remedy.ends_with("its tags: v1, v2"));

    const auto blob = git::test::git(server.repository(), {"rev-parse", "main:README"});
    git::test::git(server.repository(), {"tag", "of-a-file", blob});
    for (const auto& r : server.requests("of-a-file")) refused(r, ErrorClass::invalid, "not_a_commit");
    refused(server.request(blob), ErrorClass::invalid, "not_a_commit");

    auto both = server.request("v1");
    both.branch = "main";
    refused(both, ErrorClass::invalid, "bad_revision");
}

TEST_CASE("a commit that the server has dropped is not taken from the mirror, nor from a local repository") {
    Server server;
    const auto dropped = server.commit("dev");
    for (const auto& r : server.requests(dropped)) {
        cloned(r);
        fs::remove_all(r.destination);
    }
    git::test::git(server.repository(), {"branch", "-D", "dev"});
    for (const auto& r : server.requests(dropped)) refused(r, ErrorClass::not_found, "revision_not_found");
}
