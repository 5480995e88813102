// SPDX-License-Identifier: Apache-2.0
// A disk that is full, at every point of the work, and one that cannot be written: on a small tmpfs of our own.
#define DOCTEST_CONFIG_IMPLEMENT
#include "store_fixture.hpp"

#include <sys/mount.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

using namespace store_test;

namespace {

class SmallDisk {
public:
    explicit SmallDisk(const char* size) {
        const std::string options = std::string("mode=0700,size=") + size;
        if (::mount("sandboxkit-test", directory_.path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
            throw std::runtime_error(std::string("no tmpfs can be mounted: ") + std::strerror(errno));
    }
    ~SmallDisk() { ::umount2(directory_.path.c_str(), MNT_DETACH); }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path; }
    // All but `pages` of 4 KiB are taken.
    void fill(std::size_t pages) {
        struct statvfs s {};
        REQUIRE(::statvfs(path().c_str(), &s) == 0);
        const std::size_t available = s.f_bavail * s.f_frsize / 4096;
        REQUIRE(available >= pages);
        std::ofstream(path() / "ballast", std::ios::binary) << std::string((available - pages) * 4096, 'x');
    }
    void drain() { std::filesystem::remove(path() / "ballast"); }
    void read_only(bool on) {
        unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV;
        if (on) flags |= MS_RDONLY;
        REQUIRE(::mount(nullptr, path().c_str(), nullptr, flags, nullptr) == 0);
    }

private:
    TemporaryDirectory directory_;
};

template <class T>
void check_full(const Result<T>& r) {
    REQUIRE_FALSE(r.has_value());
    CHECK_MESSAGE(r.error().code == "disk_full", r.error().code << " " << r.error().detail);
    CHECK(r.error().kind == ErrorClass::quota);
    CHECK_FALSE(r.error().remedy.empty());
}

} // namespace

TEST_CASE("a full disk while a store is made, page by page") {
    SmallDisk disk("1m");
    int failed = 0;
    for (std::size_t pages = 0; pages < 120; ++pages) {
        CAPTURE(pages);
        disk.fill(pages);
        const auto file = disk.path() / "store.db";
        {
            const auto opened = Store::open(file);
            if (!opened) {
                check_full(opened);
                ++failed;
            }
        }
        disk.drain();
        // What the failure left is no obstacle.
        CHECK(open_store(file)->profiles()->empty());
        for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(file.string() + suffix);
    }
    CHECK(failed > 5);
}

TEST_CASE("a full disk during work: refused, nothing changed, and all is well when there is space again") {
    SmallDisk disk("16m");
    const auto file = disk.path() / "store.db";
    auto store = open_store(file);
    Maker make{*store};
    const std::string job = make.version(make.profile());
    store->lease_next_job("eng", at(1), 1h, nobody_is_dead).value();
    int failed = 0, written = 0;
    for (std::size_t pages = 0; pages < 40; ++pages) {
        CAPTURE(pages);
        disk.fill(pages);
        for (int i = 0; i < 6; ++i) {
            const std::string id = "prf_" + std::to_string(pages) + "_" + std::to_string(i);
            const auto made = store->create_profile({id, "n", "{}", std::string(9000, 'x'), "d", {"alice"}, at(1)});
            if (made)
                ++written;
            else {
                check_full(made);
                ++failed;
            }
            const auto profile = store->profile(id);
            CHECK(profile.has_value() == made.has_value());
            if (!profile) CHECK(code(profile) == "no_profile");
            CHECK(store->activity(id, {}, whole_log).has_value() == made.has_value());
        }
        const std::string before = store->job_log(job).value();
        if (const auto appended = store->append_job_log(job, "eng", std::string(20'000, 'l')); !appended) {
            check_full(appended);
            CHECK(store->job_log(job).value().size() == before.size());
        }
        disk.drain();
        CHECK(store->renew_lease(job, "eng", at(static_cast<std::int64_t>(pages)), 1h));
    }
    CHECK(failed > 5);
    CHECK(written > 5);
    CHECK(RawConnection(file).text("PRAGMA integrity_check") == "ok");
    store.reset();
    CHECK(open_store(file)->profiles()->size() == static_cast<std::size_t>(written + 1));
}

TEST_CASE("a read-only disk") {
    SmallDisk disk("2m");
    const auto file = disk.path() / "store.db";
    { Maker{*open_store(file)}.profile(); }
    disk.read_only(true);
    for (const auto& path : {file, disk.path() / "new.db", disk.path() / "new" / "store.db"}) {
        CAPTURE(path);
        const auto opened = Store::open(path);
        CHECK(kind(opened) == ErrorClass::permission);
        CHECK(code(opened) == "store_read_only");
        CHECK_FALSE(opened.error().remedy.empty());
    }
    disk.read_only(false);
    CHECK(open_store(file)->profiles()->size() == 1);
}

int main(int argc, char** argv) {
    try {
        SmallDisk probe("64k");
    } catch (const std::exception& e) {
        std::cout << "SKIPPED: " << e.what() << std::endl;
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
