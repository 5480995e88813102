// SPDX-License-Identifier: Apache-2.0
// Whether a value looks like a credential. Profiles are plain text that many people read and that is kept for ever, so that what
// looks like one is refused by the name of a rule, and is never repeated: not in a finding, not in a problem, not in part.
//
// A rule is evidence, no proof: what is found may be something else, and a password like "summer" is not found.
// All functions are pure, take time linear in the size of what they look at, whatever it is, and may be called from any thread.
// The rules are compiled at the first call, which takes some milliseconds. They throw nothing but std::bad_alloc.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/export.hpp>

#include <boost/json/value.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

struct SecretRule {
    std::string_view id;   // stable, lower-case with hyphens, e.g. "github-token"; exceptions are recorded with it
    std::string_view what; // one line: what it recognises
};

struct SecretFinding {
    std::string rule;       // SecretRule::id
    std::size_t length = 0; // bytes of what looks like a credential, which may be less than the value

    friend bool operator==(const SecretFinding&, const SecretFinding&) = default;
};

// The first credential in `value`, or nothing. `name` is that of the variable or member that holds the value ("API_TOKEN"), and
// may be empty; with a name that promises a credential less is asked of the value. `value` may be a text of many lines: a
// script, a configuration, instructions. References ("${TOKEN}", "{env:TOKEN}") and placeholders ("<your token>", "changeme")
// are none.
[[nodiscard]] SANDBOXKIT_API std::optional<SecretFinding> find_secret(std::string_view name, std::string_view value);

// One that was found in a document.
struct LocatedSecret {
    std::string pointer;
    SecretFinding finding;
    bool in_name = false; // in the name of a member of what `pointer` points to
};

// Looks at every string of a document, at the names of members too, in the document's order. The name of a value is that of its
// member; of an element, that of the array; and of {"name": N, "value": V} it is N. No pointer shows a member whose name is
// itself found: it ends at the object that holds the member.
[[nodiscard]] SANDBOXKIT_API std::vector<LocatedSecret> locate_secrets(const boost::json::value& document);

// Code "secret_like".
[[nodiscard]] SANDBOXKIT_API Problem secret_problem(const LocatedSecret& secret);

// The problems of all of them, at most ProblemList::capacity and then "more_problems".
[[nodiscard]] SANDBOXKIT_API std::vector<Problem> find_secrets(const boost::json::value& document);

// All rules, in the order in which they are tried on a line: the more telling ones first. The views live for ever.
[[nodiscard]] SANDBOXKIT_API std::span<const SecretRule> secret_rules();

} // namespace sandboxkit
