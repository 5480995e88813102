// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace sandboxkit::cli {

namespace {

int doctor(const Settings& settings) {
    auto options = settings.engine_options();
    if (!options) return settings.fail(options.error());
    boost::json::array checks;
    std::string text = "sandboxkit " SANDBOXKIT_VERSION "\n";
    bool missing = false;
    for (const auto& check : Engine::doctor(*options)) {
        constexpr std::string_view marks[] = {"ok      ", "warning ", "MISSING "}, names[] = {"ok", "warning", "missing"};
        const auto status = static_cast<std::size_t>(check.status);
        missing = missing || check.status == DoctorCheck::Status::missing;
        text += std::string(marks[status]) + check.name + ": " + check.message + '\n';
        if (!check.remedy.empty()) text += "        -> " + check.remedy + '\n';
        checks.push_back({{"name", check.name}, {"status", names[status]}, {"message", check.message}, {"remedy", check.remedy}});
    }
    text += missing ? "This host cannot run sandboxes until what is missing is there.\n" : "This host can run sandboxes.\n";
    const int failed =
        settings.answer({{"version", SANDBOXKIT_VERSION}, {"ready", !missing}, {"checks", std::move(checks)}}, text);
    if (failed != exit_ok) return failed;
    return missing ? exit_code(ErrorClass::unsupported) : exit_ok;
}

} // namespace

void add_doctor(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* command = app.add_subcommand("doctor", "Say what this host can do, and what is missing");
    command->callback([&settings, &chosen] { chosen = [&settings] { return doctor(settings); }; });
}

} // namespace sandboxkit::cli
