// SPDX-License-Identifier: Apache-2.0
// Who may do what (requirements A1 to A3): a table as data, and one decision made from it. Pure: what a decision needs to know
// of a profile or a session is passed in, and nothing is remembered, so that a right that is taken away is gone at the next call.
#pragma once

#include <sandboxkit/access_list.hpp>
#include <sandboxkit/principal.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// What a host application can ask for; one row of the table each. The order is that of the table; the numbers mean nothing
// outside of a process, the names do.
enum class Action : std::uint8_t {
    see_profile,
    read_profile,
    validate_profile,
    create_profile,
    import_profile,
    duplicate_profile,
    edit_profile,
    edit_access_list,
    propose_edit,
    publish_profile,
    delete_profile,
    refresh_snapshot,
    read_job,
    cancel_job,
    test_profile,
    test_setup_script,
    start_session,
    resume_session,
    use_session,
    read_session,
    stop_session,
    remove_session,
    see_hosts,
    manage_hosts,
    manage_organization,
    reconcile, // the last one: action_rules is as long as this says
};

// A set of scopes. Those that are not of namespace scopes are in none: they mean nothing, and neither does one that is spelled
// a little differently.
class ScopeSet {
public:
    static constexpr std::array<std::string_view, 5> names{scopes::read_profiles, scopes::manage_profiles, scopes::use_profile,
                                                           scopes::manage_access, scopes::administer};

    constexpr ScopeSet() = default;
    // For the table: of one that means nothing, it does not compile.
    constexpr ScopeSet(std::initializer_list<std::string_view> list) {
        for (const auto scope : list) {
            if (bit(scope) == 0) throw std::invalid_argument("not a scope of namespace scopes");
            bits_ |= bit(scope);
        }
    }
    explicit ScopeSet(const Principal& who) noexcept {
        for (const auto& scope : who.scopes) bits_ |= bit(scope);
    }

    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    [[nodiscard]] constexpr bool contains_any(ScopeSet others) const noexcept { return (bits_ & others.bits_) != 0; }
    [[nodiscard]] constexpr bool contains(std::string_view scope) const noexcept { return (bits_ & bit(scope)) != 0; }

private:
    static constexpr std::uint8_t bit(std::string_view scope) noexcept {
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == scope) return static_cast<std::uint8_t>(1U << i);
        return 0;
    }
    std::uint8_t bits_ = 0;
};

struct ActionRule {
    Action action;
    std::string_view name; // stable, for logs and errors
    std::string_view doc;  // one line
    ScopeSet any_of;       // one of these, whatever it is asked for
    // One of these to get past the access list of the profile that it does not admit to. Empty: the list does not matter.
    ScopeSet past_access_list{};
    // One of these in addition, for a session that somebody else started. Empty: it does not matter whose it is.
    ScopeSet of_others{};

    [[nodiscard]] constexpr bool uses_access_list() const noexcept { return !past_access_list.empty(); }
    [[nodiscard]] constexpr bool looks_at_owner() const noexcept { return !of_others.empty(); }
};

namespace detail {

inline constexpr ScopeSet reading{scopes::read_profiles, scopes::manage_profiles}; // who may change must be able to look
inline constexpr ScopeSet managing{scopes::manage_profiles};
inline constexpr ScopeSet using_it{scopes::use_profile};
inline constexpr ScopeSet administering{scopes::administer};

} // namespace detail

