// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes: the answer names a known rule and a length that fits, is the same every time, and what is found is found
// under other names too unless the name was the reason; and no problem of a document shows a value in which something was found.
// The first line is the name, the rest is the value.
#include <sandboxkit/secrets.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

void find(std::string_view name, std::string_view value) {
    const auto found = sandboxkit::find_secret(name, value);
    expect(found == sandboxkit::find_secret(name, value), "the same question has the same answer");
    const auto unnamed = sandboxkit::find_secret("CERTIFICATE", value);
    if (unnamed) expect(found == unnamed, "what is found without a name is found with one");
    if (!found) return;
    expect(found->length > 0 && found->length <= value.size(), "the length is of a part of the value");
    const auto rules = sandboxkit::secret_rules();
    expect(std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return rule.id == found->rule; }),
           "the rule is known");
}

void find_in_document(std::string_view name, std::string_view value) {
    boost::json::object object;
    object[boost::json::string_view(name.data(), name.size())] = boost::json::string_view(value.data(), value.size());
    const auto problems = sandboxkit::find_secrets(boost::json::array{object, nullptr, 1});
    const bool in_name = sandboxkit::find_secret({}, name).has_value();
    const bool in_value = sandboxkit::find_secret(name, value).has_value();
    expect(problems.size() == std::size_t{in_name} + std::size_t{in_value}, "every string of a document is looked at");
    for (const auto& problem : problems) {
        expect(problem.code == "secret_like", "a problem of the one kind");
        if (in_name) expect(problem.pointer == "/0", "the name of a member that is found is not shown");
        // A short value may stand in the text by chance: "a" does.
        if (in_value && value.size() >= 16)
            expect(problem.message.find(value) == std::string::npos && problem.remedy.find(value) == std::string::npos,
                   "no problem shows a value");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t line = std::min(text.find('\n'), text.size());
    const std::string_view name = text.substr(0, line), value = line < text.size() ? text.substr(line + 1) : std::string_view{};
    find(name, value);
    find(value, name);
    find_in_document(name, value);
    return 0;
}
