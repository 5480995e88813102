// SPDX-License-Identifier: Apache-2.0
// How the fields of a document are described. A type of the model lists its fields once, in Model<T>::fields, each with the form
// of its value, what becomes of it, and what it means. Reading, writing, comparing, classifying, the schema and the reference
// page all work from that list, so that none of them can know a field that the others do not.
#pragma once

#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/section.hpp>
#include <sandboxkit/step_kind.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace sandboxkit {

// Forms: what the JSON value of a field looks like.

struct Text { // a string without NUL; lengths in characters (code points)
    std::size_t most = 0;
    std::optional<FormFault> (*check)(std::string_view) = nullptr;
    // What `check` accepts, as a regular expression for the schema. Empty: it cannot be said so, and the schema is laxer.
    std::string_view pattern{};
};
struct Whole { // an integer; both bounds included
    std::uint64_t least = 0, most = 0;
};
struct Real { // a number; both bounds included
    double least = 0, most = 0;
};
struct Flag {}; // true or false
template <class E>
struct Choice { // a string, one of these
    std::span<const std::pair<std::string_view, E>> names;
};
template <class Item>
struct Many { // an array of scalars
    Item item;
    std::size_t most = 0;
    bool ordered = false;  // whether the order means something; if not, no value appears twice
    bool disjoint = false; // paths, none inside another
    std::size_t least = 0;
};
struct Dictionary { // an object whose members all are strings
    Text key;
    Text value;
    std::size_t most = 0;
};
struct OptionDictionary { // an object whose members are strings or booleans
    Text key;
    Text value;
    std::size_t most = 0;
};
struct Object {}; // the fields of the member's own type
struct Objects {  // an array of objects
    std::size_t most = 0;
    std::string_view key{}; // the member by which one is told from the others; empty: none
    bool ordered = false;   // whether the order means something
};

enum class Presence : std::uint8_t {
    required,
    // Written in the canonical form also when it has its default. Only fields of the first format are: a field that is added
    // later is `optional`, so that it leaves the digests of recipes without it as they are.
    written,
    optional,
};

// Whether a snapshot depends on a field's value.
enum class SnapshotUse : std::uint8_t {
    always,  // the value goes into the snapshot
    scripts, // it does when build hooks or a setup script run, which see it
    never,
};

[[nodiscard]] constexpr std::string_view to_string(SnapshotUse use) noexcept {
    switch (use) {
    case SnapshotUse::always: return "always";
    case SnapshotUse::scripts: return "scripts";
    case SnapshotUse::never: return "never";
    }
    return "always";
}

// What becomes of a field's value.
struct Fate {
    bool versioned = true; // false: of the record
    bool decided = true;   // false: the fields inside say
    SnapshotUse use = SnapshotUse::always;
    StepKind step = StepKind::base_image; // of the plan, that acts on it; with SnapshotUse::scripts also script_environment
    std::string_view reason{};            // why a snapshot depends on it, or not; one line
    std::string_view reason_without_scripts{};
    std::string_view refused{}; // why this build does not enact it; empty: it does
};

[[nodiscard]] consteval Fate in_snapshot(StepKind step, std::string_view reason, std::string_view refused = {}) {
    return {true, true, SnapshotUse::always, step, reason, {}, refused};
}
[[nodiscard]] consteval Fate seen_by_scripts(StepKind step, std::string_view reason, std::string_view reason_without_scripts,
                                             std::string_view refused = {}) {
    return {true, true, SnapshotUse::scripts, step, reason, reason_without_scripts, refused};
}
[[nodiscard]] consteval Fate at_start(StepKind step, std::string_view reason, std::string_view refused = {}) {
    return {true, true, SnapshotUse::never, step, reason, {}, refused};
}
[[nodiscard]] consteval Fate of_the_record(std::string_view refused = {}) {
    return {false, true, SnapshotUse::never, StepKind::base_image, "it is not part of a version", {}, refused};
}
[[nodiscard]] consteval Fate as_inside(std::string_view refused = {}) {
    return {true, false, SnapshotUse::always, StepKind::base_image, {}, {}, refused};
}

template <class Owner, class Value, class Form>
struct Field {
    std::string_view name;
    Value Owner::*member;
    Form form;
    Presence presence;
    Fate fate;                        // without one a field does not compile
    std::string_view meaning;         // Markdown, one paragraph
    std::optional<Section> section{}; // of the fields of a whole profile
};
template <class Owner, class Value, class Form>
Field(std::string_view, Value Owner::*, Form, Presence, Fate, std::string_view) -> Field<Owner, Value, Form>;
template <class Owner, class Value, class Form>
Field(std::string_view, Value Owner::*, Form, Presence, Fate, std::string_view, Section) -> Field<Owner, Value, Form>;

// Specialized for each type of the model: `static constexpr std::tuple fields{Field{...}, ...}`; optionally
//   any_of     array of names of which a document has at least one; exclusive: ... and at most one
//   complete   (T&, ObjectReader&, std::size_t how_many): defaults that depend on other members, and rules between them
//   check_all  (const std::vector<T>&, const boost::json::array&, const std::string& pointer, ProblemList&): between elements
//   refuse     (const T&, const std::string& pointer, ProblemList&): values that this build does not enact, though it does the
//              field (not_enacted)
template <class T>
struct Model;

template <class T, class Visitor>
constexpr void for_each_field(Visitor&& visitor) {
    std::apply([&](const auto&... field) { (visitor(field), ...); }, Model<T>::fields);
}

} // namespace sandboxkit
