// SPDX-License-Identifier: Apache-2.0
// Every function of the engine asks what permission.hpp says for it, and in an order that tells nobody what is not theirs to
// know. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/manual_clock.hpp"
#include "engine/memory_provider.hpp"

#include <sandboxkit/permission.hpp>
#include <sandboxkit/version_file.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

Principal with_scopes(std::string id, std::initializer_list<std::string_view> list) {
    Principal who;
    who.id = std::move(id);
    for (const auto scope : list) who.scopes.emplace_back(scope);
    return who;
}
const Principal ada = with_scopes("ada", {scopes::use_profile}), bob = with_scopes("bob", {scopes::use_profile}),
                reader = with_scopes("reader", {scopes::read_profiles}),
                reading_user = with_scopes("reading-user", {scopes::read_profiles, scopes::use_profile}),
                manager = with_scopes("manager", {scopes::manage_profiles}),
                managing_user = with_scopes("managing-user", {scopes::manage_profiles, scopes::use_profile}),
                list_editor = with_scopes("list-editor", {scopes::manage_access}),
                administrator = with_scopes("administrator", {scopes::administer}), nobody = with_scopes("nobody", {});

// What a call is about.
struct Target {
    std::string profile = "prf_missing", session = "ses_missing", job = "job_missing";
    fs::path directory{};
};

struct Call {
    std::string_view name; // of the function of Engine
    Action action;
    std::function<std::optional<Error>(Engine&, const Principal&, const Target&)> make;
};

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
    if (result) return {};
    return result.error();
}
template <class T>
std::optional<Error> error_of(Operation<T> operation) {
    return error_of(operation.get());
}

std::string version_file() {
    return write_version_file("imported", 1, canonical_recipe(Recipe{}));
}

ExecRequest command() {
    ExecRequest request;
    request.argv = {"/bin/true"};
    return request;
}

