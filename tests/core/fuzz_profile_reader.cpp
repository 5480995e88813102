// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: the reader answers with a profile or with problems; what it accepts survives being written and read
// again; and its JSON parser accepts exactly what Boost.JSON accepts, but for what it is stricter about by name.
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_document.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

void compare_with_boost(std::string_view text) {
    const auto strict = sandboxkit::parse_strict(text);
    boost::json::error_code error;
    const auto loose = boost::json::parse(text, error);
    if (strict) {
        expect(!error || error == boost::json::error::exponent_overflow, "Boost.JSON reads what parse_strict reads");
        const std::string canonical = sandboxkit::canonical_json(*strict);
        const auto again = sandboxkit::parse_strict(canonical, {.size = canonical.size()});
        expect(again && sandboxkit::canonical_json(*again) == canonical, "the canonical form reads back as itself");
        return;
    }
    const sandboxkit::Error refusal = strict.error();
    expect(!refusal.problems.empty(), "a refusal says why");
    const std::string& code = refusal.problems.front().code;
    if (code == "syntax" || code == "bad_utf8" || code == "too_deep")
        expect(bool(error), "Boost.JSON refuses it too");
    else
        expect(code == "duplicate_key" || code == "out_of_range" || code == "too_large", "a refusal of a known kind");
}

void read_and_write(std::string_view text) {
    const auto profile = sandboxkit::read_profile(text);
    if (!profile) {
        const sandboxkit::Error refusal = profile.error();
        expect(!refusal.problems.empty(), "a refused profile has problems");
        for (const auto& problem : refusal.problems)
            expect(!problem.code.empty() && !problem.message.empty(), "a problem says what it is");
        return;
    }
    const std::string document = boost::json::serialize(sandboxkit::profile_to_json(*profile));
    const auto again = sandboxkit::read_profile(document, {.size = document.size()});
    expect(again && *again == *profile, "a profile survives being written and read");
    const std::string canonical = sandboxkit::canonical_recipe(profile->recipe);
    const auto recipe = sandboxkit::read_recipe(canonical, {.size = canonical.size()});
    expect(recipe && sandboxkit::canonical_recipe(*recipe) == canonical, "a canonical recipe reads back as itself");
    const auto decision = sandboxkit::decide_rebuild(&*recipe, profile->recipe);
    expect(decision.reuse && decision.changes.empty(), "a recipe does not differ from its canonical form");
    expect(sandboxkit::compile(*recipe).digest == sandboxkit::compile(profile->recipe).digest, "nor does its plan");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    compare_with_boost(text);
    read_and_write(text);
    return 0;
}
