// SPDX-License-Identifier: Apache-2.0
// Writing profiles as JSON. Reading: profile_document.hpp.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/document_writer.hpp>
#include <sandboxkit/profile_fields.hpp>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>

namespace sandboxkit {

// Complete canonical values: lists whose order means nothing are sorted, what is absent is left out, and so are the defaults of
// fields that the first format did not have. Two recipes mean the same when this is equal.
[[nodiscard]] inline boost::json::object recipe_to_json(const Recipe& recipe) {
    return detail::fields_to_json(recipe, true);
}

// The text that is stored and digested: digest_of(canonical_recipe(r)) is the version's digest.
[[nodiscard]] inline std::string canonical_recipe(const Recipe& recipe) {
    boost::json::monotonic_resource memory;
    std::string out;
    detail::append_canonical(out, boost::json::value(detail::fields_to_json(recipe, true, {}, {}, &memory), &memory));
    return out;
}

[[nodiscard]] inline boost::json::object record_to_json(const Record& record) {
    return detail::fields_to_json(record, true);
}

// For people: the whole document, lists in the order given. read_profile of its text gives `profile` again.
[[nodiscard]] inline boost::json::object profile_to_json(const Profile& profile) {
    auto out = detail::fields_to_json(profile.record, false);
    for (auto& member : detail::fields_to_json(profile.recipe, false)) out[member.key()] = std::move(member.value());
    return out;
}

// The members of one section.
[[nodiscard]] inline boost::json::object section_to_json(const Profile& profile, Section section) {
    detail::Selection of_section;
    of_section.section = section;
    auto out = detail::fields_to_json(profile.record, false, of_section);
    for (auto& member : detail::fields_to_json(profile.recipe, false, of_section)) out[member.key()] = std::move(member.value());
    return out;
}

} // namespace sandboxkit
