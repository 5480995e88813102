// SPDX-License-Identifier: Apache-2.0
// Writing a recipe as JSON, and the names that its enumerations have there. Reading: profile_document.hpp.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/profile.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

inline constexpr std::array<std::pair<std::string_view, RepositoryRole>, 3> repository_role_names = {{
    {"primary", RepositoryRole::primary},
    {"context", RepositoryRole::context},
    {"reference", RepositoryRole::reference},
}};
inline constexpr std::array<std::pair<std::string_view, Egress>, 2> egress_names = {{
    {"none", Egress::none},
    {"open", Egress::open},
}};
inline constexpr std::array<std::pair<std::string_view, ResourceClass>, 3> resource_class_names = {{
    {"planning", ResourceClass::planning},
    {"development", ResourceClass::development},
    {"development-large", ResourceClass::development_large},
}};

namespace detail {

template <class T, std::size_t N>
[[nodiscard]] constexpr std::string_view name_of(const std::array<std::pair<std::string_view, T>, N>& names, T value) noexcept {
    for (const auto& [name, meaning] : names)
        if (meaning == value) return name;
    return {};
}

[[nodiscard]] inline std::vector<const Repository*> by_identifier(const std::vector<Repository>& repositories) {
    std::vector<const Repository*> sorted;
    sorted.reserve(repositories.size());
    for (const Repository& repository : repositories) sorted.push_back(&repository);
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->identifier < b->identifier; });
    return sorted;
}

[[nodiscard]] inline boost::json::object repository_to_json(const Repository& repository) {
    boost::json::object out;
    out["identifier"] = repository.identifier;
    out["url"] = repository.url;
    if (repository.branch) out["branch"] = *repository.branch;
    if (repository.depth) out["depth"] = *repository.depth;
    out["mount_path"] = repository.mount_path;
    out["role"] = name_of(repository_role_names, repository.role);
    out["read_only"] = repository.read_only;
    return out;
}

[[nodiscard]] inline boost::json::object resources_to_json(const Resources& resources) {
    boost::json::object out;
    out["class"] = name_of(resource_class_names, resources.resource_class);
    if (resources.cpus) out["cpus"] = *resources.cpus;
    if (resources.memory_mb) out["memory_mb"] = *resources.memory_mb;
    if (resources.processes) out["processes"] = *resources.processes;
    if (resources.disk_mb) out["disk_mb"] = *resources.disk_mb;
    return out;
}

// Adds the members of a recipe to `out`. `in_order`: lists whose order has no meaning are sorted, not kept as given.
inline void add_recipe_members(boost::json::object& out, const Recipe& recipe, bool in_order) {
    out["provider"] = recipe.provider;
    out["image"] = recipe.image;
    boost::json::array repositories;
    if (in_order) {
        for (const Repository* repository : by_identifier(recipe.repositories))
            repositories.push_back(repository_to_json(*repository));
    } else {
        for (const Repository& repository : recipe.repositories) repositories.push_back(repository_to_json(repository));
    }
    out["repositories"] = std::move(repositories);
    out["setup_script"] = recipe.setup_script;
    out["setup_timeout"] = recipe.setup_timeout_seconds;
    boost::json::object environment;
    for (const auto& [name, value] : recipe.environment) environment[name] = value;
    out["environment"] = std::move(environment);
    out["resources"] = resources_to_json(recipe.resources);
    out["network"] = boost::json::object{{"egress", name_of(egress_names, recipe.network.egress)}};
    std::vector<std::string> paths = recipe.persistence.paths;
    if (in_order) std::sort(paths.begin(), paths.end());
    out["persistence"] =
        boost::json::object{{"enabled", recipe.persistence.enabled}, {"paths", boost::json::array(paths.begin(), paths.end())}};
}

} // namespace detail

// Complete canonical values: defaults filled in, what is absent left out, repositories sorted by identifier and persistence
// paths by name, because their order means nothing. Two recipes mean the same when this is equal.
[[nodiscard]] inline boost::json::object recipe_to_json(const Recipe& recipe) {
    boost::json::object out;
    detail::add_recipe_members(out, recipe, true);
    return out;
}

// The text that is stored and digested: digest_of(canonical_recipe(r)) is the version's digest.
[[nodiscard]] inline std::string canonical_recipe(const Recipe& recipe) {
    return canonical_json(recipe_to_json(recipe));
}

// For people: the whole document, lists in the order given. read_profile of its text gives `profile` again.
[[nodiscard]] inline boost::json::object profile_to_json(const Profile& profile) {
    boost::json::object out;
    out["name"] = profile.record.name;
    out["description"] = profile.record.description;
    detail::add_recipe_members(out, profile.recipe, false);
    return out;
}

} // namespace sandboxkit
