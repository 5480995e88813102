// SPDX-License-Identifier: Apache-2.0
// The providers behind the hosts: those of managed hosts, which come with the engine, and those of registered ones, made at
// their first use and kept for as long as the store has the same definition of the host.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/host.hpp>
#include <sandboxkit/provider.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::engine {

using ProviderResult = Result<std::shared_ptr<Provider>>;
using HostFactory = std::function<ProviderResult(const HostDefinition&)>;

class HostTable {
public:
    // Before anything else is asked.
    void add_managed(std::string name, ProviderResult provider);
    // One that is reached over a wire and may be down, so that nobody waits for it who need not; made at its first use.
    void add_managed_elsewhere(std::string name, std::string provider);
    void add_factory(std::string provider, HostFactory factory);

    struct Managed {
        HostDefinition definition;              // its name and its provider only
        std::optional<ProviderResult> provider; // or why it cannot be used on this machine; absent: it is elsewhere
    };
    [[nodiscard]] const Managed* managed(std::string_view name) const; // null: not a managed one
    [[nodiscard]] const std::vector<Managed>& managed() const noexcept { return managed_; }
    [[nodiscard]] bool has_factory(std::string_view provider) const { return factories_.contains(provider); }
    [[nodiscard]] std::vector<std::string> factories() const; // names of providers

    // Threads: any. Of a registered host, or a managed one elsewhere; the one made before, while the definition is the same.
    ProviderResult provider_for(const HostDefinition& definition);
    [[nodiscard]] std::shared_ptr<Provider> forget(std::string_view name); // null: it was never used
    void clear();                                                          // at the end

private:
    struct Made {
        HostDefinition definition;
        std::shared_ptr<Provider> provider;
    };
    std::vector<Managed> managed_; // by the order they were added
    std::map<std::string, HostFactory, std::less<>> factories_;
    std::mutex mutex_;
    std::map<std::string, Made, std::less<>> made_;
};

} // namespace sandboxkit::engine
