// SPDX-License-Identifier: Apache-2.0
// What a repository says of its submodules, and what of it is believed. No I/O.
#pragma once

#include "git/url.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::git {

struct Submodule {
    std::string name; // its repository is .git/modules/<name>
    std::string path; // in the work tree
    std::string url;  // as it is written: perhaps relative to the parent's
};

// A .gitmodules file, in git's own syntax for settings. Sections of anything else are passed over, an include too. invalid
// "gitmodules_malformed": not that syntax, or a setting twice.
[[nodiscard]] Result<std::vector<Submodule>> parse_gitmodules(std::string_view text);

// A name and a path that lead nowhere but below .git/modules and the work tree, and pass for no option: else invalid
// "submodule_unsafe". The path is one that the commit's tree has.
[[nodiscard]] Result<void> check_names(const Submodule& submodule);

// The URL of a submodule whose parent is at `parent`: a relative one ("./", "../") is taken from there as git does. permission
// "submodule_refused": it would be reached with less protection than its parent, or from nearer. That is file:// unless the
// parent is one; http:// unless the parent is one, or a file; this machine or its link unless the parent is there; and SSH, which is always
// with a credential, but to the parent's own host.
[[nodiscard]] Result<std::string> submodule_url(const Submodule& submodule, std::string_view parent);

// Whether what one of them is given, a credential, may go to the other as well.
[[nodiscard]] bool same_server(const RemoteUrl& a, const RemoteUrl& b);

} // namespace sandboxkit::git
