// SPDX-License-Identifier: Apache-2.0
// Edits, proposals, instructions, history, and profiles as wholes. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/manual_clock.hpp"
#include "engine/memory_provider.hpp"

#include <sandboxkit/connections.hpp>
#include <sandboxkit/permission.hpp>
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/version_file.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

struct Stage {
    Stage() {
        engine = std::make_unique<Engine>(must(Engine::open(options_with(dir.path(), provider))));
        profile = must(engine->create_profile(tester, document({{"provider", "memory"}}))).id;
    }
    void publish() {
        auto published = engine->publish(tester, profile).get();
        // Another edits meanwhile.
        while (!published && (published.error().code == "draft_changed" || published.error().code == "publish_refused"))
            published = engine->publish(tester, profile).get();
        const auto version = must(std::move(published));
        if (version.last_job) must(engine->wait_for_job(tester, *version.last_job).get());
    }
    KeptEdit edit(Section section, const std::string& members) {
        return must(engine->edit_section(tester, profile, {section, members, {}}));
    }
    Error refused(Section section, const std::string& members, std::optional<std::uint32_t> expected = {}) {
        auto result = engine->edit_section(tester, profile, {section, members, expected});
        REQUIRE_FALSE(result.has_value());
        return result.error();
    }
    ProfileInfo info() { return must(engine->profile(tester, profile)); }

    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::unique_ptr<Engine> engine;
    std::string profile;
};

std::set<std::string> pointers(const std::vector<FieldChange>& changes) {
    std::set<std::string> all;
    for (const auto& change : changes) all.insert(change.pointer);
    return all;
}
std::set<std::string> faults(const std::vector<Problem>& problems) {
    std::set<std::string> all;
    for (const auto& problem : problems) all.insert(problem.pointer + ' ' + problem.code);
    return all;
}

// A GitHub token that none ever was.
const std::string token = "ghp_" + std::string("16C7e42F292c6912E7710c838347Ae178B4a");

} // namespace

TEST_CASE("an edit replaces its section and nothing else, says what it changed, and is in the log") {
    Stage s;
    const auto kept = s.edit(Section::resources, R"({"resources": {"class": "planning", "cpus": 3}})");
    CHECK(pointers(kept.changes) == std::set<std::string>{"/resources/class", "/resources/cpus"});
    CHECK(kept.profile.revision == 2);
    CHECK(kept.profile.draft_revision == 2);
    s.edit(Section::network, R"({"network": {"egress": "open"}})");
    // What the members leave out takes its default.
    CHECK(pointers(s.edit(Section::resources, R"({"resources": {"class": "planning"}})").changes) ==
          std::set<std::string>{"/resources/cpus"});
    const auto draft = must(s.engine->draft(tester, s.profile));
    CHECK(draft.recipe.resources.resource_class == ResourceClass::planning);
    CHECK_FALSE(draft.recipe.resources.cpus);
    CHECK(draft.recipe.network.egress == Egress::open);

    // The same again is no edit.
    CHECK(s.edit(Section::network, R"({"network": {"egress": "open"}})").changes.empty());
    CHECK(s.info().revision == 4);

    Principal assistant = tester;
    assistant.channel = Channel::assistant;
    must(s.engine->edit_section(assistant, s.profile, {Section::general, R"({"name": "better", "provider": "memory"})", {}}));
    const auto log = must(s.engine->activity(tester, s.profile));
    REQUIRE(log.size() == 5);
    CHECK(log[0].action == "edit.keep");
    CHECK(log[0].section == "general");
    CHECK(log[0].principal == tester.id);
    CHECK(log[0].channel == Channel::assistant);
    CHECK(log[1].channel == Channel::api);
    const auto detail = boost::json::parse(log[1].detail).as_object();
    CHECK(detail.at("changed") == boost::json::array{"/resources/cpus"});
    CHECK(detail.at("before") != detail.at("after"));
    CHECK(log[4].action == "profile.create");
    CHECK(must(s.engine->activity(tester, s.profile, 2, log[1].sequence)).front().sequence == log[2].sequence);
}

