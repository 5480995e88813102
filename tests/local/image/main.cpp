// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include <unistd.h>

int main(int argc, char** argv) {
    if (::geteuid() != 0) {
        std::puts("SKIPPED: images need root privileges (owners, device nodes, mounts)");
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
