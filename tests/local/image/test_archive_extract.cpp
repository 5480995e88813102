// SPDX-License-Identifier: Apache-2.0
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"

#include <sandboxkit/digest.hpp>

#include <doctest/doctest.h>

#include <archive_entry.h>
#include <sys/stat.h>

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

namespace {

struct Outcome {
    TemporaryDirectory here;
    std::unique_ptr<ImageStore> store;
    explicit Outcome(ImageLimits limits = {}) {
        auto opened = ImageStore::open(here.path() / "store", limits);
        REQUIRE(opened);
        store = std::move(*opened);
        fs::create_directory(here.path() / "outside");
        write_file(here.path() / "outside/file", "untouched");
    }
    Result<ImageInfo> prepare() { return store->prepare({"archive:" + (here.path() / "a.tar").string(), {}, {}}, {}); }
    Result<ImageInfo> prepare(const std::vector<ArchiveItem>& items, const std::string& filter = "none") {
        write_archive(here.path() / "a.tar", items, filter);
        return prepare();
    }
    fs::path root(const ImageInfo& image) { return store->root_plan(image.id)->root.at(0); }
    // A refusal leaves nothing, and never reached anything outside.
    void refused(const std::vector<ArchiveItem>& items, const std::string& code, ErrorClass kind = ErrorClass::invalid) {
        auto result = prepare(items);
        REQUIRE_FALSE(result);
        CHECK(result.error().code == code);
        CHECK(result.error().kind == kind);
        clean();
    }
    void clean() {
        CHECK(incoming_of(here.path() / "store").empty());
        CHECK(count_in(here.path() / "store/layers") == 0);
        CHECK(count_in(here.path() / "store/images") == 0);
        CHECK(read_file(here.path() / "outside/file") == "untouched");
        CHECK(count_in(here.path() / "outside") == 1);
    }
};

ArchiveItem directory(const std::string& path, mode_t mode = 0755) {
    return {.path = path, .type = AE_IFDIR, .mode = mode};
}
ArchiveItem symbolic(const std::string& path, const std::string& target) {
    return {.path = path, .type = AE_IFLNK, .contents = target, .mode = 0777};
}
ArchiveItem device(const std::string& path, unsigned major, unsigned minor, mode_t type = AE_IFCHR) {
    return {.path = path, .type = type, .device_major = major, .device_minor = minor};
}

} // namespace

