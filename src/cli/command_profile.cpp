// SPDX-License-Identifier: Apache-2.0
#include "cli/building.hpp"
#include "cli/commands.hpp"
#include "cli/dialogue.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <sandboxkit/profile_reference.hpp>
#include <sandboxkit/profile_schema.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <iostream>

namespace sandboxkit::cli {

namespace {

int create(const Settings& settings, const std::string& file) {
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create();
    if (!engine) return settings.fail(engine.error());
    auto made = engine->create_profile(settings.who(), document->text);
    if (!made) return settings.fail(made.error(), {}, &*document);
    return settings.answer(to_json(*made), made->id + '\n');
}

int show(const Settings& settings, const std::string& id, std::optional<std::uint32_t> number, const std::string& section) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto info = engine->profile(settings.who(), id);
    if (!info) return settings.fail(info.error());
    Profile profile{info->record, {}};
    auto answer = to_json(*info);
    if (number) {
        auto version = engine->version(settings.who(), id, *number);
        if (!version) return settings.fail(version.error());
        profile.recipe = version->recipe;
        answer = to_json(*version);
    } else {
        auto draft = engine->draft(settings.who(), id);
        if (!draft) return settings.fail(draft.error());
        profile = std::move(*draft);
    }
    auto document = section.empty() ? profile_to_json(profile) : section_to_json(profile, section_named(section).value());
    const auto text = pretty(document);
    answer["document"] = std::move(document);
    return settings.answer(answer, text);
}

int list(const Settings& settings) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto profiles = engine->profiles(settings.who());
    if (!profiles) return settings.fail(profiles.error());
    std::vector<std::vector<std::string>> rows{{"ID", "NAME", "VERSION", "USABLE", "DRAFT", "CREATED"}};
    const auto number = [](const std::optional<std::uint32_t>& n) { return n ? std::to_string(*n) : "-"; };
    for (const auto& p : *profiles)
        rows.push_back({p.id, p.record.name, number(p.latest_version), number(p.usable_version),
                        p.has_draft ? "revision " + std::to_string(p.draft_revision) : "-", time_text(p.created)});
    return settings.answer(list_to_json(*profiles), table(rows));
}

int publish(const Settings& settings, const std::string& id, bool waiting) {
    auto engine = settings.open(waiting);
    if (!engine) return settings.fail(engine.error());
    auto version = wait(settings, engine->publish(settings.who(), id));
    if (!version) return settings.fail(version.error());
    if (!settings.json) {
        // Before the wait, and kept when it fails: what is published stays published.
        const auto text = id + " version " + std::to_string(version->number) + ' ' + version->digest + '\n';
        if (const int failed = settings.answer(nullptr, text); failed != exit_ok) return failed;
        if (!version->decision.reason.empty()) std::cerr << one_line(version->decision.reason) << '\n';
    }
    const bool ready = version->snapshot == SnapshotState::ready || version->snapshot == SnapshotState::stale;
    if (!waiting) {
        if (!settings.json && !ready) std::cerr << "hint: 'sandboxkit snapshot status " << id << " --wait' makes its snapshot\n";
        return settings.answer(to_json(*version), "");
    }
    if (!ready && version->last_job) {
        auto job = wait_for_snapshot(settings, *engine, *version->last_job);
        if (!job) return settings.fail(job.error());
        version = engine->version(settings.who(), id, version->number);
        if (!version) return settings.fail(version.error());
    }
    return settings.answer(to_json(*version), "snapshot " + std::string(to_string(version->snapshot)) + '\n');
}

int duplicate(const Settings& settings, const std::string& id, const std::string& name) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto made = engine->duplicate_profile(settings.who(), id, name);
    if (!made) return settings.fail(made.error());
    return settings.answer(to_json(*made), made->id + '\n');
}

int remove(const Settings& settings, const std::string& id, bool force, bool yes) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto info = engine->profile(settings.who(), id);
    if (!info) return settings.fail(info.error());
    if (!yes) {
        if (settings.json || !somebody_there()) {
            (void)settings.fail({ErrorClass::invalid,
                                 "not_confirmed",
                                 "nobody is there to be asked whether " + id + " is to go",
                                 "say --yes",
                                 "",
                                 {}});
            return exit_usage;
        }
        const auto what = "delete " + id + " (" + one_line(info->record.name) + ')' + (force ? " and remove its sessions" : "") +
                          "? it cannot be had back [y/N]";
        if (ask(what, "ny") != 'y')
            return settings.fail({ErrorClass::cancelled, "not_deleted", "the profile is as it was", "", "", {}});
    }
    auto deleted = wait(settings, engine->delete_profile(settings.who(), id, force));
    if (!deleted) return settings.fail(deleted.error());
    return settings.answer({{"id", id}, {"deleted", true}}, id + " deleted\n");
}

} // namespace

void add_profile(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* group = app.add_subcommand("profile", "Make, change and publish profiles");
    group->require_subcommand(1);
    struct Arguments {
        std::string id, file, section, name;
        std::optional<std::uint32_t> version;
        bool wait = false, force = false, yes = false;
    };
    const auto arguments = std::make_shared<Arguments>();

    auto* command = group->add_subcommand("create", "Make a profile from a document; prints its id");
    command->add_option("file", arguments->file, "The profile document; - for standard input")->required()->type_name("FILE");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return create(s, a.file); });

    command = group->add_subcommand("list", "List the profiles");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments&) { return list(s); });

    command = group->add_subcommand("show", "Print a profile's document: its draft, or else its newest version");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--version", arguments->version, "This version")->type_name("N");
    command->add_option("--section", arguments->section, "The members of this section only; 'profile edit --help' names them")
        ->type_name("S")
        ->check(CLI::IsMember(std::vector<std::string>(section_names.begin(), section_names.end())).description(""));
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return show(s, a.id, a.version, a.section); });

    add_profile_edits(*group, settings, chosen);
    add_profile_documents(*group, settings, chosen);

    command = group->add_subcommand("publish", "Freeze the draft as the next version, and queue its snapshot");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_flag("--wait", arguments->wait, "Make the snapshot now, and wait for it");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments& a) { return publish(s, a.id, a.wait); });

    add_profile_history(*group, settings, chosen);

    command = group->add_subcommand("duplicate", "Make a new profile of another's draft, or else newest version; prints its id");
    command->footer("The access list comes with it; triggers and schedules come turned off.\n");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--name", arguments->name, "The new name (else the old one and \" (copy)\")")
        ->type_name("NAME")
        ->check(not_empty);
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return duplicate(s, a.id, a.name); });

    command = group->add_subcommand("delete", "Delete a profile");
    command->footer(
        "On a terminal you are asked first; elsewhere, and with --json, it takes --yes. Its activity stays readable.\n");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_flag("--force", arguments->force, "Remove its sessions first; else it is refused while there are any");
    command->add_flag("--yes", arguments->yes, "Do not ask");
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return remove(s, a.id, a.force, a.yes); });

    command = group->add_subcommand("schema", "Print the JSON Schema of profile documents");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments&) {
        const auto schema = profile_schema();
        return s.answer(schema, pretty(schema));
    });

    command = group->add_subcommand("reference", "Print what a profile document may say, as Markdown");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments&) {
        const auto page = profile_reference();
        return s.answer({{"reference", page}}, page);
    });
}

} // namespace sandboxkit::cli
