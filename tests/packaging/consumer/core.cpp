// SPDX-License-Identifier: Apache-2.0
// A program that uses the core alone, by its headers: no library of ours, no Asio, no SQL.
#include <sandboxkit/plan_compile.hpp>
#include <sandboxkit/plan_diff.hpp>
#include <sandboxkit/profile_document.hpp>

#include <iostream>

int main() {
    const auto profile = sandboxkit::read_profile(R"({"name": "consumer", "environment": {"A": "1"}})");
    if (!profile) return 1;
    sandboxkit::Recipe edited = profile->recipe;
    edited.setup_script = "true";
    const auto decision = sandboxkit::decide_rebuild(&profile->recipe, edited);
    std::cout << sandboxkit::compile(edited).digest << ' ' << decision.reason << '\n';
    return decision.reuse ? 1 : 0;
}
