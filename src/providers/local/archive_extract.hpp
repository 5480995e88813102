// SPDX-License-Identifier: Apache-2.0
// A root file system out of a tar archive that nobody vouches for.
#pragma once

#include "providers/local/file_handle.hpp"
#include "providers/local/image_store.hpp"

namespace sandboxkit::local {

// Unpacks the open file `archive` into the empty directory `root`. Nothing outside of `root` is touched, whatever the
// archive says: names with ".." are refused, an absolute name counts from `root`, a symbolic link on the way leads inside
// of `root`, a hard link may only name what is there.
// Kept: permission bits, numeric owners, times, extended attributes (file capabilities too), access control lists, hard
// links, holes, named pipes. The standard device nodes in /dev are left out (a sandbox gets its own /dev); any other
// device node, overlayfs' marks included, is refused.
// Errors: invalid "archive_damaged" with the byte position; invalid "archive_..." by name for what is refused; quota
// "archive_too_large", "archive_too_many_entries" and "disk_full". What was unpacked until then stays for the caller to remove.
Result<void> extract_archive(int archive, int root, const ImageLimits& limits, std::stop_token stop);

} // namespace sandboxkit::local
