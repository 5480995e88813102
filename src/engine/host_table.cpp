// SPDX-License-Identifier: Apache-2.0
#include "engine/host_table.hpp"

#include <algorithm>
#include <utility>

namespace sandboxkit::engine {

void HostTable::add_managed(std::string name, ProviderResult provider) {
    Managed& managed = managed_.emplace_back();
    managed.definition.name = std::move(name);
    managed.definition.provider = provider ? (*provider)->name() : managed.definition.name;
    managed.provider = std::move(provider);
}

void HostTable::add_managed_elsewhere(std::string name, std::string provider) {
    Managed& managed = managed_.emplace_back();
    managed.definition.name = std::move(name);
    managed.definition.provider = std::move(provider);
}

void HostTable::add_factory(std::string provider, HostFactory factory) {
    factories_.insert_or_assign(std::move(provider), std::move(factory));
}

const HostTable::Managed* HostTable::managed(std::string_view name) const {
    const auto found =
        std::find_if(managed_.begin(), managed_.end(), [&](const Managed& m) { return m.definition.name == name; });
    return found == managed_.end() ? nullptr : &*found;
}

std::vector<std::string> HostTable::factories() const {
    std::vector<std::string> names;
    for (const auto& [name, factory] : factories_) names.push_back(name);
    return names;
}

ProviderResult HostTable::provider_for(const HostDefinition& definition) {
    std::lock_guard guard(mutex_);
    const auto found = made_.find(definition.name);
    if (found != made_.end() && found->second.definition == definition) return found->second.provider;
    const auto factory = factories_.find(definition.provider);
    if (factory == factories_.end())
        return Error{ErrorClass::unsupported,
                     "provider_unknown",
                     "this engine cannot reach hosts of the provider \"" + definition.provider + "\"",
                     "open it with a factory for them, as it was when the host was added",
                     "",
                     {}};
    auto made = factory->second(definition);
    if (made) made_.insert_or_assign(definition.name, Made{definition, *made});
    return made;
}

std::shared_ptr<Provider> HostTable::forget(std::string_view name) {
    std::lock_guard guard(mutex_);
    const auto found = made_.find(name);
    if (found == made_.end()) return {};
    auto provider = std::move(found->second.provider);
    made_.erase(found);
    return provider;
}

void HostTable::clear() {
    std::lock_guard guard(mutex_);
    made_.clear();
    managed_.clear();
    factories_.clear();
}

} // namespace sandboxkit::engine
