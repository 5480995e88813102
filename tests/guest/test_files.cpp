// SPDX-License-Identifier: Apache-2.0
// Files and directories: /files and filesystem.Filesystem.
#include "live_guest.hpp"

#include "guest/encoding.hpp"
#include "guest/sha256.hpp"

#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace sandboxkit::guest::test;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

const Headers octets = {{"Content-Type", "application/octet-stream"}};
const Headers as_nobody = {{"Authorization", "Basic bm9ib2R5Og=="}};

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string path_json(std::string_view path) {
    return "{\"path\":" + json_string(path) + "}";
}

std::string compressed(std::string_view text) {
    z_stream stream{};
    REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(::deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    ::deflateEnd(&stream);
    return out;
}

std::string decompressed(std::string_view bytes, std::size_t room) {
    z_stream stream{};
    REQUIRE(::inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
    std::string out(room, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    CHECK(::inflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    out.resize(stream.total_out);
    ::inflateEnd(&stream);
    return out;
}

std::size_t entries_in(const std::string& directory) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
}

} // namespace

TEST_CASE("upload and download") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("pd/sub/f.txt");
    const std::string target = "/files?path=" + file + "&username=root";
    const Reply uploaded = guest.request("POST", target, octets, "hello");
    CHECK(uploaded.status == 200);
    CHECK(uploaded.headers.at("content-type") == "text/plain; charset=utf-8");
    CHECK(json::parse(uploaded.body) == json::value{{{"name", "f.txt"}, {"path", file}, {"type", "file"}}});
    CHECK(read_file(file) == "hello");
    CHECK(fs::status(file).permissions() == fs::perms(0644));
    CHECK(entries_in(guest.directory().path("pd/sub")) == 1);

    const Reply whole = guest.request("GET", target);
    CHECK(whole.status == 200);
    CHECK(whole.body == "hello");
    CHECK(whole.headers.at("accept-ranges") == "bytes");
    CHECK(whole.headers.at("content-type") == "text/plain; charset=utf-8");
    const Reply part = guest.request("GET", target, {{"Range", "bytes=1-3"}});
    CHECK(part.status == 206);
    CHECK(part.body == "ell");
    CHECK(part.headers.at("content-range") == "bytes 1-3/5");
    CHECK(guest.request("GET", target, {{"Range", "bytes=-2"}}).body == "lo");
    CHECK(guest.request("GET", target, {{"Range", "bytes=9-"}}).status == 416);
    CHECK(guest.request("GET", target, {{"Range", "bytes=1-3"}, {"If-Range", "Thu, 01 Jan 1970 00:00:00 GMT"}}).status == 200);

    const Reply none = guest.request("GET", "/files?path=" + guest.directory().path("none"));
    CHECK(none.status == 404);
    CHECK(none.json() ==
          json::object{{"code", 404}, {"message", "path '" + guest.directory().path("none") + "' does not exist"}});
    const Reply directory = guest.request("GET", "/files?path=" + guest.directory().path("pd"));
    CHECK(directory.status == 400);
    CHECK(directory.json().at("message") == json::value("path '" + guest.directory().path("pd") + "' is a directory"));
    CHECK(guest.request("GET", "/files?path=/dev/zero").status == 400);
    CHECK(guest.request("GET", target + "&username=nouser&x=%zz").status == 400);
    CHECK(guest.request("GET", "/files?path=/x&username=nouser").status == 401);
    CHECK(guest.request("PUT", target, octets, "x").status == 405);
    CHECK(guest.request("GET", "/files?path=%00").status == 400);
}

TEST_CASE("a file under conditions, and what encodings a client takes") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("f");
    const std::string target = "/files?path=" + file;
    std::ofstream(file) << "hello";
    const timespec times[2] = {{0, UTIME_OMIT}, {1'000'000'000, 999'999'999}};
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    const std::string time = "Sun, 09 Sep 2001 01:46:40 GMT";
    const std::string before = "Sun, 09 Sep 2001 01:46:39 GMT";
    Client client = guest.connect(); // the same one: no answer has more or less than it says
    const auto status = [&](const Headers& headers) {
        const Reply reply = client.request("GET", target, headers);
        CHECK(reply.body == (reply.status == 200 ? "hello" : reply.status == 206 ? "e" : reply.status == 406 ? reply.body : ""));
        return reply.status;
    };
    CHECK(client.request("GET", target).headers.at("last-modified") == time);
    CHECK(status({{"If-Modified-Since", time}}) == 304);
    CHECK(status({{"If-Modified-Since", "Sunday, 09-Sep-01 01:46:40 GMT"}}) == 304);
    CHECK(status({{"If-Modified-Since", "Sun Sep  9 01:46:40 2001"}}) == 304);
    CHECK(status({{"If-Modified-Since", before}}) == 200);
    CHECK(status({{"If-Modified-Since", "yesterday"}}) == 200);
    CHECK(status({{"If-Unmodified-Since", time}}) == 200);
    CHECK(status({{"If-Unmodified-Since", before}}) == 412);
    CHECK(status({{"If-Match", "*"}, {"If-Unmodified-Since", before}}) == 200);
    CHECK(status({{"If-Match", "\"tag\""}}) == 412);
    CHECK(status({{"If-None-Match", "*"}}) == 304);
    CHECK(status({{"If-None-Match", "\"tag\""}, {"If-Modified-Since", time}}) == 200);
    CHECK(status({{"If-Range", time}, {"Range", "bytes=1-1"}}) == 206);
    CHECK(status({{"If-Modified-Since", before}, {"Range", "bytes=1-1"}}) == 206);

    CHECK(status({{"Accept-Encoding", "br"}}) == 200);
    CHECK(status({{"Accept-Encoding", "identity;q=0"}}) == 406);
    CHECK(status({{"Accept-Encoding", "br, *;q=0"}}) == 406);
    CHECK(status({{"Accept-Encoding", "*;q=0, identity"}}) == 200);
    CHECK(status({{"Accept-Encoding", "identity;q=0, gzip"}, {"Range", "bytes=1-1"}}) == 406);
    const Reply packed = client.request("GET", target, {{"Accept-Encoding", "identity;q=0, gzip"}});
    CHECK(decompressed(packed.body, 6) == "hello");
    CHECK(client.request("GET", target, {{"Accept-Encoding", "identity;q=0"}}).json().at("code") == 406);
}

TEST_CASE("files of the kernel, whose sizes are made up") {
    const LiveGuest guest;
    const Reply version = guest.request("GET", "/files?path=/proc/version");
    CHECK(version.status == 200);
    CHECK(version.body == read_file("/proc/version"));
    CHECK(version.headers.at("content-type") == "text/plain; charset=utf-8");
    const Reply part = guest.request("GET", "/files?path=/proc/version", {{"Range", "bytes=-3"}});
    CHECK(part.status == 206);
    CHECK(part.body == version.body.substr(version.body.size() - 3));
    const std::string online = "/sys/devices/system/cpu/online";
    if (fs::exists(online)) {
        Client client = guest.connect();
        CHECK(client.request("GET", "/files?path=" + online).body == read_file(online));
        CHECK(client.request("GET", "/health").status == 204);
    }
    // Longer than one read.
    std::string environment;
    for (int i = 0; i < 1000; ++i)
        environment += (i == 0 ? "\"V" : ",\"V") + std::to_string(i) + "\":\"" + std::string(100, 'x') + '"';
    EventStream sleeper =
        guest.start(R"({"process":{"cmd":"sleep","args":["1000"],"envs":{)" + environment + R"(}},"stdin":false})");
    const std::string file = "/proc/" + std::to_string(sleeper.pid) + "/environ";
    CHECK(guest.request("GET", "/files?path=" + file).body == read_file(file));
    CHECK(read_file(file).size() > 100'000);
    // One that is too long is refused, and not cut off.
    if (read_file("/proc/kallsyms").size() > (4 << 20)) CHECK(guest.request("GET", "/files?path=/proc/kallsyms").status == 413);
}

TEST_CASE("large files in both directions, and an upload that breaks off") {
    const LiveGuest guest;
    std::string large(12 << 20, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 13);
    const std::string file = guest.directory().path("large");
    CHECK(guest.request("POST", "/files?path=" + file, octets, large).status == 200);
    CHECK(read_file(file) == large);
    const Reply back = guest.request("GET", "/files?path=" + file);
    CHECK(back.body == large);
    CHECK(back.headers.at("content-type") == "application/octet-stream");

    {
        Client broken = guest.connect();
        const std::string bytes = request_bytes("POST", "/files?path=" + file, octets, "new contents");
        broken.send(std::string_view(bytes).substr(0, bytes.size() - 5));
    }
    // The connection is seen to be gone before another request is answered, or soon after.
    for (int i = 0; i < 1000 && entries_in(guest.directory().path()) > 2; ++i)
        CHECK(guest.request("GET", "/health").status == 204);
    CHECK(entries_in(guest.directory().path()) == 2); // the socket and the file
    CHECK(read_file(file) == large);
}

TEST_CASE("what an upload replaces") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    const auto upload = [&](std::string_view name) { return guest.request("POST", "/files?path=" + at(name), octets, "new"); };
    std::ofstream(at("script")) << "old";
    ::chmod(at("script").c_str(), 0750);
    CHECK(upload("script").status == 200);
    CHECK(fs::status(at("script")).permissions() == fs::perms(0750));

    fs::create_symlink("script", at("link"));
    fs::create_symlink("made", at("dangling"));
    fs::create_symlink("loop", at("loop"));
    CHECK(upload("link").status == 200);
    CHECK(fs::is_symlink(at("link")));
    CHECK(read_file(at("script")) == "new");
    CHECK(upload("dangling").status == 200);
    CHECK(read_file(at("made")) == "new");
    CHECK(upload("loop").status == 400);

    fs::create_directory(at("directory"));
    CHECK(upload("directory").json().at("message") == json::value("path '" + at("directory") + "' is a directory"));
    ::mkfifo(at("fifo").c_str(), 0600);
    CHECK(upload("fifo").status == 400);
    const int reader = ::open(at("fifo").c_str(), O_RDWR | O_CLOEXEC);
    CHECK(upload("fifo").status == 400);
    ::close(reader);
    CHECK(upload("script/below").status == 400);
    CHECK(guest.request("POST", "/files", octets, "x").status == 400);
    CHECK(guest.request("POST", "/files?path=/x", {{"Content-Type", "text/plain"}}, "x").status == 415);
    CHECK(guest.request("POST", "/files?path=/x", {octets[0], {"Content-Encoding", "br"}}, "x").status == 415);
    CHECK(guest.request("POST", "/files?path=" + at("empty"), octets, "").status == 200);
    CHECK(fs::file_size(at("empty")) == 0);
}

TEST_CASE("what an upload writes in place: files with several names, devices") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    const auto upload = [&](const std::string& path, std::string_view content) {
        return guest.request("POST", "/files?path=" + path, octets, content).status;
    };
    std::ofstream(at("one")) << "old and longer";
    fs::create_hard_link(at("one"), at("other"));
    CHECK(upload(at("one"), "new") == 200);
    CHECK(read_file(at("other")) == "new");
    CHECK(fs::hard_link_count(at("one")) == 2);
    CHECK(entries_in(guest.directory().path()) == 3); // with the socket

    CHECK(upload("/dev/null", std::string(1 << 20, 'x')) == 200);
    CHECK(fs::is_character_file("/dev/null"));
    CHECK(upload("/dev/full", "x") == 507);
    // These act on the guest itself.
    CHECK(upload("/proc/self/comm", "hijacked") != 200);
    CHECK(read_file("/proc/" + std::to_string(guest.pid()) + "/comm").find("hijacked") == std::string::npos);
    // A program that runs cannot be written, but it can be replaced.
    fs::copy_file("/bin/sleep", at("program"));
    EventStream running = guest.start(R"({"process":{"cmd":")" + at("program") + R"(","args":["1000"]}})");
    CHECK(upload(at("program"), "new") == 200);
    CHECK(read_file(at("program")) == "new");
    const std::string process = R"({"process":{"pid":)" + std::to_string(running.pid) + R"(},"signal":"SIGNAL_SIGKILL"})";
    CHECK(guest.unary("/process.Process/SendSignal", process).status == 200);
    running.rest();
}

TEST_CASE("multipart uploads") {
    const LiveGuest guest;
    const Headers form = {{"Content-Type", "multipart/form-data; boundary=----b"}};
    const auto part = [](std::string_view name, std::string_view content) {
        return "------b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + std::string(name) +
               "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + std::string(content) + "\r\n";
    };
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    CHECK(
        guest.request("POST", "/files?path=" + at("one"), form, part("ignored", "1\r\n--\r\n------c") + "------b--\r\n").status ==
        200);
    CHECK(read_file(at("one")) == "1\r\n--\r\n------c");
    const Reply several = guest.request("POST", "/files", form, part(at("a"), "A") + part(at("b"), "") + "------b--\r\n");
    CHECK(several.status == 200);
    CHECK(json::parse(several.body).as_array().size() == 2);
    CHECK(read_file(at("a")) == "A");
    CHECK(fs::file_size(at("b")) == 0);
    CHECK(guest.request("POST", "/files?path=" + at("x"), form, part("a", "A") + part("b", "B") + "------b--\r\n").status == 400);
    CHECK(guest.request("POST", "/files?path=" + at("cut"), form, part("a", "A")).status == 400);
    CHECK(!fs::exists(at("cut")));
    CHECK(guest.request("POST", "/files?path=" + at("cut"), form, "nonsense").status == 400);
}

TEST_CASE("signed URLs") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("f");
    std::ofstream(file) << "hello";
    CHECK(guest.request("POST", "/init", {}, R"({"accessToken":"ea_tok"})").status == 204);
    const auto sign = [&](const std::string& text) {
        std::string signature;
        sandboxkit::guest::append_base64(signature, sandboxkit::guest::sha256(text));
        std::string escaped = "v1_";
        for (const char c : signature) escaped += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "" : std::string(1, c);
        return escaped;
    };
    const std::string target = "/files?path=" + file + "&username=root";
    CHECK(guest.request("GET", target).json().at("message") == "missing signature query parameter");
    CHECK(guest.request("GET", target + "&signature=v1_bad").json() ==
          json::object{{"code", 401}, {"message", "invalid signature"}});
    CHECK(guest.request("GET", target + "&signature=" + sign(file + ":read:root:ea_tok")).body == "hello");
    CHECK(guest.request("POST", target + "&signature=" + sign(file + ":read:root:ea_tok"), octets, "x").status == 401);
    CHECK(guest.request("POST", target + "&signature=" + sign(file + ":write:root:ea_tok"), octets, "x").status == 200);
    const std::string later = std::to_string(std::time(nullptr) + 1000);
    CHECK(
        guest
            .request("GET", target + "&signature_expiration=" + later + "&signature=" + sign(file + ":read:root:ea_tok:" + later))
            .status == 200);
    CHECK(guest.request("GET", target + "&signature_expiration=1000&signature=" + sign(file + ":read:root:ea_tok:1000"))
              .json()
              .at("message") == "signature is already expired");
    CHECK(guest.request("GET", target, {{"X-Access-Token", "ea_tok"}}).status == 200);
    CHECK(guest.request("GET", target, {{"X-Access-Token", "bad"}}).status == 401);
}

