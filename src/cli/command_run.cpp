// SPDX-License-Identifier: Apache-2.0
// A profile document and a command: everything between them in one go.
#include "cli/building.hpp"
#include "cli/commands.hpp"
#include "cli/exec_options.hpp"
#include "cli/exit_code.hpp"
#include "cli/passthrough.hpp"

#include <sandboxkit/digest.hpp>
#include <sandboxkit/profile_document.hpp>

#include <iostream>
#include <optional>

namespace sandboxkit::cli {

namespace {

// The profile of that name, the oldest if there are several.
Result<std::optional<ProfileInfo>> profile_named(const Settings& settings, const Engine& engine, const std::string& name) {
    auto profiles = engine.profiles(settings.who());
    if (!profiles) return profiles.error();
    std::optional<ProfileInfo> found;
    for (const auto& profile : *profiles)
        if (profile.record.name == name && (!found || profile.created < found->created)) found = profile;
    return found;
}

// A version that says what the document says: the newest when it does, else a new one.
Result<VersionInfo> version_of(const Settings& settings, Engine& engine, const std::string& document) {
    auto read = read_profile(document);
    if (!read) return read.error();
    auto found = profile_named(settings, engine, read->record.name);
    if (!found) return found.error();
    std::optional<ProfileInfo>& profile = *found;
    if (profile && profile->latest_version) {
        auto newest = engine.version(settings.who(), profile->id, *profile->latest_version);
        if (!newest || newest->digest == digest_of(canonical_recipe(read->recipe))) return newest;
    }
    // Before anything is made or changed: what publishing would refuse.
    auto problems = wait(settings, engine.validate(settings.who(), document, true));
    if (!problems) return problems.error();
    if (!problems->empty())
        return Error{ErrorClass::unsupported,
                     "publish_refused",
                     "the profile asks for what cannot be enacted",
                     "change the fields that the problems name",
                     "",
                     std::move(*problems)};
    auto drafted =
        profile ? engine.edit_draft(settings.who(), profile->id, document) : engine.create_profile(settings.who(), document);
    if (!drafted) return drafted.error();
    std::cerr << "publishing " << drafted->id << " (" << read->record.name << ")\n";
    auto published = wait(settings, engine.publish(settings.who(), drafted->id));
    if (published) std::cerr << "version " << published->number << ": " << published->decision.reason << '\n';
    return published;
}

// Waits for the version's snapshot, or has a failed one made again.
Result<void> make_ready(const Settings& settings, Engine& engine, const VersionInfo& version) {
    if (version.snapshot == SnapshotState::ready || version.snapshot == SnapshotState::stale) return {};
    std::string job = version.last_job.value_or("");
    if (version.snapshot != SnapshotState::pending || job.empty()) {
        auto queued = engine.refresh_snapshot(settings.who(), version.profile, version.number);
        if (!queued) return queued.error();
        job = queued->id;
    }
    auto made = wait_for_snapshot(settings, engine, job);
    if (!made) return made.error();
    return {};
}

int run(const Settings& settings, const std::string& file, bool keep, const ExecOptions& options) {
    auto request = options.request();
    if (!request) return settings.fail(request.error());
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create(true);
    if (!engine) return settings.fail(engine.error());
    auto version = version_of(settings, *engine, *document);
    if (!version) return settings.fail(version.error());
    boost::json::object answer{{"profile", version->profile}, {"version", version->number}};
    if (auto ready = make_ready(settings, *engine, *version); !ready) return settings.fail(ready.error(), std::move(answer));

    // From here on a signal is no way out before the session is removed: it goes to the command, or prevents it.
    const Signals::Scope no_way_out(*settings.signals, [](int) {});
    StartOptions start;
    start.profile = version->profile;
    start.version = version->number;
    auto session = wait(settings, engine->start_session(settings.who(), std::move(start)));
    if (!session) return settings.fail(session.error(), std::move(answer));
    boost::json::array notes;
    for (const auto& note : session->notes) {
        notes.push_back(boost::json::value(note));
        if (!settings.json) std::cerr << "note: " << note << '\n';
    }
    Result<CommandEnd> ended =
        Error{ErrorClass::cancelled, "interrupted", "interrupted before the command was started", "", "", {}};
    auto passing = options.passing();
    if (file == "-") passing.input = false;
    if (settings.signals->last() == 0) ended = run_command(settings, *engine, session->id, std::move(*request), passing);
    Result<SessionInfo> after = *session;
    if (!keep)
        after = engine->remove_session(settings.who(), session->id).get();
    else if (!settings.json)
        std::cerr << "kept: " << session->id << '\n';

    answer["session"] = session->id;
    answer["kept"] = keep || !after;
    answer["notes"] = std::move(notes);
    if (ended) answer.insert(ended->answer.begin(), ended->answer.end());
    if (!ended) return settings.fail(ended.error(), std::move(answer));
    if (!after) return settings.fail(after.error(), std::move(answer));
    if (settings.json)
        if (const int failed = settings.answer(answer, ""); failed != exit_ok) return failed;
    return ended->code;
}

} // namespace

void add_run(CLI::App& app, const Settings& settings, Chosen& chosen) {
    struct Arguments {
        std::string file;
        bool keep = false;
        ExecOptions exec;
    };
    const auto arguments = std::make_shared<Arguments>();
    auto* command = app.add_subcommand("run", "Run a command in a session of its own, from a profile document, all in one go");
    command->footer("The profile of the document's name is made or changed, published and snapshotted when it has to be; the "
                    "second run of an\n"
                    "unchanged document starts at once. Two first runs at the same time make two profiles of that name, of "
                    "which the older\n"
                    "serves from then on.\n\n" +
                    std::string(exec_json_help) + '\n' + exit_code_help);
    command->add_option("profile", arguments->file, "The profile document; - for standard input, and then the command has none")
        ->required()
        ->type_name("PROFILE.json");
    command->add_flag("--keep", arguments->keep, "Keep the session afterwards");
    arguments->exec.add_to(*command);
    command->callback([&chosen, arguments, &settings] {
        arguments->exec.insist_on_dashes(settings.after_dashes);
        chosen = [arguments, &settings] { return run(settings, arguments->file, arguments->keep, arguments->exec); };
    });
}

} // namespace sandboxkit::cli
