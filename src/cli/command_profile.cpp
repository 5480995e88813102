// SPDX-License-Identifier: Apache-2.0
#include "cli/building.hpp"
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/standard_streams.hpp"

#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/profile_reference.hpp>
#include <sandboxkit/profile_schema.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iostream>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

int create(const Settings& settings, const std::string& file) {
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create();
    if (!engine) return settings.fail(engine.error());
    auto made = engine->create_profile(settings.who(), *document);
    if (!made) return settings.fail(made.error());
    return settings.answer(to_json(*made), made->id + '\n');
}

// The user's editor on a file of the draft.
Result<std::string> edit_by_hand(const std::string& draft) {
    const auto directory = std::filesystem::temp_directory_path();
    std::string path = (directory / "sandboxkit-profile-XXXXXX.json").string();
    const int fd = ::mkstemps(path.data(), 5);
    if (fd < 0)
        return Error{ErrorClass::unavailable,
                     "no_temporary_file",
                     "cannot make a file in " + directory.string(),
                     "make room there",
                     "",
                     {}};
    const int number = write_all(fd, draft);
    ::close(fd);
    if (number != 0) {
        ::unlink(path.c_str());
        return Error{ErrorClass::unavailable,
                     "no_temporary_file",
                     "cannot write " + path + ": " + std::strerror(number),
                     "make room there",
                     "",
                     {}};
    }
    const char* editor = std::getenv("VISUAL");
    if (!editor || !*editor) editor = std::getenv("EDITOR");
    if (!editor || !*editor) editor = "vi";
    std::string quoted = "'";
    for (const char c : path) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    const int status = std::system((std::string(editor) + ' ' + quoted + "'").c_str());
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ::unlink(path.c_str());
        return Error{ErrorClass::cancelled,
                     "editor_failed",
                     "the editor ended with an error; the draft is as it was",
                     "set VISUAL or EDITOR, or give a file",
                     editor,
                     {}};
    }
    auto edited = read_document(path);
    if (edited && !read_profile(*edited))
        std::cerr << "what you wrote is kept in " << path << '\n';
    else
        ::unlink(path.c_str());
    return edited;
}

int edit(const Settings& settings, const std::string& id, const std::string& file, bool by_hand) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    std::optional<std::uint32_t> revision;
    Result<std::string> document = std::string();
    if (by_hand) {
        auto info = engine->profile(settings.who(), id);
        if (!info) return settings.fail(info.error());
        if (info->has_draft) revision = info->draft_revision;
        auto draft = engine->draft(settings.who(), id);
        if (!draft) return settings.fail(draft.error());
        const auto before = pretty(profile_to_json(*draft));
        document = edit_by_hand(before);
        if (document && *document == before) return settings.answer(to_json(*info), id + " is unchanged\n");
    } else {
        document = read_document(file);
    }
    if (!document) return settings.fail(document.error());
    auto edited = engine->edit_draft(settings.who(), id, *document, revision);
    if (!edited) return settings.fail(edited.error());
    return settings.answer(to_json(*edited), id + " draft, revision " + std::to_string(edited->draft_revision) + '\n');
}

int show(const Settings& settings, const std::string& id, std::optional<std::uint32_t> number) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto info = engine->profile(settings.who(), id);
    if (!info) return settings.fail(info.error());
    if (number) {
        auto version = engine->version(settings.who(), id, *number);
        if (!version) return settings.fail(version.error());
        return settings.answer(to_json(*version), pretty(profile_to_json(Profile{info->record, version->recipe})));
    }
    auto draft = engine->draft(settings.who(), id);
    if (!draft) return settings.fail(draft.error());
    auto document = profile_to_json(*draft);
    const auto text = pretty(document);
    auto answer = to_json(*info);
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

int show_difference(const Settings& settings, const std::string& id, const std::string& a, const std::string& b) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto before = recipe_of(settings, *engine, id, a);
    if (!before) return settings.fail(before.error());
    auto after = recipe_of(settings, *engine, id, b);
    if (!after) return settings.fail(after.error());
    const auto decision = decide_rebuild(&*before, *after);
    const auto steps = diff(compile(*before), compile(*after));
    std::string text;
    for (const auto& change : decision.changes) {
        text += change.pointer + "  (" + change.reason + ")\n";
        if (!change.before.empty()) text += "  - " + change.before + '\n';
        if (!change.after.empty()) text += "  + " + change.after + '\n';
    }
    if (!steps.empty()) text += "steps:\n";
    for (const auto& step : steps) text += "  " + step + '\n';
    text += "snapshot: " + std::string(decision.reuse ? "reused" : "rebuilt") + ": " + decision.reason + '\n';
    json::array lines;
    for (const auto& step : steps) lines.push_back(json::value(step));
    return settings.answer(json::object{{"changes", list_to_json(decision.changes)},
                                        {"steps", std::move(lines)},
                                        {"reuse", decision.reuse},
                                        {"reason", decision.reason}},
                           text);
}

