// SPDX-License-Identifier: Apache-2.0
// The tests; or, with --guest first, the guest itself, built with the same flags as the tests.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "guest/program.hpp"

#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--guest") return sandboxkit::guest::run(argc - 1, argv + 1);
    return doctest::Context(argc, argv).run();
}
