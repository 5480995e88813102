// SPDX-License-Identifier: Apache-2.0
// The profile document, field by field: the one definition. docs/profile.md and docs/profile.schema.json are made from it.
//
// A new field is `optional` (field.hpp), gets its fate here, and its default is the one that leaves everything as it was.
#pragma once

#include <sandboxkit/cron.hpp>
#include <sandboxkit/field.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace sandboxkit {

inline constexpr std::array<std::pair<std::string_view, RepositoryRole>, 3> repository_role_names = {{
    {"primary", RepositoryRole::primary},
    {"context", RepositoryRole::context},
    {"reference", RepositoryRole::reference},
}};
inline constexpr std::array<std::pair<std::string_view, Egress>, 3> egress_names = {{
    {"none", Egress::none},
    {"open", Egress::open},
    {"allowlist", Egress::allowlist},
}};
inline constexpr std::array<std::pair<std::string_view, ResourceClass>, 3> resource_class_names = {{
    {"planning", ResourceClass::planning},
    {"development", ResourceClass::development},
    {"development-large", ResourceClass::development_large},
}};
inline constexpr std::array<std::pair<std::string_view, AgentRuntime>, 4> agent_runtime_names = {{
    {"codex", AgentRuntime::codex},
    {"opencode", AgentRuntime::opencode},
    {"claude-code", AgentRuntime::claude_code},
    {"custom", AgentRuntime::custom},
}};
inline constexpr std::array<std::pair<std::string_view, CommandMode>, 3> command_mode_names = {{
    {"advisory", CommandMode::advisory},
    {"redirect-known", CommandMode::redirect_known},
    {"strict-command", CommandMode::strict_command},
}};
inline constexpr std::array<std::pair<std::string_view, WarmPoolStrategy>, 2> warm_pool_strategy_names = {{
    {"fixed", WarmPoolStrategy::fixed},
    {"demand", WarmPoolStrategy::demand},
}};
inline constexpr std::array<std::pair<std::string_view, SecondStart>, 2> second_start_names = {{
    {"refuse", SecondStart::refuse},
    {"clean", SecondStart::clean_workspace},
}};

// What this build does not enact, said once each.
namespace refusals {
inline constexpr std::string_view binding = "this build binds no environments";
inline constexpr std::string_view connections = "this build resolves no connections";
inline constexpr std::string_view agent = "this build installs and starts no agent runtime";
inline constexpr std::string_view mcp = "this build configures no MCP servers";
inline constexpr std::string_view skills = "this build installs no skills";
inline constexpr std::string_view features = "this build installs no features";
inline constexpr std::string_view hooks = "this build runs no hooks; a setup script it does run";
inline constexpr std::string_view allowlist = "this build filters outbound traffic by no list";
inline constexpr std::string_view rate_limit = "this build limits no network rates";
inline constexpr std::string_view persistence = "this build does not keep paths beyond the compute";
inline constexpr std::string_view identity = "this build binds no identities";
inline constexpr std::string_view commands = "this build governs no commands";
inline constexpr std::string_view probes = "this build runs no probes";
inline constexpr std::string_view warm_pool = "this build keeps no warm pool";
inline constexpr std::string_view triggers = "this build starts nothing by triggers";
inline constexpr std::string_view refresh = "this build refreshes no snapshots by itself; 'refresh' does it by hand";
inline constexpr std::string_view instructions = "this build starts no agent runtime that would read them";
} // namespace refusals

namespace detail {

inline constexpr std::size_t script_limit = std::size_t{256} << 10;
// In characters. Linux takes up to 128 KiB for one variable with its name.
inline constexpr std::size_t environment_value_limit = std::size_t{32} << 10;
inline constexpr std::uint32_t longest_timeout = 86'400;

inline constexpr Text short_name_form{100, check_short_name, patterns::short_name};
inline constexpr Text reference_form{256, check_line, patterns::line}; // to a record of the host application
inline constexpr Text path_form{1024, check_absolute_path};
inline constexpr Text script_form{script_limit};
inline constexpr Text argument_form{4096};
inline constexpr Text environment_name_form{256, check_environment_name, patterns::environment_name};
inline constexpr Text environment_value_form{environment_value_limit};
inline constexpr Whole timeout_form{1, longest_timeout};

} // namespace detail

