// SPDX-License-Identifier: Apache-2.0
// The definition of the document against the types that it is of, and against what is made from it.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_recipe.hpp"

#include <sandboxkit/digest.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/profile_reference.hpp>
#include <sandboxkit/profile_schema.hpp>

#include <boost/json/serialize.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace sandboxkit;
namespace json = boost::json;

namespace sandboxkit::test {

struct Anything { // never made, so that what it becomes needs no definition
    template <class T>
    operator T() const;
};

} // namespace sandboxkit::test

using sandboxkit::test::Anything;

namespace {

// How many members an aggregate has: as many as can be initialized. (Boost.PFR does this too, but ends g++ 12.)
template <class T, class... Members>
consteval std::size_t member_count() {
    if constexpr (requires { T{Members{}..., Anything{}}; })
        return member_count<T, Members..., Anything>();
    else
        return sizeof...(Members);
}

// Each type of the model, from `T` on: visit(name, fields) is called for those below it too.
template <class T, class Visitor>
void for_each_type(const Visitor& visitor) {
    visitor.template operator()<T>();
    for_each_field<T>([&](const auto& field) {
        using Form = decltype(std::remove_cvref_t<decltype(field)>::form);
        using Value = std::remove_cvref_t<decltype(std::declval<T>().*field.member)>;
        if constexpr (std::is_same_v<Form, Object>)
            for_each_type<typename detail::Unwrapped<Value>::type>(visitor);
        else if constexpr (std::is_same_v<Form, Objects>)
            for_each_type<typename Value::value_type>(visitor);
    });
}
template <class Visitor>
void for_each_type(const Visitor& visitor) {
    for_each_type<Recipe>(visitor);
    for_each_type<Record>(visitor);
}

std::string read_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    REQUIRE_MESSAGE(stream.good(), path);
    return {std::istreambuf_iterator<char>(stream), {}};
}
std::string every_field() {
    return read_file(SANDBOXKIT_TESTS "/corpus/profile_reader/every_field.json");
}

const json::object& resolved(const json::object& schema, const json::object& root) {
    const auto* reference = schema.if_contains("$ref");
    if (!reference) return schema;
    return root.at("$defs").at(reference->get_string().subview(std::string_view("#/$defs/").size())).get_object();
}

// Where the fields without fields of their own stand in a document, "*" for any element of a list or name of a dictionary.
void collect_leaves(const json::object& given, const json::object& root, std::vector<std::string> path,
                    std::vector<std::vector<std::string>>& out) {
    const json::object& schema = resolved(given, root);
    if (const auto* members = schema.if_contains("properties")) {
        for (const auto& [name, member] : members->get_object()) {
            auto inner = path;
            inner.emplace_back(name);
            collect_leaves(member.get_object(), root, std::move(inner), out);
        }
    } else if (const auto* items = schema.if_contains("items"); items && items->get_object().contains("$ref")) {
        path.emplace_back("*");
        collect_leaves(items->get_object(), root, std::move(path), out);
    } else {
        out.push_back(std::move(path));
    }
}
std::vector<std::vector<std::string>> leaves() {
    const json::value schema = profile_schema();
    std::vector<std::vector<std::string>> out;
    collect_leaves(schema.get_object(), schema.get_object(), {}, out);
    return out;
}
std::string joined(const std::vector<std::string>& path) {
    std::string out;
    for (const std::string& token : path) out += '/' + token;
    return out;
}

// The values at `path` in a document.
void collect_values(const json::value& value, const std::vector<std::string>& path, std::size_t depth,
                    std::vector<const json::value*>& out) {
    if (depth == path.size()) {
        out.push_back(&value);
    } else if (const auto* array = value.if_array()) {
        for (const auto& element : *array) collect_values(element, path, depth + 1, out);
    } else if (const auto* member = value.get_object().if_contains(path[depth])) {
        collect_values(*member, path, depth + 1, out);
    }
}

// The document with only one value at `path` (of those in `full`), and around it what must be there: of a list one element, of
// an object the members that are required or of which one is. With `without`, that value is left out.
json::value only(const json::object& given, const json::object& root, const json::value& full,
                 const std::vector<std::string>& path, std::size_t depth, const json::value* wanted, bool without) {
    const json::object& schema = resolved(given, root);
    if (const auto* items = schema.if_contains("items")) {
        for (const auto& element : full.get_array()) {
            std::vector<const json::value*> inside;
            collect_values(element, path, depth + 1, inside);
            if (std::find(inside.begin(), inside.end(), wanted) == inside.end()) continue;
            return json::array{only(items->get_object(), root, element, path, depth + 1, wanted, without)};
        }
        FAIL("the value is in no element");
    }
    std::set<std::string> needed;
    if (const auto* required = schema.if_contains("required"))
        for (const auto& name : required->get_array()) needed.emplace(name.get_string());
    for (const char* ways : {"oneOf", "anyOf"})
        if (const auto* of = schema.if_contains(ways))
            for (const auto& way : of->get_array()) needed.emplace(way.at("required").at(0).get_string());
    json::object out;
    for (const auto& [name, value] : full.get_object()) {
        if (name != path[depth]) {
            if (needed.contains(name)) out[name] = value;
        } else if (depth + 1 < path.size()) {
            out[name] = only(schema.at("properties").at(name).get_object(), root, value, path, depth + 1, wanted, without);
        } else if (!without) {
            out[name] = value;
        }
    }
    return out;
}

} // namespace

