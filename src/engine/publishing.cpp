// SPDX-License-Identifier: Apache-2.0
#include "engine/publishing.hpp"

#include "engine/records.hpp"

#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_document.hpp>

#include <algorithm>

namespace sandboxkit::engine {

std::vector<Problem> capability_problems(const Recipe& recipe, const Capabilities& can) {
    std::vector<Problem> problems;
    const auto refuse = [&](std::string pointer, std::string what, const char* fact) {
        const auto why = can.facts.find(fact);
        problems.push_back({std::move(pointer), "not_supported",
                            "provider \"" + recipe.provider + "\" does not do this here: " + what,
                            why == can.facts.end() ? "" : why->second});
    };
    const auto kind = recipe.image.substr(0, recipe.image.find(':'));
    if (std::find(can.image_kinds.begin(), can.image_kinds.end(), kind) == can.image_kinds.end())
        refuse("/image", "images of the kind \"" + kind + "\"", "image");
    if (recipe.network.egress == Egress::none && !can.egress_none)
        refuse("/network/egress", "a sandbox without network", "egress_none");
    if (recipe.network.egress == Egress::open && !can.egress_open)
        refuse("/network/egress", "outbound network access", "egress_open");
    if (recipe.resources.disk_mb && !can.disk_limit) refuse("/resources/disk_mb", "a limit on disk space", "disk_limit");
    if (!recipe.setup_script.empty() && !can.capture) refuse("/setup_script", "capturing what a setup script made", "capture");
    if (!can.read_only_paths)
        for (std::size_t i = 0; i < recipe.repositories.size(); ++i)
            if (recipe.repositories[i].read_only)
                refuse("/repositories/" + std::to_string(i) + "/read_only", "read-only checkouts", "read_only_paths");
    return problems;
}

Task<std::vector<Problem>> publish_gate(Context& context, Recipe recipe) {
    auto problems = publish_problems(recipe);
    auto provider = context.provider(recipe.provider);
    if (!provider && provider.error().kind != ErrorClass::unsupported) co_return provider.error(); // not the document's fault
    if (!provider) {
        problems.push_back({"/provider", provider.error().code, provider.error().message, provider.error().remedy});
        co_return problems;
    }
    auto can = co_await (*provider)->capabilities();
    if (!can) co_return can.error();
    auto missing = capability_problems(recipe, *can);
    problems.insert(problems.end(), missing.begin(), missing.end());
    co_return problems;
}

Task<std::vector<Problem>> validate(Context& context, std::string document, bool for_publish) {
    auto profile = read_profile(document);
    if (!profile) {
        if (profile.error().problems.empty()) co_return profile.error();
        co_return profile.error().problems;
    }
    if (!for_publish) co_return std::vector<Problem>{};
    auto problems = co_await publish_gate(context, std::move(profile->recipe));
    co_return problems;
}

namespace {

struct Draft {
    store::Draft row;
    Recipe recipe;
    std::optional<store::Version> previous;
    std::optional<Recipe> previous_recipe;
};

Result<Draft> load_draft(store::Store& store, const std::string& profile) {
    Draft draft;
    auto known = store.profile(profile);
    if (!known) return known.error();
    auto row = store.draft(profile);
    if (!row && row.error().code == "no_draft") // to look at, it is not there; to publish, nothing changed (P4)
        return Error{ErrorClass::conflict,     "no_change", row.error().message + ": all of it is published",
                     "edit the profile first", "",          {}};
    if (!row) return row.error();
    draft.row = std::move(*row);
    auto recipe = stored_recipe(draft.row.recipe);
    if (!recipe) return recipe.error();
    draft.recipe = std::move(*recipe);
    auto versions = store.versions(profile);
    if (!versions) return versions.error();
    if (!versions->empty()) {
        draft.previous = std::move(versions->back());
        auto previous = stored_recipe(draft.previous->recipe);
        if (!previous) return previous.error();
        draft.previous_recipe = std::move(*previous);
    }
    return draft;
}

} // namespace

Task<VersionInfo> publish(Context& context, store::Actor actor, std::string profile) {
    auto draft = co_await context.in_store([&](store::Store& store) { return load_draft(store, profile); });
    if (!draft) co_return draft.error();
    auto problems = co_await publish_gate(context, draft->recipe);
    if (!problems) co_return problems.error();
    if (!problems->empty())
        co_return Error{ErrorClass::unsupported,
                        "publish_refused",
                        "the draft asks for what cannot be enacted",
                        "change the fields that the problems name",
                        "",
                        std::move(*problems)};

    store::Publish order;
    order.profile = profile;
    order.draft_revision = draft->row.revision;
    order.plan_snapshot_digest = compile(draft->recipe).snapshot_digest;
    order.host = draft->recipe.provider;
    order.actor = actor;
    order.now = context.now();
    order.job_id = context.ids->next("job");
    auto decision = decide_rebuild(draft->previous_recipe ? &*draft->previous_recipe : nullptr, draft->recipe);
    if (decision.reuse && (!draft->previous->image || draft->previous->stale)) {
        decision.reuse = false;
        decision.reason = draft->previous->stale ? "nothing relevant changed, but the previous snapshot is stale"
                                                 : "nothing relevant changed, but the previous version has no usable snapshot";
    }
    auto version = co_await context.in_store([&](store::Store& store) {
        if (decision.reuse) {
            store::Publish reusing = order;
            reusing.job_id.clear();
            reusing.reuse_image = draft->previous->image;
            reusing.reuse_manifest = draft->previous->manifest;
            reusing.decision = store::to_json(decision);
            auto published = store.publish_draft(reusing);
            if (published || published.error().code != "image_replaced") return published;
            decision.reuse = false;
            decision.reason = "nothing relevant changed, but the previous snapshot is being replaced";
        }
        order.decision = store::to_json(decision);
        return store.publish_draft(order);
    });
    if (!version) co_return version.error();
    context.wake_builders();
    co_return to_info(*version);
}

} // namespace sandboxkit::engine
