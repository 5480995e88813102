// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include <set>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

// app.git has lib.git at lib, by a relative URL, and that has deep.git at in/deep.
struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http((make_repository(directory / "deep.git"), directory.path())) {
        for (const std::string name : {"lib.git", "app.git"})
            fs::copy(directory / "deep.git", directory / name, fs::copy_options::recursive);
        add("lib.git", "in/deep", "../deep.git");
        add("app.git", "lib", "../lib.git");
    }
    [[nodiscard]] std::string head(const std::string& repository) const {
        return git::test::git(directory / repository, {"rev-parse", "main"});
    }
    // Commits a submodule at the end of `of`, as it is said, whether or not it makes sense.
    void add(const std::string& repository, const std::string& path, const std::string& url, std::string name = "",
             const std::string& of = "deep.git") const {
        if (name.empty()) name = path;
        const auto bare = directory / repository, index = directory / "index";
        const auto run_git = [&](const std::string& arguments, const std::string& input = "") {
            return run({"sh", "-ec",
                        "GIT_INDEX_FILE=\"$1\" GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=T "
                        "GIT_COMMITTER_EMAIL=t@example.org git -C \"$0\" " +
                            arguments,
                        bare.string(), index.string()},
                       input);
        };
        std::string text = run_git("cat-file -p main:.gitmodules 2> /dev/null || :");
        text += "\n[submodule \"" + name + "\"]\n\tpath = " + path + "\n\turl = " + url + "\n";
        const auto blob = run_git("hash-object -w --stdin", text);
        run_git("read-tree main");
        run_git("update-index --add --cacheinfo 100644," + blob + ",.gitmodules");
        run_git("update-index --add --cacheinfo 160000," + head(path == "lib" ? "lib.git" : of) + "," + path);
        run_git("update-ref refs/heads/main $(git -C \"$0\" commit-tree -p main -m more $(GIT_INDEX_FILE=\"$1\" git -C \"$0\" "
                "write-tree))");
        fs::remove(index);
    }
    [[nodiscard]] CloneRequest request(const std::string& path = "/app.git") const {
        auto r = test::request(http.url(path), directory / "clone");
        r.submodules = true;
        return r;
    }
};

// libgit2 ends a path with a slash, git with a newline.
std::string bare(std::string path) {
    while (path.ends_with('/') || path.ends_with('\n')) path.pop_back();
    return path;
}

void check_as_git_has_it(const Server& server, const CloneRequest& r) {
    const auto result = cloned(r);
    CHECK(result.submodules == 2);
    const auto& clone = r.destination;
    check_healthy(clone);
    check_healthy(clone / "lib");
    check_healthy(clone / "lib/in/deep");
    const auto theirs = server.directory / "theirs";
    run({"git", "-c", "protocol.file.allow=always", "clone", "-q", "--recurse-submodules", r.url, theirs.string()});
    for (const fs::path at : {"", "lib", "lib/in/deep"}) {
        CAPTURE(at);
        for (const auto& arguments : std::vector<std::vector<std::string>>{{"submodule", "status", "--recursive"},
                                                                           {"rev-parse", "HEAD"},
                                                                           {"ls-files", "-s"},
                                                                           {"config", "remote.origin.url"}})
            CHECK(git::test::git(clone / at, arguments) == git::test::git(theirs / at, arguments));
        if (!at.empty()) CHECK(bare(read_file(clone / at / ".git")) == bare(read_file(theirs / at / ".git")));
    }
    for (const fs::path at : {"lib", "lib/modules/in/deep"}) {
        const auto work_tree = [&](const fs::path& of) {
            return bare(git::test::git(of, {"config", "--file", (".git/modules" / at / "config").string(), "core.worktree"}));
        };
        CHECK(work_tree(clone) == work_tree(theirs));
    }
    CHECK(git::test::git(clone, {"config", "submodule.lib.url"}) == git::test::git(theirs, {"config", "submodule.lib.url"}));
    git::test::git(clone,
                   {"-c", "protocol.file.allow=always", "submodule", "update", "--init", "--recursive"}); // git goes on from here
    // Wherever it is put: what names each other does so relatively.
    fs::rename(clone, server.directory / "moved");
    CHECK(git::test::git(server.directory / "moved", {"status", "--porcelain"}).empty());
    git::test::git(server.directory / "moved", {"submodule", "foreach", "--recursive", "git", "fsck"});
}

} // namespace

