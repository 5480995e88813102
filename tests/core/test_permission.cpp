// SPDX-License-Identifier: Apache-2.0
// Who may do what: every decision against an oracle that knows the requirements and not the table, and the properties that no
// table may break.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/permission.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace sandboxkit;

static std::size_t allocations = 0;

void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

constexpr std::string_view me = "me", somebody_else = "the-other-one";

// How an enumerator is named in the signature of a function; of a number that none has, it is a cast.
template <Action A>
constexpr bool is_enumerator() {
    const std::string_view signature = __PRETTY_FUNCTION__;
    return signature.find("Action)") == std::string_view::npos;
}
static_assert(is_enumerator<Action::see_profile>() && is_enumerator<Action::reconcile>());
static_assert(!is_enumerator<static_cast<Action>(action_rules.size())>(), "an action without a rule");

enum class List { unknown, none, user_on_it, role_on_it, others_only };
constexpr List lists[] = {List::unknown, List::none, List::user_on_it, List::role_on_it, List::others_only};
enum class Owner { unknown, oneself, other };
constexpr Owner owners[] = {Owner::unknown, Owner::oneself, Owner::other};
constexpr unsigned scope_subsets = 32;

Principal with_scopes(unsigned subset) {
    Principal who;
    who.id = me;
    who.roles = {"platform", "night-shift"};
    for (unsigned i = 0; i < ScopeSet::names.size(); ++i)
        if ((subset >> i & 1U) != 0) who.scopes.emplace_back(ScopeSet::names[i]);
    return who;
}

AccessList list_of(List state) {
    switch (state) {
    case List::user_on_it: return {{std::string(somebody_else), std::string(me)}, {"auditors"}};
    case List::role_on_it: return {{std::string(somebody_else)}, {"auditors", "night-shift"}};
    case List::others_only: return {{std::string(somebody_else), "Me", "me ", "platform"}, {"auditors", "me", "night"}};
    case List::unknown:
    case List::none: break;
    }
    return {};
}

std::string_view id_of(Owner owner) {
    return owner == Owner::oneself ? me : owner == Owner::other ? somebody_else : std::string_view();
}

Decision decision(Action action, const Principal& who, List list, Owner owner) {
    const auto access_list = list_of(list);
    PermissionContext context;
    if (list != List::unknown) context.access_list = &access_list;
    context.session_owner = id_of(owner);
    return decide(action, who, context);
}

// Requirements A1 and A2 and "Who can manage and use a profile", as they are told.
bool oracle(Action action, const Principal& who, List list, Owner owner) {
    const auto holds = [&](const char* scope) {
        return std::find(who.scopes.begin(), who.scopes.end(), scope) != who.scopes.end();
    };
    const bool read = holds("sandbox-profiles.read"), manage = holds("sandbox-profiles.manage");
    const bool use = holds("sandbox-profile.use"), manage_list = holds("sandbox-profile.acl.manage");
    const bool administer = holds("sandboxes.administer");
    const bool on_list = list == List::none || list == List::user_on_it || list == List::role_on_it;
    const bool own = owner == Owner::oneself;
    switch (action) {
    case Action::see_profile:
        if (read || manage) return true;
        return use && on_list;
    case Action::read_profile:
    case Action::validate_profile:
    case Action::read_job: return read || manage;
    case Action::create_profile:
    case Action::import_profile:
    case Action::duplicate_profile:
    case Action::edit_profile:
    case Action::propose_edit:
    case Action::publish_profile:
    case Action::delete_profile:
    case Action::refresh_snapshot:
    case Action::cancel_job:
    case Action::test_profile:
    case Action::test_setup_script: return manage;
    case Action::edit_access_list: return manage_list;
    case Action::start_session:
        if (!use) return false;
        return manage || on_list;
    case Action::resume_session:
    case Action::use_session:
        if (!use) return false;
        if (manage) return true;
        return own && on_list;
    case Action::read_session:
        if (read || manage) return true;
        return own && use;
    case Action::stop_session:
    case Action::remove_session:
        if (manage) return true;
        return own && use;
    case Action::see_hosts: return read || manage || administer;
    case Action::manage_hosts:
    case Action::manage_organization:
    case Action::reconcile: return administer;
    }
    return false;
}

template <class Visit>
void for_everything(Visit visit) {
    for (const auto& rule : action_rules)
        for (unsigned subset = 0; subset < scope_subsets; ++subset)
            for (const auto list : lists)
                for (const auto owner : owners) visit(rule.action, subset, list, owner);
}

} // namespace

TEST_CASE("every decision is what the requirements say") {
    for_everything([&](Action action, unsigned subset, List list, Owner owner) {
        const auto who = with_scopes(subset);
        const bool expected = oracle(action, who, list, owner);
        const auto decided = decision(action, who, list, owner);
        CHECK_MESSAGE(decided.allowed == expected, to_string(action)
                                                       << ", scopes " << subset << ", list " << static_cast<int>(list)
                                                       << ", owner " << static_cast<int>(owner));
        // Refused by the scopes alone is refused whatever the rest is; and not refused by them is allowed in some case.
        if (!decide_by_scopes(action, who).allowed) CHECK_FALSE(decided.allowed);
        if (decided.allowed) CHECK(decide_by_scopes(action, who).allowed);
        // What need not be read changes nothing; and what is allowed without it need not be read.
        if (decision(action, who, List::unknown, owner).allowed) CHECK_FALSE(needs_access_list(action, who));
        if (!needs_access_list(action, who))
            CHECK(decision(action, who, List::unknown, owner).allowed == decision(action, who, List::none, owner).allowed);
    });
}