TEST_CASE("a section's members are held to its form, and to the section") {
    Stage s;
    CHECK(faults(s.refused(Section::resources, R"({"resources": {"cpus": -1, "colour": 1}, "network": {}})").problems) ==
          std::set<std::string>{"/resources/cpus out_of_range", "/resources/colour unknown_field", "/network unknown_field"});
    CHECK(s.refused(Section::resources, "[]").problems[0].code == "wrong_type");
    CHECK(s.refused(Section::resources, "{").problems[0].code == "syntax");
    CHECK(s.refused(Section::general, "{}").problems[0].pointer == "/name");
    CHECK(s.info().revision == 1);
    CHECK(must(s.engine->activity(tester, s.profile)).size() == 1);
}

TEST_CASE("a stale edit is a conflict that shows both sides") {
    Stage s;
    s.edit(Section::resources, R"({"resources": {"cpus": 4}})");
    const auto error = s.refused(Section::resources, R"({"resources": {"cpus": 8}})", 1);
    CHECK(error.kind == ErrorClass::conflict);
    CHECK(error.code == "stale_revision");
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].pointer == "/resources/cpus");
    CHECK(error.problems[0].message == "now 4; by this edit 8");
    CHECK(must(s.engine->draft(tester, s.profile)).recipe.resources.cpus == 4);
    must(s.engine->edit_section(tester, s.profile, {Section::resources, R"({"resources": {"cpus": 8}})", 2}));
    const auto whole = s.engine->edit_draft(tester, s.profile, document({{"provider", "memory"}}), 1);
    REQUIRE_FALSE(whole.has_value());
    CHECK(whole.error().problems[0].message == "now 8; by this edit nothing");
}

TEST_CASE("edits of different sections at once are all kept") {
    Stage s;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 1; i <= 5; ++i) {
                const std::string n = std::to_string(i);
                const SectionEdit edits[] = {
                    {Section::resources, R"({"resources": {"cpus": )" + n + "}}", {}},
                    {Section::environment, R"({"environment": {"N": ")" + n + "\"}}", {}},
                    {Section::persistence, R"({"persistence": {"paths": ["/p)" + n + "\"]}}", {}},
                    {Section::probes, R"({"probes": [{"name": "p)" + n + R"(", "script": "true"}]})", {}}};
                must(s.engine->edit_section(tester, s.profile, edits[t]));
            }
        });
    for (auto& thread : threads) thread.join();
    const auto recipe = must(s.engine->draft(tester, s.profile)).recipe;
    CHECK(recipe.resources.cpus == 5);
    CHECK(recipe.environment.at("N") == "5");
    CHECK(recipe.persistence.paths == std::vector<std::string>{"/p5"});
    CHECK(recipe.probes.at(0).name == "p5");
    CHECK(s.info().revision == 21);
}

TEST_CASE("an edit that leads back to the newest version leaves no draft, and one of the record makes none") {
    Stage s;
    s.publish();
    CHECK_FALSE(s.info().has_draft);
    s.edit(Section::general, R"({"name": "renamed", "provider": "memory"})");
    CHECK_FALSE(s.info().has_draft);
    CHECK(s.info().record.name == "renamed"); // at once
    s.edit(Section::resources, R"({"resources": {"cpus": 4}})");
    CHECK(s.info().has_draft);
    s.edit(Section::resources, "{}");
    CHECK_FALSE(s.info().has_draft);
    CHECK(s.engine->publish(tester, s.profile).get().error().code == "no_change");
    CHECK(s.info().latest_version == 1);
}

