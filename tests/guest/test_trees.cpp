// SPDX-License-Identifier: Apache-2.0
// Trees as tar streams, with GNU tar on the other side.
#include "live_guest.hpp"

#include "tree/tar_writer.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

using namespace sandboxkit::guest::test;
using sandboxkit::tree::TarEntry;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

const Headers tar_type = {{"Content-Type", "application/x-tar"}};

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_file(const std::string& path, std::string_view content) {
    std::ofstream(path, std::ios::binary) << content;
}

void run(const std::string& command) {
    CAPTURE(command);
    REQUIRE(std::system(command.c_str()) == 0);
}

std::string target(const std::string& path, std::string_view username = "root") {
    return "/sandboxkit/tree?path=" + path + "&username=" + std::string(username);
}

// What a tree is, entry by entry.
std::map<std::string, std::string> describe(const std::string& root, bool whole_seconds = false) {
    std::map<std::string, std::string> tree;
    std::map<ino_t, std::string> first_names; // in the order of names, which is the same for equal trees
    std::vector<std::string> names = {""};
    for (const auto& entry : fs::recursive_directory_iterator(root)) names.push_back(entry.path().string().substr(root.size()));
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        const std::string path = root + name;
        struct stat status {};
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        if (S_ISSOCK(status.st_mode)) continue;
        std::ostringstream text;
        text << std::oct << status.st_mode << std::dec << ' ' << status.st_uid << ':' << status.st_gid << ' '
             << status.st_mtim.tv_sec << '.' << (whole_seconds ? 0 : status.st_mtim.tv_nsec);
        if (S_ISLNK(status.st_mode)) text << " -> " << fs::read_symlink(path).string();
        if (S_ISREG(status.st_mode)) {
            text << ' ' << status.st_size << ' ' << std::hash<std::string>()(read_file(path));
            text << (status.st_blocks * 512 < status.st_size ? " sparse" : "");
        }
        if (!S_ISDIR(status.st_mode) && status.st_nlink > 1)
            text << " = " << first_names.emplace(status.st_ino, name).first->second;
        tree[name] = text.str();
    }
    return tree;
}

void set_time(const std::string& path, std::int64_t seconds, long nanoseconds) {
    const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(seconds), nanoseconds}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

void write_sparse(const std::string& path, std::int64_t size, const std::vector<std::pair<std::int64_t, std::string>>& pieces) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    REQUIRE(file >= 0);
    CHECK(::ftruncate(file, size) == 0);
    for (const auto& [offset, bytes] : pieces)
        CHECK(::pwrite(file, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size()));
    ::close(file);
}

