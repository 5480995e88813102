// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_recipe.hpp"

#include <sandboxkit/profile_checks.hpp>
#include <sandboxkit/profile_document.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace sandboxkit;

namespace {

using Faults = std::vector<std::string>; // "pointer code" of each

std::vector<std::string> faults(const std::vector<Problem>& problems) {
    Faults out;
    for (const Problem& problem : problems) out.push_back(problem.pointer + ' ' + problem.code);
    return out;
}

Connection model_provider(std::string id, std::vector<std::string> speaks) {
    Connection c;
    c.id = std::move(id);
    c.kind = ConnectionKind::model_provider;
    c.protocols = std::move(speaks);
    return c;
}
Connection connection(std::string id, ConnectionKind kind) {
    Connection c;
    c.id = std::move(id);
    c.kind = kind;
    return c;
}
HostRecord host(std::string name, std::string provider, bool registered, bool can_keep) {
    HostRecord h;
    h.name = std::move(name);
    h.provider = std::move(provider);
    h.registered = registered;
    if (can_keep) h.storage_backend = "directory";
    h.workspace_volumes = can_keep;
    return h;
}

// What a host application might have.
References everything() {
    References r;
    const auto add = [&](const Connection& c) { r.connections.emplace(c.id, c); };
    add(model_provider("openai", {"openai-responses", "openai-chat"}));
    add(model_provider("chat", {"openai-chat"}));
    add(model_provider("anthropic", {"anthropic-messages"}));
    add(model_provider("strange", {"smoke-signals"}));
    Connection git = connection("git", ConnectionKind::git);
    git.provider = "github";
    git.repositories = {{"special", "https://elsewhere.example/s.git"}, {"leaky", "https://u:p@elsewhere.example/s.git"}};
    git.url_template = "https://git.example/team/{identifier}.git";
    add(git);
    Connection few = connection("few", ConnectionKind::git);
    few.repositories = {{"one", "https://git.example/one"}};
    add(few);
    add(connection("tracker", ConnectionKind::connector));
    add(connection("chat-room", ConnectionKind::connector));
    Connection account = connection("account", ConnectionKind::sandbox_provider);
    account.protocols = {"e2b"};
    add(account);
    r.connections.emplace("gone", std::nullopt);
    r.environments.emplace("staging", EnvironmentBinding{"staging", "Staging", ""});
    r.environments.emplace("gone", std::nullopt);
    for (const HostRecord& h : {host("managed", "local", false, true), host("mine", "local", true, true),
                                host("bare", "local", true, false), host("cloud", "e2b", false, false)})
        r.hosts.emplace(h.name, h);
    HostRecord down = host("down", "local", true, true);
    down.reachable = false;
    r.hosts.emplace("down", down);
    r.default_host = host("here", "local", false, true);
    return r;
}

std::string with(std::string_view members) {
    return R"({"name": "x", )" + std::string(members) + '}';
}
Profile profile_of(std::string_view document) {
    auto profile = read_profile(document);
    if (!profile)
        for (const Problem& p : profile.error().problems) MESSAGE(p.pointer << ' ' << p.code << ' ' << p.message);
    return profile.value();
}

const std::string digest_a = "sha256:" + std::string(64, 'a');
const std::string digest_b = "sha256:" + std::string(64, 'b');

// What was emitted by any test, as the table has it.
using Emitted = std::set<std::tuple<std::string, Gate, Severity>>;
Emitted& emitted() {
    static Emitted all;
    return all;
}
bool in_table(const std::string& code, Gate gate, Severity severity) {
    return std::any_of(checks().begin(), checks().end(), [&](const Check& check) {
        return check.code == code && check.gate == gate && check.severity == severity;
    });
}
void note(const std::vector<Problem>& problems, Gate gate, Severity severity) {
    for (const Problem& problem : problems) {
        CAPTURE(problem.code);
        CAPTURE(problem.pointer);
        CHECK(in_table(problem.code, gate, severity));
        CHECK(problem.message.find('\n') == std::string::npos);
        CHECK_FALSE(problem.message.empty());
        // What takes a number or a text of a certain size says so in the message.
        if (gate != Gate::save) CHECK_FALSE(problem.remedy.empty());
        emitted().emplace(problem.code, gate, severity);
    }
}

// Whether what a pointer names is there, or could be added: all of it but the last member exists. Of a list that is absent no
// element can be named.
bool has_place(const boost::json::value& document, const std::string& pointer) {
    if (pointer.empty()) return true;
    const boost::json::value* at = &document;
    for (std::size_t begin = 1; begin <= pointer.size();) {
        const std::size_t end = std::min(pointer.find('/', begin), pointer.size());
        const std::string token = pointer.substr(begin, end - begin);
        const bool last = end == pointer.size();
        if (const auto* object = at->if_object()) {
            at = object->if_contains(token);
            // Objects that are absent have their defaults, and can be added with the member.
            if (!at) return last || !std::isdigit(static_cast<unsigned char>(pointer[end + 1]));
        } else if (const auto* array = at->if_array()) {
            const auto index = static_cast<std::size_t>(std::stoul(token));
            if (index >= array->size()) return false;
            at = &(*array)[index];
        } else {
            return false;
        }
        begin = end + 1;
    }
    return true;
}
void check_places(std::string_view document, const Validation& found) {
    const auto value = boost::json::parse(document);
    for (const auto* list : {&found.errors, &found.warnings})
        for (const Problem& problem : *list) {
            CAPTURE(problem.pointer);
            CHECK(has_place(value, problem.pointer));
        }
}

Validation published(std::string_view document, const References& references = everything()) {
    const Validation found = publish_checks(profile_of(document), references);
    note(found.errors, Gate::publish, Severity::error);
    note(found.warnings, Gate::publish, Severity::warning);
    check_places(document, found);
    return found;
}
Validation started(std::string_view document, const References& references = everything()) {
    const Validation found = start_checks(profile_of(document).recipe, references);
    note(found.errors, Gate::start, Severity::error);
    note(found.warnings, Gate::start, Severity::warning);
    check_places(document, found);
    return found;
}
Faults errors(std::string_view members) {
    CAPTURE(members);
    const auto found = published(with(members));
    return faults(found.errors);
}
Faults warnings(std::string_view members) {
    CAPTURE(members);
    const auto found = published(with(members));
    CHECK(faults(found.errors) == Faults{});
    return faults(found.warnings);
}
// Of the save gate, form included.
Faults saved(std::string_view document) {
    const auto profile = read_profile(document);
    const auto found = profile ? save_checks(*profile) : Validation{profile.error().problems, {}};
    note(found.errors, Gate::save, Severity::error);
    note(found.warnings, Gate::save, Severity::warning);
    return faults(found.errors);
}

// A profile with a strict catalog, and one command of these members.
std::string command(std::string_view members) {
    return R"("commands": {"catalog": [{"name": "c", "command": ["make"], )" + std::string(members) + "}]}";
}
std::string arguments(std::string_view rules) {
    return command(R"("arguments": [)" + std::string(rules) + "]");
}
std::string allow(std::string_view rules) {
    return R"("network": {"egress": "allowlist", "allow": [)" + std::string(rules) + "]}";
}

} // namespace