TEST_CASE("a proposal is shown, and then kept or discarded once") {
    Stage s;
    Principal assistant = tester;
    assistant.id = "assistant-of-tester";
    assistant.channel = Channel::assistant;
    const auto proposal =
        must(s.engine->propose_edit(assistant, s.profile, {Section::resources, R"({"resources": {"cpus": 4}})", 1}));
    CHECK(pointers(proposal.changes) == std::set<std::string>{"/resources/cpus"});
    CHECK(proposal.state == ProposalState::open);
    CHECK(proposal.channel == Channel::assistant);
    CHECK_FALSE(must(s.engine->draft(tester, s.profile)).recipe.resources.cpus); // nothing yet
    REQUIRE(must(s.engine->proposals(tester, s.profile)).size() == 1);

    s.edit(Section::network, R"({"network": {"egress": "open"}})"); // another section
    const auto kept = must(s.engine->keep_edit(tester, proposal.id));
    CHECK(kept.changes == proposal.changes);
    CHECK(must(s.engine->draft(tester, s.profile)).recipe.resources.cpus == 4);
    CHECK(must(s.engine->proposals(tester, s.profile)).empty());
    CHECK(s.engine->keep_edit(tester, proposal.id).error().code == "proposal_closed");
    CHECK(s.engine->discard_edit(tester, proposal.id).error().code == "proposal_closed");

    const auto environment =
        must(s.engine->propose_edit(tester, s.profile, {Section::environment, R"({"environment": {"A": "1"}})", {}}));
    s.edit(Section::image, R"({"setup_script": "true\n"})"); // which sees the environment
    CHECK(must(s.engine->keep_edit(tester, environment.id)).changes.size() == 1);

    const auto stale = must(s.engine->propose_edit(tester, s.profile, {Section::resources, R"({"resources": {"cpus": 5}})", {}}));
    s.edit(Section::resources, R"({"resources": {"cpus": 6}})");
    const auto refused = s.engine->keep_edit(tester, stale.id);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "stale_revision");
    CHECK(refused.error().problems[0].message == "now 6; by this edit 5");
    CHECK(must(s.engine->discard_edit(tester, stale.id)).state == ProposalState::discarded);
    CHECK(must(s.engine->activity(tester, s.profile)).front().action == "edit.discard");
    CHECK_FALSE(s.engine->propose_edit(tester, s.profile, {Section::resources, R"({"resources": {"cpus": 0}})", {}}).has_value());
    CHECK(s.engine->keep_edit(tester, "edt_none").error().code == "no_proposal");
}

TEST_CASE("what looks like a credential is not kept, anywhere, and never repeated; an exception is") {
    Stage s;
    const auto error = s.refused(Section::environment, R"({"environment": {"DEPLOY": ")" + token + "\"}}");
    CHECK(error.code == "profile_invalid");
    REQUIRE(error.problems.size() == 1);
    CHECK(error.problems[0].pointer == "/environment/DEPLOY");
    CHECK(error.problems[0].code == "secret_like");
    CHECK(error.problems[0].message.find("github-token") != std::string::npos);
    for (const auto& text : {error.message, error.problems[0].message, error.problems[0].remedy})
        CHECK(text.find(token.substr(4, 8)) == std::string::npos);
    CHECK(faults(s.refused(Section::image, R"({"setup_script": "export T=)" + token + "\\n\"}").problems) ==
          std::set<std::string>{"/setup_script secret_like"});
    CHECK(faults(s.refused(Section::agent_instructions, R"({"agent_instructions": "use )" + token + "\"}").problems) ==
          std::set<std::string>{"/agent_instructions secret_like"});
    CHECK(s.engine->create_profile(tester, document({{"environment", {{"X", token}}}})).error().problems[0].code ==
          "secret_like");

    // Together with faults of form, and in what is otherwise no profile.
    CHECK(faults(s.engine
                     ->create_profile(tester, document({{"image", "debian"}, {"environment", {{"X", token}}}, {"colour", token}}))
                     .error()
                     .problems) ==
          std::set<std::string>{"/image bad_form", "/colour unknown_field", "/environment/X secret_like", "/colour secret_like"});

    const auto exception = [](const std::string& rule) {
        return R"({"environment": {"DEPLOY": ")" + token +
               R"("}, "secret_exceptions": [{"pointer": "/environment/DEPLOY", "rule": ")" + rule +
               R"(", "reason": "an example"}]})";
    };
    CHECK(faults(s.refused(Section::environment, exception("jwt")).problems) ==
          std::set<std::string>{"/environment/DEPLOY secret_like"});
    CHECK(pointers(s.edit(Section::environment, exception("github-token")).changes) ==
          std::set<std::string>{"/environment/DEPLOY", "/secret_exceptions/0"});
    const auto found = must(
        s.engine
            ->validate(tester,
                       document({{"secret_exceptions", {{{"pointer", "/environment/A"}, {"rule", "jwt"}, {"reason", "none"}}}}}),
                       sandboxkit::Gate::save)
            .get());
    CHECK(found.errors.empty());
    CHECK(faults(found.warnings) == std::set<std::string>{"/secret_exceptions/0 exception_unused"});
}