TEST_CASE("stat, make, list, move, remove") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    const auto call = [&](std::string_view method, std::string_view body) {
        return guest.unary("/filesystem.Filesystem/" + std::string(method), body);
    };

    CHECK(call("Stat", path_json("/nope")).json() ==
          json::object{{"code", "not_found"}, {"message", "file not found: lstat /nope: no such file or directory"}});
    const Reply made = call("MakeDir", path_json(at("pd/a")));
    CHECK(made.status == 200);
    const auto entry = made.json().at("entry").as_object();
    CHECK(entry.at("name") == "a");
    CHECK(entry.at("type") == "FILE_TYPE_DIRECTORY");
    CHECK(entry.at("path") == json::value(at("pd/a")));
    CHECK(entry.at("mode") == 493);
    CHECK(entry.at("permissions") == "drwxr-xr-x");
    CHECK(std::string_view(entry.at("modifiedTime").as_string()).size() ==
          std::string_view("2026-11-20T23:13:47.176244826Z").size());
    const Reply again = call("MakeDir", path_json(at("pd/a")));
    CHECK(again.status == 409);
    CHECK(again.json() == json::object{{"code", "already_exists"}, {"message", "directory already exists: " + at("pd/a")}});

    std::ofstream(at("pd/f.txt")) << "hello";
    CHECK(call("MakeDir", path_json(at("pd/f.txt"))).status == 400);
    fs::create_symlink("f.txt", at("pd/link"));
    fs::create_symlink("nothing", at("pd/void"));
    fs::create_directory(at("pd/a/deep"));
    const auto list = call("ListDir", "{\"path\":" + json_string(at("pd")) + ",\"depth\":2}").json().at("entries").as_array();
    std::vector<std::string> names;
    for (const auto& item : list) names.emplace_back(item.at("name").as_string());
    CHECK(names == std::vector<std::string>{"a", "deep", "f.txt", "link", "void"});
    CHECK(list[2].at("size") == "5");
    CHECK(list[2].at("type") == "FILE_TYPE_FILE");
    CHECK(list[3].at("symlinkTarget") == json::value(at("pd/f.txt")));
    CHECK(list[3].at("type") == "FILE_TYPE_FILE");
    CHECK(list[4].at("type") == "FILE_TYPE_SYMLINK");
    CHECK(call("ListDir", path_json(at("pd"))).json().at("entries").as_array().size() == 4);
    CHECK(call("ListDir", path_json(at("pd/a/deep"))).json().empty());
    CHECK(call("ListDir", path_json(at("pd/f.txt"))).status == 400);
    CHECK(call("ListDir", path_json(at("none"))).status == 404);
    fs::create_directory_symlink("pd", at("root-link"));
    CHECK(call("ListDir", path_json(at("root-link"))).json().at("entries").as_array().size() == 4);

    const Reply moved =
        call("Move", "{\"source\":" + json_string(at("pd/f.txt")) + ",\"destination\":" + json_string(at("new/g.txt")) + "}");
    CHECK(moved.status == 200);
    CHECK(moved.json().at("entry").at("name") == "g.txt");
    CHECK(read_file(at("new/g.txt")) == "hello");
    CHECK(call("Move", "{\"source\":" + json_string(at("none")) + ",\"destination\":\"/x\"}").status == 404);
    // One that fails leaves nothing behind: into itself, and below a file.
    for (const char* destination : {"pd/a/deep/x/y/z", "pd/q/r/../../../new/g.txt/x/y"}) {
        CHECK(call("Move", "{\"source\":" + json_string(at("pd/a")) + ",\"destination\":" + json_string(at(destination)) + "}")
                  .status == 400);
        CHECK(entries_in(at("pd/a/deep")) == 0);
        CHECK(!fs::exists(at("pd/q")));
    }

    CHECK(call("Remove", path_json(at("none"))).json().empty());
    CHECK(call("Remove", path_json(at("pd"))).status == 200);
    CHECK(!fs::exists(at("pd")));
    CHECK(call("Remove", path_json("/")).status == 400);
    CHECK(call("Remove", path_json("")).status == 400);
    CHECK(call("Remove", path_json(at(".."))).status == 400);
}

