// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <filesystem>

namespace sandboxkit::cli {

namespace {

struct Arguments {
    std::string name;
    HostDefinition host;
    HostTls tls;
    HostSsh ssh;
    std::vector<std::string> labels; // name=value
    bool with_tls = false, force = false, none = false;
};

// The engine takes absolute paths only, as it may run elsewhere at its next start.
std::string absolute(const std::string& path) {
    std::error_code ec;
    return path.empty() ? path : std::filesystem::absolute(path, ec).lexically_normal().string();
}

int add(const Settings& settings, const Arguments& given) {
    HostDefinition host = given.host;
    host.name = given.name;
    for (const auto& label : given.labels) {
        const auto equals = label.find('=');
        if (equals == std::string::npos)
            return settings.fail(
                {ErrorClass::invalid, "usage", "the label '" + label + "' has no value", "write it as name=value", "", {}});
        host.labels[label.substr(0, equals)] = label.substr(equals + 1);
    }
    const HostTls tls{absolute(given.tls.ca), absolute(given.tls.certificate), absolute(given.tls.key)};
    const HostSsh ssh{absolute(given.ssh.identity), absolute(given.ssh.known_hosts)};
    if (given.with_tls || tls != HostTls{}) host.tls = tls;
    if (ssh != HostSsh{}) host.ssh = ssh;
    auto engine = settings.open_or_create(false);
    if (!engine) return settings.fail(engine.error());
    auto added = engine->add_host(settings.who(), host);
    if (!added) return settings.fail(added.error());
    return settings.answer(to_json(*added), added->definition.name + " registered\n");
}

int list(const Settings& settings) {
    auto engine = settings.open_or_create(false);
    if (!engine) return settings.fail(engine.error());
    auto hosts = engine->hosts(settings.who());
    if (!hosts) return settings.fail(hosts.error());
    std::vector<std::vector<std::string>> rows{{"NAME", "PROVIDER", "KIND", "DEFAULT", "ENDPOINT", "LABELS"}};
    for (const auto& host : *hosts) {
        std::string labels;
        for (const auto& [name, value] : host.definition.labels) labels += (labels.empty() ? "" : ",") + name + '=' + value;
        rows.push_back({host.definition.name, host.definition.provider, host.registered ? "registered" : "managed",
                        host.is_default ? "yes" : "-", host.definition.endpoint.empty() ? "-" : host.definition.endpoint,
                        labels.empty() ? "-" : labels});
    }
    return settings.answer(list_to_json(*hosts), table(rows));
}

int test(const Settings& settings, const Arguments& given) {
    auto engine = settings.open_or_create(false);
    if (!engine) return settings.fail(engine.error());
    auto status = wait(settings, engine->test_host(settings.who(), given.name));
    if (!status) return settings.fail(status.error());
    std::string text = given.name + ": " + std::string(to_string(status->state)) + ": " + one_line(status->message) + '\n';
    for (const auto& [name, fact] : status->facts) text += "  " + one_line(name) + ": " + one_line(fact) + '\n';
    if (!status->remedy.empty()) text += "  -> " + one_line(status->remedy) + '\n';
    const int failed = settings.answer(to_json(*status), text);
    if (failed != exit_ok) return failed;
    const bool usable = status->state == HostState::usable || status->state == HostState::slow;
    return usable ? exit_ok : exit_code(ErrorClass::unavailable);
}

int remove(const Settings& settings, const Arguments& given) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    if (auto removed = engine->remove_host(settings.who(), given.name, given.force); !removed)
        return settings.fail(removed.error());
    return settings.answer({{"name", given.name}, {"removed", true}}, given.name + " removed\n");
}

int accept(const Settings& settings, const Arguments& given) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    if (auto accepted = engine->accept_host(settings.who(), given.name); !accepted) return settings.fail(accepted.error());
    return settings.answer({{"name", given.name}, {"accepted", true}}, given.name + " is taken as it is now\n");
}

int choose_default(const Settings& settings, const Arguments& given) {
    auto engine = settings.open_or_create(false);
    if (!engine) return settings.fail(engine.error());
    if (!given.name.empty() || given.none)
        if (auto chosen = engine->set_default_host(settings.who(), given.name); !chosen) return settings.fail(chosen.error());
    auto hosts = engine->hosts(settings.who());
    if (!hosts) return settings.fail(hosts.error());
    std::string name;
    for (const auto& host : *hosts)
        if (host.is_default) name = host.definition.name;
    return settings.answer({{"default", name.empty() ? boost::json::value(nullptr) : boost::json::value(name)}},
                           name.empty() ? "none: each profile runs on the managed host of its provider\n" : name + '\n');
}

} // namespace

void add_host(CLI::App& app, const Settings& settings, Chosen& chosen) {
    auto* group = app.add_subcommand("host", "Where sandboxes run: registered hosts beside the managed ones");
    group->require_subcommand(1);
    const auto arguments = std::make_shared<Arguments>();
    auto& a = *arguments;

    auto* command =
        group->add_subcommand("add", "Register a host; its credentials stay in their files, which are read at each use");
    command->add_option("name", a.name, "How profiles call it")->required()->type_name("NAME");
    command->add_option("--provider", a.host.provider, "What runs sandboxes there, such as docker")
        ->required()
        ->type_name("PROVIDER");
    command->add_option("--endpoint", a.host.endpoint, "unix:///path, tcp://host:port or ssh://[user@]host[:port]")
        ->required()
        ->type_name("URL");
    command->add_flag("--tls", a.with_tls, "TLS with the system's authorities and no certificate of one's own");
    command->add_option("--tls-ca", a.tls.ca, "The authorities to trust in place of the system's")->type_name("FILE");
    command->add_option("--tls-certificate", a.tls.certificate, "Our certificate")->type_name("FILE");
    command->add_option("--tls-key", a.tls.key, "Its key")->type_name("FILE");
    command->add_option("--ssh-identity", a.ssh.identity, "The key to log in with (else those that ssh would use)")
        ->type_name("FILE");
    command->add_option("--ssh-known-hosts", a.ssh.known_hosts, "The host keys to trust (else those that ssh would)")
        ->type_name("FILE");
    command->add_option("--label", a.labels, "Of the host; may be repeated")->type_name("NAME=VALUE");
    choose(command, chosen, settings, arguments, add);

    command = group->add_subcommand("list", "List the hosts");
    choose(command, chosen, settings, arguments, [](const Settings& s, const Arguments&) { return list(s); });

    command = group->add_subcommand("test", "Ask a host whether it can be used, and say what is wrong with it");
    command->add_option("name", a.name, "The host")->required()->type_name("NAME");
    choose(command, chosen, settings, arguments, test);

    command = group->add_subcommand("remove", "Forget a registered host");
    command->add_option("name", a.name, "The host")->required()->type_name("NAME");
    command->add_flag("--force", a.force, "Also its sessions and snapshots, which stay on the host itself");
    choose(command, chosen, settings, arguments, remove);

    command = group->add_subcommand("accept", "Take a host that was replaced as it is now, and give up what was there before");
    command->add_option("name", a.name, "The host")->required()->type_name("NAME");
    choose(command, chosen, settings, arguments, accept);

    command = group->add_subcommand("default", "Say or choose where profiles run that name no host");
    auto* name = command->add_option("name", a.name, "The host")->type_name("NAME")->check(not_empty);
    command->add_flag("--none", a.none, "None: each on the managed host of its provider")->excludes(name);
    choose(command, chosen, settings, arguments, choose_default);
}

} // namespace sandboxkit::cli