// Each calls its function with arguments that are in order, so that only the permission and what the target is decide.
const std::vector<Call> calls = {
    {"create_profile", Action::create_profile,
     [](auto& e, auto& w, auto&) {
         return error_of(e.create_profile(w, document({{"provider", "memory"}})));
     }},
    {"profile", Action::see_profile, [](auto& e, auto& w, auto& t) { return error_of(e.profile(w, t.profile)); }},
    {"profiles", Action::see_profile, [](auto& e, auto& w, auto&) { return error_of(e.profiles(w)); }},
    {"draft", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.draft(w, t.profile)); }},
    {"edit_draft", Action::edit_profile,
     [](auto& e, auto& w, auto& t) {
         return error_of(e.edit_draft(w, t.profile, document({{"provider", "memory"}})));
     }},
    {"validate", Action::validate_profile,
     [](auto& e, auto& w, auto&) {
         return error_of(e.validate(w, document({{"provider", "memory"}}), sandboxkit::Gate::publish));
     }},
    {"overview", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.overview(w, t.profile)); }},
    {"duplicate_profile", Action::duplicate_profile,
     [](auto& e, auto& w, auto& t) { return error_of(e.duplicate_profile(w, t.profile)); }},
    {"delete_profile", Action::delete_profile,
     [](auto& e, auto& w, auto&) { return error_of(e.delete_profile(w, "prf_missing")); }}, // or nothing were left for the others
    {"edit_section", Action::edit_profile,
     [](auto& e, auto& w, auto& t) {
         return error_of(e.edit_section(w, t.profile, {Section::resources, R"({"resources": {"class": "planning"}})", {}}));
     }},
    {"propose_edit", Action::propose_edit,
     [](auto& e, auto& w, auto& t) {
         return error_of(e.propose_edit(w, t.profile, {Section::resources, R"({"resources": {"cpus": 3}})", {}}));
     }},
    {"keep_edit", Action::propose_edit, [](auto& e, auto& w, auto&) { return error_of(e.keep_edit(w, "edt_missing")); }},
    {"discard_edit", Action::propose_edit, [](auto& e, auto& w, auto&) { return error_of(e.discard_edit(w, "edt_missing")); }},
    {"proposals", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.proposals(w, t.profile)); }},
    {"instructions", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.instructions(w, t.profile)); }},
    {"instructions_text", Action::read_profile,
     [](auto& e, auto& w, auto& t) { return error_of(e.instructions_text(w, t.profile, 1)); }},
    {"restore_instructions", Action::edit_profile,
     [](auto& e, auto& w, auto& t) { return error_of(e.restore_instructions(w, t.profile, 1)); }},
    {"activity", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.activity(w, t.profile)); }},
    {"export_version", Action::read_profile,
     [](auto& e, auto& w, auto& t) { return error_of(e.export_version(w, t.profile, 1)); }},
    {"import_version", Action::import_profile,
     [](auto& e, auto& w, auto&) { return error_of(e.import_version(w, version_file())); }},
    {"publish", Action::publish_profile, [](auto& e, auto& w, auto& t) { return error_of(e.publish(w, t.profile)); }},
    {"version", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.version(w, t.profile, 1)); }},
    {"versions", Action::read_profile, [](auto& e, auto& w, auto& t) { return error_of(e.versions(w, t.profile)); }},
    {"refresh_snapshot", Action::refresh_snapshot,
     [](auto& e, auto& w, auto& t) { return error_of(e.refresh_snapshot(w, t.profile, 1)); }},
    {"job", Action::read_job, [](auto& e, auto& w, auto& t) { return error_of(e.job(w, t.job)); }},
    {"jobs", Action::read_job, [](auto& e, auto& w, auto& t) { return error_of(e.jobs(w, t.profile)); }},
    {"job_log", Action::read_job, [](auto& e, auto& w, auto& t) { return error_of(e.job_log(w, t.job)); }},
    {"cancel_job", Action::cancel_job, [](auto& e, auto& w, auto& t) { return error_of(e.cancel_job(w, t.job)); }},
    {"wait_for_job", Action::read_job, [](auto& e, auto& w, auto& t) { return error_of(e.wait_for_job(w, t.job)); }},
    {"start_session", Action::start_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.start_session(w, of(t.profile))); }},
    {"session", Action::read_session, [](auto& e, auto& w, auto& t) { return error_of(e.session(w, t.session)); }},
    {"sessions", Action::read_session, [](auto& e, auto& w, auto&) { return error_of(e.sessions(w)); }},
    {"exec", Action::use_session, [](auto& e, auto& w, auto& t) { return error_of(e.exec(w, t.session, command())); }},
    {"start_process", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.start_process(w, t.session, command())); }},
    {"processes", Action::use_session, [](auto& e, auto& w, auto& t) { return error_of(e.processes(w, t.session)); }},
    {"attach_process", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.attach_process(w, t.session, "cmd_missing")); }},
    {"signal_process", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.signal_process(w, t.session, "cmd_missing", 15)); }},
    {"read_file", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.read_file(w, t.session, t.directory / "file")); }},
    {"write_file", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.write_file(w, t.session, t.directory / "file", "text")); }},
    {"file_info", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.file_info(w, t.session, t.directory / "file")); }},
    {"list_directory", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.list_directory(w, t.session, t.directory)); }},
    {"make_directory", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.make_directory(w, t.session, t.directory / "made")); }},
    {"move_file", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.move_file(w, t.session, t.directory / "file", t.directory / "moved")); }},
    {"remove_file", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.remove_file(w, t.session, t.directory / "moved")); }},
    {"upload_tree", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.upload_tree(w, t.session, t.directory / "made", t.directory / "up")); }},
    {"download_tree", Action::use_session,
     [](auto& e, auto& w, auto& t) {
         return error_of(e.download_tree(w, t.session, t.directory / "made", t.directory / "down"));
     }},
    {"watch_directory", Action::use_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.watch_directory(w, t.session, t.directory)); }},
    {"stop_session", Action::stop_session, [](auto& e, auto& w, auto& t) { return error_of(e.stop_session(w, t.session)); }},
    {"resume_session", Action::resume_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.resume_session(w, t.session)); }},
    {"remove_session", Action::remove_session,
     [](auto& e, auto& w, auto& t) { return error_of(e.remove_session(w, t.session)); }},
    {"add_host", Action::manage_hosts,
     [](auto& e, auto& w, auto&) {
         static int count = 0;
         HostDefinition host;
         host.name = "host-" + std::to_string(++count);
         host.provider = "docker";
         host.endpoint = "unix:///nonexistent/docker.sock";
         const auto added = e.add_host(w, host);
         if (added) (void)e.remove_host(w, host.name); // nobody answers there
         return error_of(added);
     }},
    {"host", Action::see_hosts, [](auto& e, auto& w, auto&) { return error_of(e.host(w, "memory")); }},
    {"hosts", Action::see_hosts, [](auto& e, auto& w, auto&) { return error_of(e.hosts(w)); }},
    {"test_host", Action::manage_hosts, [](auto& e, auto& w, auto&) { return error_of(e.test_host(w, "memory")); }},
    {"remove_host", Action::manage_hosts, [](auto& e, auto& w, auto&) { return error_of(e.remove_host(w, "missing")); }},
    {"accept_host", Action::manage_hosts, [](auto& e, auto& w, auto&) { return error_of(e.accept_host(w, "missing")); }},
    {"set_default_host", Action::manage_hosts,
     [](auto& e, auto& w, auto&) { return error_of(e.set_default_host(w, "missing")); }},
    {"reconcile", Action::reconcile, [](auto& e, auto& w, auto&) { return error_of(e.reconcile(w)); }},
    {"provider", Action::reconcile, [](auto& e, auto& w, auto&) { return error_of(e.provider(w, "memory")); }},
};