TEST_CASE("removing a large tree, and links out of it") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    std::ofstream(at("outside")) << "stays";
    for (int i = 0; i < 20; ++i) {
        const std::string directory = at("tree/" + std::to_string(i) + "/x/y/z");
        fs::create_directories(directory);
        for (int j = 0; j < 50; ++j) std::ofstream(directory + "/" + std::to_string(j)) << "x";
        fs::create_symlink(at("outside"), directory + "/link");
        fs::create_directory_symlink(at(""), directory + "/up");
    }
    CHECK(guest.unary("/filesystem.Filesystem/Remove", path_json(at("tree"))).status == 200);
    CHECK(!fs::exists(at("tree")));
    CHECK(read_file(at("outside")) == "stays");
}

TEST_CASE("names that are not UTF-8") {
    const LiveGuest guest;
    std::ofstream(guest.directory().path("d\xff")) << "x";
    const auto list =
        guest.unary("/filesystem.Filesystem/ListDir", path_json(guest.directory().path())).json().at("entries").as_array();
    REQUIRE(list.size() == 2);
    CHECK(list[0].at("name") == "d\xef\xbf\xbd");
    CHECK(guest.request("GET", "/files?path=" + guest.directory().path("d%ff")).body == "x");
}

TEST_CASE("relative paths and the home") {
    const LiveGuest guest;
    CHECK(guest.request("POST", "/init", {}, R"({"defaultWorkdir":")" + guest.directory().path() + "\"}").status == 204);
    const auto stat_path = [&](std::string_view path) {
        return guest.unary("/filesystem.Filesystem/Stat", path_json(path)).json().at("entry").at("path");
    };
    CHECK(stat_path("") == json::value(guest.directory().path()));
    CHECK(stat_path("~") == "/root");
    CHECK(stat_path("~/.") == "/root");
    CHECK(stat_path("/tmp//.//") == "/tmp");
    CHECK(guest.unary("/filesystem.Filesystem/Stat", path_json("no-such-file")).json().at("message") ==
          "file not found: lstat /root/no-such-file: no such file or directory");
    CHECK(guest.unary("/filesystem.Filesystem/Stat", path_json("~nobody/x")).status == 400);
}

