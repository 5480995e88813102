// SPDX-License-Identifier: Apache-2.0
// WatchDir and the watchers that are asked.
#include "live_guest.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

using namespace sandboxkit::guest::test;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

const Headers as_nobody = {{"Authorization", "Basic bm9ib2R5Og=="}};

std::string watch_json(std::string_view path, std::string_view more = {}) {
    return "{\"path\":" + json_string(path) + std::string(more) + "}";
}

std::string envelope(std::string_view message) {
    std::string bytes(5, '\0');
    for (std::size_t i = 0; i < 4; ++i) bytes[1 + i] = static_cast<char>(message.size() >> (24 - 8 * i) & 0xff);
    return bytes.append(message);
}

class Watch {
public:
    Watch(const LiveGuest& guest, std::string_view message, Headers headers = {}) : client_(guest.connect()) {
        headers.emplace_back("Content-Type", "application/connect+json");
        client_.send(request_bytes("POST", "/filesystem.Filesystem/WatchDir", headers, envelope(message)));
        const Reply head = client_.read_head();
        REQUIRE(head.status == 200);
        whole_ = !head.headers.contains("transfer-encoding");
        if (whole_) bytes_ = client_.read_exactly(std::stoul(head.headers.at("content-length")));
    }

    json::object next() {
        const auto need = [&](std::size_t size) {
            while (bytes_.size() < size) {
                const std::string chunk = whole_ ? std::string() : client_.read_chunk();
                if (chunk.empty()) throw std::runtime_error("the stream ended without an end frame");
                bytes_ += chunk;
            }
        };
        need(5);
        std::size_t length = 0;
        for (std::size_t i = 1; i < 5; ++i) length = length << 8 | static_cast<unsigned char>(bytes_[i]);
        need(5 + length);
        json::object message = json::parse(std::string_view(bytes_).substr(5, length)).as_object();
        bytes_.erase(0, 5 + length);
        return message;
    }

    // "<type> <name>" of the next event.
    std::string event() {
        const json::object message = next();
        if (!message.contains("filesystem")) return json::serialize(message);
        return describe(message.at("filesystem").as_object());
    }

    void until(std::string_view wanted) {
        while (event() != wanted) {
        }
    }

    static std::string describe(const json::object& event) {
        return std::string(event.at("type").as_string().subview(std::string_view("EVENT_TYPE_").size())) + " " +
               std::string(event.at("name").as_string());
    }

private:
    Client client_;
    std::string bytes_;
    bool whole_ = false;
};

void write_file(const std::string& path, std::string_view text = "x") {
    std::ofstream(path, std::ios::app) << text;
}

std::string error_code(const json::object& end) {
    return std::string(end.at("error").at("code").as_string());
}

std::string make(const LiveGuest& guest, std::string_view name) {
    fs::create_directories(guest.directory().path(name));
    return guest.directory().path(name);
}

} // namespace

TEST_CASE("an upload is told as a file that is written in its place") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    Watch watch(guest, watch_json(root));
    CHECK(watch.next() == json::object{{"start", json::object()}});
    for (int times = 0; times < 2; ++times) {
        const Headers bytes = {{"Content-Type", "application/octet-stream"}};
        CHECK(guest.request("POST", "/files?path=" + root + "/a", bytes, "hello").status == 200);
        CHECK(watch.event() == "CREATE a");
        CHECK(watch.event() == "WRITE a");
    }
}

TEST_CASE("a directory is watched") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    Watch watch(guest, watch_json(root));
    CHECK(watch.next() == json::object{{"start", json::object()}});
    write_file(root + "/a");
    CHECK(watch.event() == "CREATE a");
    CHECK(watch.event() == "WRITE a");
    fs::permissions(root + "/a", fs::perms(0600));
    CHECK(watch.event() == "CHMOD a");
    fs::rename(root + "/a", root + "/b");
    CHECK(watch.event() == "RENAME a");
    CHECK(watch.event() == "CREATE b");
    // Not what is below.
    fs::create_directory(root + "/sub");
    CHECK(watch.event() == "CREATE sub");
    write_file(root + "/sub/c");
    fs::remove(root + "/b");
    CHECK(watch.event() == "REMOVE b");
    // Its end is told.
    fs::remove_all(root);
    watch.until("REMOVE .");
    CHECK(error_code(watch.next()) == "not_found");
}

TEST_CASE("a watch that is refused, keepalives, and a time limit") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    write_file(root + "/file");
    CHECK(error_code(Watch(guest, watch_json(root + "/none")).next()) == "not_found");
    CHECK(error_code(Watch(guest, watch_json(root + "/file")).next()) == "invalid_argument");
    CHECK(error_code(Watch(guest, "{\"path\":7}").next()) == "invalid_argument");
    Watch limited(guest, watch_json(root), {{"Keepalive-Ping-Interval", "1"}, {"Connect-Timeout-Ms", "1500"}});
    CHECK(limited.next().contains("start"));
    CHECK(limited.next() == json::object{{"keepalive", json::object()}});
    CHECK(error_code(limited.next()) == "deadline_exceeded");
    if (::geteuid() == 0) {
        fs::permissions(root, fs::perms(0700));
        CHECK(error_code(Watch(guest, watch_json(root), as_nobody).next()) == "permission_denied");
    }
}

