// SPDX-License-Identifier: Apache-2.0
#include "engine/hosts.hpp"

#include "async/within.hpp"
#include "engine/guest_path.hpp"
#include "providers/docker/docker_provider.hpp"

#include <sandboxkit/check_references.hpp>
#include <sandboxkit/host_document.hpp>

#include <boost/asio/post.hpp>
#include <boost/json/serialize.hpp>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace sandboxkit::engine {

using namespace std::chrono_literals;

static constexpr auto answer_limit = 10s;
static constexpr auto slow_answer = 2s;

namespace {

Result<HostDefinition> stored_definition(const store::Host& row) {
    auto definition = read_host_definition(row.definition);
    if (definition) return definition;
    return Error{
        ErrorClass::data_loss,        "stored_host_damaged",      "the host \"" + row.name + "\" in the store cannot be read",
        "remove it and add it again", definition.error().message, {}};
}

Error no_host(std::string_view name) {
    return {ErrorClass::not_found,
            "no_host",
            "there is no host \"" + std::string(name) + "\"",
            "see the list of hosts, or register it",
            "",
            {}};
}

std::string joined(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
    return all.empty() ? "none" : all;
}

void log_host(const Context& context, LogLevel level, std::string_view event, std::string message, std::string_view name,
              const store::GivenUp& given) {
    context.log(level, event, std::move(message),
                {{"host", std::string(name)},
                 {"sessions", std::to_string(given.sessions.size())},
                 {"snapshots", std::to_string(given.snapshots)}});
}

// What of a host is in this process, and no longer means anything.
void forget(Context& context, std::string_view name, const store::GivenUp& given) {
    auto provider = context.hosts.forget(name);
    if (provider) boost::asio::post(context.io, [provider = std::move(provider)] {}); // its connections belong there
    std::vector<std::shared_ptr<envd::Client>> clients;
    std::lock_guard guard(context.sessions_mutex);
    for (const auto& session : given.sessions)
        if (auto found = context.clients.extract(session); !found.empty()) clients.push_back(std::move(found.mapped()));
    boost::asio::post(context.io, [clients = std::move(clients)] {});
}

HostStatus status_of(const Result<Capabilities>& can, std::chrono::milliseconds latency) {
    HostStatus status;
    status.latency = latency;
    if (can) {
        status.facts = can->facts;
        status.state = latency > slow_answer ? HostState::slow : HostState::usable;
        status.message = "answers in " + std::to_string(latency.count()) + " ms";
        if (status.state == HostState::slow) status.remedy = "look at its load, and at the way to it";
        return status;
    }
    const Error error = can.error();
    const auto has = [&](std::string_view part) { return error.code.find(part) != std::string::npos; };
    status.message = error.message;
    status.remedy = error.remedy;
    if (error.code == "host_replaced")
        status.state = HostState::replaced;
    else if (error.kind == ErrorClass::quota)
        status.state = HostState::full;
    else if (error.kind == ErrorClass::permission || has("certificate") || has("tls_refused") || has("host_key"))
        status.state = HostState::refused;
    else
        status.state = HostState::down;
    if (status.remedy.empty()) status.remedy = "see that it runs, and that this machine reaches it";
    return status;
}

} // namespace

Result<std::string> host_of(store::Store& store, const Recipe& recipe) {
    if (recipe.host) return *recipe.host;
    auto name = store.default_host();
    if (!name) return name.error();
    return name->value_or(recipe.provider);
}

Result<std::optional<HostRecord>> host_record(Context& context, std::string_view name) {
    HostRecord record;
    record.name = name;
    if (const auto* managed = context.hosts.managed(name)) {
        record.provider = managed->definition.provider;
        return std::optional(std::move(record));
    }
    auto row = context.store->host(name);
    if (!row && row.error().code == "no_host") return std::optional<HostRecord>();
    if (!row) return row.error();
    auto definition = stored_definition(*row);
    if (!definition) return definition.error();
    record.provider = definition->provider;
    record.registered = true;
    return std::optional(std::move(record));
}

