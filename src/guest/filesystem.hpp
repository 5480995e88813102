// SPDX-License-Identifier: Apache-2.0
// The operations of filesystem.Filesystem, as a user of the sandbox. Paths are absolute (see paths.hpp); answers are
// the JSON of the response.
#pragma once

#include "guest/accounts.hpp"
#include "guest/rpc_error.hpp"

#include <dirent.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxkit::guest {

inline constexpr std::size_t list_limit = 100'000;       // entries of one answer
inline constexpr std::size_t list_size_limit = 48 << 20; // its bytes; the client takes 64 MiB

// The EntryInfo of what is there, as whoever this program acts as; empty when nothing is.
[[nodiscard]] std::string entry_info(const std::string& path, const OwnerNames& owners);
[[nodiscard]] Answer<std::string> stat_entry(const std::string& path, const Identity& user);
[[nodiscard]] Answer<std::string> make_directory(const std::string& path, const Identity& user);
// `depth` 0 is 1. A link as the root is followed, others are not.
[[nodiscard]] Answer<std::string> list_directory(const std::string& path, std::uint32_t depth, const Identity& user);
// Missing parents of the destination are made, and taken back when it fails. Not across file systems.
[[nodiscard]] Answer<std::string> move_entry(const std::string& source, const std::string& destination, const Identity& user);

// Removes a file or a whole tree, a bounded number of entries at a time, so that others are served in between.
// Links are removed, not followed. That the path does not exist is no error.
class TreeRemoval {
public:
    TreeRemoval(std::string path, Identity user) : path_(std::move(path)), user_(std::move(user)) {}
    ~TreeRemoval();
    TreeRemoval(const TreeRemoval&) = delete;
    TreeRemoval& operator=(const TreeRemoval&) = delete;

    // True when all is gone, false when there is more to do.
    [[nodiscard]] Answer<bool> step();

private:
    struct Level {
        DIR* directory;
        std::string name; // in the level above
        int rounds;       // how often it was read to its end
    };
    // Removes one entry, or opens it as the next level. 0 or errno.
    int enter(int parent, const char* name);
    RpcError error(int number) const;

    std::string path_;
    Identity user_;
    std::vector<Level> levels_;
    bool begun_ = false;
};

} // namespace sandboxkit::guest