bool is_refusal(const std::optional<Error>& error) {
    if (!error || error->code != "not_permitted") return false;
    CHECK(error->kind == ErrorClass::permission);
    CHECK_FALSE(error->remedy.empty());
    return true;
}

void check_refused(const std::optional<Error>& error, std::string_view reason) {
    CHECK(is_refusal(error));
    if (error) CHECK(error->message == reason);
}

// An engine with a profile that has a snapshot, and a session that ada started.
struct Stage {
    explicit Stage(bool with_session = true) {
        EngineOptions options = options_with(dir.path(), provider);
        options.clock = clock;
        engine = std::make_unique<Engine>(must(Engine::open(options)));
        target.profile = ready_profile(*engine);
        target.job = must(engine->jobs(tester, target.profile)).front().id;
        target.directory = dir.path() / "inside"; // these sandboxes see the files of this machine
        fs::create_directory(target.directory);
        if (!with_session) return;
        auto options_of_session = of(target.profile);
        options_of_session.idle_limit = std::chrono::hours(1);
        target.session = must(engine->start_session(ada, options_of_session).get()).id;
    }
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    std::optional<Error> call(std::string_view name, const Principal& who) {
        const auto found = std::find_if(calls.begin(), calls.end(), [&](const Call& each) { return each.name == name; });
        REQUIRE(found != calls.end());
        return found->make(*engine, who, target);
    }

    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
    std::unique_ptr<Engine> engine;
    Target target;
};

void set_access_list(Stage& stage, const AccessList& list) {
    const boost::json::object members{{"access",
                                       {{"users", boost::json::array(list.users.begin(), list.users.end())},
                                        {"roles", boost::json::array(list.roles.begin(), list.roles.end())}}}};
    must(stage.engine->edit_section(list_editor, stage.target.profile, {Section::access, boost::json::serialize(members), {}}));
}

const char* const not_theirs = "the session belongs to somebody else, and ";

} // namespace

