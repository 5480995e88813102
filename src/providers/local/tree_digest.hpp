// SPDX-License-Identifier: Apache-2.0
// The content digest of a layer: what a tree *is*, whatever its order on disk.
//
// In the digest: names, types, permission bits, numeric owners, contents, link targets, device numbers, extended
// attributes, which names are the same file, whiteouts and opaque directories. Not in it: times and inode numbers (so that two
// builds of the same content are one layer; a layer keeps the times that it was made with), how a file's zeros are stored, and
// overlayfs' own notes.
#pragma once

#include "providers/local/file_handle.hpp"

#include <cstdint>
#include <string>

namespace sandboxkit::local {

struct TreeDigest {
    std::string digest;        // "sha256:<64 hexadecimal digits>"
    std::uint64_t entries = 0; // objects below the root
    std::uint64_t bytes = 0;   // of regular files, each once, holes counted
};

// What overlayfs' marks (whiteouts, opaque directories) mean in a tree.
enum class Marks : std::uint8_t {
    refused, // a tree from outside: invalid "overlay_marks"
    allowed, // the upper directory of a sandbox
};

// The digest of the tree in the open directory `root`, the root's own attributes included. Nothing may write to it.
Result<TreeDigest> digest_tree(int root, Marks marks, std::stop_token stop);

} // namespace sandboxkit::local
