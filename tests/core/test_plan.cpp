// SPDX-License-Identifier: Apache-2.0
// Also compiles alone, against headers only:
//   g++ -std=c++20 -DSANDBOXKIT_STANDALONE_JSON -I include tests/core/test_plan.cpp -o test_plan -lcrypto
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_recipe.hpp"

#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_document.hpp>

#include <boost/json/serialize.hpp>

#include <doctest/doctest.h>

#ifdef SANDBOXKIT_STANDALONE_JSON
#include <boost/json/src.hpp>
#endif

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace sandboxkit;
using sandboxkit::test::RandomRecipe;

namespace {

Repository repository(std::string identifier) {
    Repository r;
    r.url = "https://git.example/" + identifier;
    r.mount_path = "/workspace/" + identifier;
    r.identifier = std::move(identifier);
    return r;
}

// Every member has a value that is not its default.
Recipe full_recipe() {
    Recipe r;
    r.image = "archive:/srv/root.tar";
    r.repositories = {repository("lib"), repository("app")};
    r.repositories[0].role = RepositoryRole::reference;
    r.repositories[0].read_only = true;
    r.repositories[1].branch = "main";
    r.repositories[1].depth = 1;
    r.setup_script = "make -C /workspace/app\n";
    r.setup_timeout_seconds = 60;
    r.environment = {{"LANG", "C.UTF-8"}, {"NAME", "\xE2\x82\xAC"}};
    r.resources = {ResourceClass::planning, 0.1, 512, 100, 2048};
    r.network.egress = Egress::none;
    r.persistence = {false, {"/root", "/etc/codex"}};
    return r;
}

std::vector<std::string> kinds(const Plan& plan) {
    std::vector<std::string> out;
    for (const Step& step : plan.steps) out.emplace_back(to_string(step.kind));
    return out;
}

// The pointers of all fields: what diff() would name when only that field differed.
void collect_fields(const std::string& pointer, const boost::json::value& value, std::vector<std::string>& out) {
    if (const auto* object = value.if_object(); object && !object->empty()) {
        for (const auto& member : *object) collect_fields(pointer + '/' + std::string(member.key()), member.value(), out);
    } else if (const auto* array = value.if_array(); array && pointer == "/repositories") {
        for (std::size_t i = 0; i < array->size(); ++i) {
            out.push_back(pointer + '/' + std::to_string(i));
            collect_fields(pointer + '/' + std::to_string(i), (*array)[i], out);
        }
    } else {
        out.push_back(pointer);
    }
}

} // namespace

TEST_CASE("a plan has its steps in order, the snapshot's first") {
    CHECK(kinds(compile(Recipe{})) ==
          std::vector<std::string>{"base_image", "capture", "apply_limits", "connect_network", "bind_environment"});
    const Plan plan = compile(full_recipe());
    CHECK(kinds(plan) == std::vector<std::string>{"base_image", "script_environment", "clone_repository", "clone_repository",
                                                  "run_setup_script", "capture", "apply_limits", "connect_network",
                                                  "protect_paths", "bind_environment"});
    for (const Step& step : plan.steps) CHECK(step.snapshot_relevant == (step.kind <= StepKind::capture));
    CHECK(plan.steps[2].detail.at("repository").at("identifier") == "app"); // sorted: order has no meaning
    CHECK(boost::json::serialize(plan.steps[8].detail) ==
          R"({"repositories":[{"identifier":"app"},{"identifier":"lib","read_only":true}]})");
}

