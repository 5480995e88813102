// SPDX-License-Identifier: Apache-2.0
// Entries as the bytes of a pax archive (POSIX.1-2001), with GNU's records for sparse files (version 1.0), which GNU tar,
// libarchive and Python read, too.
#pragma once

#include "tree/tar_entry.hpp"

#include <string>

namespace sandboxkit::tree {

// What stands before the content. Of a file `size` bytes follow, or those of its extents one after the other, and then
// zeros up to the next block.
void append_tar_header(std::string& out, const TarEntry& entry);
void append_tar_end(std::string& out);

} // namespace sandboxkit::tree
