// SPDX-License-Identifier: Apache-2.0
// POSIX access control lists of an archive's entry, in the form in which Linux keeps them.
#pragma once

#include <sandboxkit/error.hpp>

#include <string>

struct archive_entry;

namespace sandboxkit::local {

struct ArchiveAcl {
    std::string access;      // the value of system.posix_acl_access; empty: none
    std::string default_acl; // of system.posix_acl_default; for directories
};

// invalid "archive_acl" for a list that names users without numbers, or is of another kind.
Result<ArchiveAcl> read_acl(archive_entry* entry, const std::string& path);

} // namespace sandboxkit::local