Result<void> check_host_of(Context& context, const Recipe& recipe, std::string_view host) {
    auto record = host_record(context, host);
    if (!record) return record.error();
    References references;
    if (recipe.host)
        references.hosts[*recipe.host] = std::move(*record);
    else
        references.default_host = std::move(*record);
    checking::Findings findings;
    checking::check_host(recipe, references, findings);
    auto problems = findings.take().errors;
    if (problems.empty() && !checking::host_of(recipe, references))
        problems.push_back({"/host", "host_unknown", "there is no host \"" + std::string(host) + "\"",
                            "register it, name another host, or choose another default one"});
    if (problems.empty()) return {};
    return Error{ErrorClass::unsupported,
                 "start_refused",
                 "the version asks for what cannot be had here now",
                 "change the fields that the problems name and publish again",
                 "",
                 std::move(problems)};
}

Task<Capabilities> capabilities_of(Context& context, std::string host, std::shared_ptr<Provider> provider) {
    auto can = co_await provider->capabilities();
    if (!can || can->identity.empty()) co_return can;
    auto first = co_await context.in_store([&](store::Store& store) { return store.host_identity(host, can->identity); });
    if (!first) co_return first.error();
    if (*first == can->identity) co_return can;
    co_return Error{ErrorClass::unavailable,
                    "host_replaced",
                    "another daemon answers at the host \"" + host + "\" than the one that was there first",
                    "bring that one back; or accept this one, and give up the sessions and snapshots that were there",
                    "",
                    {}};
}

Result<HostInfo> add_host(Context& context, const HostDefinition& definition, const store::Actor& actor) {
    auto problems = check_host_definition(definition);
    if (!problems.empty()) return document_error("host_invalid", "the host", std::move(problems));
    if (context.hosts.managed(definition.name))
        return Error{ErrorClass::conflict,
                     "host_exists",
                     "\"" + definition.name + "\" is a managed host, which comes with the engine",
                     "choose another name",
                     "",
                     {}};
    if (!context.hosts.has_factory(definition.provider))
        return document_error(
            "host_invalid", "the host",
            {{"/provider", "provider_unknown", "this engine registers no hosts of the provider \"" + definition.provider + "\"",
              "use one of: " + joined(context.hosts.factories())}});
    store::NewHost row;
    row.name = definition.name;
    row.definition = boost::json::serialize(host_definition_to_json(definition));
    row.principal = actor.principal;
    row.now = context.now();
    auto added = context.store->add_host(row);
    if (!added) return added.error();
    context.log(LogLevel::info, "host.added", "a host was registered",
                {{"host", definition.name}, {"provider", definition.provider}});
    return host(context, definition.name);
}

Result<std::vector<HostInfo>> hosts(Context& context) {
    auto rows = context.store->hosts();
    if (!rows) return rows.error();
    auto identities = context.store->host_identities();
    if (!identities) return identities.error();
    auto chosen = context.store->default_host();
    if (!chosen) return chosen.error();
    std::vector<HostInfo> all;
    const auto add = [&](HostDefinition definition) -> HostInfo& {
        HostInfo& info = all.emplace_back();
        info.definition = std::move(definition);
        info.is_default = *chosen == info.definition.name;
        if (const auto known = identities->find(info.definition.name); known != identities->end()) info.identity = known->second;
        return info;
    };
    for (const auto& managed : context.hosts.managed()) add(managed.definition);
    for (const auto& row : *rows) {
        auto definition = stored_definition(row);
        if (!definition) return definition.error();
        HostInfo& info = add(std::move(*definition));
        info.registered = true;
        info.created = row.created;
        info.created_by = row.created_by;
    }
    return all;
}

Result<HostInfo> host(Context& context, std::string_view name) {
    auto all = hosts(context);
    if (!all) return all.error();
    for (auto& info : *all)
        if (info.definition.name == name) return std::move(info);
    return no_host(name);
}

