// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_recipe.hpp"

#include <sandboxkit/profile_document.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace sandboxkit;

namespace {

std::vector<Problem> problems_of(std::string_view document) {
    const auto profile = read_profile(document);
    if (profile) return {};
    CHECK(profile.error().kind == ErrorClass::invalid);
    CHECK(profile.error().code == "profile_invalid");
    CHECK(profile.error().message.starts_with("the profile is not valid: "));
    return profile.error().problems;
}

// "pointer code" of each.
std::vector<std::string> faults_of(std::string_view document) {
    std::vector<std::string> out;
    for (const Problem& problem : problems_of(document)) out.push_back(problem.pointer + ' ' + problem.code);
    return out;
}
using Faults = std::vector<std::string>;

// A document with one member beside the name.
std::string with(std::string_view member) {
    return R"({"name": "x", )" + std::string(member) + '}';
}
std::string with_repository(std::string_view members) {
    return with(R"("repositories": [{"url": "https://git.example/app", )" + std::string(members) + "}]");
}

} // namespace

TEST_CASE("a name is enough") {
    const Profile profile = read_profile(R"({"name": "x"})").value();
    CHECK(profile == Profile{{"x", ""}, Recipe{}});
    CHECK(
        canonical_recipe(profile.recipe) ==
        R"({"environment":{},"image":"host","network":{"egress":"open"},"persistence":{"enabled":false,"paths":["/etc/codex","/root"]},)"
        R"("provider":"local","repositories":[],"resources":{"class":"development"},"setup_script":"","setup_timeout":1800})");
}

TEST_CASE("every member is read") {
    const Profile profile = read_profile(R"({
        "name": "Café", "description": "two\nlines", "provider": "docker", "image": "directory:/srv/root",
        "repositories": [
            {"url": "https://git.example/team/app.git", "branch": "main", "depth": 1, "role": "primary"},
            {"url": "git@git.example:lib", "identifier": "thelib", "mount_path": "/opt/lib", "role": "reference"},
            {"url": "file:///srv/docs", "role": "reference", "read_only": false},
            {"url": "ssh://git.example/more", "read_only": true}
        ],
        "setup_script": "make\n", "setup_timeout": 60, "environment": {"A": "1", "B": ""},
        "resources": {"class": "development-large", "cpus": 1.5, "memory_mb": 512, "processes": 64, "disk_mb": 1024},
        "network": {"egress": "none"}, "persistence": {"enabled": true, "paths": ["/root", "/srv/data"]}
    })")
                                .value();
    Profile expected;
    expected.record = {"Caf\xC3\xA9", "two\nlines"};
    Recipe& r = expected.recipe;
    r.provider = "docker";
    r.image = "directory:/srv/root";
    r.repositories = {
        {"app", "https://git.example/team/app.git", "main", {}, 1, false, "/workspace/app", RepositoryRole::primary, false},
        {"thelib", "git@git.example:lib", {}, {}, {}, false, "/opt/lib", RepositoryRole::reference, true},
        {"docs", "file:///srv/docs", {}, {}, {}, false, "/workspace/docs", RepositoryRole::reference, false},
        {"more", "ssh://git.example/more", {}, {}, {}, false, "/workspace/more", RepositoryRole::context, true},
    };
    r.setup_script = "make\n";
    r.setup_timeout_seconds = 60;
    r.environment = {{"A", "1"}, {"B", ""}};
    r.resources = {ResourceClass::development_large, 1.5, 512, 64, 1024};
    r.network.egress = Egress::none;
    r.persistence = {true, {"/root", "/srv/data"}};
    CHECK(profile == expected);
}

