// SPDX-License-Identifier: Apache-2.0
// compile() of plan.hpp: which step acts on which part of a recipe.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/digest.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/resources.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

namespace detail {

inline void add_step(Plan& plan, StepKind kind, bool snapshot_relevant, boost::json::object step_detail) {
    Step step{kind, snapshot_relevant, std::move(step_detail), {}};
    step.digest = digest_of(canonical_json(boost::json::object{{"kind", to_string(kind)}, {"detail", step.detail}}));
    plan.steps.push_back(std::move(step));
}

// The parts of a member list, without those that are absent.
[[nodiscard]] inline boost::json::object only(const boost::json::object& from, std::initializer_list<std::string_view> names) {
    boost::json::object out;
    for (const std::string_view name : names)
        if (const auto* value = from.if_contains(name)) out[name] = *value;
    return out;
}

[[nodiscard]] inline boost::json::object limits_to_json(const Limits& limits) {
    boost::json::object out;
    out["cpus"] = limits.cpus;
    out["memory_bytes"] = limits.memory_bytes;
    out["processes"] = limits.processes;
    if (limits.disk_bytes) out["disk_bytes"] = *limits.disk_bytes;
    return out;
}

} // namespace detail

inline Plan compile(const Recipe& recipe) {
    const boost::json::object canonical = recipe_to_json(recipe);
    const boost::json::array& repositories = canonical.at("repositories").get_array();
    boost::json::array access; // what a repository is for: bound at start, but visible to a setup script
    for (const auto& repository : repositories)
        access.push_back(detail::only(repository.get_object(), {"identifier", "role", "read_only"}));

    Plan plan;
    detail::add_step(plan, StepKind::base_image, true, detail::only(canonical, {"provider", "image"}));
    for (const auto& repository : repositories)
        detail::add_step(plan, StepKind::clone_repository, true,
                         detail::only(repository.get_object(), {"identifier", "url", "branch", "depth", "mount_path"}));
    if (!recipe.setup_script.empty()) {
        // A script can see, and write into the image, all that it runs with; its limits only make it slower or fail.
        auto script = detail::only(canonical, {"setup_script", "environment", "network"});
        script["repositories"] = access;
        detail::add_step(plan, StepKind::run_setup_script, true, std::move(script));
    }
    detail::add_step(plan, StepKind::capture, true, {});

    auto limits = detail::limits_to_json(limits_of(recipe.resources));
    if (!recipe.setup_script.empty()) limits["setup_timeout"] = recipe.setup_timeout_seconds;
    detail::add_step(plan, StepKind::apply_limits, false, std::move(limits));
    detail::add_step(plan, StepKind::connect_network, false, canonical.at("network").get_object());
    boost::json::array read_only;
    for (const auto& repository : repositories)
        if (repository.at("read_only").get_bool()) read_only.push_back(repository.at("mount_path"));
    if (!read_only.empty()) detail::add_step(plan, StepKind::protect_paths, false, {{"paths", std::move(read_only)}});
    auto binding = detail::only(canonical, {"environment"});
    binding["repositories"] = std::move(access);
    detail::add_step(plan, StepKind::bind_environment, false, std::move(binding));

    boost::json::array all, relevant;
    for (const Step& step : plan.steps) {
        all.emplace_back(step.digest);
        if (step.snapshot_relevant) relevant.emplace_back(step.digest);
    }
    plan.digest = digest_of(canonical_json(all));
    plan.snapshot_digest = digest_of(canonical_json(relevant));
    return plan;
}

} // namespace sandboxkit
