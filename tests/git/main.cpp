// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include "cases.hpp"

#include <cstdio>
#include <cstring>

using namespace sandboxkit::git;

namespace {

// A process of its own that clones, for the cases that need several: says when a pack has begun to come, and what went wrong.
int clone_here(char** arguments) {
    auto r = test::request(arguments[0], arguments[1]);
    r.mirrors = arguments[2];
    bool said = false;
    const auto result = sandboxkit::git::clone(r, {}, [&](const CloneProgress& p) {
        if (said || p.total_objects == 0) return;
        said = true;
        std::puts("receiving");
        std::fflush(stdout);
    });
    if (!result) std::puts(result.error().code.c_str());
    return result ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 5 && std::strcmp(argv[1], "--clone") == 0) return clone_here(argv + 2);
    for (const auto* program : {"git", "openssl", "python3", "ssh", "sshd", "ssh-keygen"}) {
        if (test::have(program)) continue;
        std::printf("SKIPPED: %s is not installed\n", program);
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
