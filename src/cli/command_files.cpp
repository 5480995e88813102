// SPDX-License-Identifier: Apache-2.0
// Files of a session: whole trees in and out, and what happens to them.
#include "cli/commands.hpp"
#include "cli/standard_streams.hpp"
#include "cli/text.hpp"

#include <sandboxkit/answers_json.hpp>

#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace sandboxkit::cli {

namespace {

int transferred(const Settings& settings, const Result<TreeSummary>& summary) {
    if (!summary) return settings.fail(summary.error());
    return settings.answer({{"entries", summary->entries}, {"bytes", summary->bytes}},
                           std::to_string(summary->entries) + " entries, " + std::to_string(summary->bytes) + " bytes\n");
}

int upload(const Settings& settings, const std::string& session, const std::string& from, const std::string& to) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    return transferred(settings, wait(settings, engine->upload_tree(settings.who(), session, from, to)));
}

int download(const Settings& settings, const std::string& session, const std::string& from, const std::string& to) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    return transferred(settings, wait(settings, engine->download_tree(settings.who(), session, from, to)));
}

int watch(const Settings& settings, const std::string& session, const std::string& path, bool recursive) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto watch = wait(settings, engine->watch_directory(settings.who(), session, path, recursive));
    if (!watch) return settings.fail(watch.error());
    for (;;) {
        auto event = wait(settings, watch->next());
        if (!event) return settings.fail(event.error());
        const std::string line = settings.json ? boost::json::serialize(to_json(*event))
                                               : std::string(to_string(event->change)) + ' ' + one_line(event->name);
        const int broken = write_all(STDOUT_FILENO, line + '\n');
        if (broken == EPIPE) return 128 + SIGPIPE; // nobody reads any more
        if (broken != 0) return settings.fail(output_error(STDOUT_FILENO, broken));
    }
}

} // namespace

void add_files(CLI::App& group, const Settings& settings, Chosen& chosen) {
    struct Arguments {
        std::string session, from, to;
        bool recursive = false;
    };
    const auto arguments = std::make_shared<Arguments>();
    const auto add = [&](const char* name, const char* text, auto run) {
        auto* command = group.add_subcommand(name, text);
        command->add_option("session", arguments->session, "The session")->required()->type_name("SESSION");
        command->callback(
            [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
        return command;
    };
    const auto kept =
        "Permissions, times, links and holes are kept; owners are not. What is there already stays, unless it is in "
        "the way.\n";

    auto* command = add("upload", "Put a file, or what is below a directory, into a directory of a session",
                        [](const Settings& s, const Arguments& a) { return upload(s, a.session, a.from, a.to); });
    command->add_option("from", arguments->from, "Here")->required()->type_name("PATH")->check(not_empty);
    command->add_option("to", arguments->to, "The directory there; it is made if it is missing")
        ->required()
        ->type_name("DIR")
        ->check(not_empty);
    command->footer(kept);

    command = add("download", "Get a file, or what is below a directory, out of a session into a directory",
                  [](const Settings& s, const Arguments& a) { return download(s, a.session, a.from, a.to); });
    command->add_option("from", arguments->from, "There")->required()->type_name("PATH")->check(not_empty);
    command->add_option("to", arguments->to, "The directory here; it is made if it is missing")
        ->required()
        ->type_name("DIR")
        ->check(not_empty);
    command->footer(kept);

    command = add("watch", "Tell what happens to the files of a directory of a session, a line for each change",
                  [](const Settings& s, const Arguments& a) { return watch(s, a.session, a.from, a.recursive); });
    command->add_option("path", arguments->from, "The directory there")->required()->type_name("DIR")->check(not_empty);
    command->add_flag("-r,--recursive", arguments->recursive, "And in the directories below it");
    command->footer("Ends when it is interrupted. With --json each line is one document.\n");
}

} // namespace sandboxkit::cli
