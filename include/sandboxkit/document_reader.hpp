// SPDX-License-Identifier: Apache-2.0
// Reads JSON into the types of the model, by the fields that Model<T> lists.
// Codes of problems: those of ObjectReader and of the forms' checks; missing_field also where one of several is needed,
// excluded_field, duplicate_value, nested_path, too_few, too_many.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/field.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit::detail {

template <class T>
struct Unwrapped {
    using type = T;
};
template <class T>
struct Unwrapped<std::optional<T>> {
    using type = T;
};

inline void add_fault(ProblemList& problems, std::string pointer, std::optional<FormFault> fault) {
    if (fault) problems.add(std::move(pointer), std::move(fault->code), std::move(fault->message), std::move(fault->remedy));
}

// Reports paths that lie inside another. The pointer of each says where it stands; of equal ones the first counts.
inline void check_nested(const std::vector<std::pair<std::string, std::string>>& paths, ProblemList& problems) {
    std::map<std::string_view, std::string_view> seen;
    for (const auto& [path, pointer] : paths) seen.emplace(path, pointer);
    for (const auto& [path, pointer] : seen) {
        for (std::size_t slash = path.rfind('/'); slash != 0 && slash != std::string_view::npos;
             slash = path.rfind('/', slash - 1)) {
            const auto outer = seen.find(path.substr(0, slash));
            if (outer == seen.end()) continue;
            problems.add(std::string(pointer), "nested_path", "this path lies inside that of " + std::string(outer->second),
                         "use paths beside each other");
            break;
        }
    }
}

// Reports paths that are equal, or inside one another.
inline void check_disjoint(const std::vector<std::pair<std::string, std::string>>& paths, ProblemList& problems) {
    std::map<std::string_view, std::string_view> seen;
    for (const auto& [path, pointer] : paths) {
        const auto [first, fresh] = seen.emplace(path, pointer);
        if (!fresh)
            problems.add(pointer, "duplicate_value", "this path is also that of " + std::string(first->second),
                         "use another path");
    }
    check_nested(paths, problems);
}

// The value of a text, when it has its form; what is wrong was reported.
[[nodiscard]] inline std::optional<std::string> text_of(const boost::json::value& value, const std::string& pointer,
                                                        const Text& form, ProblemList& problems) {
    auto text = ObjectReader::string_of(value, pointer, form.most, problems);
    if (!text || !form.check) return text;
    auto fault = form.check(*text);
    if (!fault) return text;
    add_fault(problems, pointer, std::move(fault));
    return {};
}

template <class T>
void read_fields(ObjectReader& reader, T& out, ProblemList& problems, std::size_t how_many = 1);

inline void check_count(std::size_t count, std::size_t most, const std::string& pointer, ProblemList& problems) {
    if (count > most)
        problems.add(pointer, "too_many", "this has " + std::to_string(count) + " entries, the limit is " + std::to_string(most),
                     "leave some out");
}

class FieldReader {
public:
    FieldReader(ObjectReader& reader, ProblemList& problems) : reader_(reader), problems_(problems) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field, Owner& out) {
        if (field.presence == Presence::required) reader_.require(field.name);
        const boost::json::value* value = reader_.member(field.name);
        if (value) read(*value, field, out.*field.member);
    }