TEST_CASE("nothing is wrong with a plain profile, nor with one that has everything") {
    CHECK(saved(R"({"name": "x"})") == Faults{});
    for (const std::string& document :
         {std::string(R"({"name": "x"})"),
          with(R"(
            "host": "mine", "environment_binding": "staging",
            "connections": {"model_provider": "anthropic", "git": "git", "connectors": ["tracker"]},
            "agent": {"runtime": "claude-code", "version": "2.1.197"},
            "mcp_servers": [{"name": "files", "command": ["mcp-files"], "environment": {"A": "1"}, "tools": ["read"]},
                            {"name": "tracker", "url": "https://tracker.example/mcp", "connection": "tracker", "tools": ["a", "b"]}],
            "skills": [{"name": "s", "url": "https://git.example/skills", "path": "s"}],
            "image": "oci:registry.example/base:1", "image_digest": ")" +
               digest_a + R"(",
            "features": [{"id": "ghcr.io/f/node:1"}, {"id": "directory:/srv/feature"}], "feature_order": ["ghcr.io/f/base"],
            "feature_lock": [{"id": "ghcr.io/f/node:1", "version": "1.2.3", "resolved": "ghcr.io/f/node@)" +
               digest_a + R"(", "integrity": ")" + digest_a + R"(", "depends_on": ["ghcr.io/f/base:2"]},
                             {"id": "ghcr.io/f/base:2", "version": "2.0.0", "resolved": "ghcr.io/f/base@)" +
               digest_b + R"(", "integrity": ")" + digest_b + R"("}],
            "hooks": {"build": [{"name": "a", "script": "true"}], "prewarm": [{"name": "a", "script": "true"}]},
            "setup_script": "make", "setup_timeout": 60,
            "repositories": [{"identifier": "app", "role": "primary"}, {"identifier": "special"}, {"url": "https://x.example/y"}],
            "network": {"egress": "allowlist", "allow": [{"domain": "*.example.org"}, {"domain": "tracker.example", "ports": [443]},
                                                         {"cidr": "8.8.0.0/16"}, {"cidr": "2606:4700::/32"}], "rate_limit_mbit": 10},
            "persistence": {"enabled": true, "paths": ["/root", "/home/x"], "workspace": {"enabled": true, "second_start": "clean"}},
            "identity": {"azure_managed_identity": "/subscriptions/a/resourceGroups/b/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c"},
            "commands": {"mode": "strict-command", "catalog": [{"name": "c", "command": ["make"], "credentials": ["tracker", "git"],
                "arguments": [{"name": "t", "required": true}, {"name": "o", "repeated": true},
                              {"name": "f", "flag": "--f", "choices": ["a"], "required": true, "repeated": true}]}]},
            "probes": [{"name": "p", "script": "true"}],
            "warm_pool": {"enabled": true, "floor": 1, "ceiling": 3, "strategy": "demand"},
            "triggers": [{"name": "t", "event": {"connection": "git", "type": "push"}, "prompt": "go"},
                         {"name": "u", "schedule": "0 4 * * *"}],
            "refresh": {"enabled": true, "schedule": "0 3 * * *"}, "maintenance_script": "apt-get upgrade",
            "agent_instructions": "be brief")")}) {
        CAPTURE(document);
        CHECK(saved(document) == Faults{});
        const auto found = published(document);
        CHECK(faults(found.errors) == Faults{});
        CHECK(faults(found.warnings) == Faults{});
        CHECK(faults(started(document).errors) == Faults{});
    }
}

TEST_CASE("the save gate: every code of form, and the rules of the record") {
    CHECK(saved(std::string(std::size_t{2} << 20, ' ')) == Faults{" too_large"});
    CHECK(saved("{\"name\": \"\xFF\"}") == Faults{" bad_utf8"});
    CHECK(saved("{") == Faults{" syntax"});
    CHECK(saved(std::string(40, '[') + std::string(40, ']')) == Faults{" too_deep"});
    CHECK(saved(R"({"name": "x", "name": "y"})") == Faults{"/name duplicate_key"});
    CHECK(saved(with(R"("nmae": 1)")) == Faults{"/nmae unknown_field"});
    CHECK(saved("{}") == Faults{"/name missing_field"});
    CHECK(saved(with(R"("network": {"allow": [{"domain": "a.example", "cidr": "8.8.8.0/24"}]})")) ==
          Faults{"/network/allow/0/cidr excluded_field"});
    CHECK(saved(with(R"("image": 1)")) == Faults{"/image wrong_type"});
    CHECK(saved(with(R"("setup_timeout": 0)")) == Faults{"/setup_timeout out_of_range"});
    CHECK(saved(R"({"name": ")" + std::string(201, 'x') + "\"}") == Faults{"/name too_long"});
    std::string many;
    for (int i = 0; i < 101; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + '"';
    CHECK(saved(with(R"("connections": {"connectors": [)" + many + "]}")) == Faults{"/connections/connectors too_many"});
    CHECK(saved(with(R"("mcp_servers": [{"name": "a", "command": []}])")) == Faults{"/mcp_servers/0/command too_few"});
    CHECK(saved(with(R"("image_digest": "x")")) == Faults{"/image_digest bad_value"});
    CHECK(saved(with(R"("image": "x")")) == Faults{"/image bad_form"});
    CHECK(saved(with(R"("persistence": {"paths": ["/a", "/a/b"]})")) == Faults{"/persistence/paths/1 nested_path"});
    CHECK(saved(with(R"("repositories": [{"url": "https://u:p@git.example/a"}])")) ==
          Faults{"/repositories/0/url secret_in_url"});
    std::string unknown;
    for (int i = 0; i < 300; ++i) unknown += (i ? ",\"a" : "\"a") + std::to_string(i) + "\":1";
    CHECK(saved(with(unknown)).back() == " more_problems");

    // Names are unique in ordered lists too.
    CHECK(saved(with(R"("hooks": {"build": [{"name": "a", "script": "x"}, {"name": "a", "script": "y"}]})")) ==
          Faults{"/hooks/build/1/name duplicate_value"});
    CHECK(saved(with(R"("hooks": {"build": [{"name": "a", "script": "x"}], "runtime": [{"name": "a", "script": "y"}]})")) ==
          Faults{});
    CHECK(saved(with(arguments(R"({"name": "a"}, {"name": "b"}, {"name": "a"})"))) ==
          Faults{"/commands/catalog/0/arguments/2/name duplicate_value"});

    CHECK(saved(with(R"("warm_pool": {"floor": 5})")) == Faults{"/warm_pool/floor floor_above_ceiling"});
    CHECK(saved(with(R"("warm_pool": {"floor": 5, "ceiling": 5})")) == Faults{});
    CHECK(saved(with(R"("refresh": {"enabled": true})")) == Faults{"/refresh/schedule no_refresh_schedule"});
    CHECK(saved(with(R"("refresh": {"schedule": "0 4 * * *"})")) == Faults{});
    // Sections are edited one at a time: what is missing elsewhere does not keep a draft from being saved.
    CHECK(saved(with(R"("agent": {"runtime": "custom"}, "network": {"egress": "allowlist"}, "skills": [])")) == Faults{});
}

TEST_CASE("the agent and what it uses") {
    CHECK(
        errors(
            R"("mcp_servers": [{"name": "m", "command": ["x"]}], "skills": [{"name": "s", "url": "https://git.example/s", "path": "s"}])") ==
        Faults{"/mcp_servers no_agent", "/skills no_agent"});
    CHECK(errors(R"("agent": {"runtime": "codex"})") == Faults{"/connections/model_provider no_model_provider"});
    CHECK(errors(R"("agent": {"runtime": "custom"})") == Faults{"/agent/command missing_command"});
    CHECK(errors(R"("agent": {"runtime": "custom", "command": []})") == Faults{"/agent/command missing_command"});
    CHECK(errors(R"("agent": {"runtime": "custom", "command": [""]})") == Faults{"/agent/command missing_command"});
    CHECK(warnings(R"("agent": {"runtime": "custom", "command": ["x"], "install": "make"})") == Faults{});
    CHECK(
        errors(
            R"("connections": {"model_provider": "openai"}, "agent": {"runtime": "codex", "command": ["x"], "install": "make"})") ==
        Faults{"/agent/install not_custom", "/agent/command not_custom"});
    CHECK(warnings(R"("connections": {"model_provider": "openai"}, "agent": {"runtime": "codex"})") ==
          Faults{"/agent/version not_pinned"});
    CHECK(warnings(R"("connections": {"model_provider": "openai"}, "agent_instructions": "x",
                     "triggers": [{"name": "t", "schedule": "0 4 * * *", "prompt": "go"}])") ==
          Faults{"/connections/model_provider no_effect", "/agent_instructions no_effect", "/triggers/0/prompt no_effect"});

    const std::string agent = R"("agent": {"runtime": "custom", "command": ["x"]}, "mcp_servers": )";
    CHECK(errors(agent + R"([{"name": "m", "url": "https://m.example/", "environment": {"A": "1"}}])") ==
          Faults{"/mcp_servers/0/environment environment_without_command"});
    CHECK(errors(agent + R"([{"name": "m", "command": [""]}])") == Faults{"/mcp_servers/0/command missing_command"});
    CHECK(warnings(agent + R"([{"name": "m", "command": ["x"], "tools": []}])") == Faults{"/mcp_servers/0/tools no_effect"});
}

TEST_CASE("an agent runtime and a model provider fit or do not") {
    struct Row {
        const char* runtime;
        const char* connection;
        bool fits;
    };
    for (const Row& row : std::initializer_list<Row>{{"codex", "openai", true},
                                                     {"codex", "chat", false},
                                                     {"codex", "anthropic", false},
                                                     {"codex", "strange", false},
                                                     {"claude-code", "anthropic", true},
                                                     {"claude-code", "openai", false},
                                                     {"opencode", "openai", true},
                                                     {"opencode", "chat", true},
                                                     {"opencode", "anthropic", true},
                                                     {"opencode", "strange", false},
                                                     {"custom", "strange", true}}) {
        CAPTURE(row.runtime);
        CAPTURE(row.connection);
        const std::string document = R"("connections": {"model_provider": ")" + std::string(row.connection) +
                                     R"("}, "agent": {"runtime": ")" + row.runtime + R"(", "version": "1")" +
                                     (std::string_view(row.runtime) == "custom" ? R"(, "command": ["x"])" : "") + "}";
        CHECK(errors(document) == (row.fits ? Faults{} : Faults{"/connections/model_provider unfit_connection"}));
    }
    const auto found = published(with(R"("connections": {"model_provider": "anthropic"}, "agent": {"runtime": "codex"})"));
    CHECK(found.errors.at(0).message == "Codex speaks openai-responses; this connection speaks anthropic-messages");
    Connection silent = model_provider("openai", {});
    References references;
    references.connections.emplace("openai", silent);
    CHECK(faults(published(with(R"("connections": {"model_provider": "openai"}, "agent": {"runtime": "codex"})"), references)
                     .errors) == Faults{"/connections/model_provider unfit_connection"});
}

TEST_CASE("what is referred to exists, and is of the right kind") {
    const std::string all = R"("host": "gone", "environment_binding": "gone",
        "connections": {"model_provider": "gone", "git": "nowhere", "connectors": ["gone", "tracker"], "sandbox_provider": "gone"},
        "agent": {"runtime": "codex", "version": "1"},
        "mcp_servers": [{"name": "m", "command": ["x"], "connection": "gone"}],
        "triggers": [{"name": "t", "event": {"connection": "gone", "type": "push"}}])";
    const Faults referred{"/host host_unknown",
                          "/connections/model_provider connection_unknown",
                          "/connections/git connection_unknown",
                          "/connections/connectors/0 connection_unknown",
                          "/connections/sandbox_provider connection_unknown",
                          "/mcp_servers/0/connection connection_unknown",
                          "/environment_binding environment_unknown"};
    Faults with_trigger = referred;
    with_trigger.emplace_back("/triggers/0/event/connection connection_unknown");
    CHECK(errors(all) == with_trigger);
    CHECK(faults(started(with(all)).errors) == referred);
    // What was not looked up does not exist either.
    CHECK(faults(published(with(all), References{}).errors).size() == with_trigger.size() + 1);

    const auto ids = referenced_ids(profile_of(with(all)));
    CHECK(ids.connections == std::set<std::string>{"gone", "nowhere", "tracker"});
    CHECK(ids.environments == std::set<std::string>{"gone"});
    CHECK(ids.hosts == std::set<std::string>{"gone"});
    CHECK(referenced_ids(Profile{}) == ReferencedIds{});
    // A version starts without its record.
    const Profile only_trigger =
        profile_of(with(R"("triggers": [{"name": "t", "event": {"connection": "git", "type": "push"}}])"));
    CHECK(referenced_ids(only_trigger).connections == std::set<std::string>{"git"});
    CHECK(referenced_ids(only_trigger.recipe) == ReferencedIds{});

    const std::string wrong = R"("connections": {"model_provider": "git", "git": "openai", "connectors": ["openai"],
                                                 "sandbox_provider": "tracker"},
        "agent": {"runtime": "codex", "version": "1"},
        "mcp_servers": [{"name": "m", "command": ["x"], "connection": "git"}],
        "triggers": [{"name": "t", "event": {"connection": "openai", "type": "push"}}])";
    const Faults kinds{"/connections/model_provider wrong_connection_kind", "/connections/git wrong_connection_kind",
                       "/connections/connectors/0 wrong_connection_kind", "/connections/sandbox_provider wrong_connection_kind",
                       "/mcp_servers/0/connection wrong_connection_kind"};
    Faults kinds_published = kinds;
    kinds_published.emplace_back("/triggers/0/event/connection wrong_connection_kind");
    CHECK(errors(wrong) == kinds_published);
    CHECK(faults(started(with(wrong)).errors) == kinds);
    CHECK(published(with(wrong)).errors.back().message ==
          "this has to be a connector or a Git connection, and it is a connection of the kind \"model provider\"");

    CHECK(errors(R"("connections": {"sandbox_provider": "account"})") ==
          Faults{"/connections/sandbox_provider unfit_connection"});
    CHECK(faults(started(with(R"("connections": {"sandbox_provider": "account"})")).errors) ==
          Faults{"/connections/sandbox_provider unfit_connection"});
    CHECK(errors(R"("connections": {"sandbox_provider": "account"}, "provider": "e2b", "host": "cloud")") == Faults{});
}

