// SPDX-License-Identifier: Apache-2.0
// The root of the `host` image: everything but /usr, which is the host's own, read-only.
#pragma once

#include "providers/local/file_handle.hpp"

namespace sandboxkit::local {

// Makes the root file system in the empty directory `root`: the links of a merged /usr, a minimal /etc, and empty
// directories for the rest. Nothing of the host's users, keys, names or state goes in. From the host's /etc come only the files
// that programs in /usr need to run (the dynamic linker's, alternatives, public certificates, the configuration of language
// runtimes, and network databases), and of those only what everyone may read and what holds no private key. unsupported
// "host_not_merged_usr" where /bin and its like are not links into /usr.
Result<void> make_host_root(int root);

} // namespace sandboxkit::local
