// SPDX-License-Identifier: Apache-2.0
// sandboxkit, the command line: the public C++ interface and nothing else.
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/standard_streams.hpp"

#include <algorithm>
#include <sstream>

namespace sandboxkit::cli {

namespace {

int usage_error(const CLI::App& app, const CLI::ParseError& e, const Settings& settings) {
    std::string message = e.what();
    if (const auto unknown = app.remaining(true); !unknown.empty() && dynamic_cast<const CLI::RequiredError*>(&e))
        message = "'" + unknown.front() + "' is not known here";
    const CLI::App* at = &app;
    std::string command = "sandboxkit";
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
        command += ' ' + at->get_name();
    }
    (void)settings.fail({ErrorClass::invalid, "usage", message, "see " + command + " --help", "", {}});
    return exit_usage;
}

} // namespace

} // namespace sandboxkit::cli

int main(int argc, char** argv) {
    using namespace sandboxkit;
    using namespace sandboxkit::cli;

    occupy_closed_streams();
    Signals signals;
    Settings settings;
    settings.signals = &signals;
    const std::vector<std::string> arguments(argv, argv + argc);
    if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--"); dashes != arguments.end())
        settings.after_dashes.assign(dashes + 1, arguments.end());
    Chosen chosen;
    CLI::App app{"Sandboxes for AI coding agents.", "sandboxkit"};
    app.footer(exit_code_help);
    app.fallthrough(); // so that --json and the like may also follow a command
    app.require_subcommand(1);
    app.add_option("--store", settings.store, "The store's file (else SANDBOXKIT_STORE, else in the user's data directory)")
        ->type_name("FILE")
        ->check(not_empty);
    app.add_option("--state-directory", settings.state_directory,
                   "Where layers and sandboxes are (else SANDBOXKIT_STATE_DIRECTORY, else beside the store)")
        ->type_name("DIR")
        ->check(not_empty);
    app.add_option("--credentials", settings.credentials,
                   "Where credentials come from, in JSON (else SANDBOXKIT_CREDENTIALS, else there are none)")
        ->type_name("FILE")
        ->check(not_empty);
    app.add_flag("--json", settings.json, "Answer with one JSON document on standard output, errors included");
    app.add_option("--principal", settings.principal, "Who is recorded as asking (else the user's name)")->type_name("ID");
    app.add_flag_callback(
        "--version",
        [&app] { // of the program: an answer in place of what a command was to do would look like success
            if (!app.get_subcommands().empty()) throw CLI::ExtrasError({"--version"});
            throw CLI::CallForVersion(SANDBOXKIT_VERSION, 0);
        },
        "Print the version and end");
    add_doctor(app, settings, chosen);
    add_host(app, settings, chosen);
    add_profile(app, settings, chosen);
    add_snapshot(app, settings, chosen);
    add_session(app, settings, chosen);
    add_run(app, settings, chosen);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success)) return usage_error(app, e, settings);
        std::ostringstream text; // --help, --version
        app.exit(e, text);
        settings.json = false; // these are for people
        return settings.answer(nullptr, text.str());
    }
    return chosen();
}