TEST_CASE("submodules, and theirs, as git lays them out") {
    Server server;
    auto r = server.request();
    SUBCASE("over HTTP") {}
    SUBCASE("of this machine") {
        r.url = "file://" + (server.directory / "app.git").string();
    }
    SUBCASE("by way of mirrors") {
        r.mirrors = server.directory / "mirrors";
        cloned(r);
        fs::remove_all(r.destination);
        CHECK(cloned(r).received_bytes < 20'000);
        fs::remove_all(r.destination);
    }
    SUBCASE("into a directory that exists") {
        fs::create_directory(r.destination);
    }
    check_as_git_has_it(server, r);
}

TEST_CASE("without being asked for they stay out") {
    Server server;
    auto r = server.request();
    r.submodules = false;
    CHECK(cloned(r).submodules == 0);
    CHECK(fs::is_empty(r.destination / "lib"));
    CHECK_FALSE(fs::exists(r.destination / ".git/modules"));
}

TEST_CASE("with a depth the submodules have their history still") {
    Server server;
    auto r = server.request();
    r.depth = 1;
    CHECK(cloned(r).submodules == 2);
    CHECK(git::test::git(r.destination, {"rev-list", "--count", "HEAD"}) == "1");
    CHECK(git::test::git(r.destination / "lib", {"rev-list", "--count", "HEAD"}) == "4");
}

TEST_CASE("the credential of a private repository is asked for anew, for each of its submodules on its server") {
    Server server;
    write_file(server.directory / "login", "somebody:secret");
    auto r = server.request("/private/app.git");
    std::vector<std::string> asked;
    r.credential = [&](const std::string& url) -> Result<std::optional<Credential>> {
        asked.push_back(url);
        return std::optional<Credential>(Credential("somebody", "secret"));
    };
    SUBCASE("all there") {
        CHECK(cloned(r).submodules == 2);
        CHECK(asked == std::vector<std::string>{server.http.url("/private/app.git"), server.http.url("/private/lib.git"),
                                                server.http.url("/private/deep.git")});
        check_healthy(r.destination);
    }
    SUBCASE("one on another server") {
        server.add("app.git", "other", "http://localhost:" + server.http.port() + "/private/deep.git");
        const auto error = refused(r, ErrorClass::permission, "credentials_required");
        CHECK(error.message.find("\"other\"") != std::string::npos);
        for (const auto& url : asked) CHECK(url.starts_with("http://127.0.0.1:"));
    }
}

TEST_CASE("submodules that are refused leave nothing") {
    Server server;
    const auto add = [&](const std::string& path, const std::string& url, const std::string& name = "") {
        server.add("app.git", path, url, name);
    };
    ErrorClass kind = ErrorClass::permission;
    std::string code = "submodule_refused";
    SUBCASE("a file of this machine") {
        add("sub", "file://" + (server.directory / "deep.git").string());
    }
    SUBCASE("an option") {
        add("sub", "--upload-pack=touch /tmp/pwned");
    }
    SUBCASE("a name that leads out") {
        add("sub", "../deep.git", "../../hooks");
        kind = ErrorClass::invalid, code = "submodule_unsafe";
    }
    SUBCASE("a name inside another's repository") {
        add("sub", "../deep.git", "lib/hooks");
        kind = ErrorClass::invalid, code = "submodule_unsafe";
    }
    SUBCASE("a path that is an option") {
        add("-sub", "../deep.git", "sub");
        kind = ErrorClass::invalid, code = "submodule_unsafe";
    }
    SUBCASE("one that does not exist") {
        add("sub", "../absent.git");
        kind = ErrorClass::not_found, code = "repository_not_found";
    }
    SUBCASE("a commit that is not there") {
        server.add("app.git", "sub", "../deep.git", "sub", "app.git");
        kind = ErrorClass::not_found, code = "revision_not_found";
    }
    SUBCASE("one inside itself") {
        for (int i = 0; i < 10; ++i) server.add("deep.git", "again" + std::to_string(i), "../deep.git");
        server.add("app.git", "sub", "../deep.git");
        kind = ErrorClass::quota, code = "too_many_submodules";
    }
    auto r = server.request();
    refused(r, kind, code);
    fs::create_directory(r.destination);
    refused(r, kind, code);
}