TEST_CASE("no scope implies another") {
    const auto alone = [](std::string_view scope) {
        Principal who;
        who.id = me;
        who.scopes = {std::string(scope)};
        return who;
    };
    const auto manager = alone(scopes::manage_profiles), reader = alone(scopes::read_profiles), user = alone(scopes::use_profile);
    CHECK_FALSE(decide(Action::edit_access_list, manager, {}));
    CHECK_FALSE(decision(Action::start_session, manager, List::none, Owner::unknown));
    CHECK_FALSE(decision(Action::use_session, manager, List::none, Owner::oneself));
    CHECK_FALSE(decide(Action::reconcile, manager, {}));
    CHECK_FALSE(decide(Action::edit_profile, reader, {}));
    CHECK_FALSE(decide(Action::read_profile, user, {}));
    // Who may edit access lists does that and nothing else; neither does an administrator read a profile.
    for_everything([&](Action action, unsigned, List list, Owner owner) {
        CHECK(decision(action, alone(scopes::manage_access), list, owner).allowed == (action == Action::edit_access_list));
        const bool of_hosts = action == Action::see_hosts || action == Action::manage_hosts ||
                              action == Action::manage_organization || action == Action::reconcile;
        CHECK(decision(action, alone(scopes::administer), list, owner).allowed == of_hosts);
    });
}

TEST_CASE("nothing without a scope, everything with all of them") {
    for_everything([](Action action, unsigned, List list, Owner owner) {
        CHECK_FALSE(decision(action, with_scopes(0), list, owner).allowed);
        CHECK(decision(action, with_every_scope(std::string(me)), list, owner).allowed);
    });
}

TEST_CASE("one more scope, or a place on the list, never takes a right away") {
    for_everything([](Action action, unsigned subset, List list, Owner owner) {
        if (!decision(action, with_scopes(subset), list, owner).allowed) return;
        for (unsigned i = 0; i < ScopeSet::names.size(); ++i)
            CHECK(decision(action, with_scopes(subset | 1U << i), list, owner).allowed);
        for (const auto better : {List::none, List::user_on_it, List::role_on_it})
            CHECK(decision(action, with_scopes(subset), better, owner).allowed);
        CHECK(decision(action, with_scopes(subset), list, Owner::oneself).allowed);
    });
}

TEST_CASE("unknown scopes, their order, repetition, and the channel change nothing") {
    std::mt19937 random(7); // NOLINT: repeatable
    const std::vector<std::string> noise = {"",
                                            "*",
                                            "sandbox-profiles",
                                            "sandbox-profiles.*",
                                            "sandbox-profiles.manage ",
                                            " sandbox-profiles.manage",
                                            "Sandbox-Profiles.Manage",
                                            "sandbox-profiles.manage.all",
                                            "sandbox-profile.manage",
                                            "sandbox-profiles.use",
                                            "sandboxes.administer\n",
                                            std::string("sandbox-profile.use\0", 20)};
    for_everything([&](Action action, unsigned subset, List list, Owner owner) {
        auto who = with_scopes(subset);
        const bool plain = decision(action, who, list, owner).allowed;
        for (const auto& scope : std::vector<std::string>(who.scopes)) who.scopes.push_back(scope);
        who.scopes.insert(who.scopes.end(), noise.begin(), noise.end());
        std::shuffle(who.scopes.begin(), who.scopes.end(), random);
        who.channel = static_cast<Channel>(random() % 4);
        CHECK(decision(action, who, list, owner).allowed == plain);
    });
}

TEST_CASE("a session without an owner is nobody's, not even of one without an id") {
    Principal who;
    who.scopes = {std::string(scopes::use_profile)};
    const AccessList none;
    for (const auto action : {Action::use_session, Action::read_session, Action::stop_session})
        CHECK_FALSE(decide(action, who, {&none, ""}));
}

TEST_CASE("an access list admits by id and by role, exactly, and ids are not roles") {
    Principal who;
    who.id = "ada";
    who.roles = {"platform", "ops"};
    CHECK(admits({}, who));
    CHECK(admits({{"ada"}, {}}, who));
    CHECK(admits({{"eve", "ada"}, {"x"}}, who));
    CHECK(admits({{}, {"ops"}}, who));
    CHECK_FALSE(admits({{"ops"}, {}}, who));
    CHECK_FALSE(admits({{}, {"ada"}}, who));
    CHECK_FALSE(admits({{"Ada", "ada ", "ad", ""}, {"op", "", "OPS"}}, who));
    who.roles.clear();
    CHECK_FALSE(admits({{}, {"ops", ""}}, who));
}