TEST_CASE("every member of every type is a field") {
    for_each_type([]<class T>() {
        CAPTURE(detail::type_name<T>());
        CHECK(std::tuple_size_v<std::remove_cvref_t<decltype(Model<T>::fields)>> == member_count<T>());
    });
}

TEST_CASE("every field has a name of its own, a meaning, and a reason") {
    std::size_t fields = 0;
    for_each_type([&]<class T>() {
        CAPTURE(detail::type_name<T>());
        std::set<std::string_view> names;
        for_each_field<T>([&](const auto& field) {
            CAPTURE(field.name);
            ++fields;
            CHECK(names.insert(field.name).second);
            CHECK(field.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
            CHECK(field.meaning.ends_with('.'));
            CHECK((field.meaning.front() == '`' || (field.meaning.front() >= 'A' && field.meaning.front() <= 'Z')));
            CHECK(field.meaning.find("  ") == std::string_view::npos);
            CHECK(field.meaning.find('\n') == std::string_view::npos);
            if (field.fate.versioned && field.fate.decided) CHECK_FALSE(field.fate.reason.empty());
            CHECK((std::is_same_v<T, Recipe> || std::is_same_v<T, Record>) == field.section.has_value());
        });
        if constexpr (requires { Model<T>::any_of; })
            for (const std::string_view name : Model<T>::any_of) CHECK(names.contains(name));
    });
    CHECK(fields > 100);
}

TEST_CASE("a name stands in one part of the document only") {
    std::set<std::string_view> names;
    const auto add = [&](const auto& field) { CHECK(names.insert(field.name).second); };
    for_each_field<Recipe>(add);
    for_each_field<Record>(add);
}

TEST_CASE("a document with every field survives being written and read") {
    const Profile profile = read_profile(every_field()).value();
    const auto again = read_profile(json::serialize(profile_to_json(profile)));
    CHECK(again.value() == profile);
    const std::string canonical = canonical_recipe(profile.recipe);
    const Recipe recipe = read_recipe(canonical).value();
    CHECK(canonical_recipe(recipe) == canonical);
    CHECK(compile(recipe).digest == compile(profile.recipe).digest);
    CHECK(diff(recipe, profile.recipe).empty());
    const std::string record = canonical_json(record_to_json(profile.record));
    CHECK(canonical_json(record_to_json(read_record(record).value())) == record);

    const json::value document = parse_strict(every_field()).value();
    for (const auto& path : leaves()) {
        CAPTURE(joined(path));
        std::vector<const json::value*> values;
        collect_values(document, path, 0, values);
        CHECK_FALSE(values.empty());
    }
}

TEST_CASE("the sections together are the document, and each is read alone") {
    const Profile profile = read_profile(every_field()).value();
    Profile built;
    std::size_t members = 0;
    for (std::size_t i = 0; i < section_names.size(); ++i) {
        const auto section = static_cast<Section>(i);
        CAPTURE(to_string(section));
        const json::object part = section_to_json(profile, section);
        CHECK_FALSE(part.empty());
        members += part.size();
        const json::value schema = section_schema(section);
        for (const auto& member : part) CHECK(schema.at("properties").get_object().contains(member.key()));
        built = with_section(built, section, part).value();
    }
    CHECK(built == profile);
    CHECK(members == profile_to_json(profile).size());
    CHECK(members == profile_schema().at("properties").get_object().size());
}

TEST_CASE("a field that the first format did not have does not change the digest while it has its default") {
    const std::string bare = digest_of(canonical_recipe(Recipe{}));
    CHECK(bare == "sha256:09d4257076182a6d3a05fb01527363875f2e8fbe116a39e99d7a019acc82aebe");
    // What the first format has is what is written of a recipe of nothing but defaults, and of a repository.
    const std::set<std::string_view> first{"provider",    "image",     "setup_script", "setup_timeout", "repositories",
                                           "environment", "resources", "network",      "persistence"};
    for_each_field<Recipe>([&](const auto& field) {
        CAPTURE(field.name);
        CHECK((field.presence == Presence::written) == first.contains(field.name));
    });
    const json::value schema = profile_schema();
    for (const auto& path : leaves()) {
        if (path.size() > 2 || (path.size() == 2 && path[1] == "*")) continue;
        const json::object& members = schema.at("properties").get_object();
        const json::object& top = members.at(path[0]).get_object();
        if (path.size() == 2 && resolved(top, schema.get_object()).contains("required")) continue; // not there by default
        const json::object& leaf =
            path.size() == 1 ? top : resolved(top, schema.get_object()).at("properties").at(path[1]).get_object();
        const auto* value = leaf.if_contains("default");
        if (!value || leaf.at("x-sandboxkit").at("part") != "recipe") continue;
        CAPTURE(joined(path));
        json::object document{{"name", "x"}};
        if (path.size() == 1)
            document[path[0]] = *value;
        else
            document[path[0]] = json::object{{path[1], *value}};
        CHECK(digest_of(canonical_recipe(read_profile(json::serialize(document)).value().recipe)) == bare);
    }
}

// For each field of the document there is a document that has it, which the reader takes; and either publishing it is refused by
// name, or its value reaches the plan that builder and launcher work from: leaving it out, or another value in its place, gives
// another plan. So no field is accepted and then ignored. (That what reads the plan acts on it, the tests of builder and launcher
// prove.)
TEST_CASE("no field is accepted and ignored") {
    // Of the record, enacted by the engine itself.
    const std::set<std::string> by_the_engine{"/name", "/description", "/access/users", "/access/roles"};
    const json::value schema = profile_schema();
    json::value document = parse_strict(every_field()).value();
    std::size_t refused = 0, planned = 0;
    for (const auto& path : leaves()) {
        const std::string pointer = joined(path);
        CAPTURE(pointer);
        std::vector<const json::value*> values;
        collect_values(document, path, 0, values);
        REQUIRE_FALSE(values.empty());
        json::object with = only(schema.get_object(), schema.get_object(), document, path, 0, values.front(), false).as_object();
        CAPTURE(json::serialize(with));
        const Profile profile = read_profile(json::serialize(with)).value();
        auto problems = not_enacted(profile.recipe);
        for (auto& problem : not_enacted(profile.record)) problems.push_back(std::move(problem));
        bool named = false;
        for (const Problem& problem : problems) {
            CHECK(problem.code == "not_enacted");
            std::string refused_field = problem.pointer + '/';
            for (std::size_t at; (at = refused_field.find("/0/")) != std::string::npos;) refused_field.replace(at, 3, "/*/");
            named = named || (pointer + '/').starts_with(refused_field);
        }
        if (named) {
            ++refused;
            continue;
        }
        if (by_the_engine.contains(pointer)) continue;
        std::vector<json::value> others;
        others.push_back(only(schema.get_object(), schema.get_object(), document, path, 0, values.front(), true));
        std::vector<json::value> in_its_place;
        for (const auto* value : values) in_its_place.push_back(*value);
        for (const std::string& text : test::example_texts()) in_its_place.emplace_back(text);
        for (const json::value& value : in_its_place) {
            std::string at = pointer;
            for (std::size_t star; (star = at.find('*')) != std::string::npos;) at.replace(star, 1, "0");
            json::value changed = with;
            json::error_code error;
            *changed.find_pointer(at, error) = value;
            others.push_back(std::move(changed));
        }
        bool reaches_the_plan = false;
        for (const json::value& value : others) {
            const auto other = read_profile(json::serialize(value));
            reaches_the_plan = reaches_the_plan || (other && compile(other->recipe).digest != compile(profile.recipe).digest);
        }
        CHECK(reaches_the_plan);
        ++planned;
    }
    CHECK(refused > 50);
    CHECK(planned > 15);
}

TEST_CASE("an allowlist is refused also without a list: nobody would filter by it") {
    const Profile profile = read_profile(R"({"name": "x", "network": {"egress": "allowlist"}})").value();
    const auto problems = not_enacted(profile.recipe);
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].pointer == "/network/egress");
    CHECK(problems[0].code == "not_enacted");
    for (const char* egress : {"none", "open"})
        CHECK(not_enacted(read_profile(R"({"name": "x", "network": {"egress": ")" + std::string(egress) + "\"}}").value().recipe)
                  .empty());
}

TEST_CASE("the papers are what the definition says") {
    // Their text, to the letter, is held to the program's output by tests/house/check_profile_papers.py.
    const json::value schema = parse_strict(read_file(SANDBOXKIT_DOCS "/profile.schema.json")).value();
    CHECK(canonical_json(schema) == canonical_json(profile_schema()));
    CHECK(read_file(SANDBOXKIT_DOCS "/profile.md") == profile_reference());
    const Profile example = read_profile(example_profile).value();
    CHECK(not_enacted(example.recipe).empty());
    CHECK(not_enacted(example.record).empty());
}