TEST_CASE("digests are the same everywhere and always") {
    CHECK(digest_of(canonical_recipe(Recipe{})) == "sha256:09d4257076182a6d3a05fb01527363875f2e8fbe116a39e99d7a019acc82aebe");
    CHECK(compile(Recipe{}).digest == "sha256:71bac7bf09bc8b5fce483ef7eb97096bbf7c88fb44fbebf375704d6784e98d39");
    CHECK(compile(Recipe{}).snapshot_digest == "sha256:f504f77982f83811e0ddc8b0d78fc141af7972a282887480e087ea824191b68e");
    CHECK(digest_of(canonical_recipe(full_recipe())) ==
          "sha256:3be9f26e922cf95acfb318954024233363343bdde961873cb3df48df2b268991");
    CHECK(compile(full_recipe()).digest == "sha256:48c7fbabb245e80b1379f90d347f2a88b986d38b1b1072782ef43cf9e51dc324");
    CHECK(compile(full_recipe()).snapshot_digest == "sha256:ce8f141d08b93489a39285780613183c494daead03a8eaaad67a4a6793b6fd0d");
}

TEST_CASE("every field of the canonical recipe is classified, and every rule is of a field") {
    std::vector<std::string> fields;
    collect_fields("", recipe_to_json(full_recipe()), fields);
    for (const std::string& field : fields) {
        CAPTURE(field);
        CHECK(rule_for(field) != nullptr);
    }
    for (const FieldRule& rule : field_rules()) {
        CAPTURE(rule.pattern);
        CHECK(rule_for(rule.pattern) == &rule); // no other stands before it
        CHECK_FALSE(rule.fate.reason.empty());
        CHECK((rule.fate.use == SnapshotUse::scripts) == !rule.fate.reason_without_scripts.empty());
    }
    CHECK(rule_for("/unheard_of") == nullptr);
    CHECK(rule_for("/environment") == nullptr);
    CHECK(rule_for("") == nullptr);
}

TEST_CASE("each field is relevant or neutral as the table says") {
    struct Case {
        const char* pointer;
        std::function<void(Recipe&)> change;
        bool relevant, relevant_without_script;
    };
    const std::vector<Case> cases = {
        {"/provider", [](Recipe& r) { r.provider = "docker"; }, true, true},
        {"/image", [](Recipe& r) { r.image = "host"; }, true, true},
        {"/repositories/0/url", [](Recipe& r) { r.repositories[1].url = "https://git.example/other"; }, true, true},
        {"/repositories/0/branch", [](Recipe& r) { r.repositories[1].branch.reset(); }, true, true},
        {"/repositories/0/depth", [](Recipe& r) { r.repositories[1].depth = 2; }, true, true},
        {"/repositories/0/revision", [](Recipe& r) { r.repositories[1].revision = "v1"; }, true, true},
        {"/repositories/0/submodules", [](Recipe& r) { r.repositories[1].submodules = true; }, true, true},
        {"/repositories/0/mount_path", [](Recipe& r) { r.repositories[1].mount_path = "/opt/app"; }, true, true},
        {"/repositories/0/role", [](Recipe& r) { r.repositories[1].role = RepositoryRole::context; }, true, false},
        {"/repositories/1/read_only", [](Recipe& r) { r.repositories[0].read_only = false; }, true, false},
        {"/repositories/2", [](Recipe& r) { r.repositories.push_back(repository("more")); }, true, true},
        {"/repositories/1", [](Recipe& r) { r.repositories.erase(r.repositories.begin()); }, true, true},
        {"/setup_timeout", [](Recipe& r) { r.setup_timeout_seconds = 61; }, false, false},
        {"/environment/LANG", [](Recipe& r) { r.environment["LANG"] = "C"; }, true, false},
        {"/environment/NEW", [](Recipe& r) { r.environment["NEW"] = ""; }, true, false},
        {"/environment/NAME", [](Recipe& r) { r.environment.erase("NAME"); }, true, false},
        {"/resources/class", [](Recipe& r) { r.resources.resource_class = ResourceClass::development; }, false, false},
        {"/resources/cpus", [](Recipe& r) { r.resources.cpus.reset(); }, false, false},
        {"/resources/memory_mb", [](Recipe& r) { r.resources.memory_mb = 513; }, false, false},
        {"/resources/processes", [](Recipe& r) { r.resources.processes = 101; }, false, false},
        {"/resources/disk_mb", [](Recipe& r) { r.resources.disk_mb = 2049; }, false, false},
        {"/network/egress", [](Recipe& r) { r.network.egress = Egress::open; }, true, false},
        {"/persistence/enabled", [](Recipe& r) { r.persistence.enabled = true; }, false, false},
        {"/persistence/paths", [](Recipe& r) { r.persistence.paths.pop_back(); }, false, false},
    };
    for (const bool with_script : {true, false}) {
        for (const Case& c : cases) {
            CAPTURE(c.pointer);
            CAPTURE(with_script);
            Recipe before = full_recipe();
            if (!with_script) before.setup_script.clear();
            Recipe after = before;
            c.change(after);
            const auto changes = diff(before, after);
            REQUIRE(changes.size() == 1);
            CHECK(changes[0].pointer == c.pointer);
            CHECK(changes[0].before != changes[0].after);
            const bool relevant = with_script ? c.relevant : c.relevant_without_script;
            CHECK((changes[0].field_class == FieldClass::snapshot_relevant) == relevant);
            CHECK_FALSE(changes[0].reason.empty());
            const auto decision = decide_rebuild(&before, after);
            CHECK(decision.reuse == !relevant);
            CHECK(decision.changes == changes);
            CHECK(decision.reuse == (compile(before).snapshot_digest == compile(after).snapshot_digest));
        }
    }
}

