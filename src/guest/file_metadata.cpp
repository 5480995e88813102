// SPDX-License-Identifier: Apache-2.0
#include "guest/file_metadata.hpp"

#include "guest/encoding.hpp"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace sandboxkit::guest {
namespace {

constexpr std::string_view field_prefix = "X-Metadata-";
constexpr std::string_view attribute_prefix = "user.e2b.";
constexpr std::size_t name_limit = 255; // the kernel's, of the attribute

// The kernel gives no more than this.
std::array<char, 64 << 10> names;

// Calls `visit` with the whole name of each attribute of ours; `size` bytes of names.
template <class Visit>
void for_each_attribute(ssize_t size, Visit visit) {
    std::string_view rest(names.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    while (!rest.empty()) {
        const std::string name(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (name.starts_with(attribute_prefix)) visit(name);
    }
}

} // namespace

Answer<FileMetadata> metadata_of(const RequestHead& head) {
    FileMetadata metadata;
    std::size_t size = 0;
    for (const auto& [name, value] : head.fields) {
        if (!equals_ignoring_case(std::string_view(name).substr(0, field_prefix.size()), field_prefix)) continue;
        std::string key = name.substr(field_prefix.size());
        for (char& c : key)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (key.empty() || metadata.contains(key)) continue;
        if (attribute_prefix.size() + key.size() > name_limit)
            return RpcError{Code::invalid_argument, "file metadata: the key '" + key + "' is longer than " +
                                                        std::to_string(name_limit - attribute_prefix.size()) + " bytes"};
        size += key.size() + value.size();
        metadata.emplace(std::move(key), value);
    }
    if (size > metadata_limit)
        return RpcError{Code::invalid_argument,
                        "file metadata: the keys and values have more than " + std::to_string(metadata_limit) + " bytes"};
    return metadata;
}

int replace_metadata(int file, const FileMetadata& metadata) {
    for_each_attribute(::flistxattr(file, names.data(), names.size()),
                       [&](const std::string& name) { ::fremovexattr(file, name.c_str()); });
    for (const auto& [key, value] : metadata) {
        const std::string name = std::string(attribute_prefix) + key;
        if (::fsetxattr(file, name.c_str(), value.data(), value.size(), 0) != 0) return errno;
    }
    return 0;
}

FileMetadata read_metadata(const std::string& path) {
    FileMetadata metadata;
    std::size_t size = 0;
    for_each_attribute(::llistxattr(path.c_str(), names.data(), names.size()), [&](const std::string& name) {
        std::array<char, metadata_limit> value;
        const ssize_t n = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (n < 0) return; // it is gone, or larger
        size += name.size() - attribute_prefix.size() + static_cast<std::size_t>(n);
        if (size > metadata_limit) return;
        metadata.emplace(name.substr(attribute_prefix.size()), std::string(value.data(), static_cast<std::size_t>(n)));
    });
    return metadata;
}

void append_metadata(std::string& out, const FileMetadata& metadata) {
    char separator = '{';
    for (const auto& [key, value] : metadata) {
        out += separator;
        append_json_string(out, key);
        out += ':';
        append_json_string(out, value);
        separator = ',';
    }
    out += metadata.empty() ? "{}" : "}";
}

} // namespace sandboxkit::guest
