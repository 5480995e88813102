// SPDX-License-Identifier: Apache-2.0
#include "engine/profiles.hpp"

#include "engine/editing.hpp"
#include "engine/permissions.hpp"
#include "engine/records.hpp"
#include "engine/sessions.hpp"

#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/version_file.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace sandboxkit::engine {

namespace {

constexpr std::size_t longest_client_token = 200;
constexpr std::uint32_t recent_activity = 10;

// The access list of a new profile is an edit of it like any other.
Result<ProfileInfo> insert(Context& context, const Principal& who, const Profile& profile, std::string_view client_token,
                           const boost::json::object& detail) {
    if (!profile.record.access.empty())
        if (auto ok = check_scopes(Action::edit_access_list, who); !ok) return ok.error();
    if (client_token.size() > longest_client_token || invalid_utf8_at(client_token) != std::string_view::npos)
        return Error{ErrorClass::invalid,
                     "client_token_invalid",
                     "a client token has at most 200 bytes of UTF-8",
                     "use a shorter one",
                     "",
                     {}};
    const std::string recipe = canonical_recipe(profile.recipe);
    store::NewProfile row;
    row.id = context.ids->next("prf");
    row.name = profile.record.name;
    row.record = stored_record(profile.record);
    row.recipe = recipe;
    row.digest = digest_of(recipe);
    row.actor = actor_of(who);
    row.now = context.now();
    if (!profile.record.agent_instructions.empty()) row.instructions = profile.record.agent_instructions;
    row.client_token = client_token;
    row.detail = boost::json::serialize(detail);
    auto made = context.store->create_profile(row);
    if (!made) return made.error();
    return to_info(made->profile);
}

Result<std::string> new_name(std::string_view given, std::string otherwise) {
    if (given.empty()) {
        constexpr std::size_t longest = 200; // as profile_fields.hpp has it; what is cut off is the end of the old name
        constexpr std::string_view suffix = " (copy)";
        std::size_t end = otherwise.size();
        while (character_count(std::string_view(otherwise).substr(0, end)) + suffix.size() > longest) --end;
        while (end > 0 && end < otherwise.size() && (static_cast<unsigned char>(otherwise[end]) & 0xC0) == 0x80) --end;
        return otherwise.substr(0, end) + std::string(suffix);
    }
    if (auto fault = check_line(given); fault || invalid_utf8_at(given) != std::string_view::npos || character_count(given) > 200)
        return Error{ErrorClass::invalid,
                     "name_invalid",
                     "the name of a profile is one line of up to 200 characters",
                     "choose another name",
                     "",
                     {}};
    return std::string(given);
}

} // namespace

Result<ProfileInfo> create_profile(Context& context, const Principal& who, std::string_view document,
                                   std::string_view client_token) {
    auto profile = read_for_save(document);
    if (!profile) return profile.error();
    return insert(context, who, *profile, client_token, {});
}

Result<ProfileInfo> duplicate_profile(Context& context, const Principal& who, std::string_view id, std::string_view name) {
    auto current = load_current(*context.store, id);
    if (!current) return current.error();
    Profile copy = std::move(current->profile);
    auto named = new_name(name, copy.record.name);
    if (!named) return named.error();
    copy.record.name = std::move(*named);
    for (Trigger& trigger : copy.record.triggers) trigger.enabled = false; // or each would fire twice
    copy.record.refresh.enabled = false;
    if (auto found = save_gate(copy); !found.errors.empty()) // it has a new name, and may be older than a rule
        return document_error("profile_invalid", "the copy", std::move(found.errors));
    return insert(context, who, copy, {}, {{"copy_of", id}});
}

Task<void> delete_profile(Context& context, Principal who, std::string id, bool force) {
    if (force) {
        auto rows = co_await context.in_store([](store::Store& store) { return store.sessions(false); });
        if (!rows) co_return rows.error();
        for (const store::Session& session : *rows) {
            if (session.profile != id) continue;
            auto removed = co_await remove_session(context, who, session.id);
            if (!removed) co_return removed.error();
        }
    }
    auto deleted =
        co_await context.in_store([&](store::Store& store) { return store.delete_profile(id, actor_of(who), context.now()); });
    co_return deleted;
}

Result<std::string> export_version(Context& context, std::string_view id, std::uint32_t number) {
    auto profile = context.store->profile(id);
    if (!profile) return profile.error();
    auto version = context.store->version(id, number);
    if (!version) return version.error();
    if (digest_of(version->recipe) != version->digest)
        return Error{ErrorClass::data_loss,
                     "stored_recipe_damaged",
                     "the recipe of the version is not the one that its digest is of",
                     "restore the store from a backup",
                     "",
                     {}};
    return write_version_file(profile->name, number, version->recipe);
}

Result<ProfileInfo> import_version(Context& context, const Principal& who, std::string_view file, std::string_view name) {
    auto version = read_version_file(file);
    if (!version) return version.error();
    Profile profile;
    profile.record.name = version->name;
    if (!name.empty()) {
        auto named = new_name(name, {});
        if (!named) return named.error();
        profile.record.name = std::move(*named);
    }
    profile.recipe = std::move(version->recipe);
    // It may have been written by hand, digests and all.
    if (auto found = save_gate(profile); !found.errors.empty())
        return document_error("profile_invalid", "the imported profile", std::move(found.errors));
    return insert(context, who, profile, {}, {{"imported", version->digest}, {"imported_version", version->number}});
}

Result<Overview> overview(Context& context, std::string_view id) {
    Overview out;
    auto row = context.store->profile(id);
    if (!row) return row.error();
    auto info = to_info(*row);
    if (!info) return info.error();
    out.profile = std::move(*info);
    for (auto [number, place] : {std::pair{row->usable_version, &out.in_use}, std::pair{row->latest_version, &out.latest}}) {
        if (!number) continue;
        auto version = context.store->version(id, *number);
        if (!version) return version.error();
        auto told = to_info(*version);
        if (!told) return told.error();
        *place = std::move(*told);
    }
    auto usage = context.store->usage(id);
    if (!usage) return usage.error();
    out.sessions = std::move(usage->sessions);
    out.active_jobs = usage->active_jobs;
    auto open = proposals(context, id);
    if (!open) return open.error();
    out.proposals = std::move(*open);
    auto latest = activity(context, id, recent_activity, {});
    if (!latest) return latest.error();
    out.activity = std::move(*latest);
    return out;
}

Result<std::vector<ActivityEntry>> activity(Context& context, std::string_view id, std::uint32_t limit,
                                            std::optional<std::int64_t> before) {
    if (limit < 1 || limit > 1000)
        return Error{
            ErrorClass::invalid, "limit_invalid", "1 to 1000 entries can be read at once", "ask for fewer, and again", "", {}};
    auto rows = context.store->activity(id, before, limit);
    if (!rows) return rows.error();
    std::vector<ActivityEntry> all;
    for (store::Activity& a : *rows)
        all.push_back({a.sequence, a.at, std::move(a.principal), a.channel, std::move(a.action), std::move(a.section),
                       std::move(a.detail)});
    return all;
}

} // namespace sandboxkit::engine
