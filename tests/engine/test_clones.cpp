// SPDX-License-Identifier: Apache-2.0
// What a snapshot's job makes of a profile's repositories, and of the mirrors that are left. A provider in memory.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/memory_provider.hpp"

#include <algorithm>
#include <fstream>
#include <mutex>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

std::string shell(const std::string& script) {
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(script.c_str(), "r"), ::pclose);
    REQUIRE(pipe);
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
    return text;
}

// app, of whose tag v1 the branch is one commit ahead, with a pointer to Git LFS and the submodule lib.
void make_repositories(const fs::path& directory) {
    fs::create_directories(directory);
    shell("set -e; cd '" + directory.string() +
          "'\n"
          "git() { command git -c user.name=t -c user.email=t@example.org -c protocol.file.allow=always \"$@\"; }\n"
          "git init -q -b main lib; git -C lib commit -q --allow-empty -m lib\n"
          "git init -q -b main app; cd app\n"
          "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 1\\n' 0 > large.bin\n"
          "git add .; git submodule --quiet add ../lib lib; git commit -q -m one; git tag -a -m v1 v1\n"
          "git commit -q --allow-empty -m two\n");
}

} // namespace

TEST_CASE("a revision, submodules, pointers to Git LFS, and mirrors that take too much") {
    TempDir dir;
    make_repositories(dir.path() / "git");
    EngineOptions options = options_with(dir.path(), std::make_shared<MemoryProvider>());
    options.mirror_bytes = 10;
    std::mutex mutex;
    std::string told;
    options.log = [&](const LogLine& line) {
        std::lock_guard lock(mutex);
        if (line.event != "mirrors.evicted") return;
        told += to_string(line.level);
        for (const auto& [name, value] : line.fields) told += " " + name + "=" + value;
    };
    const auto state =
        options.state_directory.empty() ? fs::path((dir.path() / "store.db").string() + ".state") : options.state_directory;
    Engine engine = must(Engine::open(options));
    fs::create_directories(state / "mirrors/old.git");
    std::ofstream(state / "mirrors/old.git/pack") << std::string(100, 'x');

    auto profile = must(engine.create_profile(tester, document({{"provider", "memory"},
                                                                {"repositories",
                                                                 {{{"identifier", "app"},
                                                                   {"url", "file://" + (dir.path() / "git/app").string()},
                                                                   {"revision", "v1"},
                                                                   {"submodules", true}}}}})));
    auto version = must(engine.publish(tester, profile.id).get());
    auto job = must(engine.wait_for_job(tester, *version.last_job).get());
    const auto log = must(engine.job_log(tester, job.id));
    REQUIRE_MESSAGE(job.state == JobState::succeeded, (job.error ? job.error->message : "") << log);
    auto commit = shell("git -C '" + (dir.path() / "git/app").string() + "' rev-parse v1^{commit}");
    commit.pop_back();
    CHECK(log == "cloned app at " + commit + "\nwith 1 submodules of app\n" +
                     "1 files of app are pointers to Git LFS, whose contents are not fetched\n");
    version = must(engine.version(tester, profile.id, 1));
    REQUIRE(version.manifest);
    const auto& ingredients = version.manifest->ingredients;
    const auto app = std::ranges::find(ingredients, "app", &Ingredient::name);
    REQUIRE(app != ingredients.end());
    CHECK(app->digest == "git:" + commit);
    CHECK(app->branch.empty());
    CHECK_FALSE(fs::exists(state / "mirrors/old.git"));
    std::lock_guard lock(mutex);
    CHECK(told == "info mirrors=1 bytes=100");
}

TEST_CASE("certificate authorities that cannot be read") {
    TempDir dir;
    EngineOptions options = options_with(dir.path(), std::make_shared<MemoryProvider>());
    options.git_ca_file = dir.path() / "absent.pem";
    auto engine = Engine::open(options);
    REQUIRE(engine.has_error());
    CHECK(engine.error().code == "authorities_unreadable");
}
