// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "docker/fixture.hpp"

int main(int count, char** arguments) {
    if (const int skipped = sandboxkit::test::check_host(); skipped != 0) return skipped;
    doctest::Context context(count, arguments);
    const int result = context.run();
    sandboxkit::test::private_daemon().stop();
    return result;
}