TEST_CASE("another user's rights") {
    if (::geteuid() != 0) {
        MESSAGE("not root: users cannot be changed");
        return;
    }
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    const auto call = [&](std::string_view method, std::string_view body) {
        return guest.unary("/filesystem.Filesystem/" + std::string(method), body, as_nobody);
    };
    fs::create_directory(at("own"));
    REQUIRE(::chown(at("own").c_str(), 65534, 65534) == 0);
    CHECK(guest.request("POST", "/files?username=nobody&path=" + at("own/x/f"), octets, "mine").status == 200);
    struct stat status {};
    for (const char* path : {"own/x", "own/x/f"}) {
        REQUIRE(::stat(at(path).c_str(), &status) == 0);
        CHECK(status.st_uid == 65534);
        CHECK(status.st_gid == 65534);
    }
    CHECK(call("Stat", path_json(at("own/x/f"))).json().at("entry").at("owner") == "nobody");

    // A file of one's own where one may make no other; and one of another's that may be written, which stays the other's.
    std::ofstream(at("mine")) << "old and longer";
    REQUIRE(::chown(at("mine").c_str(), 65534, 65534) == 0);
    std::ofstream(at("own/shared")) << "old and longer";
    ::chmod(at("own/shared").c_str(), 0666);
    for (const char* path : {"mine", "own/shared"}) {
        CHECK(guest.request("POST", "/files?username=nobody&path=" + at(path), octets, "new").status == 200);
        CHECK(read_file(at(path)) == "new");
    }
    REQUIRE(::stat(at("own/shared").c_str(), &status) == 0);
    CHECK(status.st_uid == 0);
    CHECK(guest.request("POST", "/files?username=nobody&path=" + at("not-there"), octets, "new").status == 403);

    // Neither what root owns, nor by way of a link of one's own.
    std::ofstream(at("root-only")) << "secret";
    ::chmod(at("root-only").c_str(), 0600);
    fs::create_symlink(at("root-only"), at("own/link"));
    for (const char* path : {"root-only", "own/link"}) {
        CHECK(guest.request("GET", "/files?username=nobody&path=" + at(path)).status == 403);
        CHECK(guest.request("POST", "/files?username=nobody&path=" + at(path), octets, "x").status == 403);
    }
    CHECK(read_file(at("root-only")) == "secret");
    CHECK(call("MakeDir", path_json(at("new"))).status == 403);
    CHECK(call("Remove", path_json(at("root-only"))).status == 403);
    CHECK(call("Move", "{\"source\":" + json_string(at("root-only")) + ",\"destination\":" + json_string(at("own/stolen")) + "}")
              .status == 403);
    fs::create_directory(at("closed"));
    ::chmod(at("closed").c_str(), 0700);
    CHECK(call("ListDir", path_json(at("closed"))).status == 403);
    // And root has its rights again.
    CHECK(guest.request("GET", "/files?path=" + at("root-only")).body == "secret");
}

