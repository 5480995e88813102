// SPDX-License-Identifier: Apache-2.0
// Each function adds its commands to the parser. A command that was chosen is left in `Chosen`, and run after parsing.
#pragma once

#include "cli/settings.hpp"

#include <CLI/CLI.hpp>

#include <functional>

namespace sandboxkit::cli {

using Chosen = std::function<int()>; // returns the exit code

void add_doctor(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_profile(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_snapshot(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_session(CLI::App& app, const Settings& settings, Chosen& chosen);
void add_run(CLI::App& app, const Settings& settings, Chosen& chosen);

} // namespace sandboxkit::cli