private:
    template <class F>
    void read(const boost::json::value& value, const F& field, std::optional<std::string>& out) {
        out = text_of(value, reader_.pointer(field.name), field.form, problems_);
    }
    template <class F>
    void read(const boost::json::value& value, const F& field, std::string& out) {
        if (auto text = text_of(value, reader_.pointer(field.name), field.form, problems_)) out = std::move(*text);
    }
    template <class Owner, class Value>
    requires std::is_integral_v<typename Unwrapped<Value>::type>
    void read(const boost::json::value&, const Field<Owner, Value, Whole>& field, Value& out) {
        if (const auto number = reader_.integer(field.name, field.form.least, field.form.most))
            out = static_cast<typename Unwrapped<Value>::type>(*number);
    }
    template <class F>
    void read(const boost::json::value&, const F& field, std::optional<double>& out) {
        out = reader_.number(field.name, field.form.least, field.form.most);
    }
    template <class F>
    void read(const boost::json::value&, const F& field, bool& out) {
        out = reader_.boolean(field.name).value_or(out);
    }
    template <class Owner, class E>
    void read(const boost::json::value&, const Field<Owner, E, Choice<E>>& field, E& out) {
        out = reader_.choice<E>(field.name, field.form.names).value_or(out);
    }

    template <class Owner, class Item, class Value>
    void read(const boost::json::value&, const Field<Owner, std::vector<Value>, Many<Item>>& field, std::vector<Value>& out) {
        const auto* array = reader_.array(field.name);
        if (!array) return;
        out.clear();
        const std::string pointer = reader_.pointer(field.name);
        check_count(array->size(), field.form.most, pointer, problems_);
        if (array->size() < field.form.least)
            problems_.add(pointer, "too_few", "this has no entries", "add one, or leave the member out");
        std::vector<std::pair<std::string, std::string>> paths;
        for (std::size_t i = 0; i < array->size(); ++i) {
            const std::string here = pointer_to(pointer, i);
            std::optional<Value> item;
            if constexpr (std::is_same_v<Item, Text>)
                item = text_of((*array)[i], here, field.form.item, problems_);
            else if (const auto number =
                         ObjectReader::integer_of((*array)[i], here, field.form.item.least, field.form.item.most, problems_))
                item = static_cast<Value>(*number);
            if (!item) continue;
            if constexpr (std::is_same_v<Item, Text>) {
                if (field.form.disjoint) paths.emplace_back(*item, here);
            }
            out.push_back(std::move(*item));
        }
        if (!field.form.ordered) check_unique(*array, pointer);
        check_nested(paths, problems_);
    }
    // Of values as the document has them, so that the schema says the same (uniqueItems): also of those whose form is wrong.
    void check_unique(const boost::json::array& array, const std::string& pointer) {
        std::map<std::string, std::size_t> seen;
        for (std::size_t i = 0; i < array.size(); ++i) {
            if (array[i].is_structured()) continue; // was reported
            const auto [first, fresh] = seen.emplace(canonical_json(array[i]), i);
            if (!fresh)
                problems_.add(pointer_to(pointer, i), "duplicate_value", "this is also " + pointer_to(pointer, first->second),
                              "say it once");
        }
    }

    template <class F, class Value>
    requires std::is_same_v<decltype(F::form), Dictionary> || std::is_same_v<decltype(F::form), OptionDictionary>
    void read(const boost::json::value& value, const F& field, std::map<std::string, Value>& out) {
        out.clear();
        const std::string pointer = reader_.pointer(field.name);
        const ObjectReader checked(value, pointer, problems_);
        if (!value.is_object()) return;
        check_count(value.get_object().size(), field.form.most, pointer, problems_);
        for (const auto& member : value.get_object()) {
            const std::string here = pointer_to(pointer, member.key());
            (void)text_of(boost::json::value(member.key()), here, field.form.key, problems_);
            if constexpr (!std::is_same_v<Value, std::string>) {
                if (member.value().is_bool()) {
                    out.emplace(member.key(), member.value().get_bool());
                    continue;
                }
                if (!member.value().is_string()) {
                    ObjectReader::report_type(problems_, here, "a string or true or false", member.value());
                    continue;
                }
            }
            if (auto text = text_of(member.value(), here, field.form.value, problems_))
                out.emplace(member.key(), std::move(*text));
        }
    }

    template <class Owner, class T>
    void read(const boost::json::value&, const Field<Owner, T, Object>& field, T& out) {
        auto inner = reader_.object(field.name);
        if (!inner) return;
        if constexpr (std::is_same_v<typename Unwrapped<T>::type, T>)
            read_fields(*inner, out, problems_);
        else
            read_fields(*inner, out.emplace(), problems_);
        inner->finish();
    }

    template <class Owner, class T>
    void read(const boost::json::value&, const Field<Owner, std::vector<T>, Objects>& field, std::vector<T>& out) {
        const auto* array = reader_.array(field.name);
        if (!array) return;
        out.clear();
        const std::string pointer = reader_.pointer(field.name);
        check_count(array->size(), field.form.most, pointer, problems_);
        out.reserve(array->size());
        std::map<std::string_view, std::size_t> seen;
        for (std::size_t i = 0; i < array->size(); ++i) {
            ObjectReader inner((*array)[i], pointer_to(pointer, i), problems_);
            read_fields(inner, out.emplace_back(), problems_, array->size());
            inner.finish();
        }
        if constexpr (requires(const boost::json::array& a) { Model<T>::check_all(out, a, pointer, problems_); })
            Model<T>::check_all(out, *array, pointer, problems_);
        else if (!field.form.key.empty())
            for (std::size_t i = 0; i < array->size(); ++i) {
                const auto* object = (*array)[i].if_object();
                const auto* key = object ? object->if_contains(field.form.key) : nullptr;
                if (!key || !key->is_string()) continue;
                const auto [first, fresh] = seen.emplace(std::string_view(key->get_string()), i);
                if (!fresh)
                    problems_.add(pointer_to(pointer_to(pointer, i), field.form.key), "duplicate_value",
                                  "this is also that of " + pointer_to(pointer, first->second), "choose another");
            }
    }

    ObjectReader& reader_;
    ProblemList& problems_;
};

// Reads all members of `T` but reports none that is unknown: that is for the reader's finish(). `how_many`: objects beside
// each other, of which this is one.
template <class T>
void read_fields(ObjectReader& reader, T& out, ProblemList& problems, std::size_t how_many) {
    for_each_field<T>([&](const auto& field) { FieldReader(reader, problems)(field, out); });
    if constexpr (requires { Model<T>::any_of; }) {
        std::string names;
        std::size_t found = 0;
        for (const std::string_view name : Model<T>::any_of) {
            names += (names.empty() ? "\"" : " or \"") + std::string(name) + '"';
            if (reader.has(name) && ++found > 1) {
                if constexpr (requires { Model<T>::exclusive; })
                    reader.problem(name, "excluded_field", "this cannot stand beside \"" + std::string(Model<T>::any_of[0]) + '"',
                                   "leave one of them out");
            }
        }
        if (found == 0 && reader.is_object())
            reader.problem(Model<T>::any_of[0], "missing_field", names + " is required", "add one of them");
    }
    if constexpr (requires { Model<T>::complete(out, reader, how_many); }) Model<T>::complete(out, reader, how_many);
}

} // namespace sandboxkit::detail
