// SPDX-License-Identifier: Apache-2.0
// The JSON Schema (draft 2020-12) of the profile document, made from its definition (profile_fields.hpp).
//
// It says everything that a schema can say of what read_profile accepts, and nothing more: what read_profile accepts is valid,
// and what is not valid it refuses. It is laxer where a rule cannot be said so: the forms of URLs, paths, branches, addresses
// and schedules, unique names, paths inside each other. tests/core/check_agreement.py lists them, and holds the two together.
#pragma once

#include <sandboxkit/document_writer.hpp>
#include <sandboxkit/field.hpp>
#include <sandboxkit/profile_fields.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sandboxkit {

namespace detail {

// "Repository". Of a type in the namespace sandboxkit.
template <class T>
[[nodiscard]] constexpr std::string_view type_name() noexcept {
    const std::string_view text = __PRETTY_FUNCTION__, before = "T = sandboxkit::"; // g++ and clang++ alike
    const std::string_view rest = text.substr(text.find(before) + before.size());
    return rest.substr(0, rest.find_first_of(";]"));
}

// The default of a field as JSON; nothing when it has none, or one that depends on other members (Model<T>::complete).
template <class Owner, class Value, class Form>
[[nodiscard]] std::optional<boost::json::value> default_of(const Field<Owner, Value, Form>& field) {
    static const Owner defaults{};
    const Value& value = defaults.*field.member;
    if (field.presence == Presence::required) return {};
    if constexpr (requires(Owner & o, ObjectReader & r) { Model<Owner>::complete(o, r, std::size_t{}); })
        if (field.presence == Presence::written) return {};
    if constexpr (std::is_same_v<Form, Text> && std::is_same_v<Value, std::string>) {
        // Inside the library "" may stand for none; a document cannot say so where it is no possible value.
        if (field.form.check && value.empty()) return {};
        return boost::json::value(value);
    } else if constexpr (std::is_same_v<Form, Objects> || std::is_same_v<Form, Dictionary> ||
                         std::is_same_v<Form, OptionDictionary>) {
        if constexpr (std::is_same_v<Form, Objects>) return boost::json::array();
        return boost::json::object();
    } else if constexpr (requires { field.form.item; }) {
        if (value.size() < field.form.least) return {};
        return boost::json::array(value.begin(), value.end());
    } else if constexpr (std::is_enum_v<Value>) {
        return boost::json::value(name_of(field.form.names, value));
    } else if constexpr (std::is_arithmetic_v<Value>) {
        return boost::json::value(value);
    }
    return {};
}

class SchemaMaker {
public:
    explicit SchemaMaker(boost::json::object& definitions) : definitions_(definitions) {}

    // Adds the members of `T` to a schema of an object: all, or those of one section.
    template <class T>
    void add_members(boost::json::object& properties, boost::json::array& required, std::optional<Section> section = {}) {
        for_each_field<T>([&](const auto& field) {
            if (section && field.section != section) return;
            properties[field.name] = member(field);
            if (field.presence == Presence::required) required.emplace_back(field.name);
        });
    }

    [[nodiscard]] static boost::json::object object_of(boost::json::object properties, boost::json::array required) {
        boost::json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
        if (!required.empty()) schema["required"] = std::move(required);
        schema["additionalProperties"] = false;
        return schema;
    }

private:
    [[nodiscard]] static boost::json::object form(const Text& text) {
        // NUL is in no string, whatever its form.
        return {{"type", "string"},
                {"maxLength", text.most},
                {"pattern", text.pattern.empty() ? std::string_view(R"(^[^\u0000]*$)") : text.pattern}};
    }
    [[nodiscard]] static boost::json::object form(const Whole& whole) {
        return {{"type", "integer"}, {"minimum", whole.least}, {"maximum", whole.most}};
    }
    [[nodiscard]] static boost::json::object form(const Real& real) {
        return {{"type", "number"}, {"minimum", real.least}, {"maximum", real.most}};
    }
    [[nodiscard]] static boost::json::object form(const Flag&) { return {{"type", "boolean"}}; }
    template <class E>
    [[nodiscard]] static boost::json::object form(const Choice<E>& choice) {
        boost::json::array names;
        for (const auto& [name, meaning] : choice.names) names.emplace_back(name);
        return {{"type", "string"}, {"enum", std::move(names)}};
    }
    template <class Item>
    [[nodiscard]] static boost::json::object form(const Many<Item>& many) {
        boost::json::object schema{{"type", "array"}, {"items", form(many.item)}};
        if (many.least > 0) schema["minItems"] = many.least;
        schema["maxItems"] = many.most;
        if (!many.ordered) schema["uniqueItems"] = true;
        return schema;
    }
    [[nodiscard]] static boost::json::object dictionary(const Text& key, boost::json::value value, std::size_t most) {
        boost::json::object names = form(key);
        names.erase("type");
        return {{"type", "object"},
                {"propertyNames", std::move(names)},
                {"additionalProperties", std::move(value)},
                {"maxProperties", most}};
    }
    [[nodiscard]] static boost::json::object form(const Dictionary& d) { return dictionary(d.key, form(d.value), d.most); }
    [[nodiscard]] static boost::json::object form(const OptionDictionary& d) {
        boost::json::object value = form(d.value); // maxLength and pattern say nothing of a boolean
        value["type"] = {"string", "boolean"};
        return dictionary(d.key, std::move(value), d.most);
    }