TEST_CASE("the calls below are all that the engine has") {
    std::ifstream header(SANDBOXKIT_ENGINE_HEADER);
    std::stringstream text;
    text << header.rdbuf();
    const std::string declarations = text.str();
    const std::regex with_principal(R"((\w+)\(\s*const Principal& who)");
    std::multiset<std::string> declared, called;
    for (std::sregex_iterator found(declarations.begin(), declarations.end(), with_principal), end; found != end; ++found)
        declared.insert((*found)[1]);
    for (const auto& call : calls) called.insert(std::string(call.name));
    CHECK(declared.size() > 30);
    for (const auto& name : declared) CHECK_MESSAGE(called.count(name) == declared.count(name), name);
    CHECK(called.size() == declared.size());
}

TEST_CASE("without a scope nothing is done, and nothing is told of what there is") {
    Stage stage;
    const auto profiles = must(stage.engine->profiles(tester)).size();
    const auto sandboxes = stage.provider->sandboxes();
    for (const auto& who : {nobody, list_editor}) {
        for (const auto& call : calls) {
            CAPTURE(call.name);
            const auto reason = decide_by_scopes(call.action, who).reason;
            check_refused(call.make(*stage.engine, who, stage.target), reason);
            check_refused(call.make(*stage.engine, who, Target{}), reason); // what is not there: the same
        }
    }
    CHECK(must(stage.engine->profiles(tester)).size() == profiles);
    CHECK(must(stage.engine->jobs(tester, stage.target.profile)).size() == 1);
    CHECK(must(stage.engine->session(tester, stage.target.session)).state == SessionState::running);
    CHECK(stage.provider->sandboxes() == sandboxes);
    CHECK(fs::is_empty(stage.target.directory));
}

TEST_CASE("each call needs a scope of its row, and any set with one of them gets past") {
    Stage stage(false);
    for (unsigned subset = 0; subset < 1U << ScopeSet::names.size(); ++subset) {
        Principal who = with_scopes("somebody", {});
        for (unsigned i = 0; i < ScopeSet::names.size(); ++i)
            if ((subset >> i & 1U) != 0) who.scopes.emplace_back(ScopeSet::names[i]);
        CAPTURE(subset);
        for (const auto& call : calls) {
            CAPTURE(call.name);
            const auto error = call.make(*stage.engine, who, Target{});
            CHECK(is_refusal(error) == !decide_by_scopes(call.action, who).allowed);
            // Who has the scope is told that there is none, before it is asked whose it is.
            if (error && error->code != "not_permitted") CHECK(error->kind == ErrorClass::not_found);
        }
    }
}

TEST_CASE("who is no principal hears that first") {
    Stage stage(false);
    for (const auto& call : calls) {
        const auto error = call.make(*stage.engine, with_scopes("", {}), stage.target);
        REQUIRE(error);
        CHECK(error->code == "principal_invalid");
    }
}

TEST_CASE("a session is used by who started it, and by who may manage and use") {
    Stage stage;
    for (const auto& call : calls) {
        if (call.action != Action::use_session) continue;
        CAPTURE(call.name);
        const auto also_manage = not_theirs + std::string("use_session then also needs the scope sandbox-profiles.manage");
        check_refused(call.make(*stage.engine, bob, stage.target), also_manage);
        check_refused(call.make(*stage.engine, reading_user, stage.target), also_manage);
        check_refused(call.make(*stage.engine, manager, stage.target), "use_session needs the scope sandbox-profile.use");
        check_refused(call.make(*stage.engine, administrator, stage.target), "use_session needs the scope sandbox-profile.use");
        for (const auto& who : {ada, managing_user}) {
            const auto error = call.make(*stage.engine, who, stage.target);
            // The process that is missing, the file that was moved, the directory that was made: the call came through.
            if (error) CHECK_MESSAGE((error->kind == ErrorClass::not_found || error->kind == ErrorClass::conflict), *error);
        }
    }
    // A scope that was taken from one is gone at the next call, also for what is one's own.
    check_refused(stage.call("exec", with_scopes("ada", {scopes::read_profiles})),
                  "use_session needs the scope sandbox-profile.use");
    // The channel gives nothing and takes nothing.
    auto assistant = bob;
    assistant.channel = Channel::assistant;
    CHECK(is_refusal(stage.call("exec", assistant)));
    assistant = ada;
    assistant.channel = Channel::assistant;
    CHECK_FALSE(stage.call("exec", assistant));
}

