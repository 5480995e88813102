// SPDX-License-Identifier: Apache-2.0
// Files in a running session.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

Task<std::string> read_file(Context& context, Principal who, std::string session, std::string path);
Task<void> write_file(Context& context, Principal who, std::string session, std::string path, std::string bytes);
Task<FileInfo> file_info(Context& context, Principal who, std::string session, std::string path);
Task<std::vector<FileInfo>> list_directory(Context& context, Principal who, std::string session, std::string path,
                                           std::uint32_t depth);
Task<FileInfo> make_directory(Context& context, Principal who, std::string session, std::string path);
Task<FileInfo> move_file(Context& context, Principal who, std::string session, std::string from, std::string to);
Task<void> remove_file(Context& context, Principal who, std::string session, std::string path);
Task<FileWatch> watch_directory(Context& context, Principal who, std::string session, std::string path, bool recursive);

Task<TreeSummary> upload_tree(Context& context, Principal who, std::string session, std::filesystem::path from, std::string to);
Task<TreeSummary> download_tree(Context& context, Principal who, std::string session, std::string from, std::filesystem::path to,
                                TreeLimits limits);

} // namespace sandboxkit::engine
