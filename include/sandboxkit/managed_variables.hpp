// SPDX-License-Identifier: Apache-2.0
// The environment variables that the library sets in every process of a session, and, but for the first, of a setup script:
//
//   SANDBOXKIT_SESSION_ID
//   SANDBOXKIT_REPOSITORY_URL, SANDBOXKIT_REPOSITORY_BRANCH             of the primary repository
//   SANDBOXKIT_REPOSITORY_<NAME>_URL, SANDBOXKIT_REPOSITORY_<NAME>_BRANCH  of each other one; <NAME> is its identifier in
//   capitals,
//                                                                      with '_' for '-' and '.'
//
// The branch is the one that was checked out; absent when a snapshot has none of it.
#pragma once

#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/snapshot.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

namespace sandboxkit {

// `session` may be empty, `manifest` incomplete.
[[nodiscard]] inline std::map<std::string, std::string> managed_variables(const Recipe& recipe, const Manifest& manifest,
                                                                          std::string_view session) {
    const std::string prefix(reserved_environment_prefix);
    std::map<std::string, std::string> variables;
    if (!session.empty()) variables[prefix + "SESSION_ID"] = session;
    for (const auto& repository : recipe.repositories) {
        std::string name = prefix + "REPOSITORY_";
        if (repository.role != RepositoryRole::primary) name += variable_part(repository.identifier) + "_";
        variables[name + "URL"] = repository.url;
        const auto made = std::find_if(manifest.ingredients.begin(), manifest.ingredients.end(), [&](const Ingredient& i) {
            return i.kind == "repository" && i.name == repository.identifier;
        });
        if (made != manifest.ingredients.end() && !made->branch.empty()) variables[name + "BRANCH"] = made->branch;
    }
    return variables;
}

} // namespace sandboxkit
