// SPDX-License-Identifier: Apache-2.0
// What a profile *is*: a versioned recipe, and the unversioned record around it.
// Reading and writing the JSON document: profile_document.hpp.
#pragma once

#include <sandboxkit/persistence.hpp>
#include <sandboxkit/resources.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

// What a repository is in the sandbox for.
enum class RepositoryRole : std::uint8_t {
    primary,   // worked in and written to; at most one a profile
    context,   // read while working
    reference, // consulted; read-only unless the profile says otherwise
};

struct Repository {
    std::string identifier;             // [A-Za-z0-9][A-Za-z0-9._-]{0,99}; unique in the profile
    std::string url;                    // http, https, ssh, scp-like (user@host:path) or file; no user info but a plain ssh user
    std::optional<std::string> branch;  // absent: the remote's HEAD
    std::optional<std::uint32_t> depth; // 1..1'000'000 commits; absent: full history
    std::string mount_path;             // absolute, normalized; default /workspace/<identifier>
    RepositoryRole role = RepositoryRole::primary;
    bool read_only = false; // default: true for a reference, false otherwise

    friend bool operator==(const Repository&, const Repository&) = default;
};

enum class Egress : std::uint8_t {
    none, // no network at all
    open, // outbound to the public internet; never inbound, never the host or private networks
};

struct Network {
    Egress egress = Egress::open;
    friend bool operator==(const Network&, const Network&) = default;
};

// The versioned part: digested, and immutable once published.
struct Recipe {
    std::string provider = "local"; // [a-z][a-z0-9-]{0,63}
    // "host", "directory:<absolute path>" or "archive:<absolute path of a tar of a root filesystem>".
    std::string image = "host";
    std::vector<Repository> repositories;
    std::string setup_script;                       // run by the image's /bin/sh on top of everything else; empty: none
    std::uint32_t setup_timeout_seconds = 1800;     // 1..86400
    std::map<std::string, std::string> environment; // plain, non-secret values; names [A-Za-z_][A-Za-z0-9_]*
    Resources resources;
    Network network;
    Persistence persistence;

    friend bool operator==(const Recipe&, const Recipe&) = default;
};

// The unversioned part: a change acts at once.
struct Record {
    std::string name;        // 1..200 bytes of UTF-8, no control characters
    std::string description; // up to 4,000 bytes
    friend bool operator==(const Record&, const Record&) = default;
};

// A whole profile document.
struct Profile {
    Record record;
    Recipe recipe;
    friend bool operator==(const Profile&, const Profile&) = default;
};

} // namespace sandboxkit
