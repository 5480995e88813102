// SPDX-License-Identifier: Apache-2.0
// What a client that is broken, or means harm, may send: each is refused by name, in bounded memory, and others are served.
#include "live_guest.hpp"

#include "net/connect_envelope.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

using namespace sandboxkit::guest::test;
namespace fs = std::filesystem;

namespace {

const Headers octets = {{"Content-Type", "application/octet-stream"}};
const Headers tar_type = {{"Content-Type", "application/x-tar"}};

std::string path_json(std::string_view path) {
    return "{\"path\":" + json_string(path) + "}";
}

std::string query_of(std::string_view path) {
    std::string text;
    for (const char c : path) text += c == '\0' ? std::string("%00") : std::string(1, c);
    return text;
}

// The status of everything that takes a path. All that is named is in the directory of the test, so that what should be
// refused and is not does no harm elsewhere.
std::vector<std::pair<std::string, int>> statuses(const LiveGuest& guest, const std::string& path) {
    REQUIRE(path.starts_with(guest.directory().path() + "/"));
    const std::string kept = guest.directory().path("kept");
    const std::string made = guest.directory().path("made");
    std::ofstream(kept) << "kept";
    std::vector<std::pair<std::string, int>> list;
    const auto unary = [&](const std::string& method, const std::string& body) {
        list.emplace_back(method, guest.unary("/filesystem.Filesystem/" + method, body).status);
    };
    for (const char* method : {"Stat", "MakeDir", "ListDir", "Remove", "CreateWatcher"}) unary(method, path_json(path));
    unary("Move", "{\"source\":" + json_string(path) + ",\"destination\":" + json_string(made) + "}");
    unary("Move", "{\"source\":" + json_string(kept) + ",\"destination\":" + json_string(path) + "}");
    list.emplace_back("download", guest.request("GET", "/files?path=" + query_of(path)).status);
    list.emplace_back("upload", guest.request("POST", "/files?path=" + query_of(path), octets, "x").status);
    list.emplace_back("pack", guest.request("GET", "/sandboxkit/tree?path=" + query_of(path)).status);
    list.emplace_back("unpack", guest.request("POST", "/sandboxkit/tree?path=" + query_of(path), tar_type, "").status);
    list.emplace_back("compose",
                      guest
                          .request("POST", "/files/compose", {{"Content-Type", "application/json"}},
                                   "{\"source_paths\":[" + json_string(path) + "],\"destination\":" + json_string(made) + "}")
                          .status);
    const auto refusal = guest.start(R"({"process":{"cmd":"true","cwd":)" + json_string(path) + "}}").refusal;
    list.emplace_back("start", refusal.empty() ? 200 : refusal.at("error").at("code") == "invalid_argument" ? 400 : 500);
    CHECK(fs::exists(kept));
    CHECK_FALSE(fs::exists(made));
    return list;
}

} // namespace