TEST_CASE("the role of the only repository is primary, of one among several context") {
    CHECK(read_profile(with_repository(R"("depth": 1)")).value().recipe.repositories.at(0).role == RepositoryRole::primary);
    const auto two =
        read_profile(with(R"("repositories": [{"url": "https://git.example/a"}, {"url": "https://git.example/b"}])")).value();
    for (const Repository& repository : two.recipe.repositories) CHECK(repository.role == RepositoryRole::context);
}

TEST_CASE("each fault has its pointer and code") {
    CHECK(faults_of("{}") == Faults{"/name missing_field"});
    CHECK(faults_of("[]") == Faults{" wrong_type"});
    CHECK(faults_of("nonsense") == Faults{" syntax"});
    CHECK(faults_of(R"({"name": ""})") == Faults{"/name bad_value"});
    CHECK(faults_of(R"({"name": "a\u001bb"})") == Faults{"/name bad_value"});
    CHECK(faults_of(R"({"name": ")" + std::string(201, 'x') + "\"}") == Faults{"/name too_long"});
    CHECK(faults_of(R"({"name": null})") == Faults{"/name wrong_type"});
    CHECK(faults_of(with(R"("name": "y")")) == Faults{"/name duplicate_key"});
    CHECK(faults_of(with(R"("description": ")" + std::string(4001, 'x') + '"')) == Faults{"/description too_long"});
    CHECK(faults_of(with(R"("provider": "Local")")) == Faults{"/provider bad_value"});
    CHECK(faults_of(with(R"("image": "debian")")) == Faults{"/image bad_form"});
    CHECK(faults_of(with(R"("setup_script": ["make"])")) == Faults{"/setup_script wrong_type"});
    CHECK(faults_of(with(R"("setup_script": ")" + std::string((256 << 10) + 1, 'x') + '"')) == Faults{"/setup_script too_long"});
    CHECK(faults_of(with(R"("setup_script": ")" + std::string(256 << 10, 'x') + '"')).empty());
    for (const char* seconds : {"0", "86401", "-1", "1e10"})
        CHECK(faults_of(with(R"("setup_timeout": )" + std::string(seconds)))[0].starts_with("/setup_timeout "));
    CHECK(faults_of(with(R"("environment": ["A=1"])")) == Faults{"/environment wrong_type"});
    CHECK(faults_of(with(R"("environment": {"A": 1, "B-C": "", "SANDBOXKIT_X": "", "D": "a\u0000"})")) ==
          Faults{"/environment/A wrong_type", "/environment/B-C bad_value", "/environment/SANDBOXKIT_X bad_value",
                 "/environment/D bad_value"});
    CHECK(faults_of(with(R"("environment": {"A": ")" + std::string((32 << 10) + 1, 'x') + "\"}")) ==
          Faults{"/environment/A too_long"});
    CHECK(faults_of(with("\"environment\": {\"" + std::string(257, 'A') + "\": \"\"}"))[0].ends_with(" too_long"));
    CHECK(
        faults_of(with(
            R"("resources": {"class": "huge", "cpus": 0.001, "memory_mb": 15, "processes": 7, "disk_mb": 1073741825, "gpus": 1})")) ==
        Faults{"/resources/class bad_value", "/resources/cpus out_of_range", "/resources/memory_mb out_of_range",
               "/resources/processes out_of_range", "/resources/disk_mb out_of_range", "/resources/gpus unknown_field"});
    CHECK(faults_of(with(R"("resources": {"cpus": 1025, "memory_mb": 16777217, "processes": 4194305, "disk_mb": 15})")) ==
          Faults{"/resources/cpus out_of_range", "/resources/memory_mb out_of_range", "/resources/processes out_of_range",
                 "/resources/disk_mb out_of_range"});
    CHECK(faults_of(with(R"("network": {"egress": "some"})")) == Faults{"/network/egress bad_value"});
    CHECK(faults_of(with(R"("network": "none")")) == Faults{"/network wrong_type"});
    CHECK(faults_of(with(R"("network": {"ingress": "open"})")) == Faults{"/network/ingress unknown_field"});
    CHECK(faults_of(with(R"("persistence": {"enabled": 1, "paths": ["root", "/a", "/a/b", "/a", 7]})")) ==
          Faults{"/persistence/enabled wrong_type", "/persistence/paths/0 bad_form", "/persistence/paths/4 wrong_type",
                 "/persistence/paths/3 duplicate_value", "/persistence/paths/2 nested_path"});
}

TEST_CASE("faults of repositories") {
    CHECK(faults_of(with(R"("repositories": {})")) == Faults{"/repositories wrong_type"});
    CHECK(faults_of(with(R"("repositories": ["https://git.example/a"])")) == Faults{"/repositories/0 wrong_type"});
    CHECK(faults_of(with(R"("repositories": [{}])")) == Faults{"/repositories/0/url missing_field"});
    CHECK(faults_of(with(R"("repositories": [{"url": "https://git.example/..."}])")) ==
          Faults{"/repositories/0/identifier bad_form"});
    CHECK(faults_of(with_repository(R"("identifier": ".x")")) == Faults{"/repositories/0/identifier bad_value"});
    CHECK(faults_of(with_repository(R"("branch": "a b")")) == Faults{"/repositories/0/branch bad_form"});
    CHECK(faults_of(with_repository(R"("revision": "refs/tags/v1")")) == Faults{"/repositories/0/revision bad_form"});
    CHECK(faults_of(with_repository(R"("revision": "v1", "depth": 1)")).empty());
    CHECK(faults_of(with_repository(R"("revision": "v1", "branch": "main")")) ==
          Faults{"/repositories/0/revision excluded_field"});
    CHECK(faults_of(with_repository(R"("submodules": 1)")) == Faults{"/repositories/0/submodules wrong_type"});
    CHECK(faults_of(with_repository(R"("depth": 0)")) == Faults{"/repositories/0/depth out_of_range"});
    CHECK(faults_of(with_repository(R"("depth": 1000001)")) == Faults{"/repositories/0/depth out_of_range"});
    CHECK(faults_of(with_repository(R"("mount_path": "/usr/src")")) == Faults{"/repositories/0/mount_path bad_form"});
    CHECK(faults_of(with_repository(R"("role": "main")")) == Faults{"/repositories/0/role bad_value"});
    CHECK(faults_of(with_repository(R"("read_only": "yes")")) == Faults{"/repositories/0/read_only wrong_type"});
    CHECK(faults_of(with_repository(R"("readonly": true)")) == Faults{"/repositories/0/readonly unknown_field"});
    CHECK(problems_of(with_repository(R"("readonly": true)"))[0].remedy == "did you mean read_only?");
}

TEST_CASE("faults across repositories") {
    CHECK(faults_of(with(R"("repositories": [{"url": "https://git.example/a"}, {"url": "https://other.example/a.git"}])")) ==
          Faults{"/repositories/1/identifier duplicate_value"});
    CHECK(problems_of(with(R"("repositories": [{"url": "https://git.example/a"}, {"url": "https://other.example/a.git"}])"))[0]
              .message == "this identifier is also that of /repositories/0");
    CHECK(
        faults_of(with(
            R"("repositories": [{"url": "https://git.example/a", "role": "primary"}, {"url": "https://git.example/b", "role": "primary"}])")) ==
        Faults{"/repositories/1/role duplicate_value"});
    CHECK(
        faults_of(with(
            R"("repositories": [{"url": "https://git.example/a", "mount_path": "/w/a/b/c"}, {"url": "https://git.example/b", "mount_path": "/w/a"},
                                             {"url": "https://git.example/c", "mount_path": "/w/a"}, {"url": "https://git.example/d", "mount_path": "/w/ab"}])")) ==
        Faults{"/repositories/2/mount_path duplicate_value", "/repositories/0/mount_path nested_path"});
    // Also when something else is wrong with one of them.
    CHECK(
        faults_of(with(
            R"("repositories": [{"url": "nonsense", "mount_path": "/w"}, {"url": "https://git.example/b", "mount_path": "/w/b"}])")) ==
        Faults{"/repositories/0/url bad_form", "/repositories/1/mount_path nested_path"});
}

TEST_CASE("all problems come at once, of the text's form and of its meaning") {
    CHECK(faults_of(R"({"nmae": "x", "image": 7, "image": "host", "resources": {"cpus": 1e999, "memory_mb": 1},
                        "repositories": [{"url": "https://u:p@git.example/a"}], "setup_timeout": "60"})") ==
          Faults{"/image duplicate_key", "/resources/cpus out_of_range", "/name missing_field", "/image wrong_type",
                 "/setup_timeout wrong_type", "/repositories/0/url secret_in_url", "/resources/cpus out_of_range",
                 "/resources/memory_mb out_of_range", "/nmae unknown_field"});
    const auto error = read_profile(R"({"nmae": "x", "image": "debian"})").error();
    CHECK(error.message == "the profile is not valid: /name: this member is required (and 2 more)");
    CHECK(error.remedy == "add \"name\"");
    CHECK(error.problems.back() == Problem{"/nmae", "unknown_field", "this member is not known", "did you mean name?"});
}

TEST_CASE("a secret in a URL is not repeated in any problem") {
    const auto error = read_profile(with(R"("repositories": [{"url": "https://user:hunter2@git.example/a"}])")).error();
    CHECK(boost::json::serialize(problems_to_json(error.problems)).find("hunter2") == std::string::npos);
    CHECK(error.message.find("hunter2") == std::string::npos);
}

TEST_CASE("documents that are too large or too deep are refused without being read") {
    const auto large = read_profile(std::string(std::size_t{100} << 20, ' ')).error();
    CHECK(large.kind == ErrorClass::invalid);
    CHECK(large.message == "the profile is not valid: the document has 104857600 bytes, the limit is 1048576");
    CHECK(large.problems.at(0).code == "too_large");
    CHECK(faults_of(with("\"environment\": " + std::string(10000, '[') + std::string(10000, ']'))) == Faults{" too_deep"});
    std::string objects;
    for (int i = 0; i < 10000; ++i) objects += R"({"environment":)";
    CHECK(faults_of(objects) == Faults{" too_deep"});
}

TEST_CASE("publishing names what is not enacted") {
    Recipe recipe;
    CHECK(not_enacted(recipe).empty());
    recipe.persistence.enabled = true;
    CHECK(not_enacted(recipe) == std::vector<Problem>{{"/persistence/enabled", "not_enacted",
                                                       "this build does not keep paths beyond the compute", "leave it out"}});
    recipe.persistence = {false, {"/etc/codex", "/root"}}; // what is meant when nothing is said
    CHECK(not_enacted(recipe).empty());
    recipe.persistence.paths = {"/root"};
    CHECK(not_enacted(recipe) == std::vector<Problem>{{"/persistence/paths", "not_enacted",
                                                       "this build does not keep paths beyond the compute", "leave it out"}});
}

TEST_CASE("a stored recipe that is damaged is not read") {
    CHECK(read_recipe("{}").has_value());
    for (const char* text : {"", "{", "[]", R"({"name": "x"})", R"({"image": "x"})", R"({"image": "host", "image": "host"})"}) {
        CAPTURE(text);
        const auto recipe = read_recipe(text);
        REQUIRE_FALSE(recipe.has_value());
        CHECK(recipe.error().code == "recipe_invalid");
        CHECK_FALSE(recipe.error().problems.empty());
    }
}

TEST_CASE("property: what is written reads back as it was") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        test::RandomRecipe random(seed);
        const Profile profile{{"profile " + std::to_string(seed), seed % 2 == 0 ? "" : "\xF0\x9F\x98\x80\n\"x\""},
                              random.recipe()};
        const std::string document = boost::json::serialize(profile_to_json(profile));
        CAPTURE(document);
        CHECK(read_profile(document).value() == profile);
        const std::string canonical = canonical_recipe(profile.recipe);
        const Recipe recipe = read_recipe(canonical).value();
        CHECK(canonical_recipe(recipe) == canonical);
        CHECK(recipe.environment == profile.recipe.environment);
        CHECK(recipe.resources == profile.recipe.resources);
    }
}

TEST_CASE("property: the digest does not depend on how the document is written") {
    const std::string_view a = R"({"name": "a", "environment": {"X": "1", "Y": "\u20ac"}, "resources": {"cpus": 2.0},
        "repositories": [{"url": "https://git.example/b"}, {"url": "https://git.example/a", "depth": 5}], "persistence": {"paths": ["/b", "/a"]}})";
    const std::string_view b = R"({"persistence":{"paths":["/a","/b"],"enabled":false},"repositories":[
        {"depth":5,"url":"https://git.example/a","identifier":"a","role":"context"},{"mount_path":"/workspace/b","url":"https://git.example/b"}],
        "resources":{"class":"development","cpus":20e-1},"environment":{"Y":"€","X":"1"},"description":"other","name":"b"})";
    CHECK(canonical_recipe(read_profile(a).value().recipe) == canonical_recipe(read_profile(b).value().recipe));
}