// The table. Nothing is implied by a scope but what stands here: manage_profiles is not manage_access, and not use_profile.
inline constexpr std::array<ActionRule, static_cast<std::size_t>(Action::reconcile) + 1> action_rules{{
    {Action::see_profile,
     "see_profile",
     "List the profiles, and see one's name, description and state",
     {scopes::read_profiles, scopes::manage_profiles, scopes::use_profile},
     detail::reading},
    {Action::read_profile, "read_profile",
     "Read a profile's draft, versions, differences, exports, activity, overview and history of instructions", detail::reading},
    {Action::validate_profile, "validate_profile", "Look for problems in a document, without storing it", detail::reading},
    {Action::create_profile, "create_profile", "Create a profile", detail::managing},
    {Action::import_profile, "import_profile", "Create a profile from an exported version", detail::managing},
    {Action::duplicate_profile, "duplicate_profile", "Create a profile as a copy of another", detail::managing},
    {Action::edit_profile, "edit_profile", "Change a profile's draft, or its record but for the access list", detail::managing},
    {Action::edit_access_list,
     "edit_access_list",
     "Replace the access list of a profile, and see the one that it replaces",
     {scopes::manage_access}},
    {Action::propose_edit, "propose_edit", "Propose a change of a profile, keep or discard a proposed one", detail::managing},
    {Action::publish_profile, "publish_profile", "Publish a profile's draft as its next version", detail::managing},
    {Action::delete_profile, "delete_profile", "Delete a profile", detail::managing},
    {Action::refresh_snapshot, "refresh_snapshot", "Have the snapshot of a version made anew", detail::managing},
    {Action::read_job, "read_job", "See snapshot jobs and their logs, and wait for them", detail::reading},
    {Action::cancel_job, "cancel_job", "Cancel a snapshot job", detail::managing},
    {Action::test_profile, "test_profile", "Test a profile with its probes", detail::managing},
    {Action::test_setup_script, "test_setup_script", "Run the setup script of a draft in a sandbox of its own", detail::managing},
    {Action::start_session, "start_session", "Start a session from a profile", detail::using_it, detail::managing},
    {Action::resume_session, "resume_session", "Resume a stopped session", detail::using_it, detail::managing, detail::managing},
    {Action::use_session, "use_session", "Run and reach processes in a session, read and write its files", detail::using_it,
     detail::managing, detail::managing},
    {Action::read_session,
     "read_session",
     "See a session's state, notes and timeline",
     {scopes::read_profiles, scopes::manage_profiles, scopes::use_profile},
     {},
     detail::reading},
    {Action::stop_session,
     "stop_session",
     "Stop a session",
     {scopes::manage_profiles, scopes::use_profile},
     {},
     detail::managing},
    {Action::remove_session,
     "remove_session",
     "Remove a session and what it holds",
     {scopes::manage_profiles, scopes::use_profile},
     {},
     detail::managing},
    {Action::see_hosts,
     "see_hosts",
     "See the hosts and which one is the default",
     {scopes::read_profiles, scopes::manage_profiles, scopes::administer}},
    {Action::manage_hosts, "manage_hosts", "Register, test, accept and remove hosts, and choose the default one",
     detail::administering},
    {Action::manage_organization, "manage_organization", "Turn the switches of the organization", detail::administering},
    {Action::reconcile, "reconcile", "Compare the store with the providers, and clear away what nobody answers for",
     detail::administering},
}};

namespace detail {

// Every enumerator has its rule, at its own place.
constexpr bool every_action_has_its_rule() {
    for (std::size_t i = 0; i < action_rules.size(); ++i) {
        const auto& rule = action_rules[i];
        if (static_cast<std::size_t>(rule.action) != i || rule.name.empty() || rule.doc.empty() || rule.any_of.empty())
            return false;
    }
    return true;
}
static_assert(every_action_has_its_rule());

} // namespace detail

// Of an enumerator.
constexpr const ActionRule& rule_of(Action action) noexcept {
    return action_rules[static_cast<std::size_t>(action)];
}
constexpr std::string_view to_string(Action action) noexcept {
    return rule_of(action).name;
}

// What a decision depends on besides the principal. What a rule looks at and is not given counts as against the principal.
struct PermissionContext {
    const AccessList* access_list = nullptr; // of the profile, or of the session's profile
    std::string_view session_owner{};        // the id of the principal that started the session
};

struct Decision {
    bool allowed = false;
    std::string reason; // why not, in one line that a person and an agent can act on; names nobody else. Empty when allowed
    std::string remedy; // whom to ask for what; empty when allowed

    explicit operator bool() const noexcept { return allowed; }
};

