// SPDX-License-Identifier: Apache-2.0
#include "bench/profiles.hpp"

#include "bench/figures.hpp"

#include <sandboxkit/digest.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_checks.hpp>
#include <sandboxkit/profile_document.hpp>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>
#include <string>

namespace sandboxkit::bench {

namespace {

namespace json = boost::json;

// What a team's profile looks like: two scripts are most of it, then repositories, variables, commands, servers.
std::string realistic_document() {
    std::string setup = "#!/bin/sh\nset -eu\n", instructions = "# How to work here\n";
    for (int i = 0; setup.size() < 8'000; ++i)
        setup += "apt-get install -y --no-install-recommends package-" + std::to_string(i) + " # needed by the build of part " +
                 std::to_string(i % 7) + "\n";
    for (int i = 0; instructions.size() < 5'000; ++i)
        instructions += "- Before you touch module " + std::to_string(i) + ", run its tests, and keep its changelog true.\n";
    json::array repositories, catalog, servers;
    for (int i = 0; i < 6; ++i)
        repositories.push_back(json::object{{"url", "https://git.example/team/part-" + std::to_string(i) + ".git"},
                                            {"branch", "main"},
                                            {"depth", 50},
                                            {"role", i == 0 ? "primary" : "reference"}});
    for (int i = 0; i < 12; ++i)
        catalog.push_back(json::object{{"name", "command-" + std::to_string(i)},
                                       {"description", "Builds and tests one of the parts, and nothing else"},
                                       {"command", {"make", "-C", "/workspace/part-1"}},
                                       {"arguments", {{{"name", "target"}, {"choices", {"all", "test", "clean"}}}}}});
    for (int i = 0; i < 3; ++i)
        servers.push_back(json::object{{"name", "server-" + std::to_string(i)},
                                       {"command", {"npx", "-y", "some-server"}},
                                       {"tools", {"search", "read", "list"}}});
    json::object environment;
    for (int i = 0; i < 40; ++i) environment["FEATURE_FLAG_" + std::to_string(i)] = i % 2 == 0 ? "enabled" : "eu-central-1";
    return json::serialize(json::object{{"name", "Node 22, Insights"},
                                        {"description", "The environment of the Insights team"},
                                        {"image", "archive:/srv/images/node-22.tar"},
                                        {"setup_script", setup},
                                        {"agent_instructions", instructions},
                                        {"agent", {{"runtime", "claude-code"}, {"version", "2.1.197"}}},
                                        {"connections", {{"model_provider", "con_1"}, {"git", "con_2"}}},
                                        {"mcp_servers", std::move(servers)},
                                        {"repositories", std::move(repositories)},
                                        {"environment", std::move(environment)},
                                        {"commands", {{"mode", "advisory"}, {"catalog", std::move(catalog)}}},
                                        {"resources", {{"class", "development-large"}, {"memory_mb", 12'288}}},
                                        {"access", {{"users", {"ada", "bob"}}, {"roles", {"insights"}}}}});
}

} // namespace

void bench_profiles(int samples) {
    const std::string text = realistic_document();
    const Profile profile = must(read_profile(text));
    Profile changed = profile;
    changed.recipe.setup_script += "echo one more line\n";
    changed.recipe.resources.memory_mb = 8192;

    Samples baseline, reading, checking, planning;
    std::size_t kept = 0; // of what is computed, so that it is
    for (int i = -5; i < samples; ++i) {
        const auto parsed = timed([&] { kept += json::parse(text).as_object().size() + sha256_hex(text).size(); });
        const auto read = timed([&] {
            const auto again = read_profile(text);
            kept += digest_of(canonical_recipe(again->recipe)).size();
        });
        const auto checked =
            timed([&] { kept += publish_checks(profile, {}).errors.size() + not_enacted(profile.recipe).size(); });
        const auto planned = timed([&] { kept += diff(compile(profile.recipe), compile(changed.recipe)).size(); });
        if (i < 0) continue;
        baseline.add(parsed);
        reading.add(read);
        checking.add(checked);
        planning.add(planned);
    }
    std::printf("a profile's document of %zu bytes\n", text.size());
    const double one = baseline.percentile(0.5);
    const auto line = [&](const char* what, const Samples& s, const char* aim) {
        std::printf("  %-52s p50 %8.1f us   %6.2f times the baseline      aim: %s\n", what, s.percentile(0.5) * 1000,
                    s.percentile(0.5) / one, aim);
    };
    line("baseline: Boost.JSON parses it, SHA-256 of its text", baseline, "-");
    line("read strictly, canonical form, digest", reading, "250 us with the checks");
    line("checks of the publish gate", checking, "");
    line("two plans compiled and compared", planning, "50 us");
    if (kept == 0) std::printf("nothing was computed\n");
}

} // namespace sandboxkit::bench