TEST_CASE("the Git connection knows the URLs of repositories") {
    CHECK(errors(R"("repositories": [{"identifier": "app"}])") == Faults{"/repositories/0/url repository_without_url"});
    CHECK(warnings(R"("connections": {"git": "git"}, "repositories": [{"identifier": "app"}])") == Faults{});
    CHECK(warnings(R"("connections": {"git": "few"}, "repositories": [{"identifier": "one"}])") == Faults{});
    CHECK(errors(R"("connections": {"git": "few"}, "repositories": [{"identifier": "two"}])") ==
          Faults{"/repositories/0/identifier repository_unknown"});
    CHECK(errors(R"("connections": {"git": "git"}, "repositories": [{"identifier": "leaky"}])") ==
          Faults{"/repositories/0/identifier repository_unknown"});
    const References references = everything();
    const Connection git = *references.connections.at("git");
    CHECK(git.url_for("app") == "https://git.example/team/app.git");
    CHECK(git.url_for("special") == "https://elsewhere.example/s.git");
    CHECK_FALSE(git.url_for("leaky"));
    CHECK_FALSE(references.connections.at("few")->url_for("two"));
    Connection odd = git;
    odd.url_template = "https://git.example/one.git";
    CHECK_FALSE(odd.url_for("app"));
    odd.url_template = "https://{identifier}.example/{identifier}";
    CHECK(odd.url_for("a") == "https://a.example/a");
    CHECK_FALSE(odd.url_for("{identifier}"));

    const std::string two = R"("repositories": [{"url": "https://git.example/a"}, {"url": "https://git.example/b")";
    CHECK(warnings(two + "}]") == Faults{"/repositories no_primary"});
    CHECK(warnings(two + R"(, "role": "primary"}])") == Faults{});
}