TEST_CASE("an archive of a root file system, in every compression") {
    const std::string capability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    const std::vector<ArchiveItem> items = {
        directory("./"),
        directory("./usr"),
        symbolic("./bin", "usr/bin"),
        directory("./usr/bin"),
        {.path = "./usr/bin/tool", .contents = "#!/bin/sh\n", .mode = 04755, .uid = 1234},
        {.path = "./usr/bin/ping", .contents = "p", .mode = 0755, .attributes = {{"security.capability", capability}}},
        {.path = "./usr/bin/also", .hard_link = "./usr/bin/tool"},
        {.path = "/absolute", .contents = "inside"},
        {.path = "bin/through", .contents = "merged"},
        {.path = "no/parent/entries", .contents = "x"},
        {.path = "na\xc3\xafve", .contents = "utf8"},
        {.path = "latin\xe9", .contents = "latin1"},
        {.path = "pipe", .type = AE_IFIFO, .mode = 0600},
        {.path = "sparse", .contents = "end", .sparse_size = 5 << 20},
        symbolic("host", "/etc/passwd"),
        directory("dev"),
        device("dev/null", 1, 3),
        device("./dev/ptmx", 5, 2),
        directory("tmp", 01777),
        directory("locked", 0),
        {.path = "locked/file", .contents = "in"},
        {.path = "twice", .contents = "one"},
        {.path = "twice", .contents = "two"},
    };
    for (const auto* filter : {"none", "gzip", "xz", "zstd"}) {
        CAPTURE(std::string(filter));
        Outcome outcome;
        auto image = outcome.prepare(items, filter);
        REQUIRE_MESSAGE(image, image.error().message << " " << image.error().detail);
        const auto root = outcome.root(*image);
        struct stat status {};
        REQUIRE(::lstat((root / "usr/bin/tool").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 04755);
        CHECK(status.st_uid == 1234);
        CHECK(status.st_nlink == 2);
        CHECK(status.st_mtim.tv_sec == 1'000'000'000);
        CHECK(get_attribute(root / "usr/bin/ping", "security.capability") == capability);
        CHECK(read_file(root / "absolute") == "inside");
        CHECK(read_file(root / "usr/bin/through") == "merged");
        CHECK(read_file(root / "no/parent/entries") == "x");
        CHECK(read_file(root / "na\xc3\xafve") == "utf8");
        CHECK(read_file(root / "latin\xe9") == "latin1");
        CHECK(fs::is_fifo(root / "pipe"));
        CHECK(fs::file_size(root / "sparse") == (5 << 20) + 3);
        CHECK(fs::read_symlink(root / "host") == "/etc/passwd");
        CHECK(fs::is_empty(root / "dev"));
        CHECK(read_file(root / "locked/file") == "in");
        CHECK(read_file(root / "twice") == "two");
        REQUIRE(::lstat((root / "tmp").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 01777);
        CHECK(status.st_mtim.tv_sec == 1'000'000'000);
        REQUIRE(image->ingredients.size() == 2);
        CHECK(image->ingredients[0].kind == "base_image");
        CHECK(image->ingredients[0].digest == digest_of(read_file(outcome.here.path() / "a.tar")));
        CHECK(incoming_of(outcome.here.path() / "store").empty());
    }
}

TEST_CASE("hostile names and links reach nothing outside") {
    Outcome outcome;
    const auto outside = (outcome.here.path() / "outside").string();
    SUBCASE("..") {
        outcome.refused({{.path = "../outside/file", .contents = "x"}}, "archive_entry_escapes");
    }
    SUBCASE(".. in the middle") {
        outcome.refused({directory("a"), {.path = "a/../../x", .contents = "x"}}, "archive_entry_escapes");
    }
    SUBCASE("absolute") {
        auto image = outcome.prepare({{.path = outside + "/file", .contents = "x"}});
        REQUIRE(image);
        CHECK(read_file(outside + "/file") == "untouched");
        CHECK(read_file(outcome.root(*image).string() + outside + "/file") == "x");
    }
    SUBCASE("through a link to outside") {
        // Inside of the image the target does not exist, so there is no such directory to write into.
        outcome.refused({symbolic("way", outside), {.path = "way/file", .contents = "x"}}, "archive_entry_conflict");
    }
    SUBCASE("through a relative link up") {
        auto image = outcome.prepare({symbolic("way", "../../../../../../../.."), {.path = "way/inside", .contents = "x"}});
        REQUIRE(image);
        CHECK(read_file(outcome.root(*image) / "inside") == "x");
    }
    SUBCASE("a link in place of the file") {
        auto image = outcome.prepare({symbolic("file", outside + "/file"), {.path = "file", .contents = "x"}});
        REQUIRE(image);
        CHECK(fs::is_regular_file(fs::symlink_status(outcome.root(*image) / "file")));
        CHECK(read_file(outside + "/file") == "untouched");
    }
    SUBCASE("a directory's attributes through a link") {
        auto image = outcome.prepare({symbolic("d", outside), directory("d", 0777)});
        REQUIRE(image);
        struct stat status {};
        REQUIRE(::stat(outside.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0755);
        CHECK(fs::is_directory(fs::symlink_status(outcome.root(*image) / "d")));
    }
    SUBCASE("hard link outside") {
        outcome.refused({{.path = "l", .hard_link = outside + "/file"}}, "archive_hard_link");
    }
    SUBCASE("hard link up") {
        outcome.refused({{.path = "l", .hard_link = "../../outside/file"}}, "archive_entry_escapes");
    }
    SUBCASE("hard link through a link") {
        outcome.refused({symbolic("way", outside), {.path = "l", .hard_link = "way/file"}}, "archive_hard_link");
    }
    SUBCASE("the root as a link") {
        outcome.refused({symbolic("./", outside)}, "archive_entry_conflict");
    }
    SUBCASE("links in a circle") {
        outcome.refused({symbolic("a", "b"), symbolic("b", "a"), {.path = "a/x", .contents = "x"}}, "archive_entry_conflict");
    }
    SUBCASE("a file as a directory") {
        outcome.refused({{.path = "f", .contents = "x"}, {.path = "f/x", .contents = "x"}}, "archive_entry_conflict");
    }
    SUBCASE("a file over a full directory") {
        outcome.refused({{.path = "d/x", .contents = "x"}, {.path = "d", .contents = "x"}}, "archive_entry_conflict");
    }
    CHECK(read_file(outside + "/file") == "untouched");
    CHECK(count_in(outside) == 1);
}

TEST_CASE("device nodes and overlay marks are refused by name") {
    Outcome outcome;
    SUBCASE("a disk") {
        outcome.refused({device("dev/sda", 8, 0, AE_IFBLK)}, "archive_device_node");
    }
    SUBCASE("memory under a standard name") {
        outcome.refused({device("dev/null", 1, 1)}, "archive_device_node");
    }
    SUBCASE("a standard one elsewhere") {
        outcome.refused({device("etc/null", 1, 3)}, "archive_device_node");
    }
    SUBCASE("a whiteout") {
        outcome.refused({device("etc/passwd", 0, 0)}, "archive_device_node");
    }
    SUBCASE("opaque") {
        outcome.refused({{.path = "d", .type = AE_IFDIR, .attributes = {{"trusted.overlay.opaque", "y"}}}}, "overlay_marks");
    }
}

TEST_CASE("what is not an archive, or not all of one") {
    Outcome outcome;
    const auto path = outcome.here.path() / "a.tar";
    const auto damaged = [&] {
        auto result = outcome.prepare();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == "archive_damaged");
        CHECK(result.error().kind == ErrorClass::invalid);
        CHECK(result.error().message.find("byte ") != std::string::npos);
        outcome.clean();
    };
    SUBCASE("empty") {
        write_file(path, "");
        damaged();
    }
    SUBCASE("text") {
        write_file(path, std::string(5000, 'x'));
        damaged();
    }
    SUBCASE("zip") {
        write_file(path, std::string("PK\x03\x04", 4) + std::string(600, '\0'));
        damaged();
    }
    for (const std::string filter : {"none", "gzip", "xz", "zstd"}) {
        SUBCASE(("cut: " + filter).c_str()) {
            std::string noise;
            unsigned state = 1;
            for (int i = 0; i < 3000; ++i) noise += static_cast<char>((state = state * 1103515245 + 12345) >> 16);
            write_archive(path, {{.path = "a", .contents = noise}, {.path = "b", .contents = std::string(1024, '\0')}}, filter);
            auto whole = read_file(path);
            // The end of an uncompressed archive is padded to 10 KiB with zeros; before them come a's and b's headers and data.
            const auto real = filter == "none" ? 512 + 3072 + 512 + 1024 : whole.size();
            for (const auto keep :
                 {std::size_t{100}, real / 4, real / 2, real - 512, real - 10, real - 1, filter == "none" ? real : real - 2}) {
                CAPTURE(keep);
                if (keep > whole.size()) continue;
                write_file(path, whole.substr(0, keep));
                damaged();
            }
        }
    }
}

TEST_CASE("limits hold for what an archive unpacks to") {
    Outcome outcome(ImageLimits{.archive_bytes = 1 << 20, .archive_entries = 10});
    SUBCASE("a compressed bomb") {
        write_archive(outcome.here.path() / "a.tar", {{.path = "zeros", .contents = std::string(8 << 20, '\0')}}, "gzip");
        REQUIRE(fs::file_size(outcome.here.path() / "a.tar") < 100'000);
        auto result = outcome.prepare();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == "archive_too_large");
        CHECK(result.error().kind == ErrorClass::quota);
        outcome.clean();
    }
    SUBCASE("many small ones") {
        std::vector<ArchiveItem> items;
        for (int i = 0; i < 5; ++i) items.push_back({.path = "f" + std::to_string(i), .contents = std::string(300'000, 'x')});
        outcome.refused(items, "archive_too_large", ErrorClass::quota);
    }
    SUBCASE("a hole") {
        outcome.refused({{.path = "f", .contents = "x", .sparse_size = 3 << 20}}, "archive_too_large", ErrorClass::quota);
    }
    SUBCASE("entries") {
        std::vector<ArchiveItem> items;
        for (int i = 0; i < 11; ++i) items.push_back({.path = "f" + std::to_string(i), .contents = ""});
        outcome.refused(items, "archive_too_many_entries", ErrorClass::quota);
    }
    SUBCASE("names") {
        outcome.refused({{.path = std::string(256, 'n'), .contents = ""}}, "archive_name_too_long");
        auto longest = outcome.prepare({{.path = std::string(255, 'n'), .contents = ""}});
        REQUIRE(longest);
    }
    SUBCASE("depth") {
        std::string deep;
        for (int i = 0; i < 3000; ++i) deep += "d/";
        outcome.refused({{.path = deep + "f", .contents = ""}}, "archive_name_too_long");
        auto fits = outcome.prepare({{.path = deep.substr(0, 4000) + "f", .contents = ""}});
        REQUIRE_MESSAGE(fits, fits.error().message);
    }
}

TEST_CASE("a cancelled archive leaves nothing") {
    Outcome outcome;
    write_archive(outcome.here.path() / "a.tar", {{.path = "f", .contents = "x"}});
    std::stop_source stop;
    stop.request_stop();
    auto result = outcome.store->prepare({"archive:" + (outcome.here.path() / "a.tar").string(), {}, {}}, stop.get_token());
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorClass::cancelled);
    outcome.clean();
}