template <>
struct Model<Agent> {
    static constexpr std::tuple fields{
        Field{"runtime", &Agent::runtime, Choice<AgentRuntime>{agent_runtime_names}, Presence::required,
              in_snapshot(StepKind::install_agent, "it is installed in the snapshot"),
              "The program that does the work. `codex` takes OpenAI-compatible connections, `claude-code` Anthropic-compatible "
              "ones, `opencode` those that OpenCode supports."},
        Field{"version", &Agent::version, Text{64, check_version, patterns::version}, Presence::optional,
              in_snapshot(StepKind::install_agent, "it is installed in the snapshot"),
              "The version to install. Without it, the newest at the time of the build, which is then part of the manifest."},
        Field{"model", &Agent::model, Text{200, check_line, patterns::line}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot names it"),
              "The model, as the model provider calls it. Without it, the runtime's own default."},
        Field{"install", &Agent::install, detail::script_form, Presence::optional,
              in_snapshot(StepKind::install_agent, "what it does is part of the snapshot"),
              "Of a `custom` runtime: a script for the image's `/bin/sh` that installs it."},
        Field{"command", &Agent::command, Many<Text>{detail::argument_form, 100, true}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot names it"),
              "Of a `custom` runtime: the command that starts it, and its arguments."},
    };
};

template <>
struct Model<McpServer> {
    static constexpr std::array<std::string_view, 2> any_of{"command", "url"};
    static constexpr bool exclusive = true;
    static constexpr std::tuple fields{
        Field{"name", &McpServer::name, detail::short_name_form, Presence::required,
              in_snapshot(StepKind::configure_agent, "the agent knows the server by it"), "Unique among the servers."},
        Field{"command", &McpServer::command, Many<Text>{detail::argument_form, 100, true, false, 1}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot names it"),
              "A server that the agent starts in the sandbox and talks to over its standard streams: program and arguments."},
        Field{"environment", &McpServer::environment,
              Dictionary{detail::environment_name_form, detail::environment_value_form, 1000}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot has it"),
              "Variables for the command: plain values, no secrets."},
        Field{"url", &McpServer::url, Text{2048, check_http_url}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot names it"),
              "A server elsewhere, which speaks the streamable HTTP transport."},
        Field{"connection", &McpServer::connection, detail::reference_form, Presence::optional,
              at_start(StepKind::bind_connections, "its credential is bound at start"),
              "The connector whose credential it takes, by its id."},
        Field{"tools", &McpServer::tools, Many<Text>{Text{128, check_tool, patterns::tool}, 1000}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot has it"),
              "The tools that the agent may use; `*` stands for all, which a profile in the mode `strict-command` cannot say."},
        Field{"required", &McpServer::required, Flag{}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot has it"),
              "Whether a session fails to start while this server does not answer."},
    };
};

template <>
struct Model<Skill> {
    static constexpr std::tuple fields{
        Field{"name", &Skill::name, Text{64, check_skill_name, patterns::skill_name}, Presence::required,
              in_snapshot(StepKind::configure_agent, "the skill is installed under it"),
              "As the skill itself has it, unique among the skills. The action launcher offers it under this name."},
        Field{"url", &Skill::url, Text{2048, check_repository_url}, Presence::required,
              in_snapshot(StepKind::configure_agent, "the skill in the snapshot comes from it"),
              "The Git repository that it is in, as `url` of a repository."},
        Field{"revision", &Skill::revision, Text{250, check_branch}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the skill in the snapshot is of it"),
              "A branch, tag or commit. Without it, the remote's HEAD."},
        Field{"path", &Skill::path, Text{1024, check_relative_path}, Presence::required,
              in_snapshot(StepKind::configure_agent, "the skill in the snapshot comes from it"),
              "The directory in the repository that holds its `SKILL.md`."},
    };
};

template <>
struct Model<Feature> {
    static constexpr std::tuple fields{
        Field{
            "id", &Feature::id, Text{512, check_feature}, Presence::required,
            in_snapshot(StepKind::install_features, "it is installed in the snapshot"),
            "`<registry>/<path>:<version>`, `https://.../name.tgz`, or `directory:<absolute path>`; unique among the features."},
        Field{"options", &Feature::options,
              OptionDictionary{Text{100, check_option_name, patterns::option_name}, Text{4096}, 100}, Presence::optional,
              in_snapshot(StepKind::install_features, "it is installed with them"),
              "Its options, each a string or a boolean. What is left out has the feature's own default."},
    };
};