TEST_CASE("an exception holds for the element that it was recorded for, in whatever order the list was written") {
    Stage s;
    const std::string servers = R"({"mcp_servers": [{"name": "b", "command": ["x"], "environment": {"T": ")" + token +
                                R"("}}, {"name": "a", "command": ["x"]}]})";
    s.edit(Section::environment, R"({"secret_exceptions": [{"pointer": "/mcp_servers/1/environment/T", "rule": "github-token",
                                     "reason": "an example"}]})");
    s.edit(Section::runtime, servers); // kept as a, b
    s.edit(Section::resources, R"({"resources": {"cpus": 2}})");
}

TEST_CASE("a copy and an imported version pass the save gate") {
    Stage s;
    CHECK(s.engine->duplicate_profile(tester, s.profile, token).error().problems.at(0).code == "secret_like");
    CHECK(s.engine->import_version(tester, write_version_file("a\nb", 1, canonical_recipe(Recipe{}))).error().code ==
          "version_file_invalid");
    CHECK(
        s.engine->import_version(tester, write_version_file(token, 1, canonical_recipe(Recipe{}))).error().problems.at(0).code ==
        "secret_like");
    CHECK(must(s.engine->profiles(tester)).size() == 1);
    std::string name;
    for (int i = 0; i < 200; ++i) name += "\xE2\x82\xAC";
    CHECK(must(s.engine->duplicate_profile(tester, s.profile, name)).record.name == name);
}

TEST_CASE("an edit of the record while the profile is published is not lost, and not let through") {
    // The store's answer to a publish in between; the engine tries again, and then asks what it had not.
    Stage s;
    std::atomic<bool> done = false;
    std::thread publisher([&] {
        s.publish();
        done = true;
    });
    while (!done) {
        auto kept = s.engine->edit_section(tester, s.profile, {Section::warm_pool, R"({"warm_pool": {"enabled": true}})", {}});
        auto back = s.engine->edit_section(tester, s.profile, {Section::warm_pool, "{}", {}});
        CHECK((kept.has_value() || kept.error().code == "profile_invalid"));
        CHECK(back.has_value());
        if (s.info().latest_version) CHECK_FALSE(s.info().record.warm_pool.enabled);
    }
    publisher.join();
    CHECK(faults(s.refused(Section::warm_pool, R"({"warm_pool": {"enabled": true}})").problems) ==
          std::set<std::string>{"/warm_pool/enabled not_enacted"});
}

TEST_CASE("publish refuses what is not enacted, by name; and an edit of a published record, too") {
    Stage s;
    s.edit(Section::commands, R"({"commands": {"mode": "strict-command"}})");
    s.edit(Section::warm_pool, R"({"warm_pool": {"enabled": true}})"); // a draft may say it
    const auto refused = s.engine->publish(tester, s.profile).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "publish_refused");
    const auto found = faults(refused.error().problems);
    CHECK(found.contains("/commands/mode not_enacted"));
    CHECK(found.contains("/warm_pool/enabled not_enacted"));
    s.edit(Section::commands, "{}");
    s.edit(Section::warm_pool, "{}");
    s.publish();
    CHECK(faults(s.refused(Section::warm_pool, R"({"warm_pool": {"enabled": true}})").problems) ==
          std::set<std::string>{"/warm_pool/enabled not_enacted"});
    CHECK(faults(s.refused(Section::warm_pool, R"({"warm_pool": {"floor": 9}})").problems)
              .contains("/warm_pool/floor floor_above_ceiling"));
}

namespace {

class Known : public ReferenceSource {
public:
    Result<std::optional<Connection>> connection(std::string_view id) override {
        if (id == "down") return Error{ErrorClass::unavailable, "directory_down", "nobody knows now", "", "", {}};
        if (id != "model") return std::optional<Connection>{};
        Connection connection;
        connection.id = "model";
        connection.kind = ConnectionKind::model_provider;
        connection.protocols = {std::string(protocols::anthropic_messages)};
        return std::optional(connection);
    }
    Result<std::optional<EnvironmentBinding>> environment(std::string_view) override {
        return std::optional<EnvironmentBinding>{};
    }
    Result<std::optional<HostRecord>> host(std::string_view) override { return std::optional<HostRecord>{}; }
};

} // namespace

