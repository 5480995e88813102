// SPDX-License-Identifier: Apache-2.0
// From the paths that clients send to absolute ones.
#pragma once

#include "guest/accounts.hpp"
#include "guest/rpc_error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

// Absolute: as it is; relative: from the user's home; "~" and "~/…": the home; empty: `default_workdir`, or the home when
// that is empty. Repeated slashes, "." and a trailing slash go away; ".." stays, since only the kernel knows where it leads.
[[nodiscard]] Answer<std::string> resolve_path(std::string_view path, const Identity& user, std::string_view default_workdir);

// Of an absolute path as made above.
[[nodiscard]] std::string_view base_name(std::string_view path);
[[nodiscard]] std::string_view parent_path(std::string_view path);
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

// Makes what is missing of a directory and its parents, mode 0755, as whoever this program acts as. 0 or errno.
// `made` gets those that were missing, also when it fails; the outermost is the first.
[[nodiscard]] int make_directories(const std::string& path, std::vector<std::string>& made);
[[nodiscard]] int make_directories(const std::string& path);
// Takes them back, unless something was put there meanwhile.
void remove_directories(const std::vector<std::string>& made);

} // namespace sandboxkit::guest