TEST_CASE("a tree is watched, and follows what becomes of it") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    const std::string outside = make(guest, "outside");
    make(guest, "w/one/two");
    Watch watch(guest, watch_json(root, ",\"recursive\":true"));
    CHECK(watch.next().contains("start"));
    write_file(root + "/one/two/a");
    CHECK(watch.event() == "CREATE one/two/a");
    CHECK(watch.event() == "WRITE one/two/a");
    // Also what is in a new directory before it is watched.
    fs::create_directories(root + "/three/four/five");
    CHECK(watch.event() == "CREATE three");
    watch.until("CREATE three/four/five");
    write_file(root + "/three/four/five/b");
    watch.until("WRITE three/four/five/b");
    // Within the tree.
    fs::rename(root + "/one/two", root + "/three/moved");
    watch.until("RENAME one/two");
    CHECK(watch.event() == "CREATE three/moved");
    write_file(root + "/three/moved/a");
    CHECK(watch.event() == "WRITE three/moved/a");
    // Out of it, and back.
    fs::rename(root + "/three", outside + "/three");
    CHECK(watch.event() == "RENAME three");
    fs::create_directory(root + "/mark");
    CHECK(watch.event() == "CREATE mark");
    write_file(outside + "/three/moved/a");
    fs::rename(outside + "/three", root + "/again");
    CHECK(watch.event() == "CREATE again");
    // Its watch begins soon after; until then nothing is told.
    write_file(root + "/end");
    watch.until("WRITE end");
    write_file(root + "/again/four/five/b");
    CHECK(watch.event() == "WRITE again/four/five/b");
    fs::remove_all(root + "/again");
    watch.until("REMOVE again");
    // A link is not followed.
    fs::create_directory_symlink(outside, root + "/link");
    CHECK(watch.event() == "CREATE link");
    write_file(outside + "/c");
    fs::rename(root, outside + "/w");
    CHECK(watch.event() == "RENAME .");
    CHECK(error_code(watch.next()) == "failed_precondition");
}

TEST_CASE("an event has its entry when it is asked for") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    Watch watch(guest, watch_json(root, ",\"includeEntry\":true"));
    CHECK(watch.next().contains("start"));
    fs::create_directory(root + "/d");
    const json::object created = watch.next().at("filesystem").as_object();
    CHECK(Watch::describe(created) == "CREATE d");
    CHECK(created.at("entry").at("path") == json::value(root + "/d"));
    CHECK(created.at("entry").at("type") == json::value("FILE_TYPE_DIRECTORY"));
    fs::remove(root + "/d");
    CHECK_FALSE(watch.next().at("filesystem").as_object().contains("entry"));
}

TEST_CASE("a watcher that is asked") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    const Reply made = guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(root, ",\"recursive\":true"));
    REQUIRE(made.status == 200);
    const std::string id = json::serialize(made.json());
    const auto ask = [&] { return guest.unary("/filesystem.Filesystem/GetWatcherEvents", id); };
    CHECK(ask().body == "{}");
    fs::create_directory(root + "/d");
    Reply reply = ask();
    while (reply.body == "{}") reply = ask();
    CHECK(reply.json() == json::object{{"events", {{{"name", "d"}, {"type", "EVENT_TYPE_CREATE"}}}}});
    CHECK(ask().body == "{}");
    CHECK(guest.unary("/filesystem.Filesystem/RemoveWatcher", id).body == "{}");
    CHECK(ask().status == 404);
    CHECK(guest.unary("/filesystem.Filesystem/RemoveWatcher", id).status == 404);
    CHECK(guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(root + "/none")).status == 404);
}

TEST_CASE("what nobody takes is lost with an error, and not silently") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    const std::string id = json::serialize(guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(root)).json());
    for (int i = 0; i < 4000; ++i) fs::create_directory(root + "/" + std::to_string(i) + std::string(200, 'n'));
    std::size_t events = 0;
    Reply reply;
    do {
        // To ask too early would make room.
        for (int i = 0; events == 0 && i < 200; ++i) CHECK(guest.request("GET", "/health").status == 204);
        reply = guest.unary("/filesystem.Filesystem/GetWatcherEvents", id);
        if (reply.status == 200 && reply.body != "{}") events += reply.json().at("events").as_array().size();
    } while (reply.status == 200 && events < 4000);
    CHECK(reply.status == 429);
    CHECK(reply.json().at("code") == json::value("resource_exhausted"));
    CHECK(events > 100);
    CHECK(events < 4000);
}

TEST_CASE("too many directories, and too many watchers, are refused") {
    const LiveGuest guest;
    const std::string root = make(guest, "w");
    for (int i = 0; i < 8200; ++i) fs::create_directory(root + "/" + std::to_string(i));
    CHECK(error_code(Watch(guest, watch_json(root, ",\"recursive\":true")).next()) == "resource_exhausted");
    CHECK(guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(root, ",\"recursive\":true")).status == 429);
    CHECK(Watch(guest, watch_json(root)).next().contains("start"));

    const std::string small = make(guest, "small");
    int made = 0;
    while (made < 1000 && guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(small)).status == 200) ++made;
    CHECK(made >= 1);
    CHECK(made <= 64);
    CHECK(guest.unary("/filesystem.Filesystem/CreateWatcher", watch_json(small)).status == 429);
}
