// SPDX-License-Identifier: Apache-2.0
// Each function adds its commands to the parser. A command that was chosen is left in `Chosen`, and run after parsing.
#pragma once

#include "cli/settings.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>

namespace sandboxkit::cli {

using Chosen = std::function<int()>; // returns the exit code

// For options whose empty value would otherwise count as none.
inline const CLI::Validator not_empty([](std::string& value) { return value.empty() ? std::string("must not be empty") : ""; },
                                      "");

// Of all that `run` needs, what was parsed is in `arguments`, which several commands may share.
template <class Arguments, class Run>
void choose(CLI::App* command, Chosen& chosen, const Settings& settings, const std::shared_ptr<Arguments>& arguments, Run run) {
    command->callback(
        [&chosen, arguments, &settings, run] { chosen = [arguments, &settings, run] { return run(settings, *arguments); }; });
}

void add_doctor(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_host(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_profile(CLI::App& app, const Settings& settings, Chosen& chosen);
// Of the group `profile`.
void add_profile_documents(CLI::App& group, const Settings& settings, Chosen& chosen);
void add_profile_edits(CLI::App& group, const Settings& settings, Chosen& chosen);
void add_profile_history(CLI::App& group, const Settings& settings, Chosen& chosen);
void add_snapshot(CLI::App& app, const Settings& settings, Chosen& chosen);
// Of the group `session`.
void add_processes(CLI::App& group, const Settings& settings, Chosen& chosen);
void add_files(CLI::App& group, const Settings& settings, Chosen& chosen);
void add_session(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_run(CLI::App& app, const Settings& settings, Chosen& chosen);

} // namespace sandboxkit::cli
