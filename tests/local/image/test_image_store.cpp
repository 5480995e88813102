// SPDX-License-Identifier: Apache-2.0
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"
#include "providers/local/archive_version.hpp"
#include "providers/local/host_fingerprint.hpp"
#include "providers/local/host_image.hpp"

#include <sandboxkit/digest.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

namespace {

struct Fixture {
    TemporaryDirectory here;
    fs::path store_path = here.path() / "store";
    fs::path source = here.path() / "source";
    std::unique_ptr<ImageStore> store = open();
    Fixture() {
        ::umask(022);
        fs::create_directories(source);
    }
    std::unique_ptr<ImageStore> open() {
        auto opened = ImageStore::open(store_path);
        REQUIRE_MESSAGE(opened, opened.error().message);
        return std::move(*opened);
    }
    Result<ImageInfo> prepare(const std::string& image, std::vector<ImageTree> trees = {}) {
        return store->prepare({image, std::move(trees), {{"owner", "test"}}}, {});
    }
    Result<ImageInfo> prepare_source() { return prepare("directory:" + source.string()); }
    fs::path tree(const std::string& name) {
        const auto path = here.path() / "trees" / name;
        fs::create_directories(path);
        write_file(path / "file", name);
        return path;
    }
    void nothing_made() {
        CHECK(incoming_of(store_path).empty());
        CHECK(count_in(store_path / "layers") == 0);
        CHECK(count_in(store_path / "images") == 0);
    }
};

} // namespace