    template <class Owner, class Value, class Form>
    [[nodiscard]] boost::json::object member(const Field<Owner, Value, Form>& field) {
        boost::json::object schema{{"description", field.meaning}};
        boost::json::object said;
        if constexpr (std::is_same_v<Form, Object>) {
            said = reference<typename Unwrapped<Value>::type>();
        } else if constexpr (std::is_same_v<Form, Objects>) {
            said = {{"type", "array"}, {"items", reference<typename Value::value_type>()}, {"maxItems", field.form.most}};
        } else {
            said = form(field.form);
        }
        for (auto& [name, value] : said) schema[name] = value;
        if (auto value = default_of(field)) schema["default"] = std::move(*value);
        schema["x-sandboxkit"] = notes(field.fate, field.section);
        return schema;
    }

    [[nodiscard]] static boost::json::object notes(const Fate& fate, std::optional<Section> section) {
        boost::json::object notes{{"part", fate.versioned ? "recipe" : "record"}};
        if (section) notes["section"] = to_string(*section);
        if (fate.versioned && fate.decided) {
            notes["snapshot"] = to_string(fate.use);
            notes["step"] = to_string(fate.step);
        }
        if (!fate.refused.empty()) notes["refused"] = fate.refused;
        return notes;
    }

    template <class T>
    [[nodiscard]] boost::json::object reference() {
        constexpr std::string_view name = type_name<T>();
        if (!definitions_.contains(name)) {
            definitions_[name] = nullptr; // its place, before those that it refers to
            boost::json::object properties;
            boost::json::array required;
            add_members<T>(properties, required);
            auto schema = object_of(std::move(properties), std::move(required));
            if constexpr (requires { Model<T>::any_of; }) {
                boost::json::array ways;
                for (const std::string_view way : Model<T>::any_of)
                    ways.push_back(boost::json::object{{"required", boost::json::array{way}}});
                bool exclusive = false;
                if constexpr (requires { Model<T>::exclusive; }) exclusive = Model<T>::exclusive;
                schema[exclusive ? "oneOf" : "anyOf"] = std::move(ways);
            }
            definitions_[name] = std::move(schema);
        }
        return {{"$ref", "#/$defs/" + std::string(name)}};
    }

    boost::json::object& definitions_;
};

[[nodiscard]] inline boost::json::object schema_of(std::string id, std::string title, std::optional<Section> section) {
    boost::json::object definitions, properties;
    boost::json::array required;
    SchemaMaker maker(definitions);
    maker.add_members<Record>(properties, required, section);
    maker.add_members<Recipe>(properties, required, section);
    boost::json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", id}, {"title", title}};
    for (auto& [name, value] : SchemaMaker::object_of(std::move(properties), std::move(required)))
        schema[name] = std::move(value);
    if (!definitions.empty()) schema["$defs"] = std::move(definitions);
    return schema;
}

} // namespace detail

// Of the whole document. Beside each field's own keywords "x-sandboxkit" says: `part` ("recipe": versioned, "record": not);
// `section`, of the members of the document; `snapshot` ("always", "scripts", "never": SnapshotUse) and the `step` of the plan
// that acts on it, unless the fields inside say; `refused`: why this build does not enact it, absent when it does.
[[nodiscard]] inline boost::json::value profile_schema() {
    return detail::schema_of("urn:sandboxkit:profile", "A profile of sandboxkit", {});
}

// Of the members that with_section takes.
[[nodiscard]] inline boost::json::value section_schema(Section section) {
    const std::string name(to_string(section));
    return detail::schema_of("urn:sandboxkit:profile:" + name, "The section " + name + " of a profile of sandboxkit", section);
}

} // namespace sandboxkit
