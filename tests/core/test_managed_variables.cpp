// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <sandboxkit/managed_variables.hpp>
#include <sandboxkit/profile_document.hpp>

using namespace sandboxkit;

TEST_CASE("the variables that every process of a session has") {
    const auto profile = read_profile(R"({"name": "p", "repositories": [
        {"url": "https://git.example/app.git", "identifier": "app", "role": "primary"},
        {"url": "https://git.example/notes.git", "identifier": "team-notes.2", "role": "reference"}]})");
    REQUIRE(profile.has_value());
    Manifest manifest;
    manifest.ingredients.push_back({"base_image", "app", "sha256:0", "never"});
    manifest.ingredients.push_back({"repository", "app", "git:1", "main"});
    const auto variables = managed_variables(profile->recipe, manifest, "ses_1");
    CHECK(variables == std::map<std::string, std::string>{
                           {"SANDBOXKIT_SESSION_ID", "ses_1"},
                           {"SANDBOXKIT_REPOSITORY_URL", "https://git.example/app.git"},
                           {"SANDBOXKIT_REPOSITORY_BRANCH", "main"},
                           {"SANDBOXKIT_REPOSITORY_TEAM_NOTES_2_URL", "https://git.example/notes.git"},
                       });
    CHECK_FALSE(managed_variables(profile->recipe, manifest, "").contains("SANDBOXKIT_SESSION_ID"));
    for (const auto& [name, value] : variables) CHECK(is_environment_name(name));
}

TEST_CASE("identifiers that would have one name of a variable are refused") {
    const auto profile = read_profile(R"({"name": "p", "repositories": [
        {"url": "https://git.example/a-b.git"}, {"url": "https://git.example/A_B.git"}]})");
    REQUIRE(profile.has_error());
    CHECK(profile.error().problems.at(0).pointer == "/repositories/1/identifier");
    CHECK(profile.error().problems.at(0).code == "duplicate_value");
}
