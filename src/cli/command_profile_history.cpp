// SPDX-License-Identifier: Apache-2.0
// What a profile is, was and went through: its overview, its activity, its instructions, the difference of two versions.
#include "cli/commands.hpp"
#include "cli/difference.hpp"
#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <sandboxkit/json_patch.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <unistd.h>

#include <charconv>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

// What an entry's detail says to people; digests and what the other columns say are left to --json.
std::string detail_text(const ActivityEntry& entry) {
    const auto detail = parse_strict(entry.detail);
    if (!detail || !detail->is_object()) return one_line(entry.detail);
    std::string text;
    for (const auto& [key, value] : detail->get_object()) {
        if (key == "before" || key == "after" || key == "digest" || key == "revision" || value.is_null()) continue;
        if ((value.is_string() && value.get_string().empty()) || (value.is_array() && value.get_array().empty())) continue;
        std::string shown;
        if (const auto* list = value.if_array()) {
            for (const auto& element : *list)
                shown.append(shown.empty() ? "" : ",")
                    .append(element.is_string() ? std::string(element.get_string()) : canonical_json(element));
        } else {
            shown = value.is_string() ? std::string(value.get_string()) : canonical_json(value);
        }
        text.append(text.empty() ? "" : " ").append(key).append("=") += shown;
    }
    return text;
}

std::string activity_table(const std::vector<ActivityEntry>& entries) {
    std::vector<std::vector<std::string>> rows{{"WHEN", "WHO", "VIA", "ACTION", "SECTION", "DETAIL"}};
    for (const auto& e : entries)
        rows.push_back({time_text(e.at), e.principal, std::string(to_string(e.channel)), e.action,
                        e.section.empty() ? "-" : e.section, detail_text(e)});
    return table(rows);
}

std::string version_text(const std::optional<VersionInfo>& version, const char* none) {
    if (!version) return none;
    return "version " + std::to_string(version->number) + ", snapshot " + std::string(to_string(version->snapshot)) +
           ", published " + time_text(version->published) + " by " + version->published_by;
}

std::string sessions_text(const Overview& overview) {
    std::string text;
    for (const auto& [state, count] : overview.sessions)
        text.append(text.empty() ? "" : ", ").append(std::to_string(count)).append(" ").append(to_string(state));
    return text.empty() ? "none" : text;
}

std::string triggers_text(const Record& record) {
    std::string text;
    for (const auto& trigger : record.triggers)
        text.append(text.empty() ? "" : ", ")
            .append(trigger.name)
            .append(trigger.enabled ? "" : " (off)")
            .append(trigger.schedule.empty() ? "" : " at \"" + trigger.schedule + '"');
    return text.empty() ? "none" : text;
}

std::string pool_text(const WarmPool& pool) {
    if (!pool.enabled) return "off";
    return std::to_string(pool.floor) + " to " + std::to_string(pool.ceiling) +
           (pool.strategy == WarmPoolStrategy::fixed ? ", fixed" : ", by demand");
}

std::string_view test_text(TestState state) {
    return state == TestState::passed ? "passed" : state == TestState::failed ? "failed" : "not yet tested";
}

int overview(const Settings& settings, const std::string& id) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto seen = engine->overview(settings.who(), id);
    if (!seen) return settings.fail(seen.error());
    const ProfileInfo& info = seen->profile;
    const RefreshSchedule& refresh = info.record.refresh;
    const bool same = seen->in_use && seen->latest && seen->in_use->number == seen->latest->number;
    std::vector<std::vector<std::string>> rows{
        {"profile", info.id + "  " + info.record.name},
        {"in use", version_text(seen->in_use, "no version with a usable snapshot")},
        {"newest", same ? "the same" : version_text(seen->latest, "nothing is published")},
        {"draft", info.has_draft ? "revision " + std::to_string(info.draft_revision) + ", to be published" : "none"},
        {"test", std::string(test_text(seen->test))},
        {"sessions", sessions_text(*seen)},
        {"snapshot jobs", seen->active_jobs == 0 ? "none" : std::to_string(seen->active_jobs) + " queued or running"},
        {"triggers", triggers_text(info.record)},
        {"refresh", refresh.enabled ? "at \"" + refresh.schedule + '"' : "off"},
        {"warm pool", pool_text(info.record.warm_pool)},
        {"proposals", seen->proposals.empty() ? "none" : std::to_string(seen->proposals.size()) + " open"}};
    std::string text = table(rows);
    for (const auto& proposal : seen->proposals) text += "  " + proposal_line(proposal) + '\n';
    text += '\n' + activity_table(seen->activity);
    return settings.answer(to_json(*seen), text);
}

