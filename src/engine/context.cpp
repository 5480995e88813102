// SPDX-License-Identifier: Apache-2.0
#include "engine/context.hpp"

#include "engine/guest_path.hpp"
#include "engine/observed_provider.hpp"
#include "engine/state_directory.hpp"
#include "providers/local/local_provider.hpp"

#include <boost/asio/post.hpp>

namespace sandboxkit::engine {

namespace fs = std::filesystem;

Result<std::shared_ptr<Context>> Context::open(EngineOptions options) {
    if (options.store.empty())
        return Error{ErrorClass::invalid, "store_missing", "no store file was named", "set EngineOptions::store", "", {}};
    if (options.workers < 1 || options.workers > 64)
        return Error{ErrorClass::invalid, "workers_out_of_range", "EngineOptions::workers must be 1 to 64", "", "", {}};
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

    for (const auto& given : c->options.providers) c->providers_.insert_or_assign(given->name(), given);
    if (!c->providers_.contains("local")) {
        auto guest = find_guest(c->options.guest);
        Result<std::shared_ptr<Provider>> local =
            guest ? local::make_local_provider({c->state_directory / "local", *guest, c->options.runtime}, c->pool)
                  : guest.error();
        c->providers_.emplace("local", std::move(local));
    }
    if (c->options.on_step)
        for (auto& [name, found] : c->providers_)
            if (found) found = observe(*found, c->options.on_step);

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
        io.stop();
    });
    work_.reset();
    thread_.join();
    pool.join();
    store_pool.join();
    clone_pool.join();
    tree_pool.join();
    providers_.clear();
    log(LogLevel::info, "engine.closed", "the engine is closed", {{"engine", engine_id()}});
    options = {};
    store.reset();
    lock.reset();
}

Result<std::shared_ptr<Provider>> Context::provider(std::string_view name) {
    const auto found = providers_.find(name);
    if (found != providers_.end()) return found->second;
    std::string known;
    for (const auto& [each, ignored] : providers_) known += (known.empty() ? "" : ", ") + each;
    return Error{ErrorClass::unsupported,
                 "provider_unknown",
                 "this build has no provider \"" + std::string(name) + "\"",
                 "use one of: " + known,
                 "",
                 {}};
}

std::vector<std::shared_ptr<Provider>> Context::working_providers() {
    std::vector<std::shared_ptr<Provider>> working;
    for (const auto& [name, found] : providers_)
        if (found) working.push_back(*found);
    return working;
}

std::vector<std::pair<std::string, Error>> Context::unusable_providers() const {
    std::vector<std::pair<std::string, Error>> unusable;
    for (const auto& [name, found] : providers_)
        if (!found) unusable.emplace_back(name, found.error());
    return unusable;
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
