// SPDX-License-Identifier: Apache-2.0
// A profile document and a command: everything between them in one go.
#include "cli/building.hpp"
#include "cli/commands.hpp"
#include "cli/exec_options.hpp"
#include "cli/exit_code.hpp"
#include "cli/passthrough.hpp"
#include "cli/text.hpp"

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

// Two first runs at once ask with the same token, so that they make one profile. What was made so and was then deleted or
// renamed would come back as it is now: the next token is for what follows it.
Result<ProfileInfo> make_profile(const Settings& settings, Engine& engine, const std::string& name, const std::string& document) {
    constexpr int most = 1000;
    for (int n = 1;; ++n) {
        const std::string token = "run:" + digest_of(name) + ':' + std::to_string(n);
        auto made = engine.create_profile(settings.who(), document, token);
        const bool gone = made ? made->record.name != name : made.error().kind == ErrorClass::not_found;
        if (!gone || n == most) return made;
    }
}

// The newest version when it says what the document says; else the draft is made to say it, and published.
Result<VersionInfo> publish_document(const Settings& settings, Engine& engine, const std::string& name, const std::string& digest,
                                     const std::string& document) {
    auto found = profile_named(settings, engine, name);
    if (!found) return found.error();
    std::optional<ProfileInfo>& profile = *found;
    const auto newest = [&]() -> Result<std::optional<VersionInfo>> {
        if (!profile || !profile->latest_version) return std::optional<VersionInfo>();
        auto version = engine.version(settings.who(), profile->id, *profile->latest_version);
        if (!version) return version.error();
        return version->digest == digest ? std::optional(std::move(*version)) : std::nullopt;
    };
    auto version = newest();
    if (!version) return version.error();
    if (*version) return std::move(**version);

    // Before anything is made or changed: what publishing would refuse.
    auto checked = wait(settings, engine.validate(settings.who(), document, Gate::publish));
    if (!checked) return checked.error();
    if (!checked->errors.empty())
        return Error{ErrorClass::unsupported,
                     "publish_refused",
                     "the profile asks for what cannot be enacted",
                     "change the fields that the problems name",
                     "",
                     std::move(checked->errors)};
    if (!profile) {
        auto made = make_profile(settings, engine, name, document);
        if (!made) return made.error();
        profile = std::move(*made); // perhaps another run's, which has come further
        version = newest();
        if (!version) return version.error();
        if (*version) return std::move(**version);
    }
    auto edited = engine.edit_draft(settings.who(), profile->id, document);
    if (!edited) return edited.error();
    auto published = wait(settings, engine.publish(settings.who(), profile->id));
    if (!published) return published;
    std::cerr << "published " << profile->id << " (" << one_line(name) << ") version " << published->number << ": "
              << one_line(published->decision.reason) << '\n';
    if (published->digest != digest) // somebody's edit came in between, and it was that which was published
        return Error{ErrorClass::conflict,
                     "draft_changed",
                     "other runs of this name publish other documents at the same time",
                     "give the profiles different names",
                     "",
                     {}};
    return published;
}

// A version that says what the document says.
Result<VersionInfo> version_of(const Settings& settings, Engine& engine, const std::string& document) {
    auto read = read_profile(document);
    if (!read) return read.error();
    const std::string digest = digest_of(canonical_recipe(read->recipe));
    constexpr int most = 20; // another run of this name publishes in between; with another document, it changes the draft
    for (int attempt = 1;; ++attempt) {
        auto version = publish_document(settings, engine, read->record.name, digest, document);
        const bool raced = !version && (version.error().code == "no_change" || version.error().code == "draft_changed");
        if (!raced || attempt == most) return version;
    }
}

// Waits for a snapshot that is being made, or has one made on the host that a session would start on.
Result<void> build(const Settings& settings, Engine& engine, const VersionInfo& version) {
    std::string job;
    for (const auto& snapshot : version.snapshots)
        if (snapshot.state == SnapshotState::pending) job = snapshot.last_job.value_or("");
    if (job.empty()) {
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
    auto version = version_of(settings, *engine, document->text);
    if (!version) return settings.fail(version.error(), {}, &*document);
    boost::json::object answer{{"profile", version->profile}, {"version", version->number}};
    if (version->snapshot != SnapshotState::ready && version->snapshot != SnapshotState::stale)
        if (auto built = build(settings, *engine, *version); !built) return settings.fail(built.error(), std::move(answer));

    // From here on a signal is no way out before the session is removed: it goes to the command, or prevents it.
    std::optional<Signals::Scope> no_way_out;
    no_way_out.emplace(*settings.signals, [](int) {});
    StartOptions start;
    start.profile = version->profile;
    start.version = version->number;
    auto session = wait(settings, engine->start_session(settings.who(), start));
    if (!session && session.error().code == "snapshot_not_ready") { // on its host; others have one
        no_way_out.reset();
        version = engine->version(settings.who(), version->profile, version->number);
        if (!version) return settings.fail(version.error(), std::move(answer));
        if (auto built = build(settings, *engine, *version); !built) return settings.fail(built.error(), std::move(answer));
        no_way_out.emplace(*settings.signals, [](int) {});
        session = wait(settings, engine->start_session(settings.who(), start));
    }
    if (!session) return settings.fail(session.error(), std::move(answer));
    boost::json::array notes;
    for (const auto& note : session->notes) {
        notes.push_back(boost::json::value(note));
        if (!settings.json) std::cerr << "note: " << one_line(note) << '\n';
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
                    "unchanged document starts at once. Of several profiles of that name the oldest serves.\n\n" +
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