int activity(const Settings& settings, const std::string& id, std::uint32_t limit) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto entries = engine->activity(settings.who(), id, limit);
    if (!entries) return settings.fail(entries.error());
    return settings.answer(list_to_json(*entries), activity_table(*entries));
}

int instructions(const Settings& settings, const std::string& id, std::optional<std::uint32_t> revision) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    if (revision) {
        auto text = engine->instructions_text(settings.who(), id, *revision);
        if (!text) return settings.fail(text.error());
        // To a file or a program as it is; a terminal gets none of its control characters, and a line's end.
        std::string shown = *text;
        if (::isatty(STDOUT_FILENO)) shown = cleaned(shown) + (shown.empty() || shown.back() == '\n' ? "" : "\n");
        return settings.answer({{"profile", id}, {"revision", *revision}, {"text", *text}}, shown);
    }
    auto revisions = engine->instructions(settings.who(), id);
    if (!revisions) return settings.fail(revisions.error());
    std::vector<std::vector<std::string>> rows{{"REVISION", "BYTES", "WHO", "WHEN", "DIGEST"}};
    for (const auto& r : *revisions)
        rows.push_back({std::to_string(r.revision), std::to_string(r.bytes), r.principal, time_text(r.at), r.digest});
    return settings.answer(list_to_json(*revisions), revisions->empty() ? id + " never had instructions\n" : table(rows));
}

// "draft" or a version's number
Result<Recipe> recipe_of(const Settings& settings, Engine& engine, const std::string& id, const std::string& which) {
    if (which == "draft") {
        auto draft = engine.draft(settings.who(), id);
        if (!draft) return draft.error();
        return draft->recipe;
    }
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
    if (error != std::errc{} || end != which.data() + which.size())
        return Error{
            ErrorClass::invalid, "bad_version", "'" + which + "' is no version", "name a version's number, or draft", "", {}};
    auto version = engine.version(settings.who(), id, number);
    if (!version) return version.error();
    return version->recipe;
}

int show_difference(const Settings& settings, const std::string& id, const std::string& a, const std::string& b, bool as_patch) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto before = recipe_of(settings, *engine, id, a);
    if (!before) return settings.fail(before.error());
    auto after = recipe_of(settings, *engine, id, b);
    if (!after) return settings.fail(after.error());
    if (as_patch) {
        const json::value patch = json_patch(recipe_to_json(*before), recipe_to_json(*after));
        return settings.answer(patch, pretty(patch));
    }
    const auto decision = decide_rebuild(&*before, *after);
    const auto steps = diff(compile(*before), compile(*after));
    std::string text = difference_text(decision.changes, colours(STDOUT_FILENO));
    if (!steps.empty()) text += "steps:\n";
    for (const auto& step : steps) text += "  " + one_line(step) + '\n';
    text += "snapshot: " + std::string(decision.reuse ? "reused" : "rebuilt") + ": " + one_line(decision.reason) + '\n';
    json::array lines;
    for (const auto& step : steps) lines.push_back(json::value(step));
    return settings.answer(json::object{{"changes", list_to_json(decision.changes)},
                                        {"steps", std::move(lines)},
                                        {"reuse", decision.reuse},
                                        {"reason", decision.reason}},
                           text);
}

} // namespace

void add_profile_history(CLI::App& group, const Settings& settings, Chosen& chosen) {
    struct Arguments {
        std::string id, a, b;
        std::optional<std::uint32_t> revision;
        std::uint32_t limit = 20;
        bool patch = false;
    };
    const auto arguments = std::make_shared<Arguments>();

    auto* command =
        group.add_subcommand("overview", "Say how a profile stands: what is in use, running, open, and was done lately");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return overview(s, a.id); });

    command = group.add_subcommand("activity", "List what was done to a profile, newest first; of a deleted one, too");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--limit", arguments->limit, "At most so many entries, up to 1000 (else 20)")
        ->type_name("N")
        ->check(CLI::Range(1, 1000).description(""));
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return activity(s, a.id, a.limit); });

    command = group.add_subcommand("diff", "Compare two versions field by field, and say what it means for the snapshot");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("a", arguments->a, "A version's number, or draft")->required()->type_name("A");
    command->add_option("b", arguments->b, "A version's number, or draft")->required()->type_name("B");
    command->add_flag("--patch", arguments->patch, "Print the JSON patch (RFC 6902) between their canonical recipes instead");
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return show_difference(s, a.id, a.a, a.b, a.patch); });

    command = group.add_subcommand("instructions", "List the revisions of a profile's agent instructions, newest first");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--revision", arguments->revision, "Print the text of this one instead")->type_name("N");
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return instructions(s, a.id, a.revision); });
}

} // namespace sandboxkit::cli
