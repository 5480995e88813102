// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "local/runtime/fixture.hpp"

int main(int count, char** arguments) {
    if (const int skipped = sandboxkit::test::check_host(); skipped != 0) return skipped;
    doctest::Context context(count, arguments);
    return context.run();
}