// Everything that a tree can have.
void make_tree(const std::string& root) {
    fs::create_directories(root + "/empty");
    fs::create_directories(root + "/closed/inner");
    std::string deep = root;
    for (int i = 0; i < 6; ++i) deep += "/" + std::string(60, static_cast<char>('a' + i));
    fs::create_directories(deep);
    write_file(deep + "/file", "deep");
    write_file(deep + "/" + std::string(255, 'n'), "a long name");
    write_file(root + "/text", "hello\n");
    write_file(root + "/none", "");
    write_file(root + "/block", std::string(512, 'b'));
    write_file(root + "/large", std::string(1'000'003, 'L'));
    write_file(root + "/new\nline \xff \xc3\xa4", "odd names");
    write_file(root + "/closed/inner/kept", "kept");
    write_file(root + "/tool", "#!/bin/sh\n");
    ::chmod((root + "/tool").c_str(), 0755);
    fs::create_symlink("text", root + "/link");
    fs::create_symlink("/nowhere/" + std::string(200, 'x'), root + "/dangling");
    fs::create_hard_link(root + "/text", root + "/closed/text-again");
    fs::create_hard_link(root + "/large", root + "/large-again");
    REQUIRE(::mkfifo((root + "/fifo").c_str(), 0600) == 0);
    write_sparse(root + "/holes", 4 << 20, {{0, "begin"}, {1 << 20, std::string(8192, 'm')}, {3 << 20, "x"}});
    write_sparse(root + "/holes-to-the-end", (2 << 20) + 7, {{1 << 20, "data"}, {(2 << 20) + 6, "e"}});
    write_sparse(root + "/only-a-hole", 1 << 20, {});
    std::vector<std::pair<std::int64_t, std::string>> many;
    for (int i = 1; i < 60; ++i) many.emplace_back(static_cast<std::int64_t>(i) << 16, "piece " + std::to_string(i));
    write_sparse(root + "/many-holes", 4 << 20, many);
    if (::geteuid() == 0) {
        REQUIRE(::chown((root + "/tool").c_str(), 65534, 65534) == 0);
        REQUIRE(::lchown((root + "/dangling").c_str(), 12345, 54321) == 0);
        REQUIRE(::chown((root + "/none").c_str(), 3'000'000, 4'000'000'000U) == 0);
        REQUIRE(::chown((root + "/fifo").c_str(), 65534, 0) == 0);
        REQUIRE(::chown((root + "/closed").c_str(), 65534, 65534) == 0);
    }
    // Only root may unpack these rights.
    ::chmod((root + "/tool").c_str(), ::geteuid() == 0 ? 06755 : 0755);
    set_time(root + "/text", 1'000'000'000, 123'456'789);
    set_time(root + "/none", 10'000'000'000, 0); // more than eleven octal digits
    set_time(root + "/link", 1'100'000'000, 1);
    set_time(root + "/fifo", 1'200'000'000, 999'999'999);
    set_time(root + "/holes", -5, 250'000'000); // before 1970
    ::chmod((root + "/closed/inner").c_str(), 0500);
    set_time(root + "/closed/inner", 1'300'000'000, 5);
    set_time(root + "/closed", 1'300'000'001, 6);
    ::chmod((root + "/empty").c_str(), 01777);
    set_time(root + "/empty", 1'300'000'002, 7);
    set_time(root, 1'300'000'003, 8);
}

std::string archive_of(const std::vector<std::pair<TarEntry, std::string>>& entries, bool end = true) {
    std::string bytes;
    for (const auto& [entry, content] : entries) {
        sandboxkit::tree::append_tar_header(bytes, entry);
        bytes += content;
        bytes.append(sandboxkit::tree::tar_padding(content.size()), '\0');
    }
    if (end) sandboxkit::tree::append_tar_end(bytes);
    return bytes;
}

TarEntry entry(TarEntry::Type type, std::string name, std::string link = {}, std::uint64_t size = 0) {
    TarEntry made;
    made.type = type;
    made.name = std::move(name);
    made.link = std::move(link);
    made.size = size;
    made.mode = 0644;
    made.uid = ::geteuid();
    made.gid = ::getegid();
    return made;
}

// No process works for the guest any more.
void wait_for_no_children(const LiveGuest& guest) {
    const std::string pid = std::to_string(guest.pid());
    while (!read_file("/proc/" + pid + "/task/" + pid + "/children").empty())
        CHECK(guest.request("GET", "/health").status == 204);
}

std::string message_of(const Reply& reply) {
    return std::string(reply.json().at("message").as_string());
}

constexpr auto file = TarEntry::Type::file;
constexpr auto directory = TarEntry::Type::directory;
constexpr auto symbolic_link = TarEntry::Type::symbolic_link;
constexpr auto hard_link = TarEntry::Type::hard_link;

} // namespace

TEST_CASE("a tree goes out and comes in as it was, and GNU tar reads and writes the same") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    make_tree(at("tree"));
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, at("tree/empty/s").c_str(), at("tree/empty/s").size());
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(socket);
    set_time(at("tree/empty"), 1'300'000'002, 7);
    const auto tree = describe(at("tree"));

    Client client = guest.connect();
    const Reply archive = client.request("GET", target(at("tree")));
    REQUIRE(archive.status == 200);
    CHECK(archive.headers.at("content-type") == "application/x-tar");
    CHECK(archive.body.size() % 512 == 0);
    CHECK(archive.body.size() < (3 << 20)); // holes take nothing

    const Reply unpacked = client.request("POST", target(at("new/copy")), tar_type, archive.body);
    CHECK(unpacked.status == 200);
    CHECK(unpacked.headers.at("content-type") == "application/json");
    CHECK(unpacked.json().at("entries").to_number<std::size_t>() == tree.size());
    CHECK(std::stoul(std::string(unpacked.json().at("bytes").as_string())) > 1'000'003);
    CHECK(describe(at("new/copy")) == tree);
    // Over what is there: the same again.
    CHECK(client.request("POST", target(at("new/copy")), tar_type, archive.body).status == 200);
    CHECK(describe(at("new/copy")) == tree);

    write_file(at("ours.tar"), archive.body);
    fs::create_directory(at("theirs"));
    run("tar --numeric-owner --warning=no-timestamp -xpf " + at("ours.tar") + " -C " + at("theirs") + " 2>" + at("said"));
    CHECK(read_file(at("said")) == "");
    CHECK(describe(at("theirs")) == tree);
    run("tar --compare --numeric-owner -f " + at("ours.tar") + " -C " + at("tree"));

    for (const std::string format : {"pax", "pax --sparse", "pax --sparse --sparse-version=0.0",
                                     "pax --sparse --sparse-version=0.1", "gnu", "gnu --sparse"}) {
        CAPTURE(format);
        run("tar --format=" + format + " -cf " + at("theirs.tar") + " -C " + at("tree") + " . 2>/dev/null");
        const Reply theirs = client.request("POST", target(at("from-tar")), tar_type, read_file(at("theirs.tar")));
        CHECK(theirs.status == 200);
        CAPTURE(theirs.body);
        const bool seconds = format.starts_with("gnu");
        auto expected = describe(at("tree"), seconds);
        if (format.find("sparse") == std::string::npos)
            for (auto& [name, text] : expected)
                if (text.ends_with(" sparse")) text.resize(text.size() - 7);
        CHECK(describe(at("from-tar"), seconds) == expected);
        fs::remove_all(at("from-tar"));
    }
    run("tar --format=ustar -cf " + at("theirs.tar") + " -C " + at("tree") + " closed/inner text");
    CHECK(client.request("POST", target(at("ustar")), tar_type, read_file(at("theirs.tar"))).json().at("entries") == 3);
    CHECK(read_file(at("ustar/closed/inner/kept")) == "kept");
}

TEST_CASE("a file and a link are a tree of one entry") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    write_file(at("file"), "content");
    fs::create_directory(at("d"));
    fs::create_directory_symlink("d", at("link"));
    for (const char* name : {"file", "link"}) {
        const Reply archive = guest.request("GET", target(at(name)));
        CHECK(archive.status == 200);
        CHECK(guest.request("POST", target(at("d")), tar_type, archive.body).json().at("entries") == 1);
    }
    CHECK(read_file(at("d/file")) == "content");
    CHECK(fs::read_symlink(at("d/link")) == "d");
    CHECK(guest.request("GET", target("/dev/null")).status == 400);
    CHECK(guest.request("GET", target("/proc")).status == 400);
    CHECK(guest.request("GET", target(at("s"))).status == 400);
    CHECK(guest.request("POST", target(at("file")), tar_type, archive_of({})).status == 400);
}

TEST_CASE("who may, and what is refused, as with files") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    fs::create_directory(path);
    const Reply none = guest.request("GET", target(path + "/none"));
    CHECK(none.status == 404);
    CHECK(none.json() == json::object{{"code", 404}, {"message", "path '" + path + "/none' does not exist"}});
    CHECK(guest.request("GET", target(path, "nouser")).status == 401);
    CHECK(guest.request("GET", "/sandboxkit/tree").status == 400);
    CHECK(guest.request("GET", "/sandboxkit/tree?path=%00").status == 400);
    CHECK(guest.request("GET", "/sandboxkit/tree?path=%zz").status == 400);
    CHECK(guest.request("GET", "/sandboxkit/nothing").status == 404);
    CHECK(guest.request("PUT", target(path)).status == 405);
    CHECK(guest.request("POST", target(path), {{"Content-Type", "application/octet-stream"}}, archive_of({})).status == 415);
    CHECK(guest.request("POST", target(path), {tar_type[0], {"Content-Encoding", "gzip"}}, archive_of({})).status == 415);
    CHECK(guest.request("POST", "/init", {}, R"({"accessToken":"secret"})").status == 204);
    CHECK(guest.request("GET", target(path)).status == 401);
    CHECK(guest.request("POST", target(path), tar_type, archive_of({})).status == 401);
    CHECK(guest.request("GET", target(path), {{"X-Access-Token", "secret"}}).status == 200);
}

TEST_CASE("another user's rights over trees") {
    if (::geteuid() != 0) {
        MESSAGE("not root: users cannot be changed");
        return;
    }
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_directory(at("own"));
    REQUIRE(::chown(at("own").c_str(), 65534, 65534) == 0);
    TarEntry tool = entry(file, "./sub/tool", {}, 4);
    tool.mode = 06755;
    TarEntry root = entry(directory, "./");
    root.mode = 0750;
    const std::string archive = archive_of({{root, ""}, {tool, "tool"}});
    CHECK(guest.request("POST", target(at("own"), "nobody"), tar_type, archive).status == 200);
    struct stat status {};
    REQUIRE(::stat(at("own/sub/tool").c_str(), &status) == 0);
    CHECK(status.st_uid == 65534);
    CHECK(status.st_gid == 65534);
    CHECK((status.st_mode & 07777) == 0755); // root's rights do not become nobody's
    CHECK((fs::status(at("own")).permissions() & fs::perms(0777)) == fs::perms(0750));

    const Reply refused = guest.request("POST", target(at("not-there"), "nobody"), tar_type, archive);
    CHECK(refused.status == 403);
    CHECK(refused.json().at("code") == 403);
    CHECK_FALSE(fs::exists(at("not-there")));
    fs::create_directory(at("roots"));
    CHECK(guest.request("POST", target(at("roots"), "nobody"), tar_type, archive).status == 403);
    CHECK(fs::is_empty(at("roots")));
    // Where everybody may write, the directory itself stays its owner's.
    ::chmod(at("roots").c_str(), 01777);
    CHECK(guest.request("POST", target(at("roots"), "nobody"), tar_type, archive).status == 200);
    CHECK(fs::status(at("roots")).permissions() == fs::perms(01777));

    write_file(at("roots/secret"), "secret");
    ::chmod(at("roots/secret").c_str(), 0600);
    const Reply hidden = guest.request("GET", target(at("roots"), "nobody"));
    CHECK(hidden.status == 403);
    CHECK(message_of(hidden) == "error reading './secret': Permission denied");
    CHECK(guest.request("GET", target(at("roots"))).status == 200);
}

TEST_CASE("names that lead out of the directory are refused") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_directory(at("outside"));
    write_file(at("outside/kept"), "kept");
    const auto before = describe(at("outside"));
    const auto refused = [&](const std::vector<std::pair<TarEntry, std::string>>& entries) {
        fs::create_directory(at("d"));
        fs::create_directory_symlink(at("outside"), at("d/there-before"));
        const Reply reply = guest.request("POST", target(at("d")), tar_type, archive_of(entries));
        CHECK(reply.status == 400);
        CHECK(reply.json().at("code") == 400);
        CHECK(describe(at("outside")) == before);
        CHECK_FALSE(fs::exists(at("x")));
        fs::remove_all(at("d"));
        return message_of(reply);
    };
    CHECK(refused({{entry(file, at("x")), ""}}) == "the archive is refused: the name '" + at("x") + "' is absolute");
    for (const char* name : {"../x", "./../x", "a/../../x", "a/..", "..", "a/../b"})
        CHECK(refused({{entry(file, name), ""}}).find("has '..' in it") != std::string::npos);
    CHECK(refused({{entry(symbolic_link, "a", at("outside")), ""}, {entry(file, "a/x"), ""}}) ==
          "the archive is refused: 'a/x' goes through 'a', which is a link or not a directory");
    CHECK(refused({{entry(symbolic_link, "a", ".."), ""}, {entry(directory, "a/x"), ""}}).find("goes through") !=
          std::string::npos);
    CHECK(refused({{entry(file, "there-before/x"), ""}}).find("goes through") != std::string::npos);
    CHECK(refused({{entry(hard_link, "a", "../outside/kept"), ""}}).find("has '..' in it") != std::string::npos);
    CHECK(refused({{entry(hard_link, "a", at("outside/kept")), ""}}).find("is absolute") != std::string::npos);
    CHECK(refused({{entry(hard_link, "a", "there-before/kept"), ""}}).find("goes through") != std::string::npos);
    CHECK(refused({{entry(hard_link, "a", "none"), ""}}).find("was not there before") != std::string::npos);
    CHECK(refused({{entry(file, "."), ""}}) ==
          "the archive is refused: '.' is the directory that is unpacked to, and not one in the archive");
    CHECK(refused({{entry(directory, "a/b"), ""}, {entry(file, "a"), ""}}).find("is a directory") != std::string::npos);
    CHECK(refused({{entry(symbolic_link, "a", ""), ""}}).find("leads to what is no path") != std::string::npos);
    std::string deep;
    for (int i = 0; i < 600; ++i) deep += "d/";
    CHECK(refused({{entry(directory, deep), ""}}).find("has too many directories") != std::string::npos);
    CHECK(refused({{entry(file, std::string(300, 'n')), ""}}).find("File name too long") != std::string::npos);
    CHECK(refused({{entry(file, std::string(40'000, 'n')), ""}}).find("has more than 32768 bytes") != std::string::npos);

    // A link and a file give way to a directory, and a link that leads out is replaced, not followed.
    fs::create_directory(at("d"));
    fs::create_directory_symlink(at("outside"), at("d/a"));
    fs::create_symlink(at("outside/kept"), at("d/b"));
    TarEntry made = entry(directory, "a/");
    made.mode = 0755;
    CHECK(guest
              .request("POST", target(at("d")), tar_type,
                       archive_of({{made, ""}, {entry(file, "a/x", {}, 1), "x"}, {entry(file, "b", {}, 1), "y"}}))
              .status == 200);
    CHECK(read_file(at("d/a/x")) == "x");
    CHECK(read_file(at("d/b")) == "y");
    CHECK(describe(at("outside")) == before);
}

TEST_CASE("a directory that becomes a link while it is unpacked to leads nowhere") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_directory(at("outside"));
    fs::create_directories(at("d/a"));
    fs::create_directory_symlink(at("outside"), at("d/l"));
    std::vector<std::pair<TarEntry, std::string>> entries;
    for (int i = 0; i < 100; ++i) {
        // Leaving the directory and coming back has it opened again.
        entries.push_back({entry(file, "a/" + std::to_string(i), {}, 1), "x"});
        entries.push_back({entry(directory, "other"), ""});
        entries.push_back({entry(hard_link, "a/again" + std::to_string(i), "a/" + std::to_string(i)), ""});
    }
    const std::string archive = archive_of(entries);
    std::atomic<bool> stop = false;
    std::thread changing([&] {
        while (!stop) ::syscall(SYS_renameat2, AT_FDCWD, at("d/a").c_str(), AT_FDCWD, at("d/l").c_str(), RENAME_EXCHANGE);
    });
    int refused = 0;
    for (int i = 0; i < 200; ++i) {
        const int status = guest.request("POST", target(at("d")), tar_type, archive).status;
        if (status != 200) ++refused;
        if (status != 200 && status != 400) FAIL_CHECK(status);
    }
    stop = true;
    changing.join();
    MESSAGE(refused, " of 200 were refused");
    CHECK(fs::is_empty(at("outside")));
}

TEST_CASE("what is remembered of an archive is bounded") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    std::string deep;
    for (int i = 0; i < 125; ++i) deep += std::string(255, 'd') + "/";
    Client client = guest.connect();
    client.send("POST " + target(path) + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n" +
                "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 2200; ++i) {
        const std::string header = archive_of({{entry(directory, deep + std::to_string(i)), ""}}, false);
        std::array<char, 16> size{};
        std::snprintf(size.data(), size.size(), "%zx\r\n", header.size());
        client.send(size.data() + header + "\r\n");
    }
    client.send("0\r\n\r\n");
    const Reply reply = client.read_reply();
    CHECK(reply.status == 400);
    CHECK(message_of(reply).find("it has too many directories") != std::string::npos);
    run("rm -rf " + path); // so deep, it is the quickest
}

TEST_CASE("what is no archive, or not all of it, is refused") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    const auto refused = [&](const std::string& body) {
        const Reply reply = guest.request("POST", target(path), tar_type, body);
        CHECK(reply.status == 400);
        return message_of(reply);
    };
    const std::string whole = archive_of({{entry(file, "a", {}, 2000), std::string(2000, 'a')}, {entry(file, "b", {}, 1), "b"}});
    CHECK(refused("") == "the archive is cut off after 0 entries");
    for (const std::size_t size : {std::size_t(1), std::size_t(512), std::size_t(1000), std::size_t(2600), whole.size() - 1024})
        CHECK(refused(whole.substr(0, size)).find("is cut off") != std::string::npos);
    CHECK(refused(std::string(2048, 'x')).find("checksum") != std::string::npos);
    std::string damaged = whole;
    damaged[3] = 'x';
    CHECK(refused(damaged).find("checksum") != std::string::npos);
    const std::string device = [&] {
        std::string bytes = archive_of({{entry(TarEntry::Type::fifo, "null"), ""}});
        bytes[156] = '3';
        bytes[153] = static_cast<char>(bytes[153] - 3); // of the checksum
        return bytes;
    }();
    CHECK(refused(device) == "the archive is refused: 'null' is a device, which is not unpacked");
    CHECK(guest.request("POST", target(path), tar_type, whole + std::string(100'000, '\0')).status == 200);
    CHECK(read_file(path + "/a").size() == 2000);
    // In chunks of a few bytes.
    Client client = guest.connect();
    std::string chunked = "POST " + target(path + "2") + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n" +
                          "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t i = 0; i < whole.size(); i += 7) {
        const std::string piece = whole.substr(i, 7);
        chunked += std::to_string(piece.size()) + "\r\n" + piece + "\r\n";
    }
    client.send(chunked + "0\r\n\r\n");
    CHECK(client.read_reply().status == 200);
    CHECK(read_file(path + "2/a").size() == 2000);
    CHECK(client.request("GET", "/health").status == 204);
}

TEST_CASE("an archive that breaks in the middle does not look complete") {
    if (::geteuid() != 0) {
        MESSAGE("not root: every file can be read");
        return;
    }
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    fs::create_directory(path);
    for (int i = 0; i < 4; ++i) write_file(path + "/" + std::to_string(i), std::string(1 << 20, 'x'));
    // The last one that is read.
    std::string last;
    for (const auto& item : fs::directory_iterator(path)) last = item.path();
    ::chmod(last.c_str(), 0600);
    Client client = guest.connect();
    client.send(request_bytes("GET", target(path, "nobody"), {}, ""));
    CHECK(client.read_head().status == 200);
    const std::string rest = client.read_to_end();
    CHECK(rest.size() > (2 << 20));
    CHECK_FALSE(rest.ends_with("0\r\n\r\n"));
    wait_for_no_children(guest);
    CHECK(guest.request("GET", target(path)).status == 200);
}

TEST_CASE("a client that goes away ends the work") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    fs::create_directory(path);
    write_file(path + "/large", std::string(16 << 20, 'x'));
    {
        Client client = guest.connect();
        client.send(request_bytes("GET", target(path), {}, ""));
        CHECK(client.read_head().status == 200);
        // It does not read on.
    }
    wait_for_no_children(guest);
    {
        Client client = guest.connect();
        const std::string bytes = request_bytes("POST", target(path), tar_type,
                                                archive_of({{entry(file, "new", {}, 4 << 20), std::string(4 << 20, 'n')}}));
        client.send(std::string_view(bytes).substr(0, bytes.size() / 2));
    }
    wait_for_no_children(guest);
    CHECK(guest.request("GET", "/health").status == 204);
    // One that is half closed still gets its answer.
    Client half = guest.connect();
    half.send(request_bytes("GET", target(path + "/new"), {}, ""));
    half.shut_down_writing();
    CHECK(half.read_reply().status == 200);
}

TEST_CASE("an unpacker that does not come on holds its client back, and nobody else") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    const std::string bytes =
        request_bytes("POST", target(path), tar_type, archive_of({{entry(file, "new", {}, 8 << 20), std::string(8 << 20, 'n')}}));
    for (const bool goes_away : {false, true}) {
        Client client = guest.connect();
        std::size_t sent = client.send_some(std::string_view(bytes).substr(0, 4096));
        const std::string pid = std::to_string(guest.pid());
        pid_t child = 0;
        while (child == 0) std::ifstream("/proc/" + pid + "/task/" + pid + "/children") >> child;
        REQUIRE(::kill(child, SIGSTOP) == 0);
        // As often as the guest has had its turn and took nothing more.
        for (int refused = 0; refused < 3;) {
            const std::size_t more = client.send_some(std::string_view(bytes).substr(sent, 64 << 10));
            sent += more;
            refused = more == 0 ? refused + 1 : 0;
            if (more == 0) CHECK(guest.request("GET", "/health").status == 204);
        }
        CHECK(sent < (4 << 20));
        if (goes_away) {
            client.close();
        } else {
            REQUIRE(::kill(child, SIGCONT) == 0);
            client.send(std::string_view(bytes).substr(sent));
            CHECK(client.read_reply().status == 200);
            CHECK(fs::file_size(path + "/new") == 8 << 20);
        }
        wait_for_no_children(guest);
    }
}

TEST_CASE("many trees at once are refused by name") {
    const LiveGuest guest;
    const std::string path = guest.directory().path("d");
    std::vector<Client> clients;
    const std::string begun = request_bytes("POST", target(path), tar_type, archive_of({}));
    int refused = 0;
    for (int i = 0; i < 17; ++i) {
        clients.push_back(guest.connect());
        clients.back().send(std::string_view(begun).substr(0, begun.size() - 1));
        CHECK(guest.request("GET", "/health").status == 204);
    }
    for (const Client& client : clients) client.send(std::string_view(begun).substr(begun.size() - 1));
    for (Client& client : clients) {
        const Reply reply = client.read_reply();
        if (reply.status == 200) continue;
        ++refused;
        CHECK(reply.status == 503);
        CHECK(message_of(reply) == "cannot work on another tree: 16 are being worked on");
    }
    CHECK(refused == 1);
    CHECK(guest.request("POST", target(path), tar_type, archive_of({})).status == 200);
}

TEST_CASE("a tebibyte of holes, and a directory with ten thousand files") {
    const LiveGuest guest;
    const auto at = [&](std::string_view name) { return guest.directory().path(name); };
    fs::create_directories(at("d/many"));
    for (int i = 0; i < 10'000; ++i) write_file(at("d/many/" + std::to_string(i)), std::to_string(i));
    const int huge = ::open(at("d/huge").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const bool fits = ::ftruncate(huge, 1LL << 40) == 0 && ::pwrite(huge, "middle", 6, 1LL << 39) == 6;
    ::close(huge);
    if (!fits) {
        MESSAGE("the file system takes no file of a tebibyte");
        fs::remove(at("d/huge"));
    }
    const Reply archive = guest.request("GET", target(at("d")));
    CHECK(archive.status == 200);
    CHECK(archive.body.size() < (32 << 20));
    const Reply unpacked = guest.request("POST", target(at("copy")), tar_type, archive.body);
    CHECK(unpacked.json().at("entries") == (fits ? 10'003 : 10'002));
    CHECK(fs::file_size(at("copy/many/9999")) == 4);
    CHECK(std::distance(fs::directory_iterator(at("copy/many")), {}) == 10'000);
    if (!fits) return;
    struct stat status {};
    REQUIRE(::stat(at("copy/huge").c_str(), &status) == 0);
    CHECK(status.st_size == 1LL << 40);
    CHECK(status.st_blocks < 1024);
    const int copy = ::open(at("copy/huge").c_str(), O_RDONLY | O_CLOEXEC);
    std::array<char, 6> middle{};
    CHECK(::pread(copy, middle.data(), middle.size(), 1LL << 39) == 6);
    ::close(copy);
    CHECK(std::string_view(middle.data(), middle.size()) == "middle");
}

#ifdef SANDBOXKIT_GUEST_PROGRAM
TEST_CASE("a slow client holds the tree back, and not the memory of the guest") {
    LaunchOptions options;
    options.program = SANDBOXKIT_GUEST_PROGRAM;
    const LiveGuest guest(options);
    const std::string path = guest.directory().path("d");
    fs::create_directory(path);
    write_file(path + "/large", std::string(48 << 20, 'x'));
    Client slow = guest.connect();
    slow.send(request_bytes("GET", target(path), {}, ""));
    CHECK(slow.read_head().status == 200);
    std::string archive = slow.read_chunk();
    CHECK(guest.request("GET", "/health").status == 204);
    for (std::string chunk = slow.read_chunk(); !chunk.empty(); chunk = slow.read_chunk()) archive += chunk;
    CHECK(guest.request("POST", target(path + "2"), tar_type, archive).status == 200);
    CHECK(fs::file_size(path + "2/large") == 48 << 20);
    std::ifstream status("/proc/" + std::to_string(guest.pid()) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) CHECK(std::stol(line.substr(6)) <= 8 * 1024);
}
#endif