TEST_CASE("a full disk") {
    const LiveGuest guest;
    const std::string small = guest.directory().path("small");
    fs::create_directory(small);
    if (::mount("none", small.c_str(), "tmpfs", 0, "size=1m") != 0) {
        MESSAGE("no tmpfs can be mounted here");
        return;
    }
    const std::string file = small + "/f";
    const Reply kept = guest.request("POST", "/files?path=" + file, octets, "old");
    Client client = guest.connect();
    const Reply full = client.request("POST", "/files?path=" + file, octets, std::string(3 << 20, 'x'));
    const Reply after = client.request("GET", "/files?path=" + file);
    const std::size_t entries = entries_in(small);
    ::umount2(small.c_str(), MNT_DETACH);
    CHECK(kept.status == 200);
    CHECK(full.status == 507);
    CHECK(full.json().at("code") == 507);
    CHECK(after.body == "old");
    CHECK(entries == 1);
}

TEST_CASE("one file out of several") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    const auto compose = [&](const std::vector<std::string>& sources, const std::string& destination,
                             std::string_view username = "root") {
        std::string body = R"({"source_paths":[)";
        for (const std::string& source : sources) body += (body.back() == '[' ? "" : ",") + json_string(source);
        return guest.request("POST", "/files/compose", {{"Content-Type", "application/json"}},
                             body + "],\"destination\":" + json_string(destination) + ",\"username\":" + json_string(username) +
                                 "}");
    };
    const auto put = [&](const std::string& path, std::string_view content) { std::ofstream(path, std::ios::binary) << content; };
    const std::string large(3 << 20, 'L');
    put(at("a"), "begin ");
    put(at("b"), large);
    put(at("c"), "");
    put(at("d"), " end");
    const Reply made = compose({at("a"), at("b"), at("c"), at("d")}, at("new/whole"));
    CHECK(made.status == 200);
    CHECK(made.json() == json::object{{"name", "whole"}, {"path", at("new/whole")}, {"type", "file"}});
    CHECK(read_file(at("new/whole")) == "begin " + large + " end");
    CHECK(entries_in(at("")) == 2); // the socket and the directory
    CHECK(entries_in(at("new")) == 1);

    put(at("a"), "A");
    CHECK(compose({at("a"), at("none")}, at("new/whole")).status == 404);
    CHECK(compose({at("a"), at("new")}, at("x")).status == 400);
    CHECK(compose({}, at("x")).status == 400);
    CHECK(compose({at("a")}, "").status == 400);
    CHECK(compose({at("a")}, at("x"), "nouser").status == 401);
    CHECK(compose({at("a")}, at("a")).status == 400);
    // The same file by another name would be emptied before it is read.
    fs::create_hard_link(at("a"), at("other"));
    CHECK(compose({at("a")}, at("other")).status == 400);
    CHECK(compose({at("a"), "/dev/zero"}, at("x")).status == 400);
    CHECK(compose(std::vector<std::string>(1001, at("a")), at("x")).status == 400);
    CHECK(read_file(at("a")) == "A");
    CHECK_FALSE(fs::exists(at("x")));
    CHECK(read_file(at("new/whole")).size() == large.size() + 10);
    if (::geteuid() == 0) {
        fs::permissions(at("a"), fs::perms(0600));
        CHECK(compose({at("a")}, "/tmp/sandboxkit-never-made", "nobody").status == 403);
        CHECK_FALSE(fs::exists("/tmp/sandboxkit-never-made"));
    }
    CHECK(guest.request("GET", "/files/compose").status == 405);
    CHECK(guest.request("POST", "/init", {}, R"({"accessToken":"secret"})").status == 204);
    CHECK(compose({at("a")}, at("x")).status == 401);
}