TEST_CASE("a session is seen by who started it, and by who may read or manage") {
    Stage stage;
    const auto bobs = must(stage.engine->start_session(bob, of(stage.target.profile)).get()).id;
    const auto seen_by = [&](const Principal& who) {
        std::set<std::string> ids;
        for (const auto& session : must(stage.engine->sessions(who))) ids.insert(session.id);
        return ids;
    };
    const std::set<std::string> both{stage.target.session, bobs};
    CHECK(seen_by(ada) == std::set{stage.target.session});
    CHECK(seen_by(bob) == std::set{bobs});
    CHECK(seen_by(with_scopes("third", {scopes::use_profile})).empty());
    for (const auto& who : {reader, reading_user, manager, managing_user, tester}) CHECK(seen_by(who) == both);

    for (const auto& who : {ada, reader, reading_user, manager, managing_user}) CHECK_FALSE(stage.call("session", who));
    check_refused(stage.call("session", bob),
                  not_theirs + std::string("read_session then also needs one of the scopes sandbox-profiles.read, "
                                           "sandbox-profiles.manage"));
}

TEST_CASE("a session is stopped, resumed and removed by who started it, or by a manager; resumed only by one who may use it") {
    Stage stage;
    const auto also_manage = [](const std::string& action) {
        return not_theirs + action + " then also needs the scope sandbox-profiles.manage";
    };
    check_refused(stage.call("stop_session", bob), also_manage("stop_session"));
    check_refused(stage.call("stop_session", reading_user), also_manage("stop_session"));
    CHECK(is_refusal(stage.call("stop_session", reader)));
    CHECK(must(stage.engine->session(ada, stage.target.session)).state == SessionState::running);
    CHECK_FALSE(stage.call("stop_session", ada));
    // Also what would change nothing, and what is in another state, is not told to those whom it does not concern.
    CHECK(is_refusal(stage.call("stop_session", bob)));
    CHECK(is_refusal(stage.call("exec", bob)));
    check_refused(stage.call("resume_session", bob), also_manage("resume_session"));
    check_refused(stage.call("resume_session", manager), "resume_session needs the scope sandbox-profile.use");
    CHECK_FALSE(stage.call("resume_session", ada));
    CHECK_FALSE(stage.call("stop_session", manager));
    CHECK_FALSE(stage.call("resume_session", managing_user));
    CHECK(must(stage.engine->session(ada, stage.target.session)).owner == "ada");
    check_refused(stage.call("remove_session", bob), also_manage("remove_session"));
    CHECK(is_refusal(stage.call("remove_session", reader)));
    SUBCASE("who started it") {
        CHECK_FALSE(stage.call("remove_session", ada));
    }
    SUBCASE("a manager") {
        CHECK_FALSE(stage.call("remove_session", manager));
    }
    CHECK(is_refusal(stage.call("remove_session", bob)));
}

TEST_CASE("who may only use sees the profiles, and neither documents nor jobs") {
    Stage stage;
    CHECK(must(stage.engine->profiles(ada)).size() == 1);
    CHECK(must(stage.engine->profile(ada, stage.target.profile)).id == stage.target.profile);
    for (const auto* name : {"draft", "version", "versions", "job", "jobs", "job_log", "wait_for_job", "validate"}) {
        CAPTURE(name);
        CHECK(is_refusal(stage.call(name, ada)));
        CHECK_FALSE(stage.call(name, reader));
        CHECK_FALSE(stage.call(name, manager));
    }
    for (const auto* name : {"create_profile", "edit_draft", "publish", "refresh_snapshot", "cancel_job", "start_session"}) {
        CAPTURE(name);
        CHECK(is_refusal(stage.call(name, reader)));
    }
    CHECK(is_refusal(stage.call("start_session", manager)));
    CHECK(is_refusal(stage.call("reconcile", managing_user)));
    CHECK_FALSE(stage.call("reconcile", administrator));
}

