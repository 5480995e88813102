// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace sandboxkit::cli {

namespace {

// Those of the store, if there is one. One that cannot be used is no fault of this machine's.
std::vector<DoctorCheck> registered_hosts(const Settings& settings) {
    std::vector<DoctorCheck> checks;
    auto engine = settings.open();
    if (!engine) return checks;
    auto hosts = engine->hosts(settings.who());
    if (!hosts) return checks;
    std::vector<std::pair<std::string, Operation<HostStatus>>> asked; // all at once
    for (const auto& host : *hosts)
        if (host.registered) asked.emplace_back(host.definition.name, engine->test_host(settings.who(), host.definition.name));
    for (auto& [name, operation] : asked) {
        DoctorCheck check{"host " + name, DoctorCheck::Status::warning, "", ""};
        auto status = wait(settings, std::move(operation));
        if (!status) {
            check.message = one_line(status.error().message);
            check.remedy = one_line(status.error().remedy);
        } else {
            if (status->state == HostState::usable) check.status = DoctorCheck::Status::ok;
            check.message = std::string(to_string(status->state)) + ": " + one_line(status->message);
            check.remedy = one_line(status->remedy);
        }
        checks.push_back(std::move(check));
    }
    return checks;
}

int doctor(const Settings& settings) {
    auto options = settings.engine_options();
    if (!options) return settings.fail(options.error());
    boost::json::array checks;
    std::string text = "sandboxkit " SANDBOXKIT_VERSION "\n";
    bool missing = false;
    auto found = Engine::doctor(*options);
    if (auto registered = registered_hosts(settings); !registered.empty())
        found.insert(found.end(), registered.begin(), registered.end());
    for (const auto& check : found) {
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
