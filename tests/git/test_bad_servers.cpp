// SPDX-License-Identifier: Apache-2.0
// Servers that fail at each step, and disks that do. What they leave: nothing.
#include "cases.hpp"

#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    Server() : http((make_repository(directory / "repo.git"), directory.path())) {
        write_file(directory / "login", "somebody:secret");
    }
    [[nodiscard]] CloneRequest request(const std::string& path) const {
        auto r = test::request(http.url(path), directory / "clone");
        r.mirrors = directory / "mirrors";
        return r;
    }
    // Of a clone that failed.
    void check_nothing_left() const {
        CHECK_FALSE(fs::exists(directory / "clone"));
        std::error_code error;
        for (fs::directory_iterator it(directory / "mirrors", error), end; !error && it != end; it.increment(error)) {
            CAPTURE(it->path());
            CHECK(it->path().extension() == ".lock");
        }
    }
};

} // namespace

TEST_CASE("a server that stalls, step by step") {
    Server server;
    auto r = server.request("");
    r.limits.stall = std::chrono::seconds(1);
    for (const bool mirror : {true, false}) {
        if (!mirror) r.mirrors.clear();
        for (const std::string trouble : {"mute", "deaf", "half"}) { // advertisement, negotiation, the middle of the pack
            CAPTURE(trouble);
            r.url = server.http.url("/" + trouble + "/repo.git");
            refused(r, ErrorClass::timeout, "server_stalled");
            server.check_nothing_left();
        }
    }
    const SilentServer silent; // at the connection
    r.url = "http://127.0.0.1:" + std::to_string(silent.port()) + "/repo.git";
    refused(r, ErrorClass::timeout, "server_stalled");
}

TEST_CASE("a pack that is not what the server packed") {
    Server server;
    for (const std::string trouble : {"flip", "drop"})
        for (const bool shallow : {false, true}) {
            CAPTURE(trouble);
            auto r = server.request("/" + trouble + "/repo.git");
            if (shallow) r.depth = 1;
            refused(r, ErrorClass::unavailable, "server_unavailable");
            server.check_nothing_left();
        }
}

TEST_CASE("a credential that is for another repository") {
    Server server;
    auto r = server.request("/hide/repo.git");
    r.credential = [](const std::string&) -> Result<std::optional<Credential>> {
        return std::optional<Credential>(Credential("somebody", "secret"));
    };
    refused(r, ErrorClass::permission, "access_forbidden");
    server.check_nothing_left();
    r.url = server.http.url("/lose/repo.git"); // as most hosts answer
    refused(r, ErrorClass::not_found, "repository_not_found");
    server.check_nothing_left();
}

TEST_CASE("a disk that is full" * doctest::skip(::geteuid() != 0)) {
    Server server;
    const auto disk = server.directory / "disk";
    fs::create_directory(disk);
    const auto full = [&](const std::string& size, const std::string& mirrors) {
        // In a mount namespace, which takes the disk with it.
        Child child({"unshare", "--mount", "sh", "-c",
                     "mount -t tmpfs -o size=" + size + " none \"$2\" && \"$0\" --clone \"$1\" \"$2/clone\" \"" + mirrors +
                         "\"; echo \"left $(ls -d \"$2\"/* \"$2\"/mirrors/*.git \"$2\"/mirrors/*.new 2> /dev/null | grep -v "
                         "mirrors\\$)\"",
                     fs::read_symlink("/proc/self/exe").string(), server.http.url("/repo.git"), disk.string()});
        const auto said = child.read_all();
        CHECK(child.wait() == 0);
        return said;
    };
    for (const std::string size : {"16k", "100k", "200k", "400k"}) { // of a pack of 300 KB, and the file that it becomes
        CAPTURE(size);
        const auto said = full(size, "");
        CHECK(said.find("disk_full") != std::string::npos);
        CHECK(said.ends_with("left \n"));
    }
    const auto said = full("100k", "$2/mirrors");
    CHECK(said.find("disk_full") != std::string::npos);
    CHECK(said.ends_with("left \n"));
}
