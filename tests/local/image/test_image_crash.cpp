// SPDX-License-Identifier: Apache-2.0
// Kills, or fails, every step by which the store changes the disk, each in turn. The steps are the system calls: this
// program has its own versions of the functions that make them.
#include "local/image/image_fixture.hpp"
#include "net/result_text.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

std::atomic<int> steps = 0;      // so far
std::atomic<int> chosen = 0;     // the step to break; 0: none
std::atomic<bool> deadly = true; // it kills; otherwise the step fails with ENOSPC

// True when this call must fail.
bool step() {
    if (++steps != chosen) return false;
    if (deadly) ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
    errno = ENOSPC;
    return true;
}

} // namespace

extern "C" {
int renameat(int from, const char* old_name, int to, const char* new_name) noexcept {
    return step() ? -1 : static_cast<int>(::syscall(SYS_renameat2, from, old_name, to, new_name, 0));
}
int mkdirat(int directory, const char* name, mode_t mode) noexcept {
    return step() ? -1 : static_cast<int>(::syscall(SYS_mkdirat, directory, name, mode));
}
int unlinkat(int directory, const char* name, int flags) noexcept {
    // Removing is allowed to be interrupted, and is not made to fail: a disk that is full can be emptied.
    if (deadly) step();
    return static_cast<int>(::syscall(SYS_unlinkat, directory, name, flags));
}
int fsync(int fd) {
    return step() ? -1 : static_cast<int>(::syscall(SYS_fsync, fd));
}
int syncfs(int fd) noexcept {
    return step() ? -1 : static_cast<int>(::syscall(SYS_syncfs, fd));
}
int fchmod(int fd, mode_t mode) noexcept {
    return step() ? -1 : static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int utimensat(int directory, const char* name, const struct timespec times[2], int flags) noexcept {
    return step() ? -1 : static_cast<int>(::syscall(SYS_utimensat, directory, name, times, flags));
}
ssize_t write(int fd, const void* bytes, size_t size) {
    return step() ? -1 : static_cast<ssize_t>(::syscall(SYS_write, fd, bytes, size));
}
}

using namespace sandboxkit;
using namespace sandboxkit::local;
using namespace sandboxkit::local::test;
namespace fs = std::filesystem;

namespace {

struct Fixture {
    TemporaryDirectory here;
    fs::path store_path = here.path() / "store";
    std::string base; // an image that was acknowledged before

    Fixture() {
        fs::create_directories(here.path() / "source/dir");
        write_file(here.path() / "source/dir/file", "contents");
        auto store = ImageStore::open(store_path);
        REQUIRE(store);
        auto image = (*store)->prepare({"directory:" + (here.path() / "source").string(), {}, {}}, {});
        REQUIRE(image);
        base = image->id;
        write_archive(here.path() / "a.tar", {{.path = "one", .contents = "1"}, {.path = "two/three", .contents = "3"}});
    }

    // Runs the work in a child that breaks at step `n`; false when it ended before it got there.
    template <class Work>
    bool broken(int n, bool kills, Work work) {
        const auto child = ::fork();
        if (child == 0) {
            auto store = ImageStore::open(store_path);
            steps = 0;
            deadly = kills;
            chosen = n;
            int code = store ? work(**store) : 2;
            const bool reached = steps >= n;
            chosen = 0;
            store = Error{};
            // A step may fail without consequence (a directory that is there already), never with a wrong answer.
            ::_exit(code > 1 ? code : reached ? 1 : 0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (kills && WIFSIGNALED(status)) return true;
        REQUIRE(WIFEXITED(status));
        REQUIRE(WEXITSTATUS(status) <= 1);
        return WEXITSTATUS(status) == 1;
    }

    // The invariants after any break.
    void check() {
        auto store = ImageStore::open(store_path);
        REQUIRE_MESSAGE(store, store.error().message);
        CHECK(incoming_of(store_path).empty());
        auto images = (*store)->list();
        REQUIRE_MESSAGE(images, images.error().message);
        std::size_t listed_base = 0;
        for (const auto& image : *images) {
            auto plan = (*store)->root_plan(image.id);
            REQUIRE(plan);
            for (const auto& layer : plan->root) CHECK(fs::is_directory(layer));
            if (image.id == base) {
                ++listed_base;
                continue;
            }
            CHECK((*store)->remove(image.id)); // complete, though its maker was not told
        }
        CHECK(listed_base == 1);
        CHECK(count_in(store_path / "layers") == 1);
        CHECK(read_file((*store)->root_plan(base)->root[0] / "dir/file") == "contents");
    }

    template <class Work>
    int break_everywhere(bool kills, Work work) {
        int n = 1;
        while (n < 500) {
            CAPTURE(n);
            const bool reached = broken(n, kills, work);
            check();
            if (!reached) break;
            ++n;
        }
        return n - 1;
    }
};

// Full disks are told as such, whichever step hit it.
int outcome(const Result<ImageInfo>& image) {
    if (image) return 0;
    return image.error().kind == ErrorClass::quota && image.error().code == "disk_full" ? 1 : 3;
}

} // namespace

TEST_CASE("a break at every step of preparing an archive with trees") {
    Fixture f;
    for (const bool kills : {true, false}) {
        CAPTURE(kills);
        const auto count = f.break_everywhere(kills, [&](ImageStore& store) {
            fs::create_directories(f.here.path() / "tree/sub");
            return outcome(store.prepare(
                {"archive:" + (f.here.path() / "a.tar").string(), {{f.here.path() / "tree", "/workspace/tree"}}, {}}, {}));
        });
        CHECK(count > 15);
        CHECK(count < 499);
    }
}

TEST_CASE("a break at every step of a capture") {
    Fixture f;
    for (const bool kills : {true, false}) {
        CAPTURE(kills);
        const auto count = f.break_everywhere(kills, [&](ImageStore& store) {
            const WritableLayer layer{f.here.path() / "sandbox"};
            fs::remove_all(layer.directory);
            steps = 0;
            const int wanted = chosen.exchange(0);
            if (!store.make_writable(f.base, layer)) return 4;
            write_file(layer.root_upper() / "new", "new");
            steps = 0;
            chosen = wanted;
            auto sealed = store.seal(f.base, layer);
            if (!sealed) return sealed.error().code == "disk_full" ? 1 : 3;
            return outcome(store.finish(*sealed, {}, {}));
        });
        CHECK(count > 8);
    }
}

TEST_CASE("a break at every step of removing an image") {
    Fixture f;
    const auto count = f.break_everywhere(true, [&](ImageStore& store) {
        const int wanted = chosen.exchange(0);
        auto image = store.prepare({"archive:" + (f.here.path() / "a.tar").string(), {}, {}}, {});
        if (!image) return 4;
        steps = 0;
        chosen = wanted;
        return store.remove(image->id) ? 0 : 3;
    });
    CHECK(count > 5);
}

TEST_CASE("a break at every step of cleaning up") {
    Fixture f;
    f.broken(25, true, [&](ImageStore& store) {
        return outcome(store.prepare({"archive:" + (f.here.path() / "a.tar").string(), {}, {}}, {}));
    });
    const auto count = f.break_everywhere(true, [&](ImageStore&) {
        const int wanted = chosen.exchange(0);
        const auto child = ::fork();
        if (child == 0) {
            chosen = 25;
            auto store = ImageStore::open(f.store_path);
            if (store) static_cast<void>((*store)->prepare({"archive:" + (f.here.path() / "a.tar").string(), {}, {}}, {}));
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        steps = 0;
        chosen = wanted;
        return ImageStore::open(f.store_path) ? 0 : 3;
    });
    CHECK(count > 3);
}