TEST_CASE("references are looked up, and held against what uses them") {
    TempDir dir;
    EngineOptions options = options_with(dir.path(), std::make_shared<MemoryProvider>());
    options.references = std::make_shared<Known>();
    Engine engine = must(Engine::open(options));
    const auto check = [&](boost::json::object members, sandboxkit::Gate gate) {
        members["provider"] = "memory";
        return engine.validate(tester, document(std::move(members)), gate).get();
    };
    const boost::json::object codex{{"agent", {{"runtime", "codex"}}}, {"connections", {{"model_provider", "model"}}}};
    CHECK(faults(must(check(codex, sandboxkit::Gate::publish)).errors).contains("/connections/model_provider unfit_connection"));
    CHECK(must(check(codex, sandboxkit::Gate::save)).errors.empty());
    const auto unknown = must(check({{"connections", {{"git", "nobody"}}}}, sandboxkit::Gate::publish));
    CHECK(faults(unknown.errors).contains("/connections/git connection_unknown"));
    CHECK(check({{"connections", {{"git", "down"}}}}, sandboxkit::Gate::publish).error().code == "directory_down");
    CHECK(must(check({}, sandboxkit::Gate::start)).errors.empty());
}

TEST_CASE("agent instructions have a history of their own, and are restored from it") {
    Stage s;
    s.edit(Section::agent_instructions, R"({"agent_instructions": "be kind"})");
    s.edit(Section::agent_instructions, R"({"agent_instructions": "be quick"})");
    s.edit(Section::resources, R"({"resources": {"cpus": 3}})"); // is no revision of them
    auto history = must(s.engine->instructions(tester, s.profile));
    REQUIRE(history.size() == 2);
    CHECK(history[0].revision == 2);
    CHECK(history[0].principal == tester.id);
    CHECK(must(s.engine->instructions_text(tester, s.profile, 1)) == "be kind");
    const auto restored = must(s.engine->restore_instructions(tester, s.profile, 1));
    CHECK(restored.profile.instructions_revision == 3);
    CHECK(restored.profile.record.agent_instructions == "be kind");
    CHECK(boost::json::parse(must(s.engine->activity(tester, s.profile)).front().detail).at("restored_from") == 1);
    CHECK(s.engine->restore_instructions(tester, s.profile, 9).error().code == "no_instructions");
}

TEST_CASE("a session records the revision of the instructions that it got") {
    Stage s;
    s.edit(Section::agent_instructions, R"({"agent_instructions": "be kind"})");
    s.edit(Section::agent_instructions, "{}"); // none is a revision too
    s.publish();
    const auto session = must(s.engine->start_session(tester, of(s.profile)).get());
    CHECK(session.instructions_revision == 2);
    must(s.engine->remove_session(tester, session.id).get());
}

TEST_CASE("a version travels as a file, with the same identity, and not when it was tampered with") {
    Stage s;
    s.edit(Section::environment, R"({"environment": {"REGION": "eu-central-1"}})");
    s.publish();
    const auto version = must(s.engine->version(tester, s.profile, 1));
    const std::string file = must(s.engine->export_version(tester, s.profile, 1));
    TempDir elsewhere;
    Engine other = must(Engine::open(options_with(elsewhere.path(), std::make_shared<MemoryProvider>())));
    const auto imported = must(other.import_version(tester, file));
    const auto published = must(other.publish(tester, imported.id).get());
    CHECK(published.digest == version.digest);
    CHECK(published.recipe == version.recipe);
    CHECK(must(other.import_version(tester, file, "named")).record.name == "named");

    for (std::size_t i = 0; i < file.size(); ++i) { // any byte
        std::string changed = file;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        if (boost::system::error_code ec; boost::json::parse(changed, ec) == boost::json::parse(file) && !ec)
            continue; // white space
        CAPTURE(i);
        CHECK_FALSE(other.import_version(tester, changed).has_value());
    }
    auto value = boost::json::parse(file).as_object();
    value["recipe"].as_object()["environment"].as_object()["REGION"] = "us-east-1";
    CHECK(other.import_version(tester, boost::json::serialize(value)).error().code == "version_file_changed");
    CHECK(s.engine->export_version(tester, s.profile, 2).error().kind == ErrorClass::not_found);
}

