// SPDX-License-Identifier: Apache-2.0
#include "cli/building.hpp"
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <boost/json/array.hpp>

#include <iostream>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

std::string job_text(const JobInfo& job) {
    std::string text = job.id + ' ' + std::string(to_string(job.state));
    if (job.state == JobState::running || job.state == JobState::failed) text += " (" + std::string(to_string(job.phase)) + ')';
    return text;
}

int status(const Settings& settings, const std::string& id, bool waiting) {
    auto engine = settings.open(waiting);
    if (!engine) return settings.fail(engine.error());
    auto versions = engine->versions(settings.who(), id);
    if (!versions) return settings.fail(versions.error());
    if (waiting) {
        for (const auto& version : *versions) {
            if (!version.last_job) continue;
            auto job = engine->job(settings.who(), *version.last_job);
            if (!job) return settings.fail(job.error());
            const bool newest = &version == &versions->back();
            if (!newest && !is_active(job->state)) continue;
            // The newest version decides, also when its job had ended before; what became of an earlier one is in the table.
            auto ended = wait_for_snapshot(settings, *engine, job->id);
            if (!ended && (newest || settings.signals->last() != 0)) return settings.fail(ended.error());
        }
        versions = engine->versions(settings.who(), id);
        if (!versions) return settings.fail(versions.error());
    }
    json::array array;
    std::vector<std::vector<std::string>> rows{{"VERSION", "SNAPSHOT", "HOSTS", "PUBLISHED", "LAST JOB"}};
    std::string errors;
    for (const auto& version : *versions) {
        auto element = to_json(version);
        std::string last = "-";
        if (version.last_job) {
            auto job = engine->job(settings.who(), *version.last_job);
            if (!job) return settings.fail(job.error());
            element["job"] = to_json(*job);
            last = job_text(*job);
            if (job->error) errors += "version " + std::to_string(version.number) + ": " + one_line(job->error->message) + '\n';
        }
        array.push_back(std::move(element));
        std::string hosts;
        for (const auto& snapshot : version.snapshots)
            hosts += (hosts.empty() ? "" : ",") + snapshot.host + ':' + std::string(to_string(snapshot.state));
        rows.push_back({std::to_string(version.number), std::string(to_string(version.snapshot)), hosts.empty() ? "-" : hosts,
                        time_text(version.published), last});
    }
    return settings.answer(std::move(array), versions->empty() ? id + " has no published version\n" : table(rows) + errors);
}

int refresh(const Settings& settings, const std::string& id, std::optional<std::uint32_t> number, const std::string& host,
            bool waiting) {
    auto engine = settings.open(waiting);
    if (!engine) return settings.fail(engine.error());
    if (!number) {
        auto info = engine->profile(settings.who(), id);
        if (!info) return settings.fail(info.error());
        if (!info->latest_version)
            return settings.fail({ErrorClass::conflict,
                                  "nothing_published",
                                  id + " has no published version",
                                  "publish it: sandboxkit profile publish " + id,
                                  "",
                                  {}});
        number = info->latest_version;
    }
    auto job = engine->refresh_snapshot(settings.who(), id, *number, host);
    if (!job) return settings.fail(job.error());
    if (waiting) {
        auto ended = wait_for_snapshot(settings, *engine, job->id);
        if (!ended) return settings.fail(ended.error());
        job = *ended;
    } else if (!settings.json) {
        std::cerr << "hint: 'sandboxkit snapshot status " << id << " --wait' does the work\n";
    }
    return settings.answer(to_json(*job), job_text(*job) + '\n');
}

int logs(const Settings& settings, const std::string& job) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto text = engine->job_log(settings.who(), job);
    if (!text) return settings.fail(text.error());
    if (!text->empty() && text->back() != '\n' && !settings.json) *text += '\n';
    return settings.answer({{"job", job}, {"log", *text}}, *text);
}

int cancel(const Settings& settings, const std::string& id) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto job = engine->cancel_job(settings.who(), id);
    if (!job) return settings.fail(job.error());
    return settings.answer(to_json(*job), job_text(*job) + '\n');
}

} // namespace

void add_snapshot(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* group = app.add_subcommand("snapshot", "The prepared images of published versions");
    group->require_subcommand(1);
    struct Arguments {
        std::string id, host;
        std::optional<std::uint32_t> version;
        bool wait = false;
    };
    const auto arguments = std::make_shared<Arguments>();
    const auto on = [&chosen, arguments, &settings](CLI::App* command, auto run) {
        command->callback(
            [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
    };

    auto* command = group->add_subcommand("status", "Say of each version whether sessions can start from it");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_flag("--wait", arguments->wait, "Work on what is queued, and wait for it; fails when the newest has failed");
    on(command, [](const Settings& s, const Arguments& a) { return status(s, a.id, a.wait); });

    command = group->add_subcommand("refresh", "Make a version's snapshot again; the one that is there serves until then");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("--version", arguments->version, "This version instead of the newest")->type_name("N");
    command->add_option("--host", arguments->host, "On this host instead of where a session would start now")
        ->type_name("NAME")
        ->check(not_empty);
    command->add_flag("--wait", arguments->wait, "Do it now, and wait for it");
    on(command, [](const Settings& s, const Arguments& a) { return refresh(s, a.id, a.version, a.host, a.wait); });

    command = group->add_subcommand("logs", "Print what a snapshot job printed");
    command->add_option("job", arguments->id, "The job")->required()->type_name("JOB");
    on(command, [](const Settings& s, const Arguments& a) { return logs(s, a.id); });

    command = group->add_subcommand("cancel", "Cancel a snapshot job");
    command->add_option("job", arguments->id, "The job")->required()->type_name("JOB");
    on(command, [](const Settings& s, const Arguments& a) { return cancel(s, a.id); });
}

} // namespace sandboxkit::cli