Task<HostStatus> test_host(Context& context, std::string name) {
    auto provider = co_await context.provider(name);
    if (!provider && provider.error().code == "no_host") co_return provider.error();
    if (!provider) {
        const Result<Capabilities> why = provider.error();
        co_return status_of(why, {});
    }
    const auto begin = std::chrono::steady_clock::now();
    auto asking = capabilities_of(context, name, *provider);
    auto can = co_await async::within<Capabilities>(context.executor(), answer_limit, std::move(asking));
    if (!can && can.error().kind == ErrorClass::cancelled) co_return can.error();
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    co_return status_of(can, taken);
}

DoctorCheck docker_check(const EngineOptions& options) {
    DoctorCheck check{"docker", DoctorCheck::Status::warning, "", ""};
    const auto told = [&](const Error& why) {
        check.message = "the host \"docker\" cannot be used: " + why.message;
        check.remedy = why.remedy.empty() ? "only for sandboxes in Docker: start its daemon, or set DOCKER_HOST" : why.remedy;
        return check;
    };
    auto guest = find_guest(options.guest);
    if (!guest) return told(guest.error());
    std::error_code ignored;
    std::string directory = (std::filesystem::temp_directory_path(ignored) / "sandboxkit-doctor-XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr)
        return told({ErrorClass::unavailable, "no_directory", "no directory could be made beside " + directory, "", "", {}});
    boost::asio::io_context io{1};
    async::Pool pool(1);
    docker::DockerOptions at;
    at.state_directory = directory;
    at.guest = *guest;
    auto made = docker::make_docker_provider(std::move(at), io.get_executor(), pool);
    Result<Capabilities> can = made ? Result<Capabilities>(Capabilities{}) : Result<Capabilities>(made.error());
    if (made) {
        auto asked = async::spawn<Capabilities>(
            io.get_executor(), async::within<Capabilities>(io.get_executor(), answer_limit, (*made)->capabilities()));
        io.run();
        can = asked.get();
        made->reset();
    }
    pool.join();
    std::filesystem::remove_all(directory, ignored);
    if (!can) return told(can.error());
    check.status = DoctorCheck::Status::ok;
    check.message = "a daemon answers";
    for (const auto& [name, fact] : can->facts) check.message += ", " + name + ' ' + fact;
    return check;
}

Result<void> remove_host(Context& context, std::string_view name, bool force, const store::Actor& actor) {
    if (context.hosts.managed(name))
        return Error{ErrorClass::conflict,
                     "host_managed",
                     "\"" + std::string(name) + "\" is a managed host, which comes with the engine",
                     "only registered hosts can be removed",
                     "",
                     {}};
    auto given = context.store->remove_host(name, force, actor, context.now());
    if (!given) return given.error();
    forget(context, name, *given);
    log_host(context, LogLevel::info, "host.removed", "a host was removed", name, *given);
    return {};
}

Result<void> accept_host(Context& context, std::string_view name, const store::Actor& actor) {
    // Asked first: on a host that is still the same, nobody wants to lose what is there.
    auto status = context.run<HostStatus>(test_host(context, std::string(name))).get();
    if (!status) return status.error();
    if (status->state != HostState::replaced)
        return Error{ErrorClass::conflict,
                     "host_not_replaced",
                     "the host \"" + std::string(name) + "\" was not replaced: it is " + std::string(to_string(status->state)),
                     "to give it up as it is, remove it by force",
                     "",
                     {}};
    auto given = context.store->give_up_host(name, actor, context.now());
    if (!given) return given.error();
    forget(context, name, *given);
    log_host(context, LogLevel::warning, "host.accepted", "a host is taken as it is now", name, *given);
    return {};
}

Result<void> set_default_host(Context& context, std::string_view name) {
    if (name.empty()) return context.store->set_default_host(std::nullopt);
    auto known = host_record(context, name);
    if (!known) return known.error();
    if (!*known) return no_host(name);
    return context.store->set_default_host(std::string(name));
}

} // namespace sandboxkit::engine
