// SPDX-License-Identifier: Apache-2.0
#include "providers/local/host_fingerprint.hpp"
#include "providers/local/file_handle.hpp"

#include <sandboxkit/digest.hpp>

#include <array>
#include <cerrno>
#include <map>
#include <mutex>

#include <fcntl.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

// By contents: rewritten with the same text they say the same.
constexpr std::array<const char*, 8> files = {
    "/usr/lib/os-release",   "/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed", "/etc/ld.so.cache",     "/etc/ld.so.conf",           "/etc/ca-certificates.conf",
};
// By time: an entry was made, removed or replaced.
constexpr std::array<const char*, 17> directories = {
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/lib",
    "/usr/share",
    "/usr/include",
    "/var/lib/pacman/local",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ld.so.conf.d",
};

struct Times {
    off_t size;
    ino_t inode;
    std::int64_t modified;
    std::int64_t changed;
    friend bool operator==(const Times&, const Times&) = default;
};

std::int64_t nanoseconds(const timespec& t) {
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// The digest of a file's contents; "" when there is none.
Result<std::string> file_digest(const char* path) {
    static std::mutex mutex;
    static std::map<std::string, std::pair<Times, std::string>> known;

    FileHandle file(::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) return std::string();
        return system_error(errno, "cannot read " + shown(path));
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error(errno, "cannot read " + shown(path));
    if (!S_ISREG(status.st_mode)) return std::string();
    const Times times{status.st_size, status.st_ino, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
    {
        const std::lock_guard lock(mutex);
        const auto found = known.find(path);
        if (found != known.end() && found->second.first == times) return found->second.second;
    }
    Sha256 sha;
    std::string buffer(256 << 10, '\0');
    for (;;) {
        const auto got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(errno, "cannot read " + shown(path));
        if (got == 0) break;
        sha.update({buffer.data(), static_cast<std::size_t>(got)});
    }
    auto digest = sha.finish();
    const std::lock_guard lock(mutex);
    known.insert_or_assign(path, std::pair(times, digest));
    return digest;
}

} // namespace

Result<std::string> host_fingerprint() {
    Sha256 sha;
    sha.update("sandboxkit host 1\n");
    for (const auto* path : files) {
        auto digest = file_digest(path);
        if (!digest) return digest.error();
        if (!digest->empty()) sha.update(std::string("file ") + path + " " + *digest + "\n");
    }
    for (const auto* path : directories) {
        struct stat status {};
        if (::stat(path, &status) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) continue;
            return system_error(errno, "cannot read the status of " + shown(path));
        }
        sha.update(std::string("directory ") + path + " " + std::to_string(nanoseconds(status.st_mtim)) + "\n");
    }
    return sha.finish();
}

} // namespace sandboxkit::local
