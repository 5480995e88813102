// SPDX-License-Identifier: Apache-2.0
// The tests; or, with --guest first, the guest itself, built with the same flags as the tests.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "guest/program.hpp"

#include <unistd.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--guest") return sandboxkit::guest::run(argc - 1, argv + 1);
    if (::geteuid() != 0) {
        std::puts("SKIPPED: the guest is tested as root, which it is in a sandbox: it becomes other users");
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