TEST_CASE("a copy has the draft and the record, the access list too, and a history of its own") {
    Stage s;
    s.edit(Section::access, R"({"access": {"users": ["ada"]}})");
    s.edit(
        Section::triggers,
        R"({"triggers": [{"name": "nightly", "schedule": "0 4 * * *"}], "refresh": {"enabled": true, "schedule": "0 5 * * *"}})");
    const auto copy = must(s.engine->duplicate_profile(tester, s.profile));
    CHECK(copy.id != s.profile);
    CHECK(copy.record.name == s.info().record.name + " (copy)");
    CHECK(copy.record.access.users == std::vector<std::string>{"ada"});
    CHECK_FALSE(copy.record.triggers.at(0).enabled);
    CHECK_FALSE(copy.record.refresh.enabled);
    CHECK(copy.revision == 1);
    CHECK(must(s.engine->draft(tester, copy.id)).recipe == must(s.engine->draft(tester, s.profile)).recipe);
    CHECK(must(s.engine->duplicate_profile(tester, s.profile, "mine")).record.name == "mine");
    CHECK(s.engine->duplicate_profile(tester, s.profile, "a\nb").error().code == "name_invalid");
    CHECK(
        must(s.engine->duplicate_profile(tester, must(s.engine->duplicate_profile(tester, s.profile, std::string(200, 'x'))).id))
            .record.name == std::string(193, 'x') + " (copy)");
}

TEST_CASE("a profile is deleted when nothing runs from it, or with what runs when forced") {
    Stage s;
    s.publish();
    const auto session = must(s.engine->start_session(tester, of(s.profile)).get());
    const auto refused = s.engine->delete_profile(tester, s.profile).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "profile_in_use");
    CHECK(must(s.engine->session(tester, session.id)).state == SessionState::running);
    must(s.engine->delete_profile(tester, s.profile, true).get());
    CHECK(s.engine->profile(tester, s.profile).error().code == "profile_deleted");
    CHECK(must(s.engine->profiles(tester)).empty());
    CHECK(must(s.engine->session(tester, session.id)).state == SessionState::removed);
    CHECK(s.engine->start_session(tester, of(s.profile)).get().error().kind == ErrorClass::not_found);
    CHECK(must(s.engine->activity(tester, s.profile)).front().action == "profile.delete");
    must(s.engine->reconcile(tester).get());
    CHECK(s.provider->sandboxes().empty());
}

TEST_CASE("the overview tells what there is, and that nothing was tested") {
    Stage s;
    s.publish();
    s.edit(Section::resources, R"({"resources": {"cpus": 3}})");
    const auto proposal =
        must(s.engine->propose_edit(tester, s.profile, {Section::network, R"({"network": {"egress": "open"}})", {}}));
    const auto session = must(s.engine->start_session(tester, of(s.profile)).get());
    const auto overview = must(s.engine->overview(tester, s.profile));
    CHECK(overview.profile.has_draft);
    REQUIRE(overview.in_use);
    CHECK(overview.in_use->number == 1);
    CHECK(overview.in_use->snapshot == SnapshotState::ready);
    CHECK(overview.sessions == std::map<SessionState, std::uint64_t>{{SessionState::running, 1}});
    CHECK(overview.active_jobs == 0);
    REQUIRE(overview.proposals.size() == 1);
    CHECK(overview.proposals[0].id == proposal.id);
    CHECK(overview.activity.size() >= 4);
    CHECK(overview.test == TestState::not_yet_tested);
    must(s.engine->remove_session(tester, session.id).get());
}

TEST_CASE("a client token makes one profile, also when asked at once") {
    Stage s;
    std::set<std::string> ids;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            const auto made = must(s.engine->create_profile(tester, document({{"provider", "memory"}}), "once"));
            std::lock_guard guard(mutex);
            ids.insert(made.id);
        });
    for (auto& thread : threads) thread.join();
    CHECK(ids.size() == 1);
    CHECK(must(s.engine->profiles(tester)).size() == 2);
    CHECK(s.engine->create_profile(tester, document(), std::string(201, 't')).error().code == "client_token_invalid");
}