TEST_CASE("hosts") {
    CHECK(errors(R"("host": "cloud")") == Faults{"/host host_mismatch"});
    CHECK(faults(started(with(R"("host": "cloud")")).errors) == Faults{"/host host_mismatch"});
    CHECK(errors(R"("provider": "e2b")") == Faults{"/provider host_mismatch"});
    CHECK(errors(R"("host": "down")") == Faults{});
    CHECK(faults(started(with(R"("host": "down")")).errors) == Faults{"/host host_down"});

    const std::string id =
        R"("identity": {"azure_managed_identity": "/subscriptions/a/resourceGroups/b/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c"})";
    CHECK(errors(id) == Faults{"/identity host_not_registered"});
    CHECK(errors(id + R"(, "host": "managed")") == Faults{"/identity host_not_registered"});
    CHECK(faults(started(with(id + R"(, "host": "managed")")).errors) == Faults{"/identity host_not_registered"});
    CHECK(errors(id + R"(, "host": "mine")") == Faults{});
    CHECK(errors(id + R"(, "host": "gone")") == Faults{"/host host_unknown"}); // told once

    // Which host the default is may be left to the start, but not beyond.
    References nowhere = everything();
    nowhere.default_host.reset();
    const std::string keeps = with(R"("persistence": {"enabled": true})");
    CHECK(faults(published(keeps, nowhere).errors) == Faults{});
    CHECK(faults(started(keeps, nowhere).errors) == Faults{"/host host_unknown"});
    nowhere.default_host = HostRecord{};
    nowhere.default_host->provider = "local";
    CHECK(published(keeps, nowhere).errors.at(0).message == "this host has nowhere to keep persistent paths");
}

