// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "local/runtime/crash_child.hpp"
#include "local/runtime/fixture.hpp"

#include <string_view>

int main(int count, char** arguments) {
    if (count == 6 && std::string_view(arguments[1]) == "--crash-child")
        return sandboxkit::test::crash_child(arguments[2], arguments[3], arguments[4], arguments[5]);
    if (const int skipped = sandboxkit::test::check_host(); skipped != 0) return skipped;
    doctest::Context context(count, arguments);
    return context.run();
}