TEST_CASE("what clients note about a file") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("f");
    const std::string target = "/files?path=" + file;
    const auto entry = [&] { return guest.unary("/filesystem.Filesystem/Stat", path_json(file)).json().at("entry").as_object(); };
    const Headers noted = {octets[0], {"X-Metadata-Color", "blue"}, {"x-metadata-color", "red"}, {"X-METADATA-Size-Hint", "7"}};
    const Reply uploaded = guest.request("POST", target, noted, "hello");
    if (uploaded.status == 501) {
        MESSAGE("the file system of ", file, " has no extended attributes of users");
        CHECK_FALSE(fs::exists(file));
        return;
    }
    const json::object metadata = {{"color", "blue"}, {"size-hint", "7"}};
    CHECK(json::parse(uploaded.body).at(0).at("metadata") == json::value(metadata));
    CHECK(entry().at("metadata") == json::value(metadata));
    std::array<char, 16> value{};
    CHECK(::getxattr(file.c_str(), "user.e2b.color", value.data(), value.size()) == 4);
    CHECK(std::string_view(value.data()) == "blue");
    const Reply listed = guest.unary("/filesystem.Filesystem/ListDir", path_json(guest.directory().path()));
    CHECK(listed.body.find(R"("metadata":{"color":"blue","size-hint":"7"})") != std::string::npos);
    // It moves with the file, and goes when it is replaced, also where the file itself is written.
    CHECK(guest.request("POST", target, octets, "new").status == 200);
    CHECK_FALSE(entry().contains("metadata"));
    fs::create_hard_link(file, file + "2");
    CHECK(guest.request("POST", target, noted, "x").status == 200);
    CHECK(guest.request("POST", target, {octets[0], {"X-Metadata-Color", "red"}}, "x").status == 200);
    CHECK(entry().at("metadata") == json::value{{"color", "red"}});

    const auto refused = [&](const Headers& headers) { return guest.request("POST", target, headers, "no").status; };
    CHECK(refused({octets[0], {"X-Metadata-" + std::string(247, 'k'), "v"}}) == 400);
    CHECK(refused({octets[0], {"X-Metadata-k", std::string(4096, 'v')}}) == 400);
    CHECK(read_file(file) == "x");
    // What others set is told as far as it fits.
    CHECK(::setxattr(file.c_str(), "user.e2b.other", "1", 1, 0) == 0);
    CHECK(::setxattr(file.c_str(), "user.unrelated", "1", 1, 0) == 0);
    CHECK(entry().at("metadata") == json::value{{"color", "red"}, {"other", "1"}});
}

