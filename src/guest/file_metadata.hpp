// SPDX-License-Identifier: Apache-2.0
// What clients note about a file that they upload: `X-Metadata-<key>` fields, kept as the extended attributes
// user.e2b.<key> and told in its entries.
#pragma once

#include "guest/request_reader.hpp"
#include "guest/rpc_error.hpp"

#include <cstddef>
#include <map>
#include <string>

namespace sandboxkit::guest {

using FileMetadata = std::map<std::string, std::string>;

inline constexpr std::size_t metadata_limit = 4096; // bytes of the keys and values of a file

// Keys become lower case; the first value of a key counts.
[[nodiscard]] Answer<FileMetadata> metadata_of(const RequestHead& head);

// In place of all that the open file has. 0 or errno.
[[nodiscard]] int replace_metadata(int file, const FileMetadata& metadata);

// Of what is there, not following a link, as whoever this program acts as. Of more than the limit, which others may have
// set, only a part.
[[nodiscard]] FileMetadata read_metadata(const std::string& path);

// As a JSON object.
void append_metadata(std::string& out, const FileMetadata& metadata);

} // namespace sandboxkit::guest