TEST_CASE("a directory image is a faithful copy, and of that moment") {
    Fixture f;
    write_file(f.source / "file", "contents", 0640);
    fs::create_directories(f.source / "sub/deep");
    write_file(f.source / "sub/tool", "t", 04755);
    fs::create_hard_link(f.source / "file", f.source / "sub/same");
    fs::create_symlink("/etc/shadow", f.source / "link");
    REQUIRE(::mkfifo((f.source / "pipe").c_str(), 0600) == 0);
    REQUIRE(::mknod((f.source / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
    REQUIRE(::lchown((f.source / "sub").c_str(), 12, 34) == 0);
    set_attribute(f.source / "sub/tool", "user.note", "kept");
    FileHandle big(::open((f.source / "hole").c_str(), O_WRONLY | O_CREAT, 0644));
    REQUIRE(::ftruncate(big.get(), 1LL << 40) == 0);
    REQUIRE(::pwrite(big.get(), "end", 3, 1LL << 39) == 3);
    big.reset();

    auto image = f.prepare_source();
    REQUIRE_MESSAGE(image, image.error().message << image.error().detail);
    CHECK(image->labels.at("owner") == "test");
    CHECK_FALSE(image->stale);
    auto plan = f.store->root_plan(image->id);
    REQUIRE(plan);
    CHECK(plan->usr.empty());
    REQUIRE(plan->root.size() == 1);
    const auto root = plan->root[0];
    struct stat copied {};
    REQUIRE(::stat((root / "hole").c_str(), &copied) == 0);
    CHECK(copied.st_size == 1LL << 40);
    CHECK(copied.st_blocks < 1000);
    fs::remove(root / "hole");
    fs::remove(f.source / "hole");
    const auto ours = snapshot_of(root);
    for (const auto& object : snapshot_of(f.source)) {
        const auto& path = object.first;
        CAPTURE(path);
        REQUIRE(ours.contains(path));
        CHECK(ours.at(path) == object.second);
    }
    CHECK(ours.size() == 8);
    CHECK(get_attribute(root / "sub/tool", "user.note") == "kept");
    REQUIRE(::stat((root / "file").c_str(), &copied) == 0);
    CHECK(copied.st_nlink == 2);
    struct stat original {};
    REQUIRE(::stat((f.source / "file").c_str(), &original) == 0);
    CHECK(copied.st_mtim.tv_sec == original.st_mtim.tv_sec);
    CHECK(copied.st_mtim.tv_nsec == original.st_mtim.tv_nsec);
    CHECK(copied.st_ino != original.st_ino);
    write_file(f.source / "file", "later");
    CHECK(read_file(root / "file") == "contents");
    CHECK(incoming_of(f.store_path).empty());
}

TEST_CASE("what a directory image cannot be") {
    Fixture f;
    const auto refused = [&](const Result<ImageInfo>& result, const std::string& code) {
        REQUIRE_FALSE(result);
        CHECK(result.error().code == code);
        f.nothing_made();
    };
    SUBCASE("missing") {
        refused(f.prepare("directory:" + (f.here.path() / "missing").string()), "file_not_found");
    }
    SUBCASE("relative") {
        refused(f.prepare("directory:source"), "image_path_relative");
    }
    SUBCASE("a file") {
        write_file(f.here.path() / "file", "x");
        refused(f.prepare("directory:" + (f.here.path() / "file").string()), "image_not_directory");
    }
    SUBCASE("behind a link") {
        fs::create_directory_symlink(f.source, f.here.path() / "link");
        const auto result = f.prepare("directory:" + (f.here.path() / "link").string());
        refused(result, "image_path_symlink");
        CHECK(result.error().remedy.find(f.source.string()) != std::string::npos);
    }
    SUBCASE("with a whiteout") {
        REQUIRE(::mknod((f.source / "w").c_str(), S_IFCHR, makedev(0, 0)) == 0);
        refused(f.prepare_source(), "overlay_marks");
    }
    SUBCASE("with an opaque directory") {
        fs::create_directory(f.source / "d");
        set_attribute(f.source / "d", "trusted.overlay.opaque", "y");
        refused(f.prepare_source(), "overlay_marks");
    }
    SUBCASE("with the store in it") {
        refused(f.prepare("directory:" + f.here.path().string()), "source_contains_store");
    }
    SUBCASE("of no known kind") {
        refused(f.prepare("docker:debian"), "unknown_image");
    }
    SUBCASE("of an id that is not here") {
        refused(f.prepare("img_aaaaaaaaaaaaaaaaaaaa"), "image_not_found");
    }
    SUBCASE("an archive that is a directory") {
        refused(f.prepare("archive:" + f.source.string()), "image_not_file");
    }
    SUBCASE("an archive that is a pipe") {
        REQUIRE(::mkfifo((f.here.path() / "pipe").c_str(), 0600) == 0);
        refused(f.prepare("archive:" + (f.here.path() / "pipe").string()), "image_not_file");
    }
    SUBCASE("an archive of another digest") {
        write_archive(f.here.path() / "a.tar", {{.path = "file", .contents = "x"}});
        ImageRequest request{"archive:" + (f.here.path() / "a.tar").string(), {}, {}};
        request.digest = digest_of("another archive");
        refused(f.store->prepare(request, {}), "image_digest_mismatch");
    }
    SUBCASE("a digest of what has none") {
        ImageRequest request{"directory:" + f.source.string(), {}, {}};
        request.digest = digest_of("");
        refused(f.store->prepare(request, {}), "image_has_no_digest");
    }
    SUBCASE("cancelled") {
        std::stop_source stop;
        stop.request_stop();
        refused(f.store->prepare({"directory:" + f.source.string(), {}, {}}, stop.get_token()), "cancelled");
    }
}

TEST_CASE("sockets are left out, and mounts are empty directories") {
    Fixture f;
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (f.source / "socket").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(socket);
    fs::create_directory(f.source / "proc");
    CHECK(in_mount_namespace([&] {
              if (::mount("proc", (f.source / "proc").c_str(), "proc", 0, nullptr) != 0) return 1;
              auto image = f.prepare_source();
              if (!image) return 2;
              const auto root = f.store->root_plan(image->id)->root.at(0);
              return fs::is_empty(root / "proc") && !fs::exists(fs::symlink_status(root / "socket")) ? 0 : 3;
          }) == 0);
}

TEST_CASE("equal content is one layer; images go, and layers with the last of them") {
    Fixture f;
    write_file(f.source / "file", "x");
    auto first = f.prepare_source();
    auto second = f.prepare_source();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->id != second->id);
    CHECK(first->ingredients == second->ingredients);
    CHECK(count_in(f.store_path / "layers") == 1);
    CHECK(f.store->list()->size() == 2);
    auto stacked = f.prepare(first->id, {{f.tree("one"), "/workspace/one"}});
    REQUIRE_MESSAGE(stacked, stacked.error().message);
    CHECK(count_in(f.store_path / "layers") == 2);

    CHECK(f.store->remove(first->id));
    CHECK(f.store->remove(first->id));
    CHECK(f.store->inspect(first->id).error().code == "image_not_found");
    CHECK(f.store->remove(second->id));
    CHECK(count_in(f.store_path / "layers") == 2);
    CHECK(f.store->remove(stacked->id));
    f.nothing_made();
    CHECK(f.store->remove("../images"));
    CHECK(f.store->inspect("../images").error().kind == ErrorClass::not_found);
}

TEST_CASE("images are there after the store is opened again; a damaged one says so and can be removed") {
    Fixture f;
    write_file(f.source / "file", "x");
    auto image = f.prepare_source();
    REQUIRE(image);
    f.store.reset();
    f.store = f.open();
    auto again = f.store->inspect(image->id);
    REQUIRE(again);
    CHECK(again->ingredients == image->ingredients);
    CHECK(again->labels == image->labels);

    write_file(f.store_path / "images" / image->id / "image.json", "{\"format\":1");
    CHECK(f.store->inspect(image->id).error().code == "image_damaged");
    CHECK(f.store->list()->empty()); // it is in nobody's way
    f.store.reset();
    f.store = f.open(); // its layers are not taken for abandoned ones
    CHECK(count_in(f.store_path / "layers") == 1);
    CHECK(f.store->remove(image->id));
    f.nothing_made();
}

TEST_CASE("trees are placed where the image really is, and parents keep their attributes") {
    Fixture f;
    fs::create_directories(f.source / "usr/bin");
    fs::create_directory_symlink("usr/bin", f.source / "bin");
    fs::create_directory(f.source / "root");
    REQUIRE(::chmod((f.source / "root").c_str(), 0700) == 0);
    REQUIRE(::chown((f.source / "root").c_str(), 7, 8) == 0);
    write_file(f.source / "file", "x");
    const auto one = f.tree("one");
    const auto nested = f.tree("nested");
    auto image = f.prepare("directory:" + f.source.string(), {{nested, "/workspace/one/sub"},
                                                              {one, "/workspace/one"},
                                                              {f.tree("home"), "/root/home"},
                                                              {f.tree("tools"), "/bin/tools"}});
    REQUIRE_MESSAGE(image, image.error().message);
    auto plan = f.store->root_plan(image->id);
    REQUIRE(plan->root.size() == 2);
    const auto layer = plan->root[0];
    CHECK(read_file(layer / "workspace/one/file") == "one");
    CHECK(read_file(layer / "workspace/one/sub/file") == "nested");
    CHECK(read_file(layer / "usr/bin/tools/file") == "tools");
    CHECK_FALSE(fs::exists(fs::symlink_status(layer / "bin")));
    struct stat status {};
    REQUIRE(::stat((layer / "root").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
    CHECK(status.st_uid == 7);
    REQUIRE(::stat((layer / "workspace").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
    CHECK(status.st_uid == 0);
    CHECK_FALSE(fs::exists(one)); // renamed away
    CHECK(image->ingredients.size() == 3);
}

TEST_CASE("trees that cannot be placed") {
    Fixture f;
    write_file(f.source / "file", "x");
    const auto refused = [&](std::vector<ImageTree> trees, const std::string& code) {
        auto result = f.prepare("directory:" + f.source.string(), std::move(trees));
        REQUIRE_FALSE(result);
        CHECK(result.error().code == code);
        f.nothing_made();
    };
    SUBCASE("on the root") {
        refused({{f.tree("a"), "/"}}, "invalid_target");
    }
    SUBCASE("relative") {
        refused({{f.tree("a"), "work"}}, "invalid_target");
    }
    SUBCASE("upwards") {
        refused({{f.tree("a"), "/work/../../x"}}, "invalid_target");
    }
    SUBCASE("below a file") {
        refused({{f.tree("a"), "/file/x"}}, "invalid_target");
    }
    SUBCASE("in /proc") {
        refused({{f.tree("a"), "/proc/x"}}, "invalid_target");
    }
    SUBCASE("twice") {
        refused({{f.tree("a"), "/w"}, {f.tree("b"), "/w"}}, "target_occupied");
    }
    SUBCASE("not a directory") {
        refused({{f.tree("a") / "file", "/w"}}, "tree_not_directory");
    }
    SUBCASE("missing") {
        refused({{f.here.path() / "no", "/w"}}, "file_not_found");
    }
    SUBCASE("with a whiteout") {
        const auto tree = f.tree("a");
        REQUIRE(::mknod((tree / "w").c_str(), S_IFCHR, makedev(0, 0)) == 0);
        refused({{tree, "/w"}}, "overlay_marks");
    }
    SUBCASE("a link in a circle") {
        fs::create_symlink("circle", f.source / "circle");
        refused({{f.tree("a"), "/circle/x"}}, "invalid_target");
    }
}

TEST_CASE("a link in the image leads into the image, never out") {
    Fixture f;
    fs::create_directory(f.here.path() / "outside");
    fs::create_directory_symlink(f.here.path() / "outside", f.source / "way");
    auto image = f.prepare("directory:" + f.source.string(), {{f.tree("a"), "/way/a"}});
    REQUIRE(image);
    CHECK(fs::is_empty(f.here.path() / "outside"));
    CHECK(read_file(f.store->root_plan(image->id)->root[0].string() + (f.here.path() / "outside/a/file").string()) == "a");
}

TEST_CASE("a tree on another file system is copied") {
    Fixture f;
    CHECK(in_mount_namespace([&] {
              const auto other = f.here.path() / "other";
              fs::create_directory(other);
              if (::mount("tmpfs", other.c_str(), "tmpfs", 0, nullptr) != 0) return 1;
              fs::create_directory(other / "tree");
              write_file(other / "tree/file", "copied");
              auto image = f.prepare("directory:" + f.source.string(), {{other / "tree", "/w"}});
              if (!image) return 2;
              return read_file(f.store->root_plan(image->id)->root[0] / "w/file") == "copied" ? 0 : 3;
          }) == 0);
}

TEST_CASE("the host image runs the host's programs and has nothing of the host's own") {
    Fixture f;
    auto image = f.prepare("host", {{f.tree("repo"), "/workspace/repo"}, {f.tree("tools"), "/usr/local/sandboxkit-test"}});
    if (!image && image.error().code == "host_not_merged_usr") {
        MESSAGE("this host has no merged /usr: " << image.error().message);
        return;
    }
    REQUIRE_MESSAGE(image, image.error().message << image.error().detail);
    CHECK_FALSE(image->stale);
    REQUIRE(image->ingredients.size() == 3);
    CHECK(image->ingredients[0].name == "host");
    CHECK(image->ingredients[0].digest.starts_with("fingerprint:"));
    auto plan = f.store->root_plan(image->id);
    REQUIRE(plan->root.size() == 2);
    REQUIRE(plan->usr.size() == 2);
    CHECK(plan->usr.back() == "/usr");

    const auto base = plan->root.back();
    char hostname[256] = {};
    ::gethostname(hostname, sizeof hostname - 1);
    for (const auto& item : fs::recursive_directory_iterator(base)) {
        const auto name = item.path().lexically_relative(base).string();
        CAPTURE(name);
        struct stat status {};
        REQUIRE(::lstat(item.path().c_str(), &status) == 0);
        CHECK(status.st_uid == 0);
        CHECK(status.st_gid == 0);
        CHECK((status.st_mode & 06000) == 0);
        CHECK(name.find("ssh") == std::string::npos);
        if (!S_ISREG(status.st_mode)) continue;
        const auto text = read_file(item.path());
        CHECK(text.find("PRIVATE KEY-----") == std::string::npos);
        // A short name would be found by chance.
        if (std::string_view(hostname).size() > 5) CHECK(text.find(hostname) == std::string::npos);
    }
    CHECK(fs::is_empty(base / "root"));
    CHECK(fs::is_empty(base / "home"));
    CHECK(fs::is_empty(base / "etc/profile.d"));
    CHECK(read_file(base / "etc/machine-id").empty());
    for (const auto* absent :
         {"etc/shadow", "etc/ssl/private", "etc/sudoers", "etc/netrc", "etc/gitconfig", "etc/apt", "var/lib/dpkg"})
        CHECK_FALSE(fs::exists(base / absent));
    // Users that the host has and every host does not.
    std::ifstream users("/etc/passwd");
    const auto ours = read_file(base / "etc/passwd");
    for (std::string line; std::getline(users, line);) {
        const auto name = line.substr(0, line.find(':'));
        const auto id = std::stoul("0" + line.substr(line.find(':', name.size() + 1) + 1));
        if (id >= 1000 && id < 65534) CHECK(ours.find(name + ":") == std::string::npos);
    }

    const WritableLayer writable{f.here.path() / "sandbox"};
    REQUIRE(f.store->make_writable(image->id, writable));
    CHECK(f.store->make_writable(image->id, writable).error().code == "file_operation_failed");
    CHECK(in_mount_namespace([&] {
              const auto merged = f.here.path() / "merged";
              fs::create_directory(merged);
              if (!mount_overlay(plan->root, writable.root_upper(), writable.root_work(), merged)) return 1;
              if (!mount_overlay(plan->usr, writable.usr_upper(), writable.usr_work(), merged / "usr")) return 2;
              return run_in(
                  merged,
                  "set -e; /bin/true; test \"$(cat /workspace/repo/file)\" = repo; test -r /usr/local/sandboxkit-test/file;"
                  "test \"$(id -un)\" = root; echo x > /usr/bin/new; echo x > /tmp/new; test \"$(ls -A /root)\" = ''");
          }) == 0);
    CHECK_FALSE(fs::exists("/usr/bin/new"));
    CHECK(fs::exists(writable.usr_upper() / "bin/new"));
}

TEST_CASE("the host's fingerprint is stable, and an image of another host state is stale") {
    auto one = host_fingerprint();
    auto two = host_fingerprint();
    REQUIRE(one);
    CHECK(one->size() == 64);
    CHECK(*one == *two);

    Fixture f;
    auto image = f.prepare("host");
    if (!image && image.error().code == "host_not_merged_usr") return;
    REQUIRE(image);
    auto later = f.prepare("host");
    REQUIRE(later);
    CHECK(count_in(f.store_path / "layers") == 1); // made the same each time
    // As it is after a package was installed: a program came, in a private view of /usr/bin.
    CHECK(in_mount_namespace([&] {
              const auto upper = f.here.path() / "upper";
              fs::create_directory(upper);
              fs::create_directory(f.here.path() / "work");
              if (!mount_overlay({"/usr/bin"}, upper, f.here.path() / "work", "/usr/bin")) return 1;
              write_file("/usr/bin/sandboxkit-new-program", "x");
              auto info = f.store->inspect(image->id);
              return info && info->stale ? 0 : 2;
          }) == 0);
    CHECK_FALSE(f.store->inspect(image->id)->stale);
}

TEST_CASE("a full disk is a quota error and leaves nothing") {
    TemporaryDirectory here;
    CHECK(in_mount_namespace([&] {
              const auto small = here.path() / "small";
              fs::create_directories(small);
              fs::create_directories(here.path() / "source");
              if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=2m") != 0) return 1;
              for (int i = 0; i < 30; ++i)
                  write_file(here.path() / "source" / std::to_string(i), std::string(200'000, static_cast<char>('a' + i)));
              write_archive(here.path() / "a.tar", {{.path = "big", .contents = std::string(5 << 20, 'x')}});
              auto store = ImageStore::open(small / "store");
              if (!store) return 2;
              for (const auto& image :
                   {"directory:" + (here.path() / "source").string(), "archive:" + (here.path() / "a.tar").string()}) {
                  auto full = (*store)->prepare({image, {}, {}}, {});
                  if (full || full.error().kind != ErrorClass::quota || full.error().code != "disk_full") return 3;
                  if (!incoming_of(small / "store").empty() || count_in(small / "store/layers") != 0) return 4;
              }
              // What was freed can be used.
              fs::remove_all(here.path() / "source");
              fs::create_directory(here.path() / "source");
              write_file(here.path() / "source/file", std::string(1 << 20, 'x'));
              return (*store)->prepare({"directory:" + (here.path() / "source").string(), {}, {}}, {}) ? 0 : 5;
          }) == 0);
}

TEST_CASE("several threads and two stores on one directory") {
    Fixture f;
    for (int i = 0; i < 20; ++i) write_file(f.source / std::to_string(i), std::string(static_cast<std::size_t>(i) * 1000, 'x'));
    auto other = f.open();
    std::atomic<int> failures = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                auto& store = t % 2 ? *other : *f.store;
                for (int i = 0; i < 8; ++i) {
                    auto image = store.prepare({"directory:" + f.source.string(), {}, {{"t", std::to_string(t)}}}, {});
                    if (!image || !store.list() || !store.inspect(image->id) ||
                        !fs::exists(store.root_plan(image->id)->root[0] / "19"))
                        ++failures;
                    if (i % 2 && !store.remove(image->id)) ++failures;
                    if (!ImageStore::open(f.store_path)) ++failures; // does not take the others' work for abandoned
                }
            });
    }
    CHECK(failures == 0);
    CHECK(f.store->list()->size() == 16);
    CHECK(count_in(f.store_path / "layers") == 1);
    CHECK(incoming_of(f.store_path).empty());
    for (const auto& image : *f.store->list()) CHECK(f.store->remove(image.id));
    f.nothing_made();
}

TEST_CASE("an archive is known by the digest of its file, and one that has the digest it should have is taken") {
    Fixture f;
    const auto path = f.here.path() / "a.tar.gz";
    write_archive(path, {{.path = "file", .contents = "x"}}, "gzip");
    ImageRequest request{"archive:" + path.string(), {}, {}};
    request.digest = digest_of(read_file(path));
    const auto image = f.store->prepare(request, {});
    REQUIRE(image.has_value());
    REQUIRE_FALSE(image->ingredients.empty());
    CHECK(image->ingredients.front() == Ingredient{"base_image", request.image, *request.digest});
}

TEST_CASE("an archive that is written to while it is read is told from one that is not") {
    const TemporaryDirectory here;
    const auto path = here.path() / "a.tar";
    write_archive(path, {{.path = "file", .contents = "x"}});
    const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto version = ArchiveVersion::of(file, path.string(), {});
    REQUIRE(version.has_value());
    CHECK(version->digest() == digest_of(read_file(path)));
    CHECK(version->still(file).has_value());
    write_file(path, "something else");
    const auto changed = version->still(file);
    REQUIRE_FALSE(changed.has_value());
    CHECK(changed.error().code == "image_changed");
}
