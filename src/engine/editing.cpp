// SPDX-License-Identifier: Apache-2.0
#include "engine/editing.hpp"

#include "engine/permissions.hpp"
#include "engine/records.hpp"

#include <sandboxkit/profile_checks.hpp>
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/secrets.hpp>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <functional>
#include <utility>

namespace sandboxkit::engine {

namespace json = boost::json;

namespace {

// What an edit makes of the profile as it is.
using Change = std::function<Result<Profile>(const Profile& now)>;

struct Order {
    std::string section; // for the log
    std::optional<std::uint32_t> expected{};
    std::string proposal{}; // that is kept by this
    json::object detail{};  // for the log
};

constexpr std::size_t shown_value = 80;

std::string shown(const std::string& value) {
    if (value.empty()) return "nothing";
    if (value.size() <= shown_value) return value;
    std::size_t end = shown_value;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end; // not inside a character
    return value.substr(0, end) + "...";
}

// Both sides, field by field.
Error conflict_of(std::string message, const std::vector<FieldChange>& differences) {
    Error error{ErrorClass::conflict,
                "stale_revision",
                std::move(message),
                "look at what is there now, and repeat the edit on it",
                "",
                {}};
    for (const FieldChange& d : differences)
        error.problems.push_back({d.pointer, "changed_meanwhile", "now " + shown(d.before) + "; by this edit " + shown(d.after),
                                  "decide which it shall be"});
    return error;
}

// Values that look like credentials, but for those that an exception is recorded for; and exceptions for nothing.
Validation check_secrets(const Profile& profile) {
    const auto& exceptions = profile.recipe.secret_exceptions;
    std::vector<bool> used(exceptions.size());
    ProblemList errors;
    // Lists in the order in which they are kept: an exception by an element's index must hold from then on.
    boost::json::object document = record_to_json(profile.record);
    for (auto& member : recipe_to_json(profile.recipe)) document[member.key()] = std::move(member.value());
    for (const LocatedSecret& secret : locate_secrets(document)) {
        bool excused = false;
        for (std::size_t i = 0; i < exceptions.size(); ++i)
            if (!secret.in_name && exceptions[i].pointer == secret.pointer && exceptions[i].rule == secret.finding.rule)
                excused = used[i] = true;
        if (excused) continue;
        Problem problem = secret_problem(secret);
        errors.add(std::move(problem.pointer), std::move(problem.code), std::move(problem.message), std::move(problem.remedy));
    }
    Validation found{errors.take(), {}};
    for (std::size_t i = 0; i < exceptions.size(); ++i)
        if (!used[i])
            found.warnings.push_back({pointer_to("/secret_exceptions", i), "exception_unused",
                                      "no value at this pointer looks like a credential by this rule", "remove it"});
    return found;
}

bool is_of_access(const FieldChange& change) {
    return change.pointer == "/access" || change.pointer.starts_with("/access/");
}

// By the fields that it changes, every edit comes by here. (What can be said before, the face has said.)
Result<void> permit_changes(const Principal& who, const std::vector<FieldChange>& changes) {
    const bool access = std::any_of(changes.begin(), changes.end(), is_of_access);
    const bool other = !std::all_of(changes.begin(), changes.end(), is_of_access);
    if (other)
        if (auto ok = check_scopes(Action::edit_profile, who); !ok) return ok.error();
    if (access)
        if (auto ok = check_scopes(Action::edit_access_list, who); !ok) return ok.error();
    return {};
}

struct Prepared {
    Current current;
    Profile edited;
    std::vector<FieldChange> changes;
};

Result<Prepared> prepare(Context& context, const Principal& who, std::string_view id, const Change& change) {
    auto current = load_current(*context.store, id);
    if (!current) return current.error();
    auto edited = change(current->profile);
    if (!edited) return edited.error();
    Prepared prepared{std::move(*current), std::move(*edited), {}};
    prepared.changes = diff(prepared.current.profile, prepared.edited);
    if (auto ok = permit_changes(who, prepared.changes); !ok) return ok.error();
    auto problems = save_gate(prepared.edited).errors;
    // A change of the record acts at once, so that what is not enacted cannot wait for the publish gate to be refused.
    if (prepared.current.row.latest_version && prepared.edited.record != prepared.current.profile.record) {
        auto refused = not_enacted(prepared.edited.record);
        problems.insert(problems.end(), refused.begin(), refused.end());
    }
    if (!problems.empty()) return document_error("profile_invalid", "the profile", std::move(problems));
    return prepared;
}

Result<KeptEdit> keep(Context& context, const Principal& who, std::string_view id, const Order& order, const Change& change) {
    for (int attempt = 0;; ++attempt) {
        auto prepared = prepare(context, who, id, change);
        if (!prepared) return prepared.error();
        const Current& now = prepared->current;
        if (order.expected && *order.expected != now.row.revision)
            return conflict_of("the profile is at revision " + std::to_string(now.row.revision) + ", not " +
                                   std::to_string(*order.expected),
                               prepared->changes);
        if (prepared->changes.empty() && order.proposal.empty()) {
            auto info = to_info(now.row);
            if (!info) return info.error();
            return KeptEdit{visible_to(who, std::move(*info)), {}};
        }

        const Profile& edited = prepared->edited;
        store::Save save;
        save.expected = now.row.revision;
        save.unpublished = !now.row.latest_version; // what is not enacted was not asked for
        save.name = edited.record.name;
        save.record = stored_record(edited.record);
        const std::string before = canonical_recipe(now.profile.recipe), after = canonical_recipe(edited.recipe);
        json::object detail = order.detail;
        if (before != after) {
            const std::string digest = digest_of(after);
            detail["before"] = digest_of(before);
            detail["after"] = digest;
            save.digest = digest;
            if (now.published_digest && *now.published_digest == digest)
                save.drop_draft = true; // back to what is published
            else
                save.recipe = after;
        }
        json::array pointers;
        for (const FieldChange& c : prepared->changes) pointers.emplace_back(c.pointer);
        detail["changed"] = std::move(pointers);
        if (edited.record.agent_instructions != now.profile.record.agent_instructions)
            save.instructions = edited.record.agent_instructions;
        save.actor = actor_of(who);
        save.section = order.section;
        save.detail = json::serialize(detail);
        save.proposal = order.proposal;
        save.now = context.now();
        auto saved = context.store->save(id, save);
        // Somebody was faster. One who named a revision is told; who named none wants his edit on whatever is there.
        if (!saved && saved.error().code == "stale_revision" && attempt < 20) continue;
        if (!saved) return saved.error();
        auto info = to_info(*saved);
        if (!info) return info.error();
        return KeptEdit{visible_to(who, std::move(*info)), std::move(prepared->changes)};
    }
}

Result<json::value> members_of(const std::string& text) {
    auto value = parse_strict(text);
    if (!value) return document_error("section_invalid", "the section", value.error().problems);
    return value;
}

Result<EditProposal> to_proposal(const store::Proposal& row) {
    EditProposal out;
    out.id = row.id;
    out.profile = row.profile;
    out.members = row.edit;
    out.base_revision = row.base_revision;
    out.proposed_by = row.actor.principal;
    out.channel = row.actor.channel;
    out.proposed = row.proposed;
    out.state = row.state;
    const auto section = section_named(row.section);
    auto changes = store::changes_from_json(row.changes);
    if (!section || !changes)
        return Error{ErrorClass::data_loss,
                     "stored_proposal_damaged",
                     "a proposal in the store cannot be read",
                     "discard it and propose the edit again",
                     changes ? row.section : changes.error().message,
                     {}};
    out.section = *section;
    out.changes = std::move(*changes);
    return out;
}

} // namespace

Result<Current> load_current(store::Store& store, std::string_view id) {
    auto row = store.profile(id);
    if (!row) return row.error();
    Current current;
    auto record = stored_record_of(*row);
    if (!record) return record.error();
    current.profile.record = std::move(*record);
    if (row->latest_version) {
        auto version = store.version(id, *row->latest_version);
        if (!version) return version.error();
        current.published_digest = version->digest;
        if (row->draft_revision == 0) {
            auto recipe = stored_recipe(version->recipe);
            if (!recipe) return recipe.error();
            current.profile.recipe = std::move(*recipe);
        }
    }
    if (row->draft_revision != 0) {
        auto draft = store.draft(id);
        if (!draft && draft.error().code == "no_draft") return load_current(store, id); // published in between
        if (!draft) return draft.error();
        auto recipe = stored_recipe(draft->recipe);
        if (!recipe) return recipe.error();
        current.profile.recipe = std::move(*recipe);
    }
    current.row = std::move(*row);
    return current;
}

Validation save_gate(const Profile& profile) {
    Validation found = save_checks(profile);
    const Validation secrets = check_secrets(profile);
    found.errors.insert(found.errors.end(), secrets.errors.begin(), secrets.errors.end());
    found.warnings.insert(found.warnings.end(), secrets.warnings.begin(), secrets.warnings.end());
    return found;
}

Result<Profile> read_document(std::string_view document) {
    auto profile = read_profile(document);
    if (profile) return profile;
    ProblemList told_already;
    const auto value = parse_collecting(document, {}, told_already);
    if (!value) return profile;
    std::vector<Problem> problems = profile.error().problems;
    for (Problem& problem : find_secrets(*value)) problems.push_back(std::move(problem));
    return document_error("profile_invalid", "the profile", std::move(problems));
}

Result<Profile> read_for_save(std::string_view document) {
    auto profile = read_document(document);
    if (!profile) return profile.error();
    if (auto found = save_gate(*profile); !found.errors.empty())
        return document_error("profile_invalid", "the profile", std::move(found.errors));
    return profile;
}

Result<KeptEdit> edit_document(Context& context, const Principal& who, std::string_view id, std::string_view document,
                               std::optional<std::uint32_t> expected) {
    auto profile = read_document(document);
    if (!profile) return profile.error();
    Order order;
    order.section = "document";
    order.expected = expected;
    return keep(context, who, id, order, [&](const Profile&) -> Result<Profile> { return *profile; });
}

Result<KeptEdit> edit_section(Context& context, const Principal& who, std::string_view id, const SectionEdit& edit) {
    auto members = members_of(edit.members);
    if (!members) return members.error();
    Order order;
    order.section = to_string(edit.section);
    order.expected = edit.expected_revision;
    return keep(context, who, id, order, [&](const Profile& now) { return with_section(now, edit.section, *members); });
}

Result<KeptEdit> restore_instructions(Context& context, const Principal& who, std::string_view id, std::uint32_t revision) {
    auto text = context.store->instructions_text(id, revision);
    if (!text) return text.error();
    Order order;
    order.section = to_string(Section::agent_instructions);
    order.detail["restored_from"] = revision;
    return keep(context, who, id, order, [&](const Profile& now) -> Result<Profile> {
        Profile edited = now;
        edited.record.agent_instructions = *text;
        return edited;
    });
}

Result<EditProposal> propose_edit(Context& context, const Principal& who, std::string_view id, const SectionEdit& edit) {
    auto members = members_of(edit.members);
    if (!members) return members.error();
    auto prepared = prepare(context, who, id, [&](const Profile& now) { return with_section(now, edit.section, *members); });
    if (!prepared) return prepared.error();
    if (edit.expected_revision && *edit.expected_revision != prepared->current.row.revision)
        return conflict_of("the profile is at revision " + std::to_string(prepared->current.row.revision) + ", not " +
                               std::to_string(*edit.expected_revision),
                           prepared->changes);
    store::NewProposal row;
    row.id = context.ids->next("edt");
    row.profile = id;
    row.base_revision = prepared->current.row.revision;
    row.section = to_string(edit.section);
    row.edit = edit.members;
    row.changes = store::to_json(prepared->changes);
    row.actor = actor_of(who);
    row.now = context.now();
    auto proposed = context.store->propose(row);
    if (!proposed) return proposed.error();
    return to_proposal(*proposed);
}

Result<KeptEdit> keep_edit(Context& context, const Principal& who, std::string_view id) {
    auto row = context.store->proposal(id);
    if (!row) return row.error();
    auto proposal = to_proposal(*row);
    if (!proposal) return proposal.error();
    if (proposal->state != ProposalState::open) // the store says so too, when it is closed meanwhile
        return Error{ErrorClass::conflict,
                     "proposal_closed",
                     "the proposal was " + std::string(to_string(proposal->state)) + " already",
                     "propose the edit again if it is still wanted",
                     "",
                     {}};
    auto members = members_of(proposal->members);
    if (!members) return members.error();
    Order order;
    order.section = to_string(proposal->section);
    order.proposal = proposal->id;
    return keep(context, who, proposal->profile, order, [&](const Profile& now) -> Result<Profile> {
        auto edited = with_section(now, proposal->section, *members);
        if (!edited) return edited.error();
        // Another section may have changed since, and with it what a change means. This one must change as it was shown, from
        // the same to the same.
        const auto same = [](const FieldChange& a, const FieldChange& b) {
            return a.pointer == b.pointer && a.before == b.before && a.after == b.after;
        };
        const auto changes = diff(now, *edited);
        const auto& shown_changes = proposal->changes;
        if (std::equal(changes.begin(), changes.end(), shown_changes.begin(), shown_changes.end(), same)) return edited;
        if (auto found = check_secrets(*edited); !found.errors.empty()) // before a value is shown
            return document_error("profile_invalid", "the profile", std::move(found.errors));
        return conflict_of("the section " + order.section + " has changed since the edit was proposed", changes);
    });
}

Result<EditProposal> discard_edit(Context& context, const Principal& who, std::string_view id) {
    auto row = context.store->proposal(id);
    if (!row) return row.error();
    auto proposal = to_proposal(*row);
    if (proposal) // of one that cannot be read nobody knows what it would change
        if (auto ok = permit_changes(who, proposal->changes); !ok) return ok.error();
    auto closed = context.store->discard_proposal(id, actor_of(who), context.now());
    if (!closed) return closed.error();
    auto discarded = to_proposal(*closed);
    if (discarded) return discarded;
    EditProposal unreadable; // it is discarded all the same
    unreadable.id = closed->id;
    unreadable.profile = closed->profile;
    unreadable.state = closed->state;
    return unreadable;
}

Result<std::vector<EditProposal>> proposals(Context& context, std::string_view profile) {
    auto rows = context.store->proposals(profile);
    if (!rows) return rows.error();
    std::vector<EditProposal> all;
    for (const auto& row : *rows) {
        auto proposal = to_proposal(row);
        if (!proposal) return proposal.error();
        all.push_back(std::move(*proposal));
    }
    return all;
}

} // namespace sandboxkit::engine
