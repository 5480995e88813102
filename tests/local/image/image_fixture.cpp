// SPDX-License-Identifier: Apache-2.0
#include "local/image/image_fixture.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace sandboxkit::local::test {

namespace fs = std::filesystem;

TemporaryDirectory::TemporaryDirectory() {
    // Not /tmp: it may be a tmpfs, or on an overlay, where an upper directory cannot be.
    const char* base = std::getenv("SANDBOXKIT_TEST_DIRECTORY");
    std::string pattern = std::string(base ? base : "/var/tmp") + "/sandboxkit-image-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, std::string_view contents, mode_t mode) {
    std::ofstream(path, std::ios::binary) << contents;
    if (::chmod(path.c_str(), mode) != 0) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

void set_attribute(const fs::path& path, const char* name, std::string_view value) {
    if (::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) != 0) throw std::runtime_error("setxattr failed");
}

std::string get_attribute(const fs::path& path, const char* name) {
    std::string value(65536, '\0');
    const auto size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    value.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return value;
}

std::map<std::string, std::string> snapshot_of(const fs::path& directory) {
    std::map<std::string, std::string> lines;
    for (const auto& item : fs::recursive_directory_iterator(directory)) {
        struct stat status {};
        ::lstat(item.path().c_str(), &status);
        std::ostringstream line;
        line << std::oct << status.st_mode << std::dec << ' ' << status.st_uid << ':' << status.st_gid << ' ';
        if (S_ISREG(status.st_mode)) line << read_file(item.path());
        if (S_ISLNK(status.st_mode)) line << fs::read_symlink(item.path()).string();
        lines[item.path().lexically_relative(directory).string()] = line.str();
    }
    return lines;
}

void write_archive(const fs::path& path, const std::vector<ArchiveItem>& items, const std::string& filter) {
    auto* writer = archive_write_new();
    if (filter != "none" && archive_write_add_filter_by_name(writer, filter.c_str()) != ARCHIVE_OK)
        throw std::runtime_error("no such filter");
    archive_write_set_format_pax(writer);
    archive_write_set_options(writer, "hdrcharset=BINARY");
    if (archive_write_open_filename(writer, path.c_str()) != ARCHIVE_OK) throw std::runtime_error("cannot write an archive");
    for (const auto& item : items) {
        auto* entry = archive_entry_new();
        archive_entry_set_pathname(entry, item.path.c_str());
        archive_entry_set_filetype(entry, item.type);
        archive_entry_set_perm(entry, item.mode);
        archive_entry_set_uid(entry, item.uid);
        archive_entry_set_gid(entry, 0);
        archive_entry_set_mtime(entry, 1'000'000'000, 0);
        archive_entry_set_rdevmajor(entry, item.device_major);
        archive_entry_set_rdevminor(entry, item.device_minor);
        for (const auto& [name, value] : item.attributes)
            archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
        const auto size = item.sparse_size + static_cast<long>(item.contents.size());
        if (!item.hard_link.empty()) {
            archive_entry_set_hardlink(entry, item.hard_link.c_str());
        } else if (item.type == AE_IFLNK) {
            archive_entry_set_symlink(entry, item.contents.c_str());
        } else if (item.type == AE_IFREG) {
            archive_entry_set_size(entry, size);
            if (item.sparse_size > 0)
                archive_entry_sparse_add_entry(entry, item.sparse_size, static_cast<la_int64_t>(item.contents.size()));
        }
        if (archive_write_header(writer, entry) < ARCHIVE_WARN) throw std::runtime_error(archive_error_string(writer));
        if (item.type == AE_IFREG && item.hard_link.empty()) {
            // The writer skips what the sparse map leaves out, and wants to be given it.
            const std::string zeros(1 << 20, '\0');
            for (long left = item.sparse_size; left > 0; left -= static_cast<long>(zeros.size()))
                archive_write_data(writer, zeros.data(), std::min<std::size_t>(zeros.size(), static_cast<std::size_t>(left)));
            archive_write_data(writer, item.contents.data(), item.contents.size());
        }
        archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
}

int in_mount_namespace(const std::function<int()>& work) {
    std::fflush(nullptr);
    const auto child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(99);
        int code = 98;
        try {
            code = work();
        } catch (...) {
            code = 97;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool mount_overlay(const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work, const fs::path& target) {
    // By descriptor: the options of mount(2) must fit one page, and 64 layers' paths do not.
    std::string options = "redirect_dir=off,metacopy=off,upperdir=" + upper.string() + ",workdir=" + work.string() + ",lowerdir=";
    std::vector<int> descriptors;
    for (const auto& lower : lowers) {
        descriptors.push_back(::open(lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        options += (descriptors.size() > 1 ? ":" : "") + ("/proc/self/fd/" + std::to_string(descriptors.back()));
    }
    const bool mounted = ::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) == 0;
    for (const int fd : descriptors) ::close(fd);
    return mounted;
}

int run_in(const fs::path& root, const std::string& command) {
    const auto child = ::fork();
    if (child == 0) {
        if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0) ::_exit(96);
        ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
        ::_exit(95);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<std::string> incoming_of(const fs::path& store) {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(store / "incoming")) names.push_back(item.path().filename().string());
    return names;
}

std::size_t count_in(const fs::path& directory) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator{}));
}

} // namespace sandboxkit::local::test