template <>
struct Model<FeatureLock> {
    static constexpr std::tuple fields{
        Field{"id", &FeatureLock::id, Text{512, check_feature}, Presence::required,
              in_snapshot(StepKind::install_features, "it says what is installed"),
              "The reference that is locked: of a listed feature, or of one that another depends on."},
        Field{"version", &FeatureLock::version, Text{64, check_version, patterns::version}, Presence::required,
              in_snapshot(StepKind::install_features, "it says what is installed"), "The feature's own version."},
        Field{"resolved", &FeatureLock::resolved, Text{2048, check_line, patterns::line}, Presence::required,
              in_snapshot(StepKind::install_features, "it says what is installed"),
              "What the reference stood for: with the manifest's digest, or the URL."},
        Field{"integrity", &FeatureLock::integrity, Text{71, check_digest, patterns::digest}, Presence::required,
              in_snapshot(StepKind::install_features, "it says what is installed"), "The digest of what is installed."},
        Field{"depends_on", &FeatureLock::depends_on, Many<Text>{Text{512, check_feature}, 100}, Presence::optional,
              in_snapshot(StepKind::install_features, "it says what is installed before it"),
              "The features that it depends on, which have entries of their own."},
    };
};

template <>
struct Model<Hook> {
    static constexpr std::tuple fields{
        Field{"name", &Hook::name, detail::short_name_form, Presence::required, as_inside(),
              "Unique among the hooks of its kind."},
        Field{"script", &Hook::script, detail::script_form, Presence::required, as_inside(),
              "Run by the image's `/bin/sh`, as root."},
        Field{"timeout", &Hook::timeout_seconds, detail::timeout_form, Presence::optional, as_inside(),
              "Seconds after which it is ended and has failed."},
    };
};

template <>
struct Model<Hooks> {
    static constexpr std::tuple fields{
        Field{"build", &Hooks::build, Objects{100, "name", true}, Presence::optional,
              in_snapshot(StepKind::run_build_hooks, "what they do is part of the snapshot"),
              "Run once, while the image is built, in this order: the heavy work."},
        Field{"runtime", &Hooks::runtime, Objects{100, "name", true}, Presence::optional,
              at_start(StepKind::run_runtime_hooks, "run at start"),
              "Run at each launch, in this order: what belongs to one session."},
        Field{"prewarm", &Hooks::prewarm, Objects{100, "name", true}, Presence::optional,
              at_start(StepKind::prewarm, "run while a member of the warm pool is made"),
              "Run while a member of the warm pool is made, in this order: what may be paid for before anyone comes."},
    };
};

template <>
struct Model<Repository> {
    static constexpr std::array<std::string_view, 2> any_of{"url", "identifier"};
    static constexpr std::tuple fields{
        Field{"identifier", &Repository::identifier, detail::short_name_form, Presence::written,
              in_snapshot(StepKind::clone_repository, "the snapshot's checkouts are known by it"),
              "Unique in the profile, also as a part of variables' names. Default: the last component of the URL's path, without "
              "`.git`."},
        Field{"url", &Repository::url, Text{2048, check_repository_url}, Presence::optional,
              in_snapshot(StepKind::clone_repository, "the checkout in the snapshot comes from it"),
              "`https://`, `http://`, `ssh://`, `user@host:path` or `file:///`, without credentials, query or fragment. "
              "Without it, the Git connection knows the repository by its identifier."},
        Field{"branch", &Repository::branch, Text{250, check_branch}, Presence::optional,
              in_snapshot(StepKind::clone_repository, "the checkout in the snapshot is of this branch"),
              "The branch to start from. Without it and `revision`, the remote's HEAD."},
        Field{"revision", &Repository::revision, Text{250, check_revision}, Presence::optional,
              in_snapshot(StepKind::clone_repository, "the checkout in the snapshot is of it"),
              "The tag to start from, or the commit, by all its 40 hexadecimal digits, in place of `branch`. HEAD is then "
              "detached. A commit is in the history of a branch or tag; with `depth` it is the end of one, unless the server "
              "gives any."},
        Field{"depth", &Repository::depth, Whole{1, 1'000'000}, Presence::optional,
              in_snapshot(StepKind::clone_repository, "the checkout in the snapshot has this much history"),
              "How many commits of history. Without it, all."},
        Field{"submodules", &Repository::submodules, Flag{}, Presence::optional,
              in_snapshot(StepKind::clone_repository, "they are in the snapshot's checkout"),
              "Whether its submodules are cloned too, and theirs: at most 100, at most 8 inside each other. One that is reached "
              "with less protection than the repository itself is refused."},
        Field{"mount_path", &Repository::mount_path, Text{1024, check_mount_path}, Presence::written,
              in_snapshot(StepKind::clone_repository, "the checkout stands there in the snapshot"),
              "Where the checkout is. No two inside each other, none in the system's own directories. Default: "
              "`/workspace/<identifier>`."},
        Field{"role", &Repository::role, Choice<RepositoryRole>{repository_role_names}, Presence::written,
              seen_by_scripts(StepKind::bind_environment, "the setup script can see it", "bound at start"),
              "`primary`: worked in and written to, at most one a profile. `context`: read while working. `reference`: "
              "consulted, never changed. Default: `primary` when the profile has exactly one repository, else `context`."},
        Field{"read_only", &Repository::read_only, Flag{}, Presence::written,
              seen_by_scripts(StepKind::protect_paths, "the setup script can see it", "applied at start"),
              "Whether the checkout cannot be written to. Default: true for a `reference`, false otherwise."},
    };
    static void complete(Repository& repository, ObjectReader& reader, std::size_t how_many);
    static void check_all(const std::vector<Repository>& repositories, const boost::json::array& array,
                          const std::string& pointer, ProblemList& problems);
};