TEST_CASE("a setup script that appears or goes is relevant, and so is what it runs with") {
    Recipe before = full_recipe(), after = full_recipe();
    before.setup_script.clear();
    after.environment["LANG"] = "C";
    for (int way = 0; way < 2; ++way, std::swap(before, after)) {
        const auto changes = diff(before, after);
        REQUIRE(changes.size() == 2);
        CHECK(changes[0].pointer == "/environment/LANG");
        CHECK(changes[0].field_class == FieldClass::snapshot_relevant);
        CHECK(changes[1].pointer == "/setup_script");
        CHECK(changes[1].field_class == FieldClass::snapshot_relevant);
        const auto decision = decide_rebuild(&before, after);
        CHECK_FALSE(decision.reuse);
        CHECK(decision.reason == "the snapshot depends on /environment/LANG, /setup_script");
    }
}

TEST_CASE("the decision says why") {
    const Recipe recipe = full_recipe();
    CHECK(decide_rebuild(nullptr, recipe) == RebuildDecision{false, {}, "first version"});
    CHECK(decide_rebuild(&recipe, recipe) == RebuildDecision{true, {}, "nothing changed"});
    Recipe after = recipe;
    after.setup_timeout_seconds = 1;
    CHECK(decide_rebuild(&recipe, after).reason == "no change touches the snapshot");
    const auto many = decide_rebuild(&recipe, Recipe{});
    CHECK_FALSE(many.reuse);
    CHECK(many.reason == "the snapshot depends on /environment/LANG, /environment/NAME, /image and 4 more changed fields");
}

TEST_CASE("values of a change are canonical JSON, empty where absent") {
    Recipe before, after;
    after.resources.cpus = 2.50;
    after.repositories = {repository("app")};
    const auto changes = diff(before, after);
    REQUIRE(changes.size() == 2);
    CHECK(changes[0].pointer == "/repositories/0");
    CHECK(changes[0].before.empty());
    CHECK(
        changes[0].after ==
        R"({"identifier":"app","mount_path":"/workspace/app","read_only":false,"role":"primary","url":"https://git.example/app"})");
    CHECK(changes[1] == FieldChange{"/resources/cpus", FieldClass::snapshot_neutral, "", "2.5", "applied at start"});
}

TEST_CASE("a renamed repository is one that went and one that came") {
    Recipe before, after;
    before.repositories = {repository("a"), repository("b")};
    after = before;
    after.repositories[0].identifier = "c";
    const auto changes = diff(before, after);
    REQUIRE(changes.size() == 2);
    CHECK(changes[0].pointer == "/repositories/0");
    CHECK(changes[0].after.empty());
    CHECK(changes[1].pointer == "/repositories/1");
    CHECK(changes[1].before.empty());
    CHECK_FALSE(decide_rebuild(&before, after).reuse);
}

TEST_CASE("plans are compared step by step") {
    const Recipe before = full_recipe();
    Recipe after = before;
    after.setup_script = "true\n";
    after.repositories[0].branch = "next";
    const Plan a = compile(before), b = compile(after);
    CHECK(diff(a, a).empty());
    const auto lines = diff(a, b);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == "- clone_repository " + a.steps[3].digest.substr(0, 19) + " lib");
    CHECK(lines[1] == "+ clone_repository " + b.steps[3].digest.substr(0, 19) + " lib");
    CHECK(lines[2] == "- run_setup_script " + a.steps[4].digest.substr(0, 19));
    CHECK(lines[3] == "+ run_setup_script " + b.steps[4].digest.substr(0, 19));
}