TEST_CASE("paths that are none, and paths of ten thousand components") {
    const LiveGuest guest;
    const std::string root = guest.directory().path();
    const auto repeated = [&](std::string_view component, int times) {
        std::string path = root;
        for (int i = 0; i < times; ++i) path += component;
        return path;
    };
    fs::create_directory(root + "/a");
    // The header has less room than a query of 10,000 components takes.
    for (const std::string& path : {root + std::string("/a\0b", 4), repeated("/a", 7'000), repeated("/a/..", 2'500)})
        for (const auto& answer : statuses(guest, path)) {
            CAPTURE(answer.first);
            CHECK(answer.second == 400);
        }
    CHECK(guest.request("GET", "/files?path=" + repeated("/a", 10'000)).status == 431);
    for (const char* method : {"Stat", "MakeDir", "ListDir", "CreateWatcher"}) {
        CHECK(guest.unary("/filesystem.Filesystem/" + std::string(method), path_json(repeated("/a", 10'000))).status == 400);
        CHECK(guest.unary("/filesystem.Filesystem/" + std::string(method), path_json(repeated("/a/..", 10'000))).status == 400);
    }
    // These say nothing.
    CHECK(guest.unary("/filesystem.Filesystem/Stat", path_json(repeated("/.", 1'000))).json().at("entry").at("path") ==
          boost::json::value(root));
}

TEST_CASE("'..' is the kernel's, which knows where links lead") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_directories(at("a/b"));
    fs::create_directory_symlink(at("a/b"), at("link"));
    std::ofstream(at("a/file")) << "beside what the link leads to";
    CHECK(guest.request("GET", "/files?path=" + at("link/../file")).body == "beside what the link leads to");
    CHECK(guest.request("POST", "/files?path=" + at("link/../new"), octets, "x").status == 200);
    CHECK(fs::exists(at("a/new")));
    CHECK(guest.request("GET", "/files?path=/../../../../etc/passwd").status == 200);
    CHECK(guest.unary("/filesystem.Filesystem/Remove", path_json(at("a/b/.."))).status == 400);
    CHECK(fs::exists(at("a/file")));
}

TEST_CASE("links that lead to each other") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_symlink(at("two"), at("one"));
    fs::create_symlink(at("one"), at("two"));
    fs::create_directory_symlink(".", at("self"));
    std::string around = at("");
    for (int i = 0; i < 100; ++i) around += "/self";
    for (const std::string& path : {at("one/below"), around + "/below"})
        for (const auto& answer : statuses(guest, path)) {
            CAPTURE(answer.first);
            CHECK(answer.second == 400);
        }
    // The links themselves are entries like others.
    CHECK(guest.unary("/filesystem.Filesystem/Stat", path_json(at("one"))).status == 200);
    CHECK(guest.request("GET", "/sandboxkit/tree?path=" + at("one")).status == 200);
    CHECK(guest.unary("/filesystem.Filesystem/ListDir", path_json(at("one"))).status == 400);
    CHECK(guest.request("GET", "/files?path=" + at("one")).status == 400);
    CHECK(guest.request("POST", "/sandboxkit/tree?path=" + at("one"), tar_type, "").status == 400);
    // And a tree with them has an end.
    CHECK(guest.unary("/filesystem.Filesystem/ListDir", "{\"path\":" + json_string(at("")) + ",\"depth\":1000}").status == 200);
    CHECK(guest.request("GET", "/sandboxkit/tree?path=" + at("")).status == 200);
    CHECK(
        guest.unary("/filesystem.Filesystem/CreateWatcher", "{\"path\":" + json_string(at("")) + ",\"recursive\":true}").status ==
        200);
}

TEST_CASE("users that are none") {
    const LiveGuest guest;
    const std::string never = guest.directory().path("never");
    // "nosuch", one of a NUL byte, and "0".
    for (const std::string& user : {std::string("bm9zdWNoOg=="), std::string("AAA6"), std::string("MDo=")}) {
        const Headers as = {{"Authorization", "Basic " + user}};
        CHECK(guest.unary("/filesystem.Filesystem/Stat", path_json("/"), as).status == 401);
        CHECK(guest.start(R"({"process":{"cmd":"true"}})", as).refusal.at("error").at("code") == "unauthenticated");
    }
    for (const std::string& user : {std::string("nosuch"), std::string("no:such"), std::string("%00"), std::string("0"),
                                    std::string("root%00"), std::string("root%0A"), std::string(5000, 'u')}) {
        CHECK(guest.request("GET", "/files?path=/etc/passwd&username=" + user).status == 401);
        CHECK(guest.request("POST", "/files?path=" + never + "&username=" + user, octets, "x").status == 401);
        CHECK(guest.request("GET", "/sandboxkit/tree?path=/etc&username=" + user).status == 401);
        CHECK(guest.request("POST", "/sandboxkit/tree?path=" + never + "&username=" + user, tar_type, "").status == 401);
    }
    CHECK_FALSE(fs::exists(never));
}

TEST_CASE("a gigabyte of headers is refused after the bound") {
    const LiveGuest guest;
    for (const std::string& piece : {"X-Field: " + std::string(1000, 'x') + "\r\n", std::string(1009, 'y')}) {
        Client client = guest.connect();
        client.send("GET /health HTTP/1.1\r\n");
        std::size_t sent = 0;
        std::string pieces;
        while (pieces.size() < (1 << 20)) pieces += piece;
        try {
            for (; sent < (1 << 30); sent += pieces.size()) client.send(pieces);
        } catch (const std::runtime_error&) {
            // It was closed.
        }
        CHECK(sent < (64 << 20));
        CHECK(client.read_to_end().starts_with("HTTP/1.1 431 "));
    }
    CHECK(guest.request("GET", "/health").status == 204);
}

TEST_CASE("a million chunks of one byte") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("f");
    Client client = guest.connect();
    client.send("POST /files?path=" + file + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n" +
                "Transfer-Encoding: chunked\r\n\r\n");
    std::string chunks;
    for (int i = 0; i < 10'000; ++i) chunks += "1\r\nx\r\n";
    for (int i = 0; i < 100; ++i) client.send(chunks);
    client.send("0\r\n\r\n");
    CHECK(client.read_reply().status == 200);
    CHECK(fs::file_size(file) == 1'000'000);
    // A message of many frames where one is expected is refused when it is complete.
    std::string frames;
    for (int i = 0; i < 1'000'000; ++i) frames += sandboxkit::net::encode_envelope(0, "{}");
    const Reply refused =
        client.request("POST", "/process.Process/Start", {{"Content-Type", "application/connect+json"}}, frames);
    CHECK(refused.status == 200);
    CHECK(refused.body.find("invalid_argument") != std::string::npos);
    // A body of nothing but its end, and many requests in one piece.
    std::string requests;
    for (int i = 0; i < 2000; ++i) requests += "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    client.send(requests);
    for (int i = 0; i < 2000; ++i) CHECK(client.read_reply().status == 204);
}

// The clock of the wall may jump: what the guest waits for is measured by another.
TEST_CASE("its timers are of the clock that does not jump") {
    if (::geteuid() != 0) {
        MESSAGE("not root: the descriptors of the guest cannot be looked at");
        return;
    }
    const LiveGuest guest;
    EventStream sleeper = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})", {{"Connect-Timeout-Ms", "900000"}});
    int timers = 0;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(guest.pid()) + "/fdinfo")) {
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            if (!line.starts_with("clockid:")) continue;
            ++timers;
            CHECK(std::stoi(line.substr(8)) == CLOCK_MONOTONIC);
        }
    }
    CHECK(timers > 0);
}
