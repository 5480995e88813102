// SPDX-License-Identifier: Apache-2.0
#include "engine/context.hpp"

#include "engine/guest_path.hpp"
#include "engine/observed_provider.hpp"
#include "engine/state_directory.hpp"
#include "git/authorities.hpp"
#include "providers/docker/docker_provider.hpp"
#include "providers/local/local_provider.hpp"

#include <sandboxkit/host_document.hpp>

#include <boost/asio/post.hpp>

namespace sandboxkit::engine {

namespace fs = std::filesystem;

Result<std::shared_ptr<Context>> Context::open(EngineOptions options) {
    if (options.store.empty())
        return Error{ErrorClass::invalid, "store_missing", "no store file was named", "set EngineOptions::store", "", {}};
    if (options.workers < 1 || options.workers > 64)
        return Error{ErrorClass::invalid, "workers_out_of_range", "EngineOptions::workers must be 1 to 64", "", "", {}};
    if (!options.git_ca_file.empty())
        if (auto trusted = git::trust_authorities(options.git_ca_file); !trusted) return trusted.error();
    std::error_code ec;
    options.store = fs::absolute(options.store, ec).lexically_normal();
    std::shared_ptr<Context> c(new Context(std::move(options)));

    store::Options store_options;
    if (c->options.on_step)
        store_options.on_commit = [on_step = c->options.on_step](std::string_view verb, bool after) {
            on_step("store." + std::string(verb) + (after ? ".after" : ".before"));
        };
    auto opened = store::Store::open(c->options.store, std::move(store_options));
    if (!opened) return opened.error();
    c->store = std::move(*opened);
    auto store_id = c->store->store_id();
    if (!store_id) return store_id.error();
    c->store_id = std::move(*store_id);

    c->state_directory = state_directory_of(c->options);
    auto belongs = bind_state_directory(*c->store, c->state_directory, *c->ids);
    if (!belongs) return belongs.error();
    auto lock = EngineLock::acquire(c->state_directory / "engines", c->ids->next("eng"));
    if (!lock) return lock.error();
    c->lock = std::make_unique<EngineLock>(std::move(*lock));

    const auto observed = [on_step = c->options.on_step](ProviderResult made) {
        if (made && on_step) made = observe(*made, on_step);
        return made;
    };
    std::map<std::string, std::shared_ptr<Provider>> given;
    for (const auto& provider : c->options.providers) given.insert_or_assign(provider->name(), provider);
    for (const auto& [name, provider] : given) c->hosts.add_managed(name, observed(provider));
    if (!given.contains("local")) {
        auto guest = find_guest(c->options.guest);
        auto local = guest ? local::make_local_provider({c->state_directory / "local", *guest, c->options.runtime}, c->pool)
                           : ProviderResult(guest.error());
        c->hosts.add_managed("local", observed(std::move(local)));
    }
    if (!given.contains("docker")) c->hosts.add_managed_elsewhere("docker", "docker");
    c->hosts.add_factory("docker", [raw = c.get(), observed](const HostDefinition& host) -> ProviderResult {
        auto found = find_guest(raw->options.guest);
        if (!found) return found.error();
        docker::DockerOptions at;
        at.endpoint = host.endpoint;
        at.tls = host.tls.has_value();
        const auto tls = host.tls.value_or(HostTls{});
        at.tls_ca = tls.ca;
        at.tls_certificate = tls.certificate;
        at.tls_key = tls.key;
        const auto ssh = host.ssh.value_or(HostSsh{});
        at.ssh_identity = ssh.identity;
        at.ssh_known_hosts = ssh.known_hosts;
        at.state_directory = raw->state_directory / "hosts" / host.name;
        at.guest = *found;
        return observed(docker::make_docker_provider(std::move(at), raw->executor(), raw->pool));
    });
    for (const auto& each : c->options.host_factories) {
        const auto& make = each.second;
        c->hosts.add_factory(each.first, [observed, make](const HostDefinition& host) { return observed(make(host)); });
    }

    c->thread_ = std::thread([raw = c.get()] { raw->io.run(); });
    return c;
}

void Context::close() {
    closing = true;
    std::vector<std::function<void()>> cancels;
    {
        std::lock_guard guard(operations_mutex_);
        for (const auto& [key, cancel] : operations_)
            if (cancel) cancels.push_back(cancel);
    }
    for (const auto& cancel : cancels) cancel();
    cancels.clear();
    boost::asio::post(io, [this] { // loops that were not waiting to be cancelled find `closing` set
        builders_wake.cancel();
        housekeeping_wake.cancel();
        elsewhere_wake.cancel();
    });
    {
        std::unique_lock guard(operations_mutex_);
        operations_ended_.wait(guard, [this] { return operations_.empty(); });
        closed_ = true;
    }
    // Their sockets belong to the io thread. What is left is none of ours: the timer of a connection that somebody still holds
    // would be waited for, for minutes.
    boost::asio::post(io, [this] {
        clients.clear();
        git_access.clear();
        io.stop();
    });
    work_.reset();
    thread_.join();
    pool.join();
    git_pool.join();
    store_pool.join();
    clone_pool.join();
    tree_pool.join();
    hosts.clear();
    log(LogLevel::info, "engine.closed", "the engine is closed", {{"engine", engine_id()}});
    options = {};
    store.reset();
    lock.reset();
}

Task<std::shared_ptr<Provider>> Context::provider(std::string host) {
    if (const auto* managed = hosts.managed(host)) {
        if (managed->provider) co_return *managed->provider;
        co_return hosts.provider_for(managed->definition);
    }
    // Asked each time: another process may have removed it, and added another of its name.
    auto row = co_await in_store([&](store::Store& rows) { return rows.host(host); });
    if (!row) {
        if (row.error().code == "no_host") (void)hosts.forget(host);
        co_return row.error();
    }
    auto definition = read_host_definition(row->definition);
    if (!definition) co_return definition.error();
    co_return hosts.provider_for(*definition);
}

void Context::log(LogLevel level, std::string_view event, std::string message, LogFields fields) const noexcept {
    if (!options.log) return;
    try {
        options.log({level, now(), std::string(event), std::move(message), std::move(fields)});
    } catch (...) { // of the host application, or no memory for a line: no reason to fail
    }
}

void Context::wake_builders() {
    boost::asio::post(io, [this] { builders_wake.cancel(); });
}

} // namespace sandboxkit::engine