template <>
struct Model<SecretException> {
    static constexpr std::tuple fields{
        Field{"pointer", &SecretException::pointer, Text{2048, check_json_pointer, patterns::json_pointer}, Presence::required,
              at_start(StepKind::bind_environment, "it says how the document is read"), "The value, as the error names it."},
        Field{"rule", &SecretException::rule, detail::short_name_form, Presence::required,
              at_start(StepKind::bind_environment, "it says how the document is read"), "The rule, as the error names it."},
        Field{"reason", &SecretException::reason, Text{500, check_line, patterns::line}, Presence::required,
              at_start(StepKind::bind_environment, "it says how the document is read"), "Why it is none."},
    };
};

template <>
struct Model<Resources> {
    static constexpr std::tuple fields{
        Field{"class", &Resources::resource_class, Choice<ResourceClass>{resource_class_names}, Presence::written,
              at_start(StepKind::apply_limits, "applied at start"),
              "`planning`: 1 CPU and 2 GiB of memory. `development`: 2 and 4 GiB. `development-large`: 4 and 8 GiB. Each 4,096 "
              "processes."},
        Field{"cpus", &Resources::cpus, Real{0.01, 1024}, Presence::optional,
              at_start(StepKind::apply_limits, "applied at start"), "CPUs, in place of the class's."},
        Field{"memory_mb", &Resources::memory_mb, Whole{16, 16'777'216}, Presence::optional,
              at_start(StepKind::apply_limits, "applied at start"), "Memory in MiB, in place of the class's."},
        Field{"processes", &Resources::processes, Whole{8, 4'194'304}, Presence::optional,
              at_start(StepKind::apply_limits, "applied at start"), "Processes and threads, in place of the class's."},
        Field{"disk_mb", &Resources::disk_mb, Whole{16, 1'073'741'824}, Presence::optional,
              at_start(StepKind::apply_limits, "applied at start"),
              "What a session may write, in MiB, where the provider can limit it."},
    };
};

template <>
struct Model<EgressRule> {
    static constexpr std::array<std::string_view, 2> any_of{"domain", "cidr"};
    static constexpr bool exclusive = true;
    static constexpr std::tuple fields{
        Field{"domain", &EgressRule::domain, Text{255, check_domain, patterns::domain}, Presence::optional, as_inside(),
              "`example.org`, or `*.example.org` for all below it and not itself."},
        Field{"cidr", &EgressRule::cidr, Text{64, check_cidr}, Presence::optional, as_inside(),
              "A range of addresses, such as `203.0.114.0/24`."},
        Field{"ports", &EgressRule::ports, Many<Whole>{Whole{1, 65'535}, 100}, Presence::optional, as_inside(),
              "The ports. Without it, any."},
    };
};

template <>
struct Model<Network> {
    static constexpr std::tuple fields{
        Field{"egress", &Network::egress, Choice<Egress>{egress_names}, Presence::written,
              seen_by_scripts(StepKind::connect_network, "the setup script runs with it", "applied at start"),
              "`open`: outbound to the public internet. `none`: no network. `allowlist`: outbound to what `allow` lists. Never "
              "inbound, and never the host or private networks."},
        Field{
            "allow", &Network::allow, Objects{1000}, Presence::optional,
            seen_by_scripts(StepKind::connect_network, "the setup script runs with it", "applied at start", refusals::allowlist),
            "What may be reached with `allowlist`."},
        Field{"rate_limit_mbit", &Network::rate_limit_mbit, Whole{1, 100'000}, Presence::optional,
              at_start(StepKind::connect_network, "applied at start", refusals::rate_limit),
              "Outbound traffic in Mbit/s. Without it, what the host gives."},
    };
    // One of the values of a field that is enacted otherwise.
    static void refuse(const Network& network, const std::string& pointer, ProblemList& problems) {
        if (network.egress == Egress::allowlist)
            problems.add(pointer_to(pointer, "egress"), "not_enacted", std::string(refusals::allowlist), "choose open or none");
    }
};

template <>
struct Model<WorkspaceVolume> {
    static constexpr std::tuple fields{
        Field{"enabled", &WorkspaceVolume::enabled, Flag{}, Presence::optional,
              at_start(StepKind::attach_persistence, "persistent paths are attached at start", refusals::persistence),
              "Whether `/workspace` is kept between runs, for each profile and principal."},
        Field{"second_start", &WorkspaceVolume::second_start, Choice<SecondStart>{second_start_names}, Presence::optional,
              at_start(StepKind::attach_persistence, "persistent paths are attached at start", refusals::persistence),
              "What a second start finds while the volume is in use: it is refused (`refuse`), or gets a clean workspace that is "
              "not "
              "kept (`clean`)."},
    };
};

template <>
struct Model<Persistence> {
    static constexpr std::tuple fields{
        Field{"enabled", &Persistence::enabled, Flag{}, Presence::written,
              at_start(StepKind::attach_persistence, "persistent paths are attached at start", refusals::persistence),
              "Whether the paths outlive a session's compute, and are attached again when it is replaced."},
        Field{"paths", &Persistence::paths, Many<Text>{detail::path_form, 100, false, true}, Presence::written,
              at_start(StepKind::attach_persistence, "persistent paths are attached at start", refusals::persistence),
              "The paths. None inside another."},
        Field{"workspace", &Persistence::workspace, Object{}, Presence::optional, as_inside(),
              "The working volume, where the host can keep one."},
    };
};

template <>
struct Model<Identity> {
    static constexpr std::tuple fields{
        Field{"azure_managed_identity", &Identity::azure_managed_identity, Text{1024, check_azure_identity}, Presence::required,
              at_start(StepKind::bind_identity, "bound at start"), "The resource id of a user-assigned managed identity."},
    };
};

template <>
struct Model<ArgumentRule> {
    static constexpr std::tuple fields{
        Field{"name", &ArgumentRule::name, detail::short_name_form, Presence::required, as_inside(),
              "What the argument is, for people and agents; unique in the command."},
        Field{"flag", &ArgumentRule::flag, Text{100, check_flag, patterns::flag}, Presence::optional, as_inside(),
              "The flag that it follows. Without it, the argument is positional."},
        Field{"choices", &ArgumentRule::choices, Many<Text>{Text{1000}, 1000}, Presence::optional, as_inside(),
              "The values that it may have. Without it, any."},
        Field{"pattern", &ArgumentRule::pattern, Text{1000, check_line, patterns::line}, Presence::optional, as_inside(),
              "What the value must look like: `*` stands for any characters but `/`, `**` for any, `?` for one."},
        Field{"required", &ArgumentRule::required, Flag{}, Presence::optional, as_inside(), "Whether it must be there."},
        Field{"repeated", &ArgumentRule::repeated, Flag{}, Presence::optional, as_inside(),
              "Whether it may be there more than once."},
    };
};

template <>
struct Model<ManagedCommand> {
    static constexpr std::tuple fields{
        Field{"name", &ManagedCommand::name, detail::short_name_form, Presence::required,
              at_start(StepKind::govern_commands, "governed at start"), "Unique in the catalog."},
        Field{"description", &ManagedCommand::description, Text{4000}, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start"), "What it is for; the agent reads it."},
        Field{"command", &ManagedCommand::command, Many<Text>{detail::argument_form, 100, true, false, 1}, Presence::required,
              at_start(StepKind::govern_commands, "governed at start"), "The program and its fixed arguments."},
        Field{"arguments", &ManagedCommand::arguments, Objects{100, "name", true}, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start"),
              "What may follow the fixed arguments, in this order as far as they are positional. Nothing else may."},
        Field{"working_directories", &ManagedCommand::working_directories, Many<Text>{detail::path_form, 100}, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start"),
              "Where it may run: these directories and what is below them. Without it, anywhere."},
        Field{"credentials", &ManagedCommand::credentials, Many<Text>{detail::reference_form, 100}, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start"),
              "The connections whose credentials it may use, by their ids."},
        Field{"timeout", &ManagedCommand::timeout_seconds, detail::timeout_form, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start"), "Seconds after which it is ended."},
    };
};

template <>
struct Model<ManagedCommands> {
    static constexpr std::tuple fields{
        Field{
            "mode", &ManagedCommands::mode, Choice<CommandMode>{command_mode_names}, Presence::optional,
            at_start(StepKind::govern_commands, "governed at start", refusals::commands),
            "How strictly the agent's own commands are held to the catalog. `advisory`: it is told of them. `redirect-known`: a "
            "native command that matches one becomes the managed one. `strict-command`: only those of the catalog run. The "
            "platform's own set-up of the sandbox is never affected."},
        Field{"catalog", &ManagedCommands::catalog, Objects{1000, "name"}, Presence::optional,
              at_start(StepKind::govern_commands, "governed at start", refusals::commands), "The managed commands."},
    };
};

template <>
struct Model<Probe> {
    static constexpr std::tuple fields{
        Field{"name", &Probe::name, detail::short_name_form, Presence::required,
              at_start(StepKind::probe, "run by tests of the profile"), "Unique among the probes."},
        Field{"script", &Probe::script, detail::script_form, Presence::required,
              at_start(StepKind::probe, "run by tests of the profile"),
              "Run by the image's `/bin/sh`; it passes when it exits with 0."},
        Field{"timeout", &Probe::timeout_seconds, detail::timeout_form, Presence::optional,
              at_start(StepKind::probe, "run by tests of the profile"), "Seconds after which it has failed."},
    };
};

template <>
struct Model<Connections> {
    static constexpr std::tuple fields{
        Field{"model_provider", &Connections::model_provider, detail::reference_form, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot names it", refusals::connections),
              "The connection to the model provider, which the agent runtime must be able to use."},
        Field{"git", &Connections::git, detail::reference_form, Presence::optional,
              in_snapshot(StepKind::clone_repository, "the checkouts in the snapshot come by way of it", refusals::connections),
              "The Git connection: it knows repositories by their identifiers and lends the credentials for them."},
        Field{"connectors", &Connections::connectors, Many<Text>{detail::reference_form, 100}, Presence::optional,
              at_start(StepKind::bind_connections, "bound at start", refusals::connections),
              "Other integrations that sessions may use."},
        Field{
            "sandbox_provider", &Connections::sandbox_provider, detail::reference_form, Presence::optional,
            in_snapshot(StepKind::base_image, "a snapshot belongs to one account at its provider", refusals::connections),
            "The connection whose credentials the sandbox provider takes. Without it, those that the host application manages."},
    };
};

template <>
struct Model<AccessList> {
    static constexpr std::tuple fields{
        Field{"users", &AccessList::users, Many<Text>{detail::reference_form, 10'000}, Presence::optional, of_the_record(),
              "Ids of principals."},
        Field{"roles", &AccessList::roles, Many<Text>{detail::reference_form, 1000}, Presence::optional, of_the_record(),
              "Roles of principals."},
    };
};

template <>
struct Model<WarmPool> {
    static constexpr std::tuple fields{
        Field{"enabled", &WarmPool::enabled, Flag{}, Presence::optional, of_the_record(refusals::warm_pool),
              "Whether sandboxes are kept ready."},
        Field{"floor", &WarmPool::floor, Whole{0, 1000}, Presence::optional, of_the_record(refusals::warm_pool),
              "How many at least."},
        Field{"ceiling", &WarmPool::ceiling, Whole{1, 1000}, Presence::optional, of_the_record(refusals::warm_pool),
              "How many at most."},
        Field{"strategy", &WarmPool::strategy, Choice<WarmPoolStrategy>{warm_pool_strategy_names}, Presence::optional,
              of_the_record(refusals::warm_pool),
              "`fixed`: the floor, whatever happens. `demand`: between floor and ceiling, by how many were claimed lately."},
    };
};

template <>
struct Model<EventSource> {
    static constexpr std::tuple fields{
        Field{"connection", &EventSource::connection, detail::reference_form, Presence::required, of_the_record(),
              "The connection that the event comes from, by its id."},
        Field{"type", &EventSource::type, Text{200, check_line, patterns::line}, Presence::required, of_the_record(),
              "The event's type, as the connection calls it."},
        Field{"match", &EventSource::match, Dictionary{Text{200, check_line, patterns::line}, Text{1000}, 100},
              Presence::optional, of_the_record(), "Members of the event, each with the value that it must have."},
    };
};

template <>
struct Model<Trigger> {
    static constexpr std::array<std::string_view, 2> any_of{"schedule", "event"};
    static constexpr bool exclusive = true;
    static constexpr std::tuple fields{
        Field{"name", &Trigger::name, Text{200, check_line, patterns::line}, Presence::required, of_the_record(),
              "Unique among the triggers."},
        Field{"enabled", &Trigger::enabled, Flag{}, Presence::optional, of_the_record(), "Whether it does anything."},
        Field{"schedule", &Trigger::schedule, Text{200, check_cron}, Presence::optional, of_the_record(),
              "When to start a session: minute, hour, day of the month, month and day of the week, in UTC."},
        Field{"event", &Trigger::event, Object{}, Presence::optional, of_the_record(), "What to start a session on."},
        Field{"prompt", &Trigger::prompt, Text{32'000}, Presence::optional, of_the_record(), "What the agent is asked to do."},
    };
};

template <>
struct Model<RefreshSchedule> {
    static constexpr std::tuple fields{
        Field{"enabled", &RefreshSchedule::enabled, Flag{}, Presence::optional, of_the_record(refusals::refresh),
              "Whether the snapshot in use is refreshed by itself."},
        Field{"schedule", &RefreshSchedule::schedule, Text{200, check_cron}, Presence::optional, of_the_record(refusals::refresh),
              "When: minute, hour, day of the month, month and day of the week, in UTC."},
    };
};

template <>
struct Model<Recipe> {
    static constexpr std::tuple fields{
        Field{"provider", &Recipe::provider, Text{64, check_provider_name, patterns::provider_name}, Presence::written,
              in_snapshot(StepKind::base_image, "a snapshot belongs to one provider"),
              "What runs the sandboxes: `local`, or another that the engine has.", Section::general},
        Field{"host", &Recipe::host, detail::short_name_form, Presence::optional,
              in_snapshot(StepKind::base_image, "a snapshot belongs to one host"),
              "The host, registered or managed. Without it, the default host of whoever launches.", Section::general},
        Field{"environment_binding", &Recipe::environment_binding, detail::reference_form, Presence::optional,
              at_start(StepKind::bind_connections, "bound at start", refusals::binding),
              "The environment of the host application, by its id, that lends credentials and decides about changes.",
              Section::general},
        Field{"connections", &Recipe::connections, Object{}, Presence::optional, as_inside(),
              "What sessions are connected to: records of the host application, by their ids.", Section::connections},
        Field{"agent", &Recipe::agent, Object{}, Presence::optional,
              in_snapshot(StepKind::install_agent, "it is installed in the snapshot", refusals::agent),
              "The agent runtime. Without it, none is installed: the sandbox is for commands.", Section::runtime},
        Field{"mcp_servers", &Recipe::mcp_servers, Objects{100, "name"}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "the agent's configuration in the snapshot has it", refusals::mcp),
              "The MCP servers that the agent can reach.", Section::runtime},
        Field{"skills", &Recipe::skills, Objects{100, "name"}, Presence::optional,
              in_snapshot(StepKind::configure_agent, "it is installed in the snapshot", refusals::skills),
              "The skills that the agent has.", Section::runtime},
        Field{"image", &Recipe::image, Text{1100, check_image}, Presence::written,
              in_snapshot(StepKind::base_image, "the snapshot is built on it"),
              "The base: `host` (the host's `/usr`, read-only, and nothing else of it), `directory:<absolute path>`, "
              "`archive:<absolute path of a tar>` or `oci:<registry>/<path>[:tag|@digest]`.",
              Section::image},
        Field{"image_digest", &Recipe::image_digest, Text{71, check_digest, patterns::digest}, Presence::optional,
              in_snapshot(StepKind::base_image, "the snapshot is built on it"),
              "What the base must be: the SHA-256 of an archive, or of an OCI image's manifest. Another is refused.",
              Section::image},
        Field{"features", &Recipe::features, Objects{100, "id"}, Presence::optional,
              in_snapshot(StepKind::install_features, "it is installed in the snapshot", refusals::features),
              "Building blocks of the Dev Container Features catalog.", Section::image},
        Field{"feature_order", &Recipe::feature_order, Many<Text>{Text{512, check_feature}, 100, true}, Presence::optional,
              in_snapshot(StepKind::install_features, "it says in which order they are installed", refusals::features),
              "Features to install before the others, in this order.", Section::image},
        Field{"feature_lock", &Recipe::feature_lock, Objects{1000, "id"}, Presence::optional,
              in_snapshot(StepKind::install_features, "it says what is installed", refusals::features),
              "What each feature's reference stood for, so that a rebuild installs the same.", Section::image},
        Field{"hooks", &Recipe::hooks, Object{}, Presence::optional, as_inside(refusals::hooks),
              "Scripts that run at their moments.", Section::image},
        Field{"setup_script", &Recipe::setup_script, detail::script_form, Presence::written,
              in_snapshot(StepKind::run_setup_script, "what it does is part of the snapshot"),
              "Run by the image's `/bin/sh` as root, on top of everything else, once, before the snapshot is captured.",
              Section::image},
        Field{"setup_timeout", &Recipe::setup_timeout_seconds, detail::timeout_form, Presence::written,
              at_start(StepKind::apply_limits, "it only limits how long the setup script may run"),
              "Seconds after which the setup script is ended and the build has failed.", Section::image},
        Field{"repositories", &Recipe::repositories, Objects{20'000, "identifier"}, Presence::written,
              in_snapshot(StepKind::clone_repository, "its checkout is part of the snapshot"),
              "The repositories that are checked out.", Section::repositories},
        Field{"environment", &Recipe::environment,
              Dictionary{detail::environment_name_form, detail::environment_value_form, 10'000}, Presence::written,
              seen_by_scripts(StepKind::bind_environment, "the setup script runs with it", "bound at start"),
              "Variables of every process: plain values, no secrets. A value that looks like a credential is refused.",
              Section::environment},
        Field{"secret_exceptions", &Recipe::secret_exceptions, Objects{100, "pointer"}, Presence::optional,
              at_start(StepKind::bind_environment, "it says how the document is read"),
              "Values of this document that look like credentials and are none.", Section::environment},
        Field{"resources", &Recipe::resources, Object{}, Presence::written, as_inside(),
              "What a session may use: a class, and overrides on top.", Section::resources},
        Field{"network", &Recipe::network, Object{}, Presence::written, as_inside(), "What a session may reach.",
              Section::network},
        Field{"persistence", &Recipe::persistence, Object{}, Presence::written, as_inside(), "What outlives a session's compute.",
              Section::persistence},
        Field{"identity", &Recipe::identity, Object{}, Presence::optional,
              at_start(StepKind::bind_identity, "bound at start", refusals::identity),
              "The workload identity that sessions have; on registered hosts only.", Section::identity},
        Field{"commands", &Recipe::commands, Object{}, Presence::optional, as_inside(),
              "The managed commands, and how strictly the agent is held to them.", Section::commands},
        Field{"probes", &Recipe::probes, Objects{100, "name"}, Presence::optional,
              at_start(StepKind::probe, "run by tests of the profile", refusals::probes),
              "What a test of the profile checks beyond the probes that every test has.", Section::probes},
    };
};

template <>
struct Model<Record> {
    static constexpr std::tuple fields{
        Field{"name", &Record::name, Text{200, check_line, patterns::line}, Presence::required, of_the_record(), "For people.",
              Section::general},
        Field{"description", &Record::description, Text{4000}, Presence::written, of_the_record(), "For people.",
              Section::general},
        Field{"access", &Record::access, Object{}, Presence::optional, of_the_record(),
              "Who may launch from the profile. Empty: anyone with the scope. Managers may in any case.", Section::access},
        Field{"warm_pool", &Record::warm_pool, Object{}, Presence::optional, of_the_record(), "Sandboxes that are kept ready.",
              Section::warm_pool},
        Field{"triggers", &Record::triggers, Objects{100, "name"}, Presence::optional, of_the_record(refusals::triggers),
              "What starts sessions without a person.", Section::triggers},
        Field{"refresh", &Record::refresh, Object{}, Presence::optional, of_the_record(), "When the snapshot is made anew.",
              Section::triggers},
        Field{"maintenance_script", &Record::maintenance_script, detail::script_form, Presence::optional,
              of_the_record(refusals::refresh),
              "Run by a scheduled refresh on top of the snapshot in use. Without it, a refresh builds from the base.",
              Section::image},
        Field{"agent_instructions", &Record::agent_instructions, detail::script_form, Presence::optional,
              of_the_record(refusals::instructions),
              "What the agent is told before everything else, in place of the host application's own. Has a history of its own.",
              Section::agent_instructions},
    };
};

} // namespace sandboxkit
