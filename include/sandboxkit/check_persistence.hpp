// SPDX-License-Identifier: Apache-2.0
// The rules between what outlives a session and what else is in a sandbox.
#pragma once

#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sandboxkit {

// Where the working volume is, and where repositories are unless they say otherwise.
inline constexpr std::string_view workspace_path = "/workspace";

namespace checking {

inline void check_persistence(const Recipe& recipe, Findings& findings) {
    const Persistence& persistence = recipe.persistence;
    if (!persistence.workspace.enabled && persistence.workspace.second_start != WorkspaceVolume{}.second_start)
        findings.no_effect("/persistence/workspace/second_start", "the working volume is not enabled",
                           "set \"enabled\" beside it, or leave it out");
    if (!persistence.enabled) return;
    if (persistence.paths.empty())
        findings.no_effect("/persistence/enabled", "there are no persistent paths", "add \"paths\", or leave it out");
    for (std::size_t i = 0; i < persistence.paths.size(); ++i) {
        const std::string_view path = persistence.paths[i];
        const auto conflict = [&](std::string why, const char* remedy) {
            findings.error(element("/persistence/paths", i), "path_conflict", std::move(why), remedy);
        };
        for (const std::string_view kernel : {"/proc", "/sys", "/dev"})
            if (is_at_or_below(path, kernel)) conflict("what is there is the kernel's, and cannot be kept", "use another path");
        if (persistence.workspace.enabled && is_at_or_below(path, workspace_path))
            conflict("the working volume keeps this already", "leave it out, or do not enable the working volume");
        for (std::size_t k = 0; k < recipe.repositories.size(); ++k) {
            const std::string_view checkout = recipe.repositories[k].mount_path;
            // A path around a checkout is fine, it keeps the work in it. A path inside would be taken out of the checkout.
            if (path != checkout && is_at_or_below(path, checkout))
                conflict("this lies inside the checkout of " + element("/repositories", k),
                         "keep the whole checkout, or nothing of it");
            else if (recipe.repositories[k].read_only && is_at_or_below(checkout, path))
                findings.warning(element("/persistence/paths", i), "stale_checkout",
                                 "the read-only checkout of " + element("/repositories", k) +
                                     " lies in it, and stays as the first session found it",
                                 "give the repository a \"mount_path\" elsewhere");
        }
    }
}

} // namespace checking

} // namespace sandboxkit
