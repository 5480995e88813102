// SPDX-License-Identifier: Apache-2.0
// Copies of trees: of a directory that becomes a layer, and of layers onto each other.
#pragma once

#include "providers/local/file_handle.hpp"

namespace sandboxkit::local {

// What overlayfs' marks (whiteouts, opaque directories) in the source do to the target.
enum class CopyMarks : std::uint8_t {
    refused,  // the source comes from outside: invalid "overlay_marks". The target is empty
    resolved, // the target is the bottom of a stack: what a mark hides is removed, the mark is not copied
    stacked,  // other layers are below the target: what a mark hides is removed, and the mark stays
};

struct CopyOptions {
    CopyMarks marks = CopyMarks::refused;
    // A directory that the source must not contain (the place where the copies go), or -1.
    int excluded = -1;
};

// Copies what is in the directory `source`, and its own attributes, into the directory `target`: contents with their
// holes, permission bits, owners, times, extended attributes, symbolic and hard links, device nodes and named pipes.
// Shares blocks where the file system can. Sockets are left out: they mean nothing without their process. A directory on
// another file system (a mount) becomes an empty one, as with `rsync -x`. cancelled between objects and blocks.
Result<void> copy_tree(int source, int target, const CopyOptions& options, std::stop_token stop);

// Gives `name` in `target` (the directory itself when empty) the owner, permission bits, extended attributes but
// overlayfs' own, and times of an object; `status` is the object's.
Result<void> copy_attributes(int source, const std::string& source_name, const struct stat& status, int target,
                             const std::string& target_name);

} // namespace sandboxkit::local
