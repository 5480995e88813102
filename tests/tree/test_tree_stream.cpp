// SPDX-License-Identifier: Apache-2.0
// Trees of this machine through a socket and back.
#include "net/result_text.hpp"
#include "tree/file_descriptor.hpp"
#include "tree/tar_writer.hpp"
#include "tree/tree_stream.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <string>

using namespace sandboxkit;
using tree::TarEntry;
namespace fs = std::filesystem;

namespace {

class Directory {
public:
    Directory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    [[nodiscard]] fs::path operator/(const char* name) const { return fs::path(path_) / name; }

private:
    std::string path_ = (fs::temp_directory_path() / "sandboxkit-tree-XXXXXX").string();
};

struct Ends {
    Ends() {
        std::array<int, 2> fds{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
        near.reset(fds[0]);
        far.reset(fds[1]);
    }
    tree::FileDescriptor near, far;
};

// What `send` writes to a socket, taken into `directory`.
Result<TreeSummary> take(const fs::path& directory, const std::function<void(int)>& send, const TreeLimits& limits = {}) {
    Ends ends;
    auto taking = std::async(std::launch::async, [&] {
        auto taken = tree::receive_tree(ends.far.get(), directory, limits);
        ends.far.reset(); // whoever still sends hears of it
        return taken;
    });
    send(ends.near.get());
    ends.near.reset();
    return taking.get();
}

Result<TreeSummary> take_bytes(const fs::path& directory, std::string_view bytes, const TreeLimits& limits = {}) {
    return take(
        directory,
        [&](int socket) {
            while (!bytes.empty()) {
                const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
                if (n <= 0) return; // refused
                bytes.remove_prefix(static_cast<std::size_t>(n));
            }
        },
        limits);
}

std::string archive_of(std::initializer_list<TarEntry> entries) {
    std::string bytes;
    for (const TarEntry& entry : entries) tree::append_tar_header(bytes, entry);
    tree::append_tar_end(bytes);
    return bytes;
}

TarEntry entry(TarEntry::Type type, std::string name, std::string link = {}) {
    TarEntry made;
    made.type = type;
    made.name = std::move(name);
    made.link = std::move(link);
    made.mode = 06755;
    return made;
}

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

} // namespace

TEST_CASE("a tree arrives as it was, but for whose it is") {
    const Directory work;
    const auto from = work / "from";
    fs::create_directories(from / "deep/empty");
    std::ofstream(from / "file") << "content";
    fs::permissions(from / "file", fs::perms(0640));
    const timespec times[2] = {{1, 2}, {1'000'000'000, 123'456'789}};
    REQUIRE(::utimensat(AT_FDCWD, (from / "file").c_str(), times, 0) == 0);
    fs::create_hard_link(from / "file", from / "deep/same");
    fs::create_symlink("../nowhere", from / "deep/link");
    {
        const tree::FileDescriptor sparse(::open((from / "sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(::pwrite(sparse.get(), "x", 1, 64 << 20) == 1);
    }
    REQUIRE(::mkfifo((from / "fifo").c_str(), 0600) == 0);
    std::ofstream(from / "powerful") << "x";
    REQUIRE(::chmod((from / "powerful").c_str(), 06755) == 0);

    Result<TreeSummary> sent = Error{};
    const auto taken = take(work / "a/to", [&](int socket) { sent = tree::send_tree(from, socket); });
    REQUIRE(sent);
    REQUIRE(taken);
    CHECK(sent->entries == 9);
    CHECK(taken->entries == sent->entries);
    CHECK(taken->bytes == sent->bytes);
    CHECK(taken->bytes < 1 << 20); // not the hole
    const auto to = work / "a/to";
    const auto file = status_of(to / "file");
    CHECK((file.st_mode & 07777) == 0640);
    CHECK(file.st_mtim.tv_sec == 1'000'000'000);
    CHECK(file.st_mtim.tv_nsec == 123'456'789);
    CHECK(file.st_ino == status_of(to / "deep/same").st_ino);
    CHECK(fs::read_symlink(to / "deep/link") == "../nowhere");
    CHECK(status_of(to / "sparse").st_size == (64 << 20) + 1);
    CHECK(status_of(to / "sparse").st_blocks * 512 < 1 << 20);
    CHECK(fs::is_empty(to / "deep/empty"));
    CHECK(S_ISFIFO(status_of(to / "fifo").st_mode));
    CHECK((status_of(to / "powerful").st_mode & 07777) == 0755);
    CHECK(file.st_uid == ::geteuid());

    // One file is an archive of itself.
    const auto one = take(work / "one", [&](int socket) { sent = tree::send_tree(from / "file", socket); });
    REQUIRE(one);
    CHECK(one->entries == 1);
    CHECK(fs::file_size(work / "one" / "file") == 7);
}

TEST_CASE("a stranger's archive writes nothing outside, and gives no rights") {
    using Type = TarEntry::Type;
    const Directory work;
    fs::create_directory(work / "outside");
    const auto to = work / "to";
    const auto refused = [&](std::initializer_list<TarEntry> entries) {
        const auto taken = take_bytes(to, archive_of(entries));
        REQUIRE(!taken);
        CHECK(taken.error().kind == ErrorClass::invalid);
        CHECK(taken.error().code == "tree_refused");
        CHECK(fs::is_empty(work / "outside"));
    };
    refused({entry(Type::file, "/etc/sandboxkit-test")});
    refused({entry(Type::file, "../outside/a")});
    refused({entry(Type::file, "a/../../outside/a")});
    refused({entry(Type::symbolic_link, "link", (work / "outside").string()), entry(Type::file, "link/a")});
    refused({entry(Type::hard_link, "hard", (work / "outside").string())});
    refused({entry(Type::hard_link, "hard", "link"), entry(Type::file, "link/a")});
    CHECK(take_bytes(to, "not an archive, but long enough to be looked at").error().code == "tree_refused");
    CHECK(take_bytes(to, "").error().code == "tree_refused"); // cut off
    // A link that is in the way is replaced, and not followed.
    fs::remove_all(to);
    fs::create_directory(to);
    fs::create_symlink(work / "outside" / "b", to / "b");
    const auto taken = take_bytes(to, archive_of({entry(Type::file, "b")}));
    REQUIRE(taken);
    CHECK(S_ISREG(status_of(to / "b").st_mode));
    CHECK((status_of(to / "b").st_mode & 07777) == 0755);
    CHECK(fs::is_empty(work / "outside"));
}

TEST_CASE("a stranger's archive leaves the rights of what is there, and gives others none") {
    using Type = TarEntry::Type;
    const Directory work;
    const auto to = work / "to";
    fs::create_directories(to / "mine");
    fs::permissions(to, fs::perms(0700));
    fs::permissions(to / "mine", fs::perms(0700));
    auto open_to_all = [](Type type, std::string name) {
        auto made = entry(type, std::move(name));
        made.mode = 0777;
        return made;
    };
    const auto taken =
        take_bytes(to, archive_of({open_to_all(Type::directory, "./"), open_to_all(Type::directory, "mine/"),
                                   open_to_all(Type::directory, "theirs/"), open_to_all(Type::file, "mine/file")}));
    REQUIRE(taken);
    CHECK((status_of(to).st_mode & 07777) == 0700);
    CHECK((status_of(to / "mine").st_mode & 07777) == 0700);
    CHECK((status_of(to / "theirs").st_mode & 07777) == 0755);
    CHECK((status_of(to / "mine/file").st_mode & 07777) == 0755);
}

TEST_CASE("a stranger's archive is as large as it may be") {
    using Type = TarEntry::Type;
    const Directory work;
    const auto code = [&](std::string_view bytes, const TreeLimits& limits) {
        const auto taken = take_bytes(work / "to", bytes, limits);
        return taken ? std::string("taken") : std::string(to_string(taken.error().kind)) + " " + taken.error().code;
    };
    const auto two = archive_of({entry(Type::file, "a"), entry(Type::file, "b")});
    CHECK(code(two, {2, 0, 0}) == "taken");
    CHECK(code(two, {1, 0, 0}) == "quota tree_too_large");
    auto large = entry(Type::file, "large");
    large.size = 1000;
    std::string bytes;
    tree::append_tar_header(bytes, large);
    bytes += std::string(1024, 'x');
    tree::append_tar_end(bytes);
    CHECK(code(bytes, {1, 1000, 1000}) == "taken");
    CHECK(code(bytes, {1, 999, 1000}) == "quota tree_too_large");
    CHECK(code(bytes, {1, 1000, 999}) == "quota tree_too_large");
    CHECK(code(two + std::string(1 << 20, '\0'), {}) == "taken"); // padding
    CHECK(code(two + std::string(32 << 20, '\0'), {}) == "invalid tree_refused");
}

TEST_CASE("what cannot be sent or taken") {
    const Directory work;
    Ends ends;
    CHECK(tree::send_tree(work / "none", ends.near.get()).error().code == "path_not_found");
    CHECK(tree::send_tree("/dev/null", ends.near.get()).error().code == "tree_refused");
    std::ofstream(work / "file") << "x";
    CHECK(tree::receive_tree(ends.near.get(), work / "file" / "below").error().code == "tree_refused");
    ends.far.reset();
    CHECK(tree::send_tree(work / "file", ends.near.get()).error().code == "tree_unread");
}
