// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <sandboxkit/timeline_format.hpp>

#include <fstream>
#include <iostream>

namespace sandboxkit::cli {

namespace {

std::string session_error(const SessionInfo& info) {
    return info.error ? info.error->message : "";
}

int start(const Settings& settings, StartOptions options) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto session = wait(settings, engine->start_session(settings.who(), std::move(options)));
    if (!session) return settings.fail(session.error());
    if (session->state != SessionState::running) { // the first start's, with the same token
        const auto state = std::string(to_string(session->state));
        return settings.fail({ErrorClass::conflict,
                              "session_not_running",
                              "the session of this token, " + session->id + ", is " + state,
                              session->state == SessionState::stopped ? "go on with it: sandboxkit session resume " + session->id
                                                                      : "start another with another token",
                              "",
                              {}},
                             {{"session", session->id}});
    }
    if (!settings.json)
        for (const auto& note : session->notes) std::cerr << "note: " << one_line(note) << '\n';
    return settings.answer(to_json(*session), session->id + '\n');
}

int list(const Settings& settings, bool all) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto sessions = engine->sessions(settings.who(), all);
    if (!sessions) return settings.fail(sessions.error());
    std::vector<std::vector<std::string>> rows{{"ID", "STATE", "PROFILE", "VERSION", "HOST", "OWNER", "CREATED", "WHY"}};
    for (const auto& s : *sessions)
        rows.push_back({s.id, std::string(to_string(s.state)), s.profile, std::to_string(s.version), s.host, s.owner,
                        time_text(s.created), session_error(s)});
    return settings.answer(list_to_json(*sessions), table(rows));
}

using SessionVerb = Operation<SessionInfo> (Engine::*)(const Principal&, std::string_view);

int act(const Settings& settings, const std::string& id, SessionVerb verb) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto session = wait(settings, ((*engine).*verb)(settings.who(), id));
    if (!session) return settings.fail(session.error());
    return settings.answer(to_json(*session), session->id + ' ' + std::string(to_string(session->state)) + '\n');
}

int timeline(const Settings& settings, const std::string& id, const std::string& trace) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto session = engine->session(settings.who(), id);
    if (!session) return settings.fail(session.error());
    if (!trace.empty()) {
        std::ofstream file(trace, std::ios::binary);
        file << chrome_trace(session->timeline, "sandboxkit " + id) << '\n';
        if (!file.flush())
            return settings.fail({ErrorClass::invalid, "file_not_writable", "cannot write " + trace, "check the path", "", {}});
    }
    return settings.answer(timeline_to_json(session->timeline), timeline_table(session->timeline));
}

} // namespace

void add_session(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* group = app.add_subcommand("session", "Sandboxes, started from snapshots");
    group->require_subcommand(1);
    struct Arguments {
        std::string id, token, trace;
        std::optional<std::uint32_t> version;
        std::optional<std::int64_t> idle_limit, time_limit;
        bool all = false;
    };
    const auto arguments = std::make_shared<Arguments>();
    const auto on = [&chosen, arguments, &settings](CLI::App* command, auto run) {
        command->callback(
            [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
    };
    const auto limit = CLI::Range(std::int64_t{1}, std::int64_t{365} * 86400);

    auto* command = group->add_subcommand("start", "Start a session; prints its id");
    command->add_option("profile", arguments->id, "The profile")->required()->type_name("PROFILE");
    command->add_option("--version", arguments->version, "This version instead of the newest usable")->type_name("N");
    command->add_option("--token", arguments->token, "A second start with the same token gives the first's session")
        ->type_name("TOKEN")
        ->check(not_empty);
    command
        ->add_option("--idle-limit", arguments->idle_limit,
                     "Stop it after so many seconds without use, by whoever has the store open then or next")
        ->type_name("S")
        ->check(limit);
    command
        ->add_option("--time-limit", arguments->time_limit,
                     "Stop it so many seconds after its start, by whoever has the store open then or next")
        ->type_name("S")
        ->check(limit);
    on(command, [](const Settings& s, const Arguments& a) {
        StartOptions options;
        options.profile = a.id;
        options.version = a.version;
        options.client_token = a.token;
        if (a.idle_limit) options.idle_limit = std::chrono::seconds(*a.idle_limit);
        if (a.time_limit) options.time_limit = std::chrono::seconds(*a.time_limit);
        return start(s, std::move(options));
    });

    command = group->add_subcommand("list", "List the sessions that exist");
    command->add_flag("--all", arguments->all, "And those that ended");
    on(command, [](const Settings& s, const Arguments& a) { return list(s, a.all); });

    const auto verb = [&](const char* name, const char* text, SessionVerb does) {
        auto* added = group->add_subcommand(name, text);
        added->add_option("session", arguments->id, "The session")->required()->type_name("SESSION");
        on(added, [does](const Settings& s, const Arguments& a) { return act(s, a.id, does); });
    };
    verb("stop", "End a session's processes; its files stay", &Engine::stop_session);
    verb("resume", "Start a stopped session again, with its files", &Engine::resume_session);
    verb("rm", "Remove a session and all that it holds", &Engine::remove_session);

    command = group->add_subcommand("timeline", "Say where the time of a session's start went");
    command->add_option("session", arguments->id, "The session")->required()->type_name("SESSION");
    command->add_option("--trace", arguments->trace, "Write it as a trace for ui.perfetto.dev too")->type_name("FILE");
    on(command, [](const Settings& s, const Arguments& a) { return timeline(s, a.id, a.trace); });

    add_processes(*group, settings, chosen);
    add_files(*group, settings, chosen);
}

} // namespace sandboxkit::cli
