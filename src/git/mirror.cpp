// SPDX-License-Identifier: Apache-2.0
#include "git/mirror.hpp"

#include "git/durable.hpp"
#include "git/fetch.hpp"
#include "git/pack_check.hpp"

#include <openssl/sha.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <fstream>
#include <mutex>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

// libgit2 adds a pack with each update and never joins them.
constexpr std::size_t most_packs = 50;

std::string name_of(std::string_view url) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(url.data()), url.size(), digest.data());
    std::string text;
    for (const unsigned char byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

// flock can be waited for only without end, so it is tried again and again; a cancellation is seen at once.
Result<void> take(int fd, int operation, Watch& watch) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock hold(mutex);
    while (::flock(fd, operation | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return file_error(ErrorClass::internal, "locking a mirror failed", {}, errno);
        if (!watch.go_on()) return *watch.why();
        wake.wait_for(hold, watch.stop(), std::chrono::milliseconds(20), [] { return false; });
    }
    return {};
}

bool worn_out(const fs::path& mirror) {
    std::error_code error;
    std::size_t packs = 0;
    for (fs::directory_iterator it(mirror / "objects/pack", error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".pack") ++packs;
    return error || packs > most_packs;
}

Result<RepositoryPtr> open_mirror(const fs::path& path, const Watch& watch) {
    git_repository* raw = nullptr;
    int status = git_repository_open_ext(&raw, path.c_str(), GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
    RepositoryPtr repository(raw);
    if (status == 0) status = use_own_config(raw);
    if (status < 0) return last_error(status, Where::source, watch, "opening the mirror");
    return repository;
}

Result<void> copy_file(const fs::path& from, const fs::path& to, Watch& watch) {
    const Lock in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (in.fd() < 0) return file_error(ErrorClass::data_loss, "reading a mirror failed", from, errno);
    const Lock out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (out.fd() < 0) return file_error(ErrorClass::internal, "writing the clone failed", to, errno);
    bool in_kernel = true;
    std::vector<char> buffer;
    for (;;) {
        ssize_t n = -1;
        if (in_kernel) {
            n = ::copy_file_range(in.fd(), nullptr, out.fd(), nullptr, 16U << 20, 0); // shares blocks where the file system can
            if (n < 0 && errno != EINTR && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
                in_kernel = false; // two file systems, say
                buffer.resize(1U << 20);
                continue;
            }
        } else {
            n = ::read(in.fd(), buffer.data(), buffer.size());
            for (ssize_t done = 0; n > 0 && done < n;) {
                const auto written = ::write(out.fd(), buffer.data() + done, static_cast<std::size_t>(n - done));
                if (written < 0 && errno != EINTR) return file_error(ErrorClass::internal, "writing the clone failed", to, errno);
                if (written > 0) done += written;
            }
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return file_error(ErrorClass::internal, "copying from a mirror failed", from, errno);
        if (n == 0) return {};
        if (!watch.go_on()) return *watch.why();
    }
}

} // namespace

Lock::~Lock() {
    if (fd_ >= 0) ::close(fd_);
}

Result<Mirror> update_mirror(Access& access, bool afresh) {
    const auto& directory = access.request.mirrors;
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) return file_error(ErrorClass::internal, "making the directory of mirrors failed", directory, error.value());
    ::chmod(directory.c_str(), 0700);

    const auto name = name_of(access.request.url);
    const fs::path path = directory / (name + ".git"), fresh = directory / (name + ".new"),
                   lock_path = directory / (name + ".lock");
    const fs::path mark = path / "updating";
    Lock lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.fd() < 0) return file_error(ErrorClass::internal, "locking a mirror failed", lock_path, errno);
    if (auto taken = take(lock.fd(), LOCK_EX, access.watch); !taken) return taken.error();
    ::futimens(lock.fd(), nullptr);

    fs::remove_all(fresh, error); // of a process that died while it made it
    RepositoryPtr repository;
    bool existed = !afresh && fs::exists(path, error) && !fs::exists(mark, error) && !worn_out(path);
    if (existed) {
        // Before the network is asked, where the faults of this side would pass for the server's.
        auto opened = open_mirror(path, access.watch);
        existed = opened && check_packs(path / "objects/pack", access.watch);
        if (!access.watch.go_on()) return *access.watch.why();
        if (existed) repository = std::move(*opened);
    }
    if (!existed) {
        fs::remove_all(path, error);
        auto made = make_repository(fresh.string(), true, access.request.url, "+refs/heads/*:refs/heads/*", access.watch);
        if (!made) {
            fs::remove_all(fresh, error);
            return made.error();
        }
        repository = std::move(*made);
    } else if (std::ofstream file(mark); !file) {
        return file_error(ErrorClass::internal, "writing to a mirror failed", mark, errno);
    }

    auto target = fetch_mirror(repository.get(), access);
    // A mirror outlives a crash of the machine.
    if (target)
        if (auto synced = sync_directory((existed ? path : fresh) / "objects/pack"); !synced) target = synced.error();
    if (!target) {
        // A failed update leaves whole what was there: references are replaced at once, after their objects have arrived.
        repository.reset();
        if (existed)
            fs::remove(mark, error);
        else
            fs::remove_all(fresh, error);
        return target.error();
    }
    if (existed) {
        fs::remove(mark, error);
    } else {
        repository.reset();
        fs::rename(fresh, path, error);
        if (error) {
            const auto number = error.value();
            fs::remove_all(fresh, error);
            return file_error(ErrorClass::internal, "keeping a new mirror failed", path, number);
        }
        auto opened = open_mirror(path, access.watch);
        if (!opened) return opened.error();
        repository = std::move(*opened);
    }
    if (auto shared = take(lock.fd(), LOCK_SH, access.watch); !shared) return shared.error();
    return Mirror{std::move(lock), path, std::move(repository), *target, existed};
}

Result<void> copy_objects(const fs::path& from, const fs::path& to, Watch& watch) {
    std::error_code error;
    for (fs::recursive_directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
        const auto target = to / it->path().lexically_relative(from);
        const auto name = it->path().filename().string();
        if (it->is_directory(error)) {
            fs::create_directory(target, error);
            if (error) return file_error(ErrorClass::internal, "writing the clone failed", target, error.value());
        } else if (it->is_regular_file(error) && !it->is_symlink(error) && (it.depth() == 1) &&
                   (name.starts_with("pack-") || name.size() == 38)) {
            if (auto copied = copy_file(it->path(), target, watch); !copied) return copied;
        }
    }
    if (error) return file_error(ErrorClass::data_loss, "reading a mirror failed", from, error.value());
    return {};
}

} // namespace sandboxkit::git