TEST_CASE("durable state") {
    const std::string bare = R"("host": "bare", "persistence": {"enabled": true, "workspace": {"enabled": true}})";
    const Faults lacking{"/persistence/enabled no_storage_backend", "/persistence/workspace/enabled no_workspace_volumes"};
    CHECK(errors(bare) == lacking);
    CHECK(faults(started(with(bare)).errors) == lacking);
    // D2: the switch comes first, and without it sessions run.
    References forbidden = everything();
    forbidden.organization_allows_persistence = false;
    const auto plain = with(R"("host": "bare", "persistence": {"enabled": true})");
    for (const auto& found : {published(plain, forbidden), started(plain, forbidden)}) {
        CHECK(faults(found.errors) == Faults{});
        CHECK(faults(found.warnings) == Faults{"/persistence/enabled not_persistent"});
    }

    const auto keep = [](const char* paths, const char* more = "") {
        return R"("persistence": {"enabled": true, "paths": )" + std::string(paths) + "}" + more;
    };
    const char* const app = R"(, "repositories": [{"url": "https://git.example/app"}])";
    const char* const docs = R"(, "repositories": [{"url": "https://git.example/docs", "role": "reference"}])";
    CHECK(warnings(keep(R"(["/workspace"])", app)) == Faults{}); // D1 names it as an example
    CHECK(warnings(keep(R"(["/workspace/app"])", app)) == Faults{});
    CHECK(warnings(keep(R"(["/workspace/application"])", app)) == Faults{});
    CHECK(errors(keep(R"(["/root", "/workspace/app/build"])", app)) == Faults{"/persistence/paths/1 path_conflict"});
    CHECK(errors(keep(R"(["/workspace/docs/build"])", docs)) == Faults{"/persistence/paths/0 path_conflict"});
    CHECK(warnings(keep(R"(["/workspace"])", docs)) == Faults{"/persistence/paths/0 stale_checkout"});
    CHECK(warnings(keep(R"(["/workspace/docs"])", docs)) == Faults{"/persistence/paths/0 stale_checkout"});
    CHECK(errors(keep(R"(["/root", "/proc/x", "/dev", "/sysroot"])")) ==
          Faults{"/persistence/paths/1 path_conflict", "/persistence/paths/2 path_conflict"});
    CHECK(
        errors(R"("persistence": {"enabled": true, "paths": ["/workspace/x", "/workspaces"], "workspace": {"enabled": true}})") ==
        Faults{"/persistence/paths/0 path_conflict"});
    CHECK(warnings(keep("[]")) == Faults{"/persistence/enabled no_effect"});
    CHECK(warnings(R"("persistence": {"workspace": {"second_start": "clean"}})") ==
          Faults{"/persistence/workspace/second_start no_effect"});
    CHECK(warnings(R"("persistence": {"enabled": false, "paths": ["/proc"]})") == Faults{});
}

TEST_CASE("managed commands") {
    const std::string claude = R"("connections": {"model_provider": "anthropic", "git": "git", "connectors": ["tracker"]},
        "agent": {"runtime": "claude-code", "version": "2.1.197"}, )";
    CHECK(errors(claude + R"("commands": {"mode": "strict-command"})") == Faults{"/commands/catalog empty_catalog"});
    const std::string strict = R"("commands": {"mode": "strict-command", "catalog": [{"name": "c", "command": ["make"]}]})";
    CHECK(warnings(claude + strict) == Faults{});
    const std::string servers =
        R"(, "mcp_servers": [{"name": "a", "command": ["x"], "tools": ["read"]}, {"name": "b", "command": ["x"]},
                                    {"name": "c", "command": ["x"], "tools": ["read", "*"]}])";
    CHECK(errors(claude + strict + servers) ==
          Faults{"/mcp_servers/1/tools wildcard_tool", "/mcp_servers/2/tools wildcard_tool"});
    CHECK(faults(started(with(claude + strict + servers)).errors) ==
          Faults{"/mcp_servers/1/tools wildcard_tool", "/mcp_servers/2/tools wildcard_tool"});
    CHECK(errors(R"("agent": {"runtime": "custom", "command": ["x"]}, )" + strict) ==
          Faults{"/commands/mode shell_not_closable"});
    CHECK(shell_closing(AgentRuntime::claude_code) == ShellClosing::seen);
    CHECK(shell_closing(AgentRuntime::codex) == ShellClosing::documented);
    CHECK(warnings(strict) == Faults{"/commands/mode no_effect"});
    CHECK(warnings(claude + R"("commands": {"mode": "redirect-known"})") == Faults{"/commands/mode no_effect"});

    CHECK(errors(R"("commands": {"catalog": [{"name": "c", "command": [""]}]})") ==
          Faults{"/commands/catalog/0/command missing_command"});
    CHECK(errors(command(R"("credentials": ["tracker"])")) == Faults{"/commands/catalog/0/credentials/0 credential_not_listed"});
    CHECK(errors(claude + command(R"("credentials": ["git", "chat-room", "tracker", "anthropic"])")) ==
          Faults{"/commands/catalog/0/credentials/1 credential_not_listed"});
    // Those of the platform are never for a command.
    CHECK(errors(R"("provider": "e2b", "host": "cloud", "connections": {"sandbox_provider": "account"}, )" +
                 command(R"("credentials": ["account"])")) == Faults{"/commands/catalog/0/credentials/0 credential_not_listed"});

    CHECK(errors(arguments(R"({"name": "a", "choices": ["x"], "pattern": "*"})")) ==
          Faults{"/commands/catalog/0/arguments/0/pattern choices_and_pattern"});
    CHECK(errors(arguments(R"({"name": "a", "repeated": true}, {"name": "f", "flag": "-f"}, {"name": "b"})")) ==
          Faults{"/commands/catalog/0/arguments/2 after_repeated"});
    CHECK(errors(arguments(R"({"name": "a"}, {"name": "b", "required": true})")) ==
          Faults{"/commands/catalog/0/arguments/1/required required_after_optional"});
    CHECK(errors(arguments(R"({"name": "a"}, {"name": "b", "required": true}, {"name": "c", "required": true})")).size() == 2);
    CHECK(errors(arguments(R"({"name": "f", "flag": "-f"}, {"name": "b", "required": true, "repeated": true})")) == Faults{});
    CHECK(errors(arguments(R"({"name": "f", "flag": "--f"}, {"name": "g", "flag": "-f"}, {"name": "h", "flag": "--f"})")) ==
          Faults{"/commands/catalog/0/arguments/2/flag duplicate_flag"});
}

