// SPDX-License-Identifier: Apache-2.0
#include "guest/accounts.hpp"

#include "guest/file_descriptor.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace sandboxkit::guest {
namespace {

// The sandbox may have put anything there: only a regular file is read, and only so much of it.
constexpr std::size_t file_limit = 1 << 20;

std::string read_account_file(const char* path) {
    const FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
    std::string text;
    std::array<char, 4096> piece;
    while (text.size() < file_limit) {
        const ssize_t n = ::read(file.get(), piece.data(), piece.size());
        if (n <= 0) break;
        text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
}

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        std::array<std::string_view, 7> parts;
        for (std::string_view& part : parts) {
            const std::size_t colon = line.find(':');
            part = line.substr(0, colon);
            line = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        }
        visit(parts);
    }
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    // The last value means "no change" to the kernel.
    if (ec != std::errc() || end != text.data() + text.size() || value == static_cast<unsigned>(-1)) return std::nullopt;
    return value;
}

void add_supplementary_groups(Identity& user) {
    user.groups = {user.gid};
    const std::string text = read_account_file("/etc/group");
    for_each_line(text, [&](const auto& parts) {
        const auto gid = number(parts[2]);
        if (!gid || std::find(user.groups.begin(), user.groups.end(), *gid) != user.groups.end() || user.groups.size() >= 1024)
            return;
        std::string_view members = parts[3];
        while (!members.empty()) {
            const std::size_t comma = members.find(',');
            if (members.substr(0, comma) == user.name) {
                user.groups.push_back(*gid);
                return;
            }
            members = comma == std::string_view::npos ? std::string_view() : members.substr(comma + 1);
        }
    });
}

} // namespace

std::optional<Identity> find_user(std::string_view name) {
    if (name.empty()) return std::nullopt;
    std::optional<Identity> found;
    const std::string text = read_account_file("/etc/passwd");
    for_each_line(text, [&](const auto& parts) {
        if (found || parts[0] != name) return;
        const auto uid = number(parts[2]);
        const auto gid = number(parts[3]);
        if (!uid || !gid) return;
        Identity user;
        user.uid = *uid;
        user.gid = *gid;
        user.name = std::string(name);
        user.home = parts[5].empty() || parts[5][0] != '/' ? "/" : std::string(parts[5]);
        if (!parts[6].empty()) user.shell = std::string(parts[6]);
        found = std::move(user);
    });
    if (!found && name == "root") found = Identity{};
    if (found) add_supplementary_groups(*found);
    return found;
}

OwnerNames::OwnerNames() {
    const std::string passwd = read_account_file("/etc/passwd");
    for_each_line(passwd, [&](const auto& parts) {
        if (const auto uid = number(parts[2]); uid && !parts[0].empty()) users_.emplace(*uid, parts[0]);
    });
    const std::string group = read_account_file("/etc/group");
    for_each_line(group, [&](const auto& parts) {
        if (const auto gid = number(parts[2]); gid && !parts[0].empty()) groups_.emplace(*gid, parts[0]);
    });
    users_.emplace(0, "root");
    groups_.emplace(0, "root");
}

std::string OwnerNames::user(uid_t uid) const {
    const auto it = users_.find(uid);
    return it != users_.end() ? it->second : std::to_string(uid);
}

std::string OwnerNames::group(gid_t gid) const {
    const auto it = groups_.find(gid);
    return it != groups_.end() ? it->second : std::to_string(gid);
}

int become(const Identity& user) {
    // A user namespace may forbid to set groups; for the user that this program is anyway that takes nothing away.
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 && !(errno == EPERM && ::getuid() == user.uid)) return errno;
    if (::setresgid(user.gid, user.gid, user.gid) != 0) return errno;
    if (::setresuid(user.uid, user.uid, user.uid) != 0) return errno;
    return 0;
}

ActingAs::ActingAs(const Identity& user) {
    if (user.uid == ::geteuid() && user.gid == ::getegid()) return;
    const int count = ::getgroups(0, nullptr);
    own_groups_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count < 0 || ::getgroups(count, own_groups_.data()) != count ||
        ::setgroups(user.groups.size(), user.groups.data()) != 0) {
        error_ = errno;
        return;
    }
    changed_ = true;
    ::setfsgid(user.gid);
    ::setfsuid(user.uid); // drops the capabilities over files, too
    // Neither call reports failure; asking again does.
    if (static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))) != user.gid ||
        static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) != user.uid)
        error_ = EPERM;
}

ActingAs::~ActingAs() {
    if (!changed_) return;
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
    // To go on with another user's rights would be worse than not to go on.
    if (::setgroups(own_groups_.size(), own_groups_.data()) != 0 ||
        static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) != ::geteuid())
        std::abort();
}

} // namespace sandboxkit::guest