// Whether the list has the principal or a role of its on it; an empty one has everybody.
[[nodiscard]] inline bool admits(const AccessList& list, const Principal& who) noexcept {
    if (list.empty()) return true;
    if (std::find(list.users.begin(), list.users.end(), who.id) != list.users.end()) return true;
    return std::any_of(who.roles.begin(), who.roles.end(), [&](const std::string& role) {
        return std::find(list.roles.begin(), list.roles.end(), role) != list.roles.end();
    });
}

namespace detail {

// "the scope a", "one of the scopes a, b"; the scopes as Markdown code on demand.
inline std::string named(ScopeSet set, std::string_view one, std::string_view several, std::string_view quote = "") {
    std::string list;
    int count = 0;
    for (const auto scope : ScopeSet::names) {
        if (!set.contains(scope)) continue;
        if (count++ > 0) list += ", ";
        list.append(quote).append(scope).append(quote);
    }
    return std::string(count == 1 ? one : several) + list;
}
inline std::string named(ScopeSet set) {
    return named(set, "the scope ", "one of the scopes ");
}

inline Decision scope_missing(const ActionRule& rule) {
    const auto scope = named(rule.any_of);
    return {false, std::string(rule.name) + " needs " + scope, "ask whoever gives out scopes for " + scope};
}
inline Decision of_somebody_else(const ActionRule& rule) {
    const auto scope = named(rule.of_others);
    return {false, "the session belongs to somebody else, and " + std::string(rule.name) + " then also needs " + scope,
            "use a session of your own, or ask whoever gives out scopes for " + scope};
}
inline Decision not_on_the_list() {
    return {false, "not on the access list of the profile",
            "ask somebody with the scope " + std::string(scopes::manage_access) + " to put you, or a role of yours, on it"};
}

} // namespace detail

// What can be said before anything is known of the profile or the session: refused here is refused whatever they are, and so
// is decided before one looks whether they exist.
[[nodiscard]] inline Decision decide_by_scopes(Action action, const Principal& who) {
    const auto& rule = rule_of(action);
    if (ScopeSet(who).contains_any(rule.any_of)) return {true, {}, {}};
    return detail::scope_missing(rule);
}

// Whether `decide` looks at the access list: who gets past it anyway need not have it read.
[[nodiscard]] inline bool needs_access_list(Action action, const Principal& who) noexcept {
    const auto& rule = rule_of(action);
    return rule.uses_access_list() && !ScopeSet(who).contains_any(rule.past_access_list);
}

// The decision. Allocates nothing when it allows. The channel of the principal changes nothing (requirement A3).
[[nodiscard]] inline Decision decide(Action action, const Principal& who, const PermissionContext& context) {
    const auto& rule = rule_of(action);
    const ScopeSet has(who);
    if (!has.contains_any(rule.any_of)) return detail::scope_missing(rule);
    const bool own = !context.session_owner.empty() && context.session_owner == who.id;
    if (rule.looks_at_owner() && !own && !has.contains_any(rule.of_others)) return detail::of_somebody_else(rule);
    if (rule.uses_access_list() && !has.contains_any(rule.past_access_list) &&
        (context.access_list == nullptr || !admits(*context.access_list, who)))
        return detail::not_on_the_list();
    return {true, {}, {}};
}

// The table in Markdown, for people.
[[nodiscard]] inline std::string permission_table() {
    std::string table = "| operation | what it does | scope | of a session of somebody else | access list |\n"
                        "|---|---|---|---|---|\n";
    for (const auto& rule : action_rules) {
        table.append("| `").append(rule.name).append("` | ").append(rule.doc).append(" | ");
        table += detail::named(rule.any_of, "", "one of ", "`") + " | ";
        table += (rule.looks_at_owner() ? detail::named(rule.of_others, "also ", "also one of ", "`") : "-") + " | ";
        table +=
            (rule.uses_access_list() ? detail::named(rule.past_access_list, "holds, but not for ", "holds, but not for ", "`")
                                     : "-") +
            " |\n";
    }
    return table;
}

} // namespace sandboxkit