TEST_CASE("a refusal says what is missing, and nothing of others") {
    const Principal nobody = with_scopes(0);
    Principal user, user_and_reader;
    user.id = user_and_reader.id = me;
    user.scopes = {std::string(scopes::use_profile)};
    user_and_reader.scopes = {std::string(scopes::use_profile), std::string(scopes::read_profiles)};

    SUBCASE("one scope") {
        const auto refused = decide(Action::publish_profile, nobody, {});
        CHECK(refused.reason == "publish_profile needs the scope sandbox-profiles.manage");
        CHECK(refused.remedy == "ask whoever gives out scopes for the scope sandbox-profiles.manage");
    }
    SUBCASE("one of several") {
        CHECK(decide(Action::read_profile, user, {}).reason ==
              "read_profile needs one of the scopes sandbox-profiles.read, sandbox-profiles.manage");
        CHECK(decide_by_scopes(Action::read_profile, user).reason == decide(Action::read_profile, user, {}).reason);
    }
    SUBCASE("the access list") {
        const auto refused = decision(Action::start_session, user, List::others_only, Owner::unknown);
        CHECK(refused.reason == "not on the access list of the profile");
        CHECK(refused.remedy == "ask somebody with the scope sandbox-profile.acl.manage to put you, or a role of yours, on it");
        CHECK(decision(Action::use_session, user, List::others_only, Owner::oneself).reason == refused.reason);
        CHECK(decision(Action::resume_session, user, List::others_only, Owner::oneself).reason == refused.reason);
    }
    SUBCASE("somebody else's session") {
        const auto refused = decision(Action::stop_session, user_and_reader, List::none, Owner::other);
        CHECK(refused.reason ==
              "the session belongs to somebody else, and stop_session then also needs the scope sandbox-profiles.manage");
        CHECK(refused.remedy ==
              "use a session of your own, or ask whoever gives out scopes for the scope sandbox-profiles.manage");
        CHECK(decision(Action::read_session, user, List::none, Owner::other).reason ==
              "the session belongs to somebody else, and read_session then also needs one of the scopes sandbox-profiles.read, "
              "sandbox-profiles.manage");
    }
    SUBCASE("each has one, in one line") {
        for_everything([](Action action, unsigned subset, List list, Owner owner) {
            const auto decided = decision(action, with_scopes(subset), list, owner);
            CHECK(decided.reason.empty() == decided.allowed);
            CHECK(decided.remedy.empty() == decided.allowed);
            for (const auto& text : {decided.reason, decided.remedy}) {
                CHECK(text.find(somebody_else) == std::string::npos);
                CHECK(text.find("auditors") == std::string::npos);
                CHECK(text.find('\n') == std::string::npos);
            }
        });
    }
}

TEST_CASE("to allow, nothing is allocated") {
    std::size_t allowed = 0;
    for_everything([&](Action action, unsigned subset, List list, Owner owner) {
        const auto who = with_scopes(subset);
        const auto access_list = list_of(list);
        PermissionContext context;
        if (list != List::unknown) context.access_list = &access_list;
        context.session_owner = id_of(owner);
        const auto before = allocations;
        const auto decided = decide(action, who, context);
        const auto after = allocations;
        if (!decided.allowed) return;
        ++allowed;
        if (after != before) FAIL_CHECK(to_string(action) << " allocated " << after - before << " times");
    });
    CHECK(allowed > 0);
}

TEST_CASE("the printed table has a row for every action, made of what decides") {
    std::set<std::string_view> names;
    for (const auto& rule : action_rules) {
        CHECK(names.insert(rule.name).second);
        CHECK(rule.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
        CHECK(rule.doc.find_first_of("|\n") == std::string_view::npos);
        CHECK(to_string(rule.action) == rule.name);
        CHECK(&rule_of(rule.action) == &rule);
    }
    std::istringstream lines(permission_table());
    std::string line;
    std::vector<std::string> rows;
    while (std::getline(lines, line)) {
        CHECK(std::count(line.begin(), line.end(), '|') == 6);
        rows.push_back(line);
    }
    REQUIRE(rows.size() == action_rules.size() + 2);
    for (std::size_t i = 0; i < action_rules.size(); ++i) {
        const auto& rule = action_rules[i];
        const auto& row = rows[i + 2];
        CHECK(row.starts_with("| `" + std::string(rule.name) + "` | " + std::string(rule.doc) + " | "));
        const auto cells = row.substr(row.find(rule.doc) + rule.doc.size());
        for (const auto scope : ScopeSet::names) {
            const bool named = cells.find("`" + std::string(scope) + "`") != std::string::npos;
            const bool matters =
                rule.any_of.contains(scope) || rule.past_access_list.contains(scope) || rule.of_others.contains(scope);
            CHECK(named == matters);
        }
    }
    CHECK(rows[2 + static_cast<std::size_t>(Action::use_session)] ==
          "| `use_session` | Run and reach processes in a session, read and write its files | `sandbox-profile.use` | also "
          "`sandbox-profiles.manage` | holds, but not for `sandbox-profiles.manage` |");
}
