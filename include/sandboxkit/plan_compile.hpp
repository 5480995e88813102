// SPDX-License-Identifier: Apache-2.0
// compile() of plan.hpp: each step's detail is the part of the recipe whose fields name the step (field.hpp, Fate::step).
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/digest.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace sandboxkit {

namespace detail {

inline void add_step(Plan& plan, StepKind kind, const boost::json::object& step_detail) {
    // The detail leaves the block that it was made in, which copies of it would share.
    Step step{kind, is_snapshot_relevant(kind), boost::json::object(step_detail, boost::json::storage_ptr()), {}};
    std::string text(to_string(kind));
    text += '\n';
    append_canonical(text, step.detail);
    step.digest = digest_of(text);
    plan.steps.push_back(std::move(step));
}

[[nodiscard]] constexpr bool is_in_every_plan(StepKind kind) noexcept {
    switch (kind) {
    case StepKind::base_image:
    case StepKind::capture:
    case StepKind::apply_limits:
    case StepKind::connect_network:
    case StepKind::bind_environment: return true;
    default: return false;
    }
}

} // namespace detail

inline bool runs_scripts(const Recipe& recipe) noexcept {
    return !recipe.setup_script.empty() || !recipe.hooks.build.empty();
}

inline Plan compile(const Recipe& recipe) {
    Plan plan;
    boost::json::monotonic_resource memory;
    for (std::size_t i = 0; i < step_kind_names.size(); ++i) {
        const auto kind = static_cast<StepKind>(i);
        if (kind == StepKind::script_environment && !runs_scripts(recipe)) continue;
        const bool always = detail::is_in_every_plan(kind);
        auto part = detail::fields_to_json(recipe, true, {kind, !always, {}}, {}, &memory);
        if (part.empty() && !always) continue;
        if (kind == StepKind::clone_repository && part.contains("repositories")) {
            const boost::json::array repositories = std::move(part.at("repositories").get_array());
            part.erase("repositories"); // what is left belongs to each of them
            for (const auto& repository : repositories) {
                auto one = part;
                one["repository"] = repository;
                detail::add_step(plan, kind, one);
            }
            continue;
        }
        detail::add_step(plan, kind, part);
    }
    std::string all, relevant;
    for (const Step& step : plan.steps) {
        all += step.digest;
        if (step.snapshot_relevant) relevant += step.digest;
    }
    plan.digest = digest_of(all);
    plan.snapshot_digest = digest_of(relevant);
    return plan;
}

} // namespace sandboxkit
