// SPDX-License-Identifier: Apache-2.0
// The rules of a profile between its fields, each at one of the three gates (check_table.hpp lists them all). Pure. The form of
// each field alone is for read_profile; what a provider can do, and what this build enacts, is for the engine.
#pragma once

#include <sandboxkit/check_table.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/references.hpp>

#include <vector>

namespace sandboxkit {

// Errors close the gate; warnings are for people to read. Both in the order of the checks, which is always the same, each at most
// ProblemList::capacity and then "more_problems". A pointer names a member of the document, or the place of one that is missing.
struct Validation {
    std::vector<Problem> errors, warnings;
};

// What must hold before a document is kept, beyond its form: only rules of the record, whose changes act at once and pass no
// other gate, and only between fields of one section, so that sections can be edited one at a time.
[[nodiscard]] Validation save_checks(const Profile& profile);

// What must hold of a version, and the warnings. Does not repeat save_checks.
[[nodiscard]] Validation publish_checks(const Profile& profile, const References& references);

// What may have changed since a version was published, of what the core can know: references, the host, the organization's
// switch.
[[nodiscard]] Validation start_checks(const Recipe& recipe, const References& references);

} // namespace sandboxkit
