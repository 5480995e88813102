// SPDX-License-Identifier: Apache-2.0
// Answers of the file and process services, from their JSON. The first argument is a whole body.
#pragma once

#include "envd/client.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace sandboxkit::envd {

inline constexpr std::size_t entries_limit = 1'000'000; // of one listing; more is ErrorClass::quota "guest_listing_too_large"
inline constexpr std::size_t processes_limit = 100'000;

// {"entry": {...}} of Stat, MakeDir and Move.
Result<FileInfo> decode_entry(std::string_view body);
// {"entries": [...]} of ListDir.
Result<std::vector<FileInfo>> decode_entries(std::string_view body);
// {"processes": [...]} of List.
Result<std::vector<ProcessInfo>> decode_processes(std::string_view body);
// [{"path", "name", "type"}] of POST /files with one file; what it does not say stays empty.
Result<FileInfo> decode_written_file(std::string_view body);

// {"entries": 12, "bytes": "34567"} of a tree that was taken.
Result<TreeSummary> decode_tree_summary(std::string_view body);

} // namespace sandboxkit::envd
