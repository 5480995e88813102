// SPDX-License-Identifier: Apache-2.0
// Users and groups of the sandbox, read from its /etc/passwd and /etc/group: the C library's own lookup
// loads modules, which a static program cannot. Where /etc/passwd is missing there is root only.
#pragma once

#include "guest/rpc_error.hpp"

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups; // the primary one first
    std::string name = "root";
    std::string home = "/root";
    std::string shell = "/bin/sh";
};

// Nothing when there is no such user.
[[nodiscard]] std::optional<Identity> find_user(std::string_view name);

// Names of owners. Reads both files once, when it is made.
class OwnerNames {
public:
    OwnerNames();
    [[nodiscard]] std::string user(uid_t uid) const; // the number where it has no name
    [[nodiscard]] std::string group(gid_t gid) const;

private:
    std::map<uid_t, std::string> users_;
    std::map<gid_t, std::string> groups_;
};

// Makes this process that user's for good. 0, or why not (errno).
[[nodiscard]] int become(const Identity& user);

// While it lives, this process opens, makes and removes files as that user. Not across a suspension:
// the program has one thread, and another request must not run under it.
class ActingAs {
public:
    explicit ActingAs(const Identity& user);
    ~ActingAs();
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;

    // 0, or why the user could not be assumed (errno). Then nothing may be done under it.
    [[nodiscard]] int error() const { return error_; }

private:
    bool changed_ = false;
    int error_ = 0;
    std::vector<gid_t> own_groups_;
};

} // namespace sandboxkit::guest
