// SPDX-License-Identifier: Apache-2.0
// Every code of a problem with a profile: at which gate, how severe, and what it means. The reference page has it as a table.
#pragma once

#include <sandboxkit/validation.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sandboxkit {

// A code that several gates have stands once for each.
struct Check {
    std::string_view code; // as Problem::code
    Gate gate;
    Severity severity;
    std::string_view what; // Markdown, one line, without '|'
};

namespace detail {

inline constexpr std::array check_list = std::to_array<Check>({
    // The text of the document.
    {"too_large", Gate::save, Severity::error, "The document has more than 1 MiB."},
    {"bad_utf8", Gate::save, Severity::error, "The document is not UTF-8."},
    {"syntax", Gate::save, Severity::error, "The document is not JSON."},
    {"too_deep", Gate::save, Severity::error, "Arrays and objects stand inside each other more than 32 deep."},
    {"duplicate_key", Gate::save, Severity::error, "An object has two members of the same name."},
    // The form of a field.
    {"unknown_field", Gate::save, Severity::error, "The member is not known here."},
    {"missing_field", Gate::save, Severity::error, "A required member is missing."},
    {"excluded_field", Gate::save, Severity::error, "Two members stand beside each other that exclude each other."},
    {"wrong_type", Gate::save, Severity::error, "The value has another type than the field."},
    {"out_of_range", Gate::save, Severity::error, "The number is below or above what the field takes."},
    {"too_long", Gate::save, Severity::error, "The text has more characters than the field takes."},
    {"too_many", Gate::save, Severity::error, "The list has more entries than the field takes."},
    {"too_few", Gate::save, Severity::error, "The list has fewer entries than the field takes."},
    {"bad_value", Gate::save, Severity::error, "The text is none that the field takes; the schema says so too."},
    {"bad_form", Gate::save, Severity::error, "The text is none that the field takes, by a rule that a schema cannot say."},
    {"never_fires", Gate::save, Severity::error, "The schedule names no date that there is."},
    {"duplicate_value", Gate::save, Severity::error, "What has to be unique is there twice."},
    {"nested_path", Gate::save, Severity::error, "One path lies inside another."},
    {"secret_in_url", Gate::save, Severity::error, "The URL has a part that may be a secret."},
    {"secret_like", Gate::save, Severity::error, "The value looks like a credential."},
    {"exception_unused", Gate::save, Severity::warning, "The exception is for a value that the rule does not find."},
    // Between fields of the record, which passes no later gate.
    {"floor_above_ceiling", Gate::save, Severity::error, "The warm pool's floor is above its ceiling."},
    {"no_refresh_schedule", Gate::save, Severity::error, "The refresh is enabled and has no schedule."},
    {"more_problems", Gate::save, Severity::error, "There are more problems than are listed."},

    // What is referred to.
    {"connection_unknown", Gate::publish, Severity::error, "There is no connection of this id."},
    {"wrong_connection_kind", Gate::publish, Severity::error, "The connection is of another kind than is needed here."},
    {"unfit_connection", Gate::publish, Severity::error,
     "The agent runtime does not speak what the model provider speaks, or the credentials are for another sandbox provider."},
    {"environment_unknown", Gate::publish, Severity::error, "There is no environment of this id."},
    {"host_unknown", Gate::publish, Severity::error, "There is no host of this name."},
    {"host_mismatch", Gate::publish, Severity::error, "The host belongs to another provider."},
    {"host_not_registered", Gate::publish, Severity::error, "An identity needs a registered host, and the profile names none."},
    {"no_storage_backend", Gate::publish, Severity::error, "The host has nowhere to keep persistent paths."},
    {"no_workspace_volumes", Gate::publish, Severity::error, "The host cannot keep a working volume."},
    {"repository_without_url", Gate::publish, Severity::error,
     "The repository has no URL, and there is no Git connection to ask."},
    {"repository_unknown", Gate::publish, Severity::error, "The Git connection knows no repository of this identifier."},
    // The agent and what it uses.
    {"no_agent", Gate::publish, Severity::error, "MCP servers or skills are for an agent, and there is none."},
    {"no_model_provider", Gate::publish, Severity::error, "The agent runtime has no model provider."},
    {"missing_command", Gate::publish, Severity::error, "A command names no program."},
    {"not_custom", Gate::publish, Severity::error, "The member is for a `custom` runtime only."},
    {"environment_without_command", Gate::publish, Severity::error,
     "The variables are for a command, and the server is elsewhere."},
    // Managed commands.
    {"empty_catalog", Gate::publish, Severity::error, "In the mode `strict-command` only the catalog may run, and it is empty."},
    {"wildcard_tool", Gate::publish, Severity::error, "In the mode `strict-command` the tools of a server have to be named."},
    {"shell_not_closable", Gate::publish, Severity::error,
     "The mode `strict-command` closes the agent's own shell, and no way is known to do so with this runtime."},
    {"credential_not_listed", Gate::publish, Severity::error, "The credential is not that of a connection which sessions have."},
    {"choices_and_pattern", Gate::publish, Severity::error, "A rule has both a list of values and a pattern."},
    {"after_repeated", Gate::publish, Severity::error, "A positional argument follows one that takes all the rest."},
    {"required_after_optional", Gate::publish, Severity::error,
     "A positional argument that must be there follows one that may be left out."},
    {"duplicate_flag", Gate::publish, Severity::error, "Two rules of a command are for the same flag."},
    // The network.
    {"empty_allowlist", Gate::publish, Severity::error, "With `allowlist`, nothing is listed."},
    {"allow_without_allowlist", Gate::publish, Severity::error, "Something is listed, and the list is not used."},
    {"address_as_domain", Gate::publish, Severity::error, "An address stands where a domain belongs."},
    {"unreachable_range", Gate::publish, Severity::error,
     "No sandbox can reach anything in this range, whatever the profile says."},
    // The image.
    {"image_has_no_digest", Gate::publish, Severity::error, "The digest is for an image that has none."},
    {"digest_mismatch", Gate::publish, Severity::error, "Two digests of the same thing differ."},
    {"feature_cycle", Gate::publish, Severity::error, "Features depend on each other in a circle."},
    {"feature_not_locked", Gate::publish, Severity::error, "There is a lock, and the feature is not in it."},
    {"feature_not_listed", Gate::publish, Severity::error, "The order names a feature that is not installed."},
    {"feature_order_twice", Gate::publish, Severity::error, "The order names a feature twice."},
    // Durable state.
    {"path_conflict", Gate::publish, Severity::error,
     "A persistent path is also the working volume's, lies inside a repository, or belongs to the kernel."},
    // The engine's own.
    {"provider_unknown", Gate::publish, Severity::error, "This build has no such provider."},
    {"not_supported", Gate::publish, Severity::error, "The provider does not do this on this host."},
    {"not_enacted", Gate::publish, Severity::error, "This build does not do this, whatever the provider."},
    {"more_problems", Gate::publish, Severity::error, "There are more problems than are listed."},

    {"no_effect", Gate::publish, Severity::warning, "The member does nothing as the document stands."},
    {"not_pinned", Gate::publish, Severity::warning, "A rebuild may give something else than this version has now."},
    {"no_primary", Gate::publish, Severity::warning, "None of several repositories is the one that is worked in."},
    {"covered_rule", Gate::publish, Severity::warning, "Another entry of the allowlist allows all of this already."},
    {"not_reachable", Gate::publish, Severity::warning, "The profile's own network rules keep the sandbox from this address."},
    {"stale_checkout", Gate::publish, Severity::warning,
     "A read-only repository lies in a persistent path, and keeps the state of the first session."},
    {"not_persistent", Gate::publish, Severity::warning, "The organization's switch is off: sessions run without persistence."},
    {"more_problems", Gate::publish, Severity::warning, "There are more warnings than are listed."},

    {"connection_unknown", Gate::start, Severity::error, "The connection is no longer there."},
    {"wrong_connection_kind", Gate::start, Severity::error, "The connection is now of another kind."},
    {"unfit_connection", Gate::start, Severity::error, "The connection no longer fits what uses it."},
    {"environment_unknown", Gate::start, Severity::error, "The environment is no longer there."},
    {"host_unknown", Gate::start, Severity::error, "The host is no longer there, or who launches has no default host."},
    {"host_mismatch", Gate::start, Severity::error, "The host belongs to another provider."},
    {"host_not_registered", Gate::start, Severity::error, "An identity needs a registered host."},
    {"host_down", Gate::start, Severity::error, "The host does not answer."},
    {"no_storage_backend", Gate::start, Severity::error, "The host has nowhere to keep persistent paths."},
    {"no_workspace_volumes", Gate::start, Severity::error, "The host cannot keep a working volume."},
    {"wildcard_tool", Gate::start, Severity::error, "In the mode `strict-command` the tools of a server have to be named."},
    {"not_supported", Gate::start, Severity::error, "The provider no longer does this on this host."},
    {"not_enacted", Gate::start, Severity::error, "This build does not do this; the version is by one that did."},
    {"more_problems", Gate::start, Severity::error, "There are more problems than are listed."},
    {"not_persistent", Gate::start, Severity::warning, "The organization's switch is off: the session runs without persistence."},
});

} // namespace detail

// By gate, errors first.
[[nodiscard]] constexpr std::span<const Check> checks() noexcept {
    return detail::check_list;
}

// As a table in Markdown.
[[nodiscard]] inline std::string check_table() {
    std::string out = "| gate | severity | code | meaning |\n|---|---|---|---|\n";
    for (const Check& check : checks()) {
        out += "| " + std::string(to_string(check.gate)) + " | " + std::string(to_string(check.severity)) + " | `" +
               std::string(check.code) + "` | " + std::string(check.what) + " |\n";
    }
    return out;
}

} // namespace sandboxkit
