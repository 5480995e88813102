// SPDX-License-Identifier: Apache-2.0
// Walking trees that others wrote: any depth with two descriptors, no symbolic link followed, no other file system entered.
#pragma once

#include "providers/local/file_handle.hpp"

#include <string>
#include <vector>

namespace sandboxkit::local {

// A position in a tree. Goes down by name and up by "..", and notices when "up" is not where it came from.
class TreeCursor {
public:
    explicit TreeCursor(FileHandle root) : current_(std::move(root)) {}

    [[nodiscard]] int get() const noexcept { return current_.get(); }
    [[nodiscard]] std::size_t depth() const noexcept { return above_.size(); }
    Result<void> enter(const std::string& name);
    // conflict "tree_changed" when a directory was moved meanwhile.
    Result<void> leave();

private:
    struct Identity {
        dev_t device;
        ino_t inode;
    };
    FileHandle current_;
    std::vector<Identity> above_;
};

// One object in a tree. `directory` is the open directory that holds it; `path` is relative to the tree's root.
struct TreeEntry {
    int directory;
    const std::string& name;
    const std::string& path;
    const struct stat& status;
};

class TreeVisitor {
public:
    virtual ~TreeVisitor() = default;

    // Every object but the root, children of one directory in the byte order of their names. For a directory: true to
    // walk into it.
    virtual Result<bool> entry(const TreeEntry& entry) = 0;
    // The walk is now in the directory that entry() agreed to; `directory` is that directory itself.
    virtual Result<void> entered(int directory) = 0;
    // All its children were visited. `entry` is as it was given to entry(), its `status` included.
    virtual Result<void> left(const TreeEntry& entry) = 0;
};

// Visits what is in `root`. A directory on another file system is given to entry() and never walked into. cancelled when
// `stop` asks for it, between two objects.
Result<void> walk_tree(int root, TreeVisitor& visitor, std::stop_token stop);

// Removes `name` and all below, in memory that does not grow with it. Missing is success.
Result<void> remove_tree_at(int directory, const std::string& name);

// The names in a directory, sorted by bytes. quota "directory_too_large" for more than `most_names`, which are held in
// memory (some 100 MB): a sandbox must not be able to exhaust that of its host.
inline constexpr std::size_t most_names = 1U << 20;
Result<std::vector<std::string>> directory_names(int directory);

// Extended attributes of the object `name` in `directory` (the directory itself when empty), sorted by name.
using Attributes = std::vector<std::pair<std::string, std::string>>;
Result<Attributes> read_attributes(int directory, const std::string& name);

// overlayfs' own notes on an upper directory, which mean nothing in a lower one: origin, impure, nlink, upper, uuid.
[[nodiscard]] bool is_overlay_bookkeeping(std::string_view attribute) noexcept;
inline constexpr std::string_view overlay_attribute_prefix = "trusted.overlay.";
inline constexpr const char* overlay_opaque = "trusted.overlay.opaque";
// Whether overlayfs hides what lower layers have in this directory.
[[nodiscard]] bool is_opaque(const Attributes& attributes) noexcept;

} // namespace sandboxkit::local