TEST_CASE("property: a recipe equals itself in any order") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        RandomRecipe random(seed);
        const Recipe recipe = random.recipe();
        const Recipe shuffled = random.shuffled(recipe);
        CHECK(diff(recipe, shuffled).empty());
        CHECK(canonical_recipe(recipe) == canonical_recipe(shuffled));
        CHECK(compile(recipe).digest == compile(shuffled).digest);
        CHECK(decide_rebuild(&recipe, shuffled).reuse);
    }
}

TEST_CASE("property: random recipes are valid, and survive being written and read") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        RandomRecipe random(seed);
        Recipe recipe = random.recipe();
        for (int i = 0; i < 5; ++i) {
            const std::string canonical = canonical_recipe(recipe);
            CAPTURE(canonical);
            const auto again = read_recipe(canonical);
            REQUIRE(again.has_value());
            CHECK(canonical_recipe(*again) == canonical);
            CHECK(compile(*again).digest == compile(recipe).digest);
            recipe = random.variation(recipe);
        }
    }
}

TEST_CASE("property: the pointer of a change names something in the canonical form it is of") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        RandomRecipe random(seed);
        const Recipe before = random.recipe();
        const Recipe after = seed % 10 == 0 ? random.recipe() : random.variation(before);
        const boost::json::value a = recipe_to_json(before), b = recipe_to_json(after);
        for (const FieldChange& change : diff(before, after)) {
            CAPTURE(change.pointer);
            CHECK(change.before != change.after);
            const bool removed = change.after.empty();
            boost::json::error_code error;
            const auto* value = (removed ? a : b).find_pointer(change.pointer, error);
            REQUIRE(value);
            CHECK(canonical_json(*value) == (removed ? change.before : change.after));
        }
    }
}

TEST_CASE("the pointer of a change is whole, however long a name in it is") {
    Recipe before, after;
    after.environment[std::string(256, 'A')] = "1";
    const auto changes = diff(before, after);
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].pointer == "/environment/" + std::string(256, 'A'));
}

TEST_CASE("property: reuse exactly when the snapshot digests are equal") {
    int reused = 0, rebuilt = 0;
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        CAPTURE(seed);
        RandomRecipe random(seed);
        const Recipe before = random.recipe();
        const Recipe after = seed % 10 == 0 ? random.recipe() : random.variation(before);
        const RebuildDecision decision = decide_rebuild(&before, after);
        const Plan a = compile(before), b = compile(after);
        CHECK(decision.reuse == (a.snapshot_digest == b.snapshot_digest));
        CHECK(decision.changes.empty() == (canonical_recipe(before) == canonical_recipe(after)));
        CHECK(diff(a, b).empty() == (a.digest == b.digest));
        // Neither direction knows more than the other.
        CHECK(decision.reuse == decide_rebuild(&after, before).reuse);
        ++(decision.reuse ? reused : rebuilt);
    }
    CHECK(reused > 200);
    CHECK(rebuilt > 200);
}
