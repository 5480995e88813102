// SPDX-License-Identifier: Apache-2.0
// The rules of a profile between its fields, each at one of the three gates; check_table.hpp lists them all. Pure: what is
// referred to was looked up before. The form of each field alone is for read_profile; what a provider can do, and what this build
// enacts, is for the engine.
#pragma once

#include <sandboxkit/check_agent.hpp>
#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/check_image.hpp>
#include <sandboxkit/check_network.hpp>
#include <sandboxkit/check_persistence.hpp>
#include <sandboxkit/check_references.hpp>
#include <sandboxkit/check_table.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/references.hpp>

namespace sandboxkit {

// What must hold before a document is kept, beyond its form: only rules of the record, whose changes act at once and pass no
// other gate, and only between fields of one section, so that sections can be edited one at a time.
[[nodiscard]] inline Validation save_checks(const Profile& profile) {
    checking::Findings findings;
    const WarmPool& pool = profile.record.warm_pool;
    if (pool.floor > pool.ceiling)
        findings.error("/warm_pool/floor", "floor_above_ceiling",
                       "the floor is " + std::to_string(pool.floor) + ", the ceiling " + std::to_string(pool.ceiling),
                       "lower \"floor\", or raise \"ceiling\"");
    if (profile.record.refresh.enabled && profile.record.refresh.schedule.empty())
        findings.error("/refresh/schedule", "no_refresh_schedule", "an enabled refresh needs a schedule",
                       "add \"schedule\", such as \"0 4 * * *\"");
    return findings.take();
}

// What must hold of a version, and the warnings. Does not repeat save_checks.
[[nodiscard]] inline Validation publish_checks(const Profile& profile, const References& references) {
    checking::Findings findings;
    const Recipe& recipe = profile.recipe;
    checking::check_host(recipe, references, findings);
    checking::check_connections(recipe, references, findings);
    checking::check_agent(profile, findings);
    checking::check_mcp_servers(recipe, findings);
    checking::check_tools_are_named(recipe, findings);
    checking::check_commands(recipe, findings);
    checking::check_image(recipe, findings);
    checking::check_feature_lock(recipe, findings);
    checking::check_feature_order(recipe, findings);
    checking::check_scripts(profile, findings);
    checking::check_repositories(recipe, references, findings);
    checking::check_network(recipe, findings);
    checking::check_persistence(recipe, findings);
    checking::check_warm_pool(profile.record.warm_pool, findings);
    checking::check_triggers(profile.record, references, findings);
    return findings.take();
}

// What may have changed since a version was published, of what the core can know: what it refers to, the host, the
// organization's switch. And C4, which is a rule of the start. What publish_checks says of these it says again.
[[nodiscard]] inline Validation start_checks(const Recipe& recipe, const References& references) {
    checking::Findings findings;
    checking::check_host(recipe, references, findings);
    const HostRecord* host = checking::host_of(recipe, references);
    if (!host && !recipe.host)
        findings.error("/host", "host_unknown", "the profile names no host, and who launches has no default host",
                       "name a host, or choose a default one");
    if (host && !host->reachable)
        findings.error("/host", "host_down", checking::called(*host) + " does not answer", "try again, or use another host");
    checking::check_connections(recipe, references, findings);
    checking::check_tools_are_named(recipe, findings);
    return findings.take();
}

} // namespace sandboxkit