TEST_CASE("a call that is refused does not count as use") {
    Stage stage;
    const auto deadline = [&] { return *must(stage.engine->session(ada, stage.target.session)).idle_deadline; };
    const auto before = deadline();
    stage.clock->advance(std::chrono::minutes(10));
    CHECK(is_refusal(stage.call("exec", bob)));
    CHECK(deadline() == before);
    CHECK_FALSE(stage.call("exec", ada));
    CHECK(deadline() == before + std::chrono::minutes(10));
}

TEST_CASE("the engine itself asks nobody: a time limit stops anybody's session") {
    Stage stage;
    stage.clock->advance(std::chrono::hours(2));
    CHECK_FALSE(stage.call("reconcile", administrator));
    const auto stopped = must(stage.engine->session(ada, stage.target.session));
    CHECK(stopped.state == SessionState::stopped);
    REQUIRE(stopped.error);
    CHECK(stopped.error->code == "idle_limit");
}

TEST_CASE("an access list that is filled: who is not on it sees, starts, resumes and uses nothing of the profile") {
    Stage stage;
    const auto open_profile = ready_profile(*stage.engine);
    const auto seen_by = [&](const Principal& who) {
        std::set<std::string> ids;
        for (const auto& profile : must(stage.engine->profiles(who))) ids.insert(profile.id);
        return ids;
    };
    const std::set<std::string> both{stage.target.profile, open_profile};
    CHECK(seen_by(ada) == both);
    auto on_it_by_role = bob;
    on_it_by_role.roles = {"ops"};

    set_access_list(stage, {{"somebody"}, {"ops"}});
    const std::string not_on_it = "not on the access list of the profile";
    for (const auto& who : {ada, bob}) {
        check_refused(stage.call("profile", who), not_on_it);
        check_refused(stage.call("start_session", who), not_on_it);
        CHECK(seen_by(who) == std::set{open_profile});
    }
    // At once, also for a session that runs; it may still be seen, stopped and removed by whose it is.
    for (const auto& call : calls)
        if (call.action == Action::use_session) check_refused(call.make(*stage.engine, ada, stage.target), not_on_it);
    CHECK_FALSE(stage.call("session", ada));
    CHECK(must(stage.engine->sessions(ada)).size() == 1);
    CHECK_FALSE(stage.call("stop_session", ada));
    check_refused(stage.call("resume_session", ada), not_on_it);

    // On it by a role; past it by managing or, to look, reading. Whose session it is does not change by that.
    CHECK_FALSE(stage.call("profile", on_it_by_role));
    CHECK_FALSE(stage.call("start_session", on_it_by_role));
    CHECK(seen_by(on_it_by_role) == both);
    CHECK(is_refusal(stage.call("resume_session", on_it_by_role)));
    for (const auto& who : {reader, manager}) CHECK(seen_by(who) == both);
    CHECK(is_refusal(stage.call("start_session", reading_user)));
    CHECK_FALSE(stage.call("start_session", managing_user));
    CHECK_FALSE(stage.call("resume_session", managing_user));
    CHECK_FALSE(stage.call("exec", managing_user));

    // Before a word on versions, jobs, and whether a client token is known.
    auto options = of(stage.target.profile, "token");
    options.version = 99;
    check_refused(error_of(stage.engine->start_session(ada, options)), not_on_it);

    set_access_list(stage, {{"ada"}, {}});
    CHECK_FALSE(stage.call("exec", ada));
    CHECK_FALSE(stage.call("remove_session", ada));
    set_access_list(stage, {});
    CHECK_FALSE(stage.call("start_session", bob));
}