TEST_CASE("the allowlist") {
    CHECK(errors(R"("network": {"egress": "allowlist"})") == Faults{"/network/allow empty_allowlist"});
    CHECK(errors(R"("network": {"allow": [{"domain": "a.example"}]})") == Faults{"/network/allow allow_without_allowlist"});
    CHECK(errors(allow(R"({"domain": "10.0.0.1"})")) == Faults{"/network/allow/0/domain address_as_domain"});
    for (const char* cidr :
         {"10.0.0.0/8",    "10.1.2.3/32",       "127.0.0.0/8", "169.254.169.254/32", "192.168.0.0/16", "172.16.0.0/12",
          "172.31.0.0/16", "100.64.0.0/10",     "224.0.0.0/4", "255.255.255.255/32", "0.0.0.0/8",      "168.63.129.16/32",
          "::1/128",       "fe80::/10",         "fd00::/8",    "ff02::/16",          "2001:db8::/32",  "::ffff:10.0.0.0/104",
          "::/128",        "64:ff9b::a00:0/104"}) {
        CAPTURE(cidr);
        CHECK(errors(allow(R"({"cidr": ")" + std::string(cidr) + "\"}")) == Faults{"/network/allow/0/cidr unreachable_range"});
    }
    for (const char* cidr : {"0.0.0.0/0", "::/0", "8.8.8.8/32", "172.32.0.0/16", "8.0.0.0/5", "2606:4700::/32", "64:ff9b::/96",
                             "64:ff9b::808:0/112"}) {
        CAPTURE(cidr);
        CHECK(warnings(allow(R"({"cidr": ")" + std::string(cidr) + "\"}")) == Faults{});
    }
    CHECK(
        warnings(allow(
            R"({"domain": "*.a.example"}, {"domain": "a.example"}, {"domain": "x.a.example"}, {"domain": "*.x.a.example", "ports": [1]},
                            {"domain": "xa.example"}, {"cidr": "8.8.8.0/24"}, {"cidr": "8.8.0.0/16", "ports": [443]}, {"cidr": "8.8.8.8/32"},
                            {"domain": "xa.example"}, {"domain": "xa.example", "ports": [443]}, {"cidr": "8.8.9.0/24", "ports": [443, 80]})")) ==
        Faults{"/network/allow/2 covered_rule", "/network/allow/3 covered_rule", "/network/allow/7 covered_rule",
               "/network/allow/8 covered_rule", "/network/allow/9 covered_rule"});
    CHECK(warnings(R"("network": {"egress": "none", "rate_limit_mbit": 5})") == Faults{"/network/rate_limit_mbit no_effect"});

    const auto server = [](const char* url, std::string_view network) {
        return R"("agent": {"runtime": "custom", "command": ["x"]}, "mcp_servers": [{"name": "m", "url": ")" + std::string(url) +
               "\"}], " + std::string(network);
    };
    const Faults far{"/mcp_servers/0/url not_reachable"};
    CHECK(warnings(server("https://m.example", R"("network": {"egress": "none"})")) == far);
    CHECK(warnings(server("https://m.example", R"("network": {"egress": "open"})")) == Faults{});
    CHECK(warnings(server("http://127.0.0.1:8080/mcp", R"("network": {"egress": "open"})")) == far);
    CHECK(warnings(server("http://[::1]/mcp", R"("network": {"egress": "open"})")) == far);
    CHECK(warnings(server("https://m.example", allow(R"({"domain": "n.example"})"))) == far);
    CHECK(warnings(server("https://M.example/x", allow(R"({"domain": "m.example", "ports": [443]})"))) == Faults{});
    CHECK(warnings(server("http://m.example:8080/x", allow(R"({"domain": "m.example", "ports": [443]})"))) == far);
    CHECK(warnings(server("https://a.m.example/x", allow(R"({"domain": "*.m.example"})"))) == Faults{});
    CHECK(warnings(server("https://8.8.8.8/x", allow(R"({"cidr": "8.8.8.0/24"})"))) == Faults{});
    CHECK(warnings(server("https://8.8.9.8/x", allow(R"({"cidr": "8.8.8.0/24"})"))) == far);
    CHECK(warnings(server("https://m.example/x", allow(R"({"cidr": "8.8.8.0/24"})"))) == Faults{}); // it may be there
}

TEST_CASE("the image and what runs in it") {
    const auto digest = [](const std::string& image, const std::string& value) {
        return R"("image": ")" + image + R"(", "image_digest": ")" + value + "\"";
    };
    CHECK(errors(digest("host", digest_a)) == Faults{"/image_digest image_has_no_digest"});
    CHECK(errors(digest("directory:/srv", digest_a)) == Faults{"/image_digest image_has_no_digest"});
    CHECK(errors(digest("oci:registry.example/a@" + digest_b, digest_a)) == Faults{"/image_digest digest_mismatch"});
    CHECK(warnings(digest("oci:registry.example/a@" + digest_a, digest_a)) == Faults{});
    CHECK(warnings(digest("archive:/srv/@" + digest_b, digest_a)) == Faults{});
    CHECK(warnings(R"("image": "oci:registry.example/a@)" + digest_a + "\"") == Faults{});
    CHECK(warnings(R"("image": "oci:registry.example/a:1")") == Faults{"/image_digest not_pinned"});
    CHECK(warnings(R"("image": "archive:/srv/a.tar")") == Faults{"/image_digest not_pinned"});

    CHECK(warnings(R"("setup_timeout": 60)") == Faults{"/setup_timeout no_effect"});
    CHECK(warnings(R"("hooks": {"prewarm": [{"name": "a", "script": "x"}]})") == Faults{"/hooks/prewarm no_effect"});
    CHECK(warnings(R"("maintenance_script": "x", "refresh": {"schedule": "0 4 * * *"})") ==
          Faults{"/maintenance_script no_effect"});
    CHECK(warnings(R"("hooks": {"build": [{"name": "a", "script": " \n"}]}, "probes": [{"name": "p", "script": ""}])") ==
          Faults{"/hooks/build/0/script no_effect", "/probes/0/script no_effect"});
    CHECK(warnings(R"("warm_pool": {"enabled": true, "floor": 4, "strategy": "demand"})") ==
          Faults{"/warm_pool/strategy no_effect"});
    CHECK(warnings(R"("warm_pool": {"enabled": true, "floor": 0})") == Faults{"/warm_pool/enabled no_effect"});
    CHECK(warnings(R"("warm_pool": {"enabled": true, "floor": 4})") == Faults{});
}

