// SPDX-License-Identifier: Apache-2.0
// The kernel's form (linux/posix_acl_xattr.h): version 2 in 4 bytes, then for each element tag and permissions in 2 bytes
// each and an id in 4, least significant first, ordered by tag and id.
#include "providers/local/archive_acl.hpp"
#include "providers/local/file_handle.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <linux/posix_acl.h>

namespace sandboxkit::local {

namespace {

void put(std::string& bytes, std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}

Error refused(const std::string& path, std::string_view why) {
    return {ErrorClass::invalid,
            "archive_acl",
            "the access control list of " + shown(path) + " in the archive " + std::string(why),
            "make the archive with tar --acls --numeric-owner, or without access control lists",
            "",
            {}};
}

Result<std::string> encode(archive_entry* entry, int kind, const std::string& path) {
    std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> elements; // tag, id, permissions
    archive_entry_acl_reset(entry, kind);
    int type = 0, permissions = 0, tag = 0, id = -1;
    const char* name = nullptr;
    while (archive_entry_acl_next(entry, kind, &type, &permissions, &tag, &id, &name) == ARCHIVE_OK) {
        std::uint32_t linux_tag = 0;
        switch (tag) {
        case ARCHIVE_ENTRY_ACL_USER_OBJ: linux_tag = ACL_USER_OBJ; break;
        case ARCHIVE_ENTRY_ACL_USER: linux_tag = ACL_USER; break;
        case ARCHIVE_ENTRY_ACL_GROUP_OBJ: linux_tag = ACL_GROUP_OBJ; break;
        case ARCHIVE_ENTRY_ACL_GROUP: linux_tag = ACL_GROUP; break;
        case ARCHIVE_ENTRY_ACL_MASK: linux_tag = ACL_MASK; break;
        case ARCHIVE_ENTRY_ACL_OTHER: linux_tag = ACL_OTHER; break;
        default: return refused(path, "has an element of an unknown kind");
        }
        const bool named = linux_tag == ACL_USER || linux_tag == ACL_GROUP;
        if (named && id < 0) return refused(path, "names a user or group without its number");
        elements.emplace_back(linux_tag, named ? static_cast<std::uint32_t>(id) : ~std::uint32_t{0},
                              static_cast<std::uint32_t>(permissions) & 7);
    }
    if (elements.empty()) return std::string();
    std::sort(elements.begin(), elements.end());
    std::string bytes;
    put(bytes, 2, 4);
    for (const auto& [linux_tag, qualifier, allowed] : elements) {
        put(bytes, linux_tag, 2);
        put(bytes, allowed, 2);
        put(bytes, qualifier, 4);
    }
    return bytes;
}

} // namespace

Result<ArchiveAcl> read_acl(archive_entry* entry, const std::string& path) {
    ArchiveAcl acl;
    const int kinds = archive_entry_acl_types(entry);
    if ((kinds & ARCHIVE_ENTRY_ACL_TYPE_NFS4) != 0)
        return refused(path, "is of the NFSv4 kind, which Linux file systems do not keep");
    if ((kinds & ARCHIVE_ENTRY_ACL_TYPE_ACCESS) != 0) {
        auto access = encode(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, path);
        if (!access) return access.error();
        acl.access = std::move(*access);
    }
    if ((kinds & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT) != 0) {
        auto inherited = encode(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, path);
        if (!inherited) return inherited.error();
        acl.default_acl = std::move(*inherited);
    }
    return acl;
}

} // namespace sandboxkit::local