TEST_CASE("gzip in both directions") {
    const LiveGuest guest;
    const std::string file = guest.directory().path("f");
    const std::string target = "/files?path=" + file;
    const Headers packed = {octets[0], {"Content-Encoding", "gzip"}};
    const Headers accepting = {{"Accept-Encoding", "br, gzip, deflate"}};
    // Texts, noise, and zeros, of which much becomes little; and little, much.
    std::string mixed(9 << 20, '\0');
    for (std::size_t i = 0; i < (3 << 20); ++i) mixed[i] = static_cast<char>(i * i * 2654435761U >> 17);
    for (const std::string& content : {std::string("hello"), std::string(), mixed}) {
        CHECK(guest.request("POST", target, packed, compressed(content)).status == 200);
        CHECK(read_file(file) == content);
        const Reply back = guest.request("GET", target, accepting);
        CHECK(back.status == 200);
        CHECK(back.headers.at("content-encoding") == "gzip");
        CHECK(back.headers.at("vary") == "Accept-Encoding");
        CHECK(decompressed(back.body, content.size() + 1) == content);
    }
    CHECK(guest.request("GET", target, {accepting[0], {"Range", "bytes=1-3"}}).body == mixed.substr(1, 3));
    CHECK_FALSE(guest.request("GET", target, {{"Accept-Encoding", "gzip;q=0"}}).headers.contains("content-encoding"));
    CHECK_FALSE(guest.request("GET", target).headers.contains("content-encoding"));
    // Members follow one another.
    CHECK(guest.request("POST", target, packed, compressed("one ") + compressed("two")).status == 200);
    CHECK(read_file(file) == "one two");
    const std::string form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nform\r\n--b--\r\n";
    CHECK(guest
              .request("POST", target, {{"Content-Type", "multipart/form-data; boundary=b"}, {"Content-Encoding", "gzip"}},
                       compressed(form))
              .status == 200);
    CHECK(read_file(file) == "form");
    const std::string whole = compressed(mixed);
    for (const std::string& broken : {std::string("not gzip"), std::string(), whole.substr(0, whole.size() - 9), whole + "rest"})
        CHECK(guest.request("POST", target, packed, broken).status == 400);
    CHECK(read_file(file) == "form");
    CHECK(entries_in(guest.directory().path()) == 2); // the socket and the file
}