TEST_CASE("the access list is edited by whoever may, and by nobody else, whichever way the edit takes") {
    Stage s;
    Principal manager, list_editor;
    manager.id = "manager";
    manager.scopes = {std::string(scopes::manage_profiles)};
    list_editor.id = "list-editor";
    list_editor.scopes = {std::string(scopes::manage_access)};
    const std::string with_list = R"({"access": {"users": ["ada"]}})";

    CHECK(s.engine->edit_section(manager, s.profile, {Section::access, with_list, {}}).error().code == "not_permitted");
    CHECK(s.engine->edit_draft(manager, s.profile, document({{"provider", "memory"}, {"access", {{"users", {"ada"}}}}}))
              .error()
              .code == "not_permitted");
    CHECK(s.engine->create_profile(manager, document({{"access", {{"users", {"manager"}}}}})).error().code == "not_permitted");
    CHECK(s.engine->propose_edit(manager, s.profile, {Section::access, with_list, {}}).error().code == "not_permitted");
    const auto proposed = must(s.engine->propose_edit(tester, s.profile, {Section::access, with_list, {}}));
    CHECK(s.engine->keep_edit(manager, proposed.id).error().code == "not_permitted");

    const auto kept = must(s.engine->edit_section(list_editor, s.profile, {Section::access, with_list, {}}));
    CHECK(kept.profile.record.access.users == std::vector<std::string>{"ada"});
    CHECK(must(s.engine->edit_section(list_editor, s.profile, {Section::access, with_list, {}})).changes.empty()); // again
    CHECK(s.engine->edit_section(list_editor, s.profile, {Section::resources, "{}", {}}).error().code == "not_permitted");
    // Now that there is one, a document without it would remove it; and a copy would be one with it.
    CHECK(s.engine->edit_draft(manager, s.profile, document({{"provider", "memory"}})).error().code == "not_permitted");
    CHECK(s.engine->duplicate_profile(manager, s.profile).error().code == "not_permitted");
    must(s.engine->edit_section(manager, s.profile, {Section::resources, R"({"resources": {"cpus": 2}})", {}}));
    CHECK(s.info().record.access.users == std::vector<std::string>{"ada"});
}

TEST_CASE("property: whatever edit a principal makes, only what its scopes allow has changed") {
    Stage s;
    std::mt19937_64 random(7);
    const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    const auto members_of = [&](Section section) -> std::string {
        const std::string n = std::to_string(1 + below(3));
        switch (section) {
        case Section::general: return R"({"name": "n)" + n + R"(", "provider": "memory"})";
        case Section::access: return R"({"access": {"users": ["u)" + n + "\"]}}";
        case Section::resources: return R"({"resources": {"cpus": )" + n + "}}";
        case Section::agent_instructions: return R"({"agent_instructions": "i)" + n + "\"}";
        default: return R"({"environment": {"A": ")" + n + "\"}}";
        }
    };
    constexpr Section sections[] = {Section::general, Section::access, Section::resources, Section::agent_instructions,
                                    Section::environment};
    int allowed = 0, refused = 0;
    for (int round = 0; round < 400; ++round) {
        CAPTURE(round);
        Principal who;
        who.id = "p";
        if (below(2) == 0) who.scopes.emplace_back(scopes::manage_profiles);
        if (below(2) == 0) who.scopes.emplace_back(scopes::manage_access);
        if (below(3) == 0) who.scopes.emplace_back(scopes::read_profiles);
        who.channel = below(2) == 0 ? Channel::assistant : Channel::form; // changes nothing
        const bool manages = ScopeSet(who).contains(scopes::manage_profiles),
                   lists = ScopeSet(who).contains(scopes::manage_access);
        const Profile before = must(s.engine->draft(tester, s.profile));
        const Section section = sections[below(std::size(sections))];
        const std::string members = members_of(section);
        bool kept = false;
        switch (below(4)) {
        case 0: kept = s.engine->edit_section(who, s.profile, {section, members, {}}).has_value(); break;
        case 1: {
            auto edited = with_section(before, section, boost::json::parse(members));
            kept = s.engine->edit_draft(who, s.profile, boost::json::serialize(profile_to_json(*edited))).has_value();
            break;
        }
        case 2: {
            auto proposal = s.engine->propose_edit(who, s.profile, {section, members, {}});
            if (proposal) kept = s.engine->keep_edit(who, proposal->id).has_value();
            break;
        }
        case 3: { // proposed by one who may, kept by this one
            auto proposal = must(s.engine->propose_edit(tester, s.profile, {section, members, {}}));
            kept = s.engine->keep_edit(who, proposal.id).has_value();
            if (!kept) must(s.engine->discard_edit(tester, proposal.id));
            break;
        }
        }
        for (const auto& change : diff(before, must(s.engine->draft(tester, s.profile)))) {
            CAPTURE(change.pointer);
            CHECK(kept);
            CHECK((change.pointer.starts_with("/access") ? lists : manages));
        }
        ++(kept ? allowed : refused);
    }
    CHECK(allowed > 50);
    CHECK(refused > 50);
}