namespace {

struct Locked {
    std::string id;
    std::vector<std::string> needs;
};
// Features, and entries of a lock, by short names.
std::string features(const std::vector<std::string>& listed, const std::vector<Locked>& lock,
                     const std::vector<std::string>& order = {}) {
    const auto id = [](const std::string& name) {
        return name.find(':') == std::string::npos ? "ghcr.io/f/" + name + ":1" : name;
    };
    boost::json::array f, l, o;
    for (const auto& name : listed) f.push_back(boost::json::object{{"id", id(name)}});
    for (const auto& entry : lock) {
        boost::json::array needs;
        for (const auto& name : entry.needs) needs.emplace_back(id(name));
        l.push_back(boost::json::object{{"id", id(entry.id)},
                                        {"version", "1"},
                                        {"resolved", "ghcr.io/f/" + entry.id + "@" + digest_a},
                                        {"integrity", digest_a},
                                        {"depends_on", needs}});
    }
    for (const auto& name : order) o.emplace_back(name);
    return R"("features": )" + boost::json::serialize(f) + R"(, "feature_lock": )" + boost::json::serialize(l) +
           R"(, "feature_order": )" + boost::json::serialize(o);
}

} // namespace

TEST_CASE("features, their lock and their order") {
    CHECK(warnings(features({"a"}, {})) == Faults{"/feature_lock not_pinned"});
    CHECK(warnings(features({"directory:/srv/f"}, {})) == Faults{});
    CHECK(warnings(features({"ghcr.io/f/a@" + digest_a}, {})) == Faults{});
    CHECK(warnings(features({"a"}, {{"a", {}}})) == Faults{});
    CHECK(errors(features({"a", "b"}, {{"a", {"c"}}})) ==
          Faults{"/features/1/id feature_not_locked", "/feature_lock/0/depends_on/0 feature_not_locked"});
    CHECK(warnings(features({"a"}, {{"a", {"b"}}, {"b", {}}, {"c", {"d"}}, {"d", {}}})) ==
          Faults{"/feature_lock/2 no_effect", "/feature_lock/3 no_effect"});
    CHECK(warnings(features({}, {{"a", {}}})) == Faults{"/feature_lock/0 no_effect"});
    // What a directory depends on is not known here.
    CHECK(warnings(features({"directory:/srv/f"}, {{"a", {}}})) == Faults{});

    CHECK(errors(features({"a"}, {{"a", {"a"}}})) == Faults{"/feature_lock/0/depends_on feature_cycle"});
    const auto cycle = published(with(features(
        {"a"}, {{"a", {"b"}}, {"b", {"x", "c"}}, {"c", {"d", "b"}}, {"d", {"c"}}, {"x", {}}, {"y", {"x", "z"}}, {"z", {"y"}}})));
    CHECK(faults(cycle.errors) == Faults{"/feature_lock/1/depends_on feature_cycle", "/feature_lock/5/depends_on feature_cycle"});
    CHECK(cycle.errors.at(0).message ==
          "features depend on each other in a circle: ghcr.io/f/b:1 -> ghcr.io/f/c:1 -> ghcr.io/f/b:1");
    std::vector<Locked> ring;
    for (int i = 0; i < 900; ++i) ring.push_back({"f" + std::to_string(i), {"f" + std::to_string((i + 1) % 900)}});
    const auto long_cycle = published(with(features({"f0"}, ring)));
    CHECK(faults(long_cycle.errors) == Faults{"/feature_lock/0/depends_on feature_cycle"});
    CHECK(long_cycle.errors.at(0).message.size() < 400);

    std::string text = features({"a"}, {{"a", {}}});
    text.replace(text.find(digest_a), digest_a.size(), digest_b); // of "resolved"
    CHECK(errors(text) == Faults{"/feature_lock/0/integrity digest_mismatch"});

    const std::vector<std::string> order{"ghcr.io/f/b", "ghcr.io/f/a:3", "ghcr.io/f/nowhere:1", "ghcr.io/f/a:1"};
    CHECK(errors(features({"a"}, {{"a", {"b"}}, {"b", {}}}, order)) ==
          Faults{"/feature_order/2 feature_not_listed", "/feature_order/3 feature_order_twice"});
}

