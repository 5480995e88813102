// SPDX-License-Identifier: Apache-2.0
// A tar stream as files below a directory, and nowhere else. It blocks: it runs in a child of its own (see tree_worker.hpp),
// as the user whose rights count. Processes of the sandbox may change the same tree meanwhile: every step goes from an open
// directory to a name in it and follows no link.
#pragma once

#include "guest/file_descriptor.hpp"
#include "guest/tar_reader.hpp"
#include "guest/tree_packer.hpp"
#include "guest/upload.hpp"

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

class TreeUnpacker {
public:
    // Missing directories up to `path`, which is absolute, are made.
    UploadFailure begin(const std::string& path);
    UploadFailure feed(std::string_view bytes);
    // There are no more bytes. Fails when there should be.
    UploadFailure finish();
    [[nodiscard]] const TreeCount& count() const { return count_; }

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
        UploadFailure failure;
    };

    UploadFailure take_entries();
    UploadFailure begin_entry();
    UploadFailure end_entry();
    UploadFailure make(const Place& place, const TarEntry& entry);
    UploadFailure set_attributes(const Place& place, const TarEntry& entry);
    UploadFailure make_hard_link(const Place& place, const TarEntry& entry);
    UploadFailure make_directory(const Place& place, const TarEntry& entry);
    UploadFailure apply_to_directories();
    // Of an entry's name. `make`: whether missing directories on the way are made.
    Place find(const std::string& name, bool make);
    UploadFailure enter(const std::vector<std::string_view>& directories, bool make);
    UploadFailure remove_what_is_there(const Place& place) const;
    [[nodiscard]] UploadFailure fail(int error, std::string_view what) const;

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

} // namespace sandboxkit::guest
