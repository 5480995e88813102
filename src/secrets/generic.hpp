// SPDX-License-Identifier: Apache-2.0
// Credentials that only their name gives away.
#pragma once

#include <sandboxkit/secrets.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace sandboxkit::secrets {

struct Found {
    std::string_view rule;
    std::size_t length = 0;
};

// Rules that ask for a provider's word in the name; some have the id of a rule of form, for an older form.
[[nodiscard]] std::span<const SecretRule> named_rules();
inline constexpr SecretRule generic_rule{"generic-secret",
                                         "a random value under a name such as PASSWORD, SECRET, TOKEN, API_KEY"};
inline constexpr SecretRule random_rule{"random-token",
                                        "a whole value that is clearly random, under a name that does not explain it"};

// A whole value and its name. The value is one word.
[[nodiscard]] std::optional<Found> judge_named(std::string_view name, std::string_view value);

// What finds a line of a text with such an assignment: `export API_KEY=...`, `password: ...`, `--token ...`, `<password>...`.
[[nodiscard]] std::string_view assignment_hint();

// The first assignment in a line whose value is judged a credential.
[[nodiscard]] std::optional<Found> find_assignment(std::string_view line);

} // namespace sandboxkit::secrets
