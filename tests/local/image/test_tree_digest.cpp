// SPDX-License-Identifier: Apache-2.0
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"
#include "providers/local/tree_copy.hpp"
#include "providers/local/tree_digest.hpp"
#include "providers/local/tree_walk.hpp"

#include <doctest/doctest.h>

#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

namespace {

Result<TreeDigest> digest(const fs::path& path, Marks marks = Marks::allowed) {
    auto root = open_directory(path);
    REQUIRE(root);
    return digest_tree(root->get(), marks, {});
}

std::string digest_text(const fs::path& path) {
    auto result = digest(path);
    REQUIRE(result);
    return result->digest;
}

// A tree with one of everything.
void make_sample(const fs::path& root) {
    ::umask(022);
    fs::create_directories(root / "a/b");
    write_file(root / "a/file", "hello\n", 0640);
    write_file(root / "a/tool", std::string(10000, 'x'), 04755);
    fs::create_hard_link(root / "a/file", root / "a/b/same");
    fs::create_symlink("../nowhere", root / "link");
    REQUIRE(::mkfifo((root / "pipe").c_str(), 0600) == 0);
    REQUIRE(::mknod((root / "gone").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    REQUIRE(::chown((root / "a/tool").c_str(), 1000, 1001) == 0);
    set_attribute(root / "a/tool", "user.note", "value");
    set_attribute(root / "a/b", "trusted.overlay.opaque", "y");
    REQUIRE(::chmod(root.c_str(), 0755) == 0);
}

} // namespace

TEST_CASE("the digest of a known tree never changes") {
    TemporaryDirectory here;
    const auto root = here.path() / "t";
    fs::create_directory(root);
    make_sample(root);
    auto result = digest(root);
    REQUIRE(result);
    CHECK(result->digest == "sha256:e90008f8317a15e9155f0b15bf6c0bffd89e6b6d2e05a73db5e29ddff1e321f4");
    CHECK(result->entries == 8);
    CHECK(result->bytes == 10006);
}

TEST_CASE("times, overlay bookkeeping and holes are not in the digest; everything else is") {
    TemporaryDirectory here;
    const auto root = here.path() / "t";
    fs::create_directory(root);
    make_sample(root);
    const auto before = digest_text(root);

    SUBCASE("same") {
        SUBCASE("times") {
            const timespec times[2] = {{1, 0}, {2, 0}};
            REQUIRE(::utimensat(AT_FDCWD, (root / "a/file").c_str(), times, 0) == 0);
        }
        SUBCASE("bookkeeping") {
            set_attribute(root / "a", "trusted.overlay.origin", "x");
            set_attribute(root / "a", "trusted.overlay.impure", "y");
        }
        SUBCASE("a link from outside") {
            fs::create_hard_link(root / "a/tool", here.path() / "outside");
        }
        CHECK(digest_text(root) == before);
        return;
    }
    SUBCASE("mode") {
        REQUIRE(::chmod((root / "a/file").c_str(), 0641) == 0);
    }
    SUBCASE("mode of the root") {
        REQUIRE(::chmod(root.c_str(), 0750) == 0);
    }
    SUBCASE("owner") {
        REQUIRE(::lchown((root / "link").c_str(), 5, 0) == 0);
    }
    SUBCASE("contents") {
        write_file(root / "a/file", "hellO\n", 0640);
    }
    SUBCASE("link target") {
        fs::remove(root / "link");
        fs::create_symlink("../nowherE", root / "link");
    }
    SUBCASE("a copy is not a hard link") {
        fs::remove(root / "a/b/same");
        fs::copy_file(root / "a/file", root / "a/b/same");
    }
    SUBCASE("opaque") {
        REQUIRE(::removexattr((root / "a/b").c_str(), "trusted.overlay.opaque") == 0);
    }
    SUBCASE("attribute") {
        set_attribute(root / "a/tool", "user.note", "other");
    }
    SUBCASE("whiteout") {
        fs::remove(root / "gone");
    }
    SUBCASE("type") {
        fs::remove(root / "pipe");
        write_file(root / "pipe", "", 0600);
    }
    SUBCASE("length") {
        REQUIRE(::truncate((root / "a/tool").c_str(), 20000) == 0);
    }
    CHECK(digest_text(root) != before);
}

TEST_CASE("holes and written zeros are the same content, and a huge hole costs nothing") {
    TemporaryDirectory here;
    fs::create_directory(here.path() / "a");
    fs::create_directory(here.path() / "b");
    std::string data(100'000, '\0');
    data[70'000] = 'x';
    write_file(here.path() / "a/f", data);
    write_file(here.path() / "b/f", "");
    FileHandle sparse(::open((here.path() / "b/f").c_str(), O_WRONLY));
    REQUIRE(::ftruncate(sparse.get(), 100'000) == 0);
    REQUIRE(::pwrite(sparse.get(), "x", 1, 70'000) == 1);
    CHECK(digest_text(here.path() / "a") == digest_text(here.path() / "b"));
    REQUIRE(::ftruncate(sparse.get(), 8LL << 40) == 0);
    CHECK(digest_text(here.path() / "a") != digest_text(here.path() / "b"));
}

TEST_CASE("overlay marks are refused where they come from outside, references to other layers always") {
    TemporaryDirectory here;
    REQUIRE(::mknod((here.path() / "w").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    CHECK(digest(here.path(), Marks::refused).error().code == "overlay_marks");
    CHECK(digest(here.path()).has_value());
    fs::remove(here.path() / "w");
    fs::create_directory(here.path() / "d");
    set_attribute(here.path() / "d", "trusted.overlay.redirect", "/x");
    CHECK(digest(here.path(), Marks::refused).error().code == "overlay_marks");
    CHECK(digest(here.path()).error().code == "overlay_reference");
}

TEST_CASE("a tree deeper than any path is digested, copied and removed") {
    TemporaryDirectory here;
    fs::create_directory(here.path() / "deep");
    FileHandle at(::open((here.path() / "deep").c_str(), O_RDONLY | O_DIRECTORY));
    const std::string name(100, 'd');
    for (int i = 0; i < 1500; ++i) {
        REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
        at.reset(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY));
    }
    at.reset();
    fs::create_directory(here.path() / "copy");
    auto from = open_directory(here.path() / "deep");
    auto to = open_directory(here.path() / "copy");
    CHECK(copy_tree(from->get(), to->get(), {}, {}));
    CHECK(digest_text(here.path() / "deep") == digest_text(here.path() / "copy"));
    auto parent = open_directory(here.path());
    CHECK(remove_tree_at(parent->get(), "deep"));
    CHECK(remove_tree_at(parent->get(), "copy"));
    CHECK(count_in(here.path()) == 0);
}

namespace {

// A random small tree; equal descriptions make equal trees, whatever the order of creation.
struct RandomTree {
    std::map<std::string, std::string> objects; // path -> "d<mode>" | "f<mode> contents" | "l target"
    explicit RandomTree(std::mt19937& random) {
        std::vector<std::string> directories = {""};
        const int count = static_cast<int>(random() % 6);
        for (int i = 0; i < count; ++i) {
            const auto path =
                directories[random() % directories.size()] + "/" + std::string(1, static_cast<char>('a' + random() % 3));
            if (objects.contains(path)) continue;
            const std::string mode = random() % 2 ? "755" : "700";
            switch (random() % 3) {
            case 0:
                objects[path] = "d" + mode;
                directories.push_back(path);
                break;
            case 1: objects[path] = "f" + mode + std::string(random() % 3, 'q'); break;
            default: objects[path] = std::string("l") + (random() % 2 ? "x" : "y"); break;
            }
        }
    }
    void make(const fs::path& root) const {
        for (const auto& [path, what] : objects) {
            const auto place = root.string() + path;
            if (what[0] == 'l') {
                fs::create_symlink(what.substr(1), place);
                continue;
            }
            if (what[0] == 'd')
                fs::create_directory(place);
            else
                write_file(place, what.substr(4));
            REQUIRE(::chmod(place.c_str(), static_cast<mode_t>(std::stoul(what.substr(1, 3), nullptr, 8))) == 0);
        }
    }
};

} // namespace

TEST_CASE("property: digests are equal exactly when trees are") {
    std::mt19937 random(20240601);
    std::map<std::string, std::map<std::string, std::string>> by_digest;
    std::map<std::map<std::string, std::string>, std::string> by_tree;
    for (int i = 0; i < 400; ++i) {
        TemporaryDirectory here;
        const RandomTree tree(random);
        tree.make(here.path());
        const auto text = digest_text(here.path());
        const auto [known_tree, new_digest] = by_digest.try_emplace(text, tree.objects);
        CHECK(known_tree->second == tree.objects);
        const auto [known_digest, new_tree] = by_tree.try_emplace(tree.objects, text);
        CHECK(known_digest->second == text);
    }
    CHECK(by_tree.size() > 50);
    CHECK(by_tree.size() < 400);
}