int validate(const Settings& settings, const std::string& file, bool for_publish) {
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create(); // what can be published is asked of an engine, and there is none without a store
    if (!engine) return settings.fail(engine.error());
    auto problems = wait(settings, engine->validate(settings.who(), std::move(*document), for_publish));
    if (!problems) return settings.fail(problems.error());
    if (!problems->empty()) return settings.fail(document_error("profile_invalid", "the profile", std::move(*problems)));
    return settings.answer({{"problems", json::array()}}, "no problems\n");
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
        if (!version->decision.reason.empty()) std::cerr << version->decision.reason << '\n';
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

} // namespace

void add_profile(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* group = app.add_subcommand("profile", "Make, change and publish profiles");
    group->require_subcommand(1);
    struct Arguments {
        std::string id, file, a, b;
        std::optional<std::uint32_t> version;
        bool editor = false, wait = false, form_only = false;
    };
    const auto arguments = std::make_shared<Arguments>();
    const auto on = [&chosen, arguments, &settings](CLI::App* command, auto run) {
        command->callback(
            [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
    };

    auto* command = group->add_subcommand("create", "Make a profile from a document; prints its id");
    command->add_option("file", arguments->file, "The profile document; - for standard input")->required()->type_name("FILE");
    on(command, [](const Settings& s, const Arguments& a) { return create(s, a.file); });

    command = group->add_subcommand("edit", "Replace a profile's draft");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    auto* file = command->add_option("file", arguments->file, "The new document; - for standard input")->type_name("FILE");
    auto* editor = command->add_flag("--editor", arguments->editor, "Open the draft in VISUAL or EDITOR instead");
    editor->excludes(file);
    command->callback([&chosen, arguments, &settings] {
        if (arguments->file.empty() && !arguments->editor) throw CLI::RequiredError("FILE or --editor");
        chosen = [arguments, &settings] { return edit(settings, arguments->id, arguments->file, arguments->editor); };
    });

    command = group->add_subcommand("show", "Print a profile's document: its draft, or else its newest version");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--version", arguments->version, "This version")->type_name("N");
    on(command, [](const Settings& s, const Arguments& a) { return show(s, a.id, a.version); });

    command = group->add_subcommand("list", "List the profiles");
    on(command, [](const Settings& s, const Arguments&) { return list(s); });

    command = group->add_subcommand("diff", "Compare two versions field by field, and say what it means for the snapshot");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("a", arguments->a, "A version's number, or draft")->required()->type_name("A");
    command->add_option("b", arguments->b, "A version's number, or draft")->required()->type_name("B");
    on(command, [](const Settings& s, const Arguments& a) { return show_difference(s, a.id, a.a, a.b); });

    command = group->add_subcommand("validate", "Check a document without storing it");
    command->add_option("file", arguments->file, "The profile document; - for standard input")->required()->type_name("FILE");
    command->add_flag("--form", arguments->form_only, "Its form only, not whether it could be published");
    on(command, [](const Settings& s, const Arguments& a) { return validate(s, a.file, !a.form_only); });

    command = group->add_subcommand("publish", "Freeze the draft as the next version, and queue its snapshot");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_flag("--wait", arguments->wait, "Make the snapshot now, and wait for it");
    on(command, [](const Settings& s, const Arguments& a) { return publish(s, a.id, a.wait); });

    command = group->add_subcommand("schema", "Print the JSON Schema of profile documents");
    on(command, [](const Settings& s, const Arguments&) {
        const auto schema = profile_schema();
        return s.answer(schema, pretty(schema));
    });

    command = group->add_subcommand("reference", "Print what a profile document may say, as Markdown");
    on(command, [](const Settings& s, const Arguments&) {
        const auto page = profile_reference();
        return s.answer({{"reference", page}}, page);
    });
}

} // namespace sandboxkit::cli
