// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include "engine/engine_fixture.hpp"

#include "engine/guest_path.hpp"

#include <cstdio>

using namespace sandboxkit;
using namespace sandboxkit::test;

TEST_CASE("a guest that is named is that one or an error") {
    CHECK(must(engine::find_guest("/bin/true")) == "/bin/true");
    const auto missing = engine::find_guest("/no/such/guest");
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == "guest_not_found");
    CHECK(missing.error().message.find("/no/such/guest") != std::string::npos);
}

// Where a copy of this program at `path` finds the guest, or has looked for it.
static std::string told_by(const fs::path& path) {
    fs::create_directories(path.parent_path());
    fs::copy_file("/proc/self/exe", path);
    FILE* output = ::popen((path.string() + " --find-guest").c_str(), "r");
    REQUIRE(output != nullptr);
    char line[4096] = "";
    (void)!::fgets(line, sizeof line, output);
    CHECK(::pclose(output) == 0);
    return line;
}

TEST_CASE("only a program in the build tree looks for the guest there") {
    TempDir inside; // of the build tree: the tests run in it
    CHECK(told_by(inside.path() / "program").find(SANDBOXKIT_GUEST) == 0);

    std::string directory = (fs::temp_directory_path() / "sandboxkit-installed-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    const auto told = told_by(fs::path(directory) / "bin/program");
    CHECK(told.find(SANDBOXKIT_GUEST) == std::string::npos);
    CHECK(told.find("libexec/sandboxkit/sandboxkit-guest") != std::string::npos);
    fs::remove_all(directory);
}

int main(int argc, char** argv) {
    ::unsetenv("SANDBOXKIT_GUEST");
    if (argc == 2 && std::string_view(argv[1]) == "--find-guest") {
        const auto found = engine::find_guest({});
        std::puts(found ? found->c_str() : found.error().message.c_str());
        return 0;
    }
    doctest::Context context(argc, argv);
    return context.run();
}
