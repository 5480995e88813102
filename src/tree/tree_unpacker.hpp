// SPDX-License-Identifier: Apache-2.0
// A tar stream as files below a directory, and nowhere else. It blocks, and writes with the rights of its process. Others may
// change the same tree meanwhile: every step goes from an open directory to a name in it and follows no link.
#pragma once

#include "tree/file_descriptor.hpp"
#include "tree/tar_reader.hpp"
#include "tree/tree_failure.hpp"
#include "tree/tree_packer.hpp"

#include <sandboxkit/files.hpp>

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::tree {

class TreeUnpacker {
public:
    struct Options {
        // Files get their owners. Without, they belong to who unpacks them, and are without set-user-id and set-group-id bits:
        // who does not give them away must not make these rights another's.
        bool owners = false;
        // A stranger's archive: nobody else may write what it makes, and directories that are there stay as they are.
        bool foreign = false;
        TreeLimits limits{};
    };
    TreeUnpacker(FileDescriptor root, Options options) : options_(options), root_(std::move(root)) {}

    TreeFailure feed(std::string_view bytes);
    // There are no more bytes. Fails when there should be.
    TreeFailure finish();
    [[nodiscard]] const TreeCount& count() const { return count_; }
    [[nodiscard]] bool complete() const { return complete_; }

private:
    struct Attributes {
        mode_t mode;
        uid_t uid;
        gid_t gid;
        timespec modified;
    };
    struct Level {
        std::string name;
        FileDescriptor directory;
    };
    // A name without a slash in an open directory.
    struct Place {
        int directory = -1;
        std::string name; // empty: the root itself
        TreeFailure failure;
    };

    TreeFailure take_entries();
    TreeFailure begin_entry();
    TreeFailure end_entry();
    TreeFailure make(const Place& place, const TarEntry& entry);
    TreeFailure set_attributes(const Place& place, const TarEntry& entry);
    TreeFailure make_hard_link(const Place& place, const TarEntry& entry);
    TreeFailure make_directory(const Place& place, const TarEntry& entry);
    TreeFailure apply_to_directories();
    // Of an entry's name. `make`: whether missing directories on the way are made.
    Place find(const std::string& name, bool make);
    TreeFailure enter(const std::vector<std::string_view>& directories, bool make);
    TreeFailure remove_what_is_there(const Place& place) const;
    [[nodiscard]] TreeFailure fail(int error, std::string_view what) const;

    Options options_;
    FileDescriptor root_;
    std::vector<Level> levels_; // below the root, those of the last entry
    TarReader reader_;
    FileDescriptor file_; // whose content comes
    Attributes attributes_{};
    std::map<std::string, Attributes> directories_; // by path below the root; they get their attributes at the end
    std::size_t remembered_ = 0;
    TreeCount count_;
    bool complete_ = false;
};

} // namespace sandboxkit::tree
