// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "local/runtime/fixture.hpp"
#include "local/runtime/network_stage.hpp"

#include <cstdio>

int main(int count, char** arguments) {
    if (const int skipped = sandboxkit::test::check_host(); skipped != 0) return skipped;
    std::string reason = sandboxkit::test::missing({"slirp4netns"});
    sandboxkit::test::NetworkStage stage;
    if (reason.empty()) reason = stage.enter();
    if (!reason.empty()) {
        std::printf("SKIPPED: %s\n", reason.c_str());
        return 77;
    }
    doctest::Context context(count, arguments);
    return context.run();
}
