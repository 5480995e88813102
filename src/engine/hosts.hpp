// SPDX-License-Identifier: Apache-2.0
// Registered and managed hosts: their administration, which one a profile runs on, and whether it is still the same.
#pragma once

#include "engine/context.hpp"

#include <sandboxkit/connections.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::engine {

// Those that take a Store or none but the Context read the store and block; they belong on its threads or the caller's.

// Where the recipe's sandboxes run if it is launched now: on the host that it names, the default one, or the managed one of its
// provider. It need not exist.
Result<std::string> host_of(store::Store& store, const Recipe& recipe);
// What the engine knows of a host; nothing: there is none of this name.
Result<std::optional<HostRecord>> host_record(Context& context, std::string_view name);
// Whether sandboxes of the recipe can run there, as far as names tell: unsupported "start_refused" with the problem.
Result<void> check_host_of(Context& context, const Recipe& recipe, std::string_view host);

// Of the host's provider, now. unavailable "host_replaced": another one answers than that which was there first.
Task<Capabilities> capabilities_of(Context& context, std::string host, std::shared_ptr<Provider> provider);

Result<HostInfo> add_host(Context& context, const HostDefinition& definition, const store::Actor& actor);
Result<std::vector<HostInfo>> hosts(Context& context);
Result<HostInfo> host(Context& context, std::string_view name);
// Of the managed host "docker": whether a daemon answers there. Without an engine; blocks for at most ten seconds, and leaves
// nothing behind.
DoctorCheck docker_check(const EngineOptions& options);
Task<HostStatus> test_host(Context& context, std::string name);
Result<void> remove_host(Context& context, std::string_view name, bool force, const store::Actor& actor);
Result<void> accept_host(Context& context, std::string_view name, const store::Actor& actor);
Result<void> set_default_host(Context& context, std::string_view name);

} // namespace sandboxkit::engine