TEST_CASE("all errors come at once") {
    const auto found = published(with(R"("host": "gone", "image": "host", "image_digest": ")" + digest_a + R"(",
        "agent": {"runtime": "codex", "command": ["x"]}, "network": {"egress": "allowlist"},
        "mcp_servers": [{"name": "m", "command": ["x"], "connection": "nowhere"}],
        "commands": {"mode": "strict-command"}, "repositories": [{"identifier": "a"}, {"url": "https://git.example/b"}],
        "feature_order": ["ghcr.io/f/x"], "setup_timeout": 5)"));
    CHECK(faults(found.errors) == Faults{"/host host_unknown", "/mcp_servers/0/connection connection_unknown",
                                         "/connections/model_provider no_model_provider", "/agent/command not_custom",
                                         "/mcp_servers/0/tools wildcard_tool", "/commands/catalog empty_catalog",
                                         "/image_digest image_has_no_digest", "/feature_order/0 feature_not_listed",
                                         "/repositories/0/url repository_without_url", "/network/allow empty_allowlist"});
    CHECK(faults(found.warnings) == Faults{"/agent/version not_pinned", "/setup_timeout no_effect", "/repositories no_primary"});
}

TEST_CASE("more problems than anybody reads are counted") {
    std::string unreachable, equal, gone, servers;
    for (int i = 0; i < 250; ++i) {
        const std::string comma = i ? "," : "";
        unreachable += comma + R"({"cidr": "10.0.)" + std::to_string(i) + R"(.0/24"})";
        equal += comma + R"({"domain": "a.example"})";
        if (i >= 100) continue;
        gone += comma + "\"c" + std::to_string(i) + '"';
        servers += comma + R"({"name": "s)" + std::to_string(i) + R"(", "command": ["x"]})";
    }
    auto found = published(with(allow(unreachable)));
    CHECK(found.errors.size() == ProblemList::capacity + 1);
    CHECK(found.errors.back().code == "more_problems");
    found = published(with(allow(equal)));
    CHECK(found.errors.empty());
    CHECK(found.warnings.back().code == "more_problems");
    found = started(with(R"("host": "gone", "connections": {"connectors": [)" + gone + R"(]}, "mcp_servers": [)" + servers +
                         R"(], "commands": {"mode": "strict-command"})"));
    CHECK(found.errors.back().code == "more_problems");
}

TEST_CASE("property: the checks of random profiles do not throw, give the same again, and point at places of the document") {
    References references = everything();
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        test::RandomRecipe random(seed);
        Profile profile;
        profile.record.name = "x";
        profile.recipe = random.recipe();
        // What the checks look at more closely than the generator draws it.
        Recipe& r = profile.recipe;
        const auto sometimes = [&] { return random.below(2) == 0; };
        const auto pick = [&](std::initializer_list<const char*> from) {
            return std::string(from.begin()[random.below(from.size())]);
        };
        const auto id = [&] { return pick({"openai", "git", "tracker", "gone", "anthropic", "account"}); };
        if (sometimes()) r.host = pick({"mine", "bare", "cloud", "gone", "managed"});
        if (sometimes()) r.connections.model_provider = id();
        if (sometimes()) r.connections.git = id();
        if (sometimes()) r.connections.sandbox_provider = id();
        if (sometimes()) r.connections.connectors = {id()};
        if (sometimes()) r.agent = Agent{static_cast<AgentRuntime>(random.below(4)), {}, {}, sometimes() ? "x" : "", {}};
        if (sometimes()) {
            McpServer& server = r.mcp_servers.emplace_back();
            server.name = "m";
            if (sometimes())
                server.command = {sometimes() ? "x" : ""};
            else
                server.url = pick({"https://m.example", "http://10.0.0.1:99999/", "https://[::1"});
            if (sometimes()) server.connection = id();
            if (sometimes()) server.tools = {"read"};
            if (sometimes()) server.environment = {{"A", "1"}};
        }
        r.commands.mode = static_cast<CommandMode>(random.below(3));
        for (std::size_t n = random.below(3); n > 0; --n) {
            ManagedCommand& managed = r.commands.catalog.emplace_back();
            managed.name = "c" + std::to_string(n);
            if (sometimes()) managed.command = {"make"};
            for (std::size_t k = random.below(4); k > 0; --k)
                managed.arguments.push_back({"a" + std::to_string(k), pick({"", "-f"}), {}, "*", sometimes(), sometimes()});
            if (sometimes()) managed.credentials = {id()};
        }
        if (sometimes()) r.network.egress = Egress::allowlist;
        for (std::size_t n = random.below(4); n > 0; --n) {
            EgressRule& rule = r.network.allow.emplace_back();
            if (sometimes())
                rule.domain = pick({"m.example", "*.example.org", "10.0.0.1", "a.example.org"});
            else
                rule.cidr = pick({"10.0.0.0/8", "8.0.0.0/8", "8.8.8.8/32", "nonsense", "::/0", "fe80::/10"});
            if (sometimes()) rule.ports = {443};
        }
        const auto feature = [&] { return "ghcr.io/f/" + pick({"a", "b", "c", "d"}) + ":1"; };
        for (std::size_t n = random.below(3); n > 0; --n) r.features.push_back({feature(), {}});
        for (std::size_t n = random.below(4); n > 0; --n)
            r.feature_lock.push_back(
                {feature(), "1", "x@" + digest_a, sometimes() ? digest_a : digest_b, {feature(), feature()}});
        for (std::size_t n = random.below(3); n > 0; --n) r.feature_order.push_back(feature());
        if (sometimes()) r.image_digest = digest_a;
        r.persistence.workspace.enabled = sometimes();
        profile.record.warm_pool.enabled = sometimes();
        profile.record.warm_pool.floor = static_cast<std::uint32_t>(random.below(6));
        if (sometimes()) {
            Trigger& trigger = profile.record.triggers.emplace_back();
            trigger.name = "t";
            trigger.event = EventSource{id(), "push", {}};
            trigger.prompt = "go";
        }
        references.organization_allows_persistence = sometimes();

        const std::string document = boost::json::serialize(profile_to_json(profile));
        CAPTURE(document);
        const auto look = [&](const auto& check, Gate gate) {
            const Validation first = check(), second = check();
            CHECK(first.errors == second.errors);
            CHECK(first.warnings == second.warnings);
            note(first.errors, gate, Severity::error);
            note(first.warnings, gate, Severity::warning);
            check_places(document, first);
        };
        look([&] { return save_checks(profile); }, Gate::save);
        look([&] { return publish_checks(profile, references); }, Gate::publish);
        look([&] { return start_checks(profile.recipe, references); }, Gate::start);
        // The ids that the checks ask for are those that are said to be looked up.
        const auto ids = referenced_ids(profile);
        References only;
        for (const auto& each : ids.connections)
            if (references.connections.contains(each)) only.connections.emplace(each, references.connections.at(each));
        for (const auto& each : ids.hosts)
            if (references.hosts.contains(each)) only.hosts.emplace(each, references.hosts.at(each));
        only.environments = references.environments;
        only.default_host = references.default_host;
        only.organization_allows_persistence = references.organization_allows_persistence;
        CHECK(publish_checks(profile, only).errors == publish_checks(profile, references).errors);
    }
}

TEST_CASE("the table has every code once a gate, and nothing that nobody emits") {
    // Runs last, and not alone: a file's cases run in their order, and `emitted` has what all others saw.
    const std::set<std::pair<std::string, Gate>> elsewhere{
        {"never_fires", Gate::save},         // tests/core/test_cron.cpp
        {"secret_like", Gate::save},         // src/engine/editing.cpp, by its tests
        {"exception_unused", Gate::save},    // src/engine/editing.cpp, by its tests
        {"provider_unknown", Gate::publish}, // src/engine/publishing.cpp, by its tests
        {"not_supported", Gate::publish},    // src/engine/publishing.cpp, by its tests
        {"not_supported", Gate::start},      // src/engine/sessions.cpp, by its tests
        {"not_enacted", Gate::start},        // src/engine/publishing.cpp, by its tests
        {"not_enacted", Gate::publish},      // tests/core/test_profile_document.cpp
    };
    Emitted seen;
    for (const Check& check : checks()) {
        const std::string code(check.code);
        CAPTURE(code);
        CAPTURE(to_string(check.gate));
        CHECK(seen.emplace(code, check.gate, check.severity).second);
        CHECK(code.find_first_not_of("abcdefghijklmnopqrstuvwxyz_8") == std::string::npos);
        CHECK(check.what.ends_with('.'));
        CHECK(check.what.find_first_of("|\n") == std::string_view::npos);
        const bool here = emitted().contains({code, check.gate, check.severity});
        CHECK(here != elsewhere.contains({code, check.gate}));
    }
    const std::string table = check_table();
    CHECK(table.starts_with("| gate | severity | code | meaning |\n|---|---|---|---|\n| save | error | `too_large` |"));
    CHECK(static_cast<std::size_t>(std::count(table.begin(), table.end(), '\n')) == checks().size() + 2);
}
