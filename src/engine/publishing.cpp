// SPDX-License-Identifier: Apache-2.0
#include "engine/publishing.hpp"

#include "engine/editing.hpp"
#include "engine/hosts.hpp"
#include "engine/records.hpp"

#include <sandboxkit/connections.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_checks.hpp>
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/references.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

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

namespace {

// The host application may know more of a host of its own than that it is there; of a registered one, the store knows all.
Result<std::optional<HostRecord>> look_up_named_host(Context& context, const std::string& name) {
    auto known = host_record(context, name);
    ReferenceSource* const source = context.options.references.get();
    if (!known || (*known && (*known)->registered) || !source) return known;
    auto told = source->host(name);
    if (!told || *told) return told;
    return known;
}

// `host` is where it is launched.
Result<References> look_up(Context& context, const Recipe& recipe, const ReferencedIds& ids, const std::string& host) {
    References found;
    ReferenceSource* const source = context.options.references.get();
    const auto each = [&](const std::set<std::string>& wanted, auto& into, auto look) -> Result<void> {
        for (const std::string& id : wanted) {
            if (!source) {
                into[id]; // there is nobody who knows it
                continue;
            }
            auto record = look(id);
            if (!record) return record.error();
            into[id] = std::move(*record);
        }
        return {};
    };
    auto ok = each(ids.connections, found.connections, [&](const std::string& id) { return source->connection(id); });
    if (ok) ok = each(ids.environments, found.environments, [&](const std::string& id) { return source->environment(id); });
    if (!ok) return ok.error();
    auto record = recipe.host ? look_up_named_host(context, host) : host_record(context, host);
    if (!record) return record.error();
    if (recipe.host) {
        found.hosts[*recipe.host] = std::move(*record);
    } else if (host == recipe.provider) { // there or not: of that, the provider's own fault tells
        found.default_host.emplace();
        if (*record) found.default_host = std::move(*record);
        found.default_host->name.clear(); // nobody chose it
        found.default_host->provider = recipe.provider;
    } else {
        found.default_host = std::move(*record);
    }
    return found;
}

// The same when it is a thing of now whether it answers.
bool is_down(const Error& error) {
    return error.kind == ErrorClass::unavailable || error.kind == ErrorClass::timeout;
}

bool names_host(const std::vector<Problem>& problems) {
    return std::any_of(problems.begin(), problems.end(),
                       [](const Problem& problem) { return problem.code == "host_unknown" || problem.code == "host_mismatch"; });
}

Problem provider_unknown(const Context& context, const Recipe& recipe) {
    std::string known;
    for (const auto& managed : context.hosts.managed()) known += (known.empty() ? "" : ", ") + managed.definition.name;
    return {"/provider", "provider_unknown", "this build has no provider \"" + recipe.provider + "\"", "use one of: " + known};
}

void append(std::vector<Problem>& to, std::vector<Problem> more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Some of what a start finds, a publish would have found before.
void append_new(std::vector<Problem>& to, std::vector<Problem> more) {
    for (Problem& problem : more)
        if (std::find(to.begin(), to.end(), problem) == to.end()) to.push_back(std::move(problem));
}

} // namespace

Task<Validation> publish_gate(Context& context, Profile profile, Gate gate) {
    const Recipe& recipe = profile.recipe;
    auto host = co_await context.in_store([&](store::Store& store) { return host_of(store, recipe); });
    if (!host) co_return host.error();
    // A source may block, so that it is asked on a thread for that.
    auto references = co_await async::blocking(context.pool, [&](std::stop_token) -> Result<References> {
        return look_up(context, recipe, referenced_ids(profile), *host);
    });
    if (!references) co_return references.error();
    Validation found = publish_checks(profile, *references);
    append(found.errors, not_enacted(profile.recipe));
    append(found.errors, not_enacted(profile.record));
    if (gate == Gate::start) {
        Validation start = start_checks(profile.recipe, *references);
        append_new(found.errors, std::move(start.errors));
        append_new(found.warnings, std::move(start.warnings));
    }
    if (names_host(found.errors)) co_return found; // what its provider cannot do is not this profile's concern
    auto provider = co_await context.provider(*host);
    if (!provider && provider.error().code == "no_host") {
        if (!recipe.host && *host == recipe.provider)
            found.errors.push_back(provider_unknown(context, recipe));
        else
            found.errors.push_back({"/host", "host_unknown", "this engine reaches no host \"" + *host + '"',
                                    "register it, name another, or choose another default one"});
        co_return found;
    }
    if (!provider && provider.error().kind != ErrorClass::unsupported) co_return provider.error(); // not the document's fault
    if (!provider) {
        found.errors.push_back({"/provider", provider.error().code, provider.error().message, provider.error().remedy});
        co_return found;
    }
    auto can = co_await capabilities_of(context, *host, *provider);
    if (!can && gate == Gate::start && is_down(can.error())) {
        found.errors.push_back({"/host", "host_down", can.error().message, can.error().remedy});
        co_return found;
    }
    if (!can) co_return can.error();
    append(found.errors, capability_problems(profile.recipe, *can));
    co_return found;
}

Task<void> start_gate(Context& context, Recipe recipe, std::string host) {
    auto references = co_await async::blocking(context.pool, [&](std::stop_token) -> Result<References> {
        return look_up(context, recipe, referenced_ids(recipe), host);
    });
    if (!references) co_return references.error();
    auto problems = start_checks(recipe, *references).errors;
    append(problems, not_enacted(recipe)); // it may have been published by a build that did more
    if (!names_host(problems)) {
        auto provider = co_await context.provider(host);
        if (!provider) co_return provider.error();
        auto can = co_await capabilities_of(context, host, *provider);
        if (!can) co_return can.error();
        append(problems, capability_problems(recipe, *can));
    }
    if (problems.empty()) co_return Result<void>{};
    co_return Error{ErrorClass::unsupported,
                    "start_refused",
                    "the version asks for what cannot be had here now",
                    "change the fields that the problems name and publish again",
                    "",
                    std::move(problems)};
}

Task<Validation> validate(Context& context, std::string document, Gate gate) {
    auto profile = read_document(document);
    if (!profile) {
        if (profile.error().problems.empty()) co_return profile.error();
        Validation found;
        found.errors = profile.error().problems;
        co_return found;
    }
    Validation found = save_gate(*profile);
    if (gate == Gate::save) co_return found;
    auto more = co_await publish_gate(context, std::move(*profile), gate);
    if (!more) co_return more.error();
    append(found.errors, std::move(more->errors));
    append(found.warnings, std::move(more->warnings));
    co_return found;
}

namespace {

struct Draft {
    store::Draft row;
    std::uint32_t profile_revision = 0;
    Record record;
    Recipe recipe;
    std::string host; // where it would be launched
    std::optional<store::Version> previous;
    std::optional<Recipe> previous_recipe;
};

Result<Draft> load_draft(store::Store& store, const std::string& profile) {
    Draft draft;
    auto known = store.profile(profile);
    if (!known) return known.error();
    auto record = stored_record_of(*known);
    if (!record) return record.error();
    draft.record = std::move(*record);
    draft.profile_revision = known->revision; // read before the draft: what changes in between is found by it
    auto row = store.draft(profile);
    if (!row && row.error().code == "no_draft") // to look at, it is not there; to publish, nothing changed (P4)
        return Error{ErrorClass::conflict,     "no_change", row.error().message + ": all of it is published",
                     "edit the profile first", "",          {}};
    if (!row) return row.error();
    draft.row = std::move(*row);
    auto recipe = stored_recipe(draft.row.recipe);
    if (!recipe) return recipe.error();
    draft.recipe = std::move(*recipe);
    auto host = host_of(store, draft.recipe);
    if (!host) return host.error();
    draft.host = std::move(*host);
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
    Profile profile_now{draft->record, draft->recipe};
    auto found = co_await publish_gate(context, std::move(profile_now), Gate::publish);
    if (!found) co_return found.error();
    if (!found->errors.empty())
        co_return Error{ErrorClass::unsupported,
                        "publish_refused",
                        "the draft asks for what cannot be enacted",
                        "change the fields that the problems name",
                        "",
                        std::move(found->errors)};

    store::Publish order;
    order.profile = profile;
    order.draft_revision = draft->row.revision;
    order.profile_revision = draft->profile_revision;
    order.plan_snapshot_digest = compile(draft->recipe).snapshot_digest;
    order.host = draft->host;
    order.actor = actor;
    order.now = context.now();
    order.job_id = context.ids->next("job");
    auto decision = decide_rebuild(draft->previous_recipe ? &*draft->previous_recipe : nullptr, draft->recipe);
    const store::Snapshot* const previous = draft->previous ? draft->previous->on(draft->host) : nullptr;
    if (decision.reuse && (!previous || !previous->image || previous->stale)) {
        decision.reuse = false;
        decision.reason = previous && previous->stale
                              ? "nothing relevant changed, but the previous snapshot is stale"
                              : "nothing relevant changed, but the previous version has no usable snapshot on the host";
    }
    auto version = co_await context.in_store([&](store::Store& store) {
        if (decision.reuse) {
            store::Publish reusing = order;
            reusing.job_id.clear();
            reusing.reuse_image = previous->image;
            reusing.reuse_manifest = previous->manifest;
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
