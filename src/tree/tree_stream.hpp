// SPDX-License-Identifier: Apache-2.0
// Trees of this machine, to and from somebody else's sandbox, as tar streams over a connected socket. It blocks: the other end
// ends it by closing. What is whose on this machine means nothing there, and the other way round: what is sent belongs to root,
// and what comes belongs to who takes it, without rights for others to write it or to run it as its owner.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/files.hpp>

#include <filesystem>

namespace sandboxkit::tree {

// What is below `path`, or the one file that it is. The socket's end is closed for writing only after the whole of it.
// Errors: not_found, permission, quota "disk_full", invalid "tree_refused", unavailable "tree_unread" (the other end is closed).
Result<TreeSummary> send_tree(const std::filesystem::path& path, int socket);

// Into `directory`, which is made with those above it. The archive is a stranger's: nothing is written outside of the
// directory, directories that are there stay as they are, and the same errors say why something is refused, or quota
// "tree_too_large". What was unpacked before that stays.
Result<TreeSummary> receive_tree(int socket, const std::filesystem::path& directory, const TreeLimits& limits = {});

} // namespace sandboxkit::tree
