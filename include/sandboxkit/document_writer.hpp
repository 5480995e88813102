// SPDX-License-Identifier: Apache-2.0
// Writes the types of the model as JSON, by the fields that Model<T> lists: all of them, or those that one step of a plan
// acts on.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/document_reader.hpp>
#include <sandboxkit/field.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxkit::detail {

template <class E>
[[nodiscard]] constexpr std::string_view name_of(std::span<const std::pair<std::string_view, E>> names, E value) noexcept {
    for (const auto& [name, meaning] : names)
        if (meaning == value) return name;
    return {};
}

// Which fields are written. A default one takes all.
struct Selection {
    std::optional<StepKind> step{};   // those that it acts on, and the keys by which they are told apart
    bool skip_defaults = false;       // also of fields that are always written
    std::optional<Section> section{}; // of a whole profile's fields

    [[nodiscard]] constexpr bool takes(const Fate& fate) const noexcept {
        if (!step) return true;
        return fate.versioned && fate.decided &&
               (fate.step == *step || (*step == StepKind::script_environment && fate.use == SnapshotUse::scripts));
    }
};

// `in_order`: lists whose order has no meaning are sorted, not kept as given. `storage`: of all that is made.
template <class T>
[[nodiscard]] boost::json::object fields_to_json(const T& value, bool in_order, const Selection& which = {},
                                                 std::string_view key = {}, boost::json::storage_ptr storage = {});

template <class Value, class Form>
[[nodiscard]] bool same_value(const Form& form, const Value& a, const Value& b) {
    if (a == b) return true;
    if constexpr (requires {
                      form.ordered;
                      form.item;
                  }) {
        if (form.ordered || a.size() != b.size()) return false;
        auto x = a, y = b;
        std::sort(x.begin(), x.end());
        std::sort(y.begin(), y.end());
        return x == y;
    }
    return false;
}

// The steps that act on fields of T or of what is in it, each a bit at its number.
template <class T>
[[nodiscard]] constexpr std::uint32_t steps_of();

class StepCollector {
public:
    template <class Owner, class Value, class Form>
    constexpr void operator()(const Field<Owner, Value, Form>& field) {
        if (field.fate.versioned && field.fate.decided) steps |= bits(field.fate);
        if constexpr (std::is_same_v<Form, Object>) steps |= steps_of<typename Unwrapped<Value>::type>();
        if constexpr (std::is_same_v<Form, Objects>) steps |= steps_of<typename Value::value_type>();
    }
    std::uint32_t steps = 0;

private:
    static constexpr std::uint32_t bits(const Fate& fate) {
        return 1U << static_cast<unsigned>(fate.step) |
               (fate.use == SnapshotUse::scripts ? 1U << static_cast<unsigned>(StepKind::script_environment) : 0U);
    }
};

template <class T>
constexpr std::uint32_t steps_of() {
    StepCollector collector;
    for_each_field<T>(collector);
    return collector.steps;
}

class FieldWriter {
public:
    FieldWriter(boost::json::object& out, bool in_order, const Selection& which, std::string_view key)
        : out_(out), in_order_(in_order), which_(which), key_(key) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field, const Owner& owner) {
        if (which_.section && field.section && *which_.section != *field.section) return;
        const Value& value = owner.*field.member;
        // A list is told apart by its key alone, whatever the step.
        const bool inside = goes_inside(field);
        if (!inside && !which_.takes(field.fate) && (key_.empty() || field.name != key_)) return;
        if (inside && !has_step<typename Inner<Value>::type>()) return;
        if (field.presence == Presence::optional || (field.presence == Presence::written && which_.skip_defaults)) {
            static const Owner defaults{};
            if (same_value(field.form, value, defaults.*field.member)) return;
        }
        if (auto written = json_of(field, value)) out_.emplace(field.name, std::move(*written));
    }

private:
    template <class Value>
    struct Inner : Unwrapped<Value> {};
    template <class T>
    struct Inner<std::vector<T>> {
        using type = T;
    };
    template <class T>
    [[nodiscard]] bool has_step() const {
        if constexpr (requires { Model<T>::fields; }) {
            static constexpr std::uint32_t steps = steps_of<T>();
            return (steps >> static_cast<unsigned>(*which_.step) & 1) != 0;
        } else {
            return false;
        }
    }

    // Whether the fields of its value decide, and not the field itself.
    template <class F>
    [[nodiscard]] bool goes_inside(const F& field) const {
        if constexpr (std::is_same_v<decltype(F::form), Object>)
            return which_.step.has_value();
        else if constexpr (std::is_same_v<decltype(F::form), Objects>)
            return which_.step && !field.form.key.empty() && !field.form.ordered;
        else
            return false;
    }

    template <class F, class Value>
    [[nodiscard]] std::optional<boost::json::value> json_of(const F& field, const Value& value) const {
        using Form = decltype(F::form);
        if constexpr (!std::is_same_v<typename Unwrapped<Value>::type, Value>) {
            if (!value) return {};
            return json_of(field, *value);
        } else if constexpr (std::is_same_v<Form, Object>) {
            auto object = fields_to_json(value, in_order_, inner(), {}, out_.storage());
            if (object.empty() && which_.step) return {};
            return object;
        } else if constexpr (std::is_same_v<Form, Objects>) {
            return objects_to_json(field, value);
        } else if constexpr (requires { field.form.item; }) {
            auto items = value;
            if (in_order_ && !field.form.ordered) std::sort(items.begin(), items.end());
            return boost::json::array(items.begin(), items.end(), out_.storage());
        } else if constexpr (std::is_same_v<Form, Dictionary>) {
            boost::json::object object(value.size(), out_.storage());
            for (const auto& [name, text] : value) object.emplace(name, text);
            if (object.empty() && which_.step) return {};
            return object;
        } else if constexpr (std::is_same_v<Form, OptionDictionary>) {
            boost::json::object object(value.size(), out_.storage());
            for (const auto& [name, option] : value)
                std::visit([&, key = std::string_view(name)](const auto& v) { object.emplace(key, v); }, option);
            return object;
        } else if constexpr (std::is_enum_v<Value>) {
            return boost::json::value(name_of(field.form.names, value), out_.storage());
        } else {
            return boost::json::value(value, out_.storage());
        }
    }

    template <class F, class T>
    [[nodiscard]] std::optional<boost::json::value> objects_to_json(const F& field, const std::vector<T>& values) const {
        const bool by_key = !field.form.key.empty() && !field.form.ordered;
        boost::json::array array(out_.storage());
        array.reserve(values.size());
        bool more_than_keys = !which_.step;
        for (const T& value : values) {
            auto object = fields_to_json(value, in_order_, by_key ? inner() : Selection{}, field.form.key, out_.storage());
            if (object.size() > 1) more_than_keys = true;
            array.push_back(std::move(object));
        }
        if (which_.step && by_key && !which_.takes(field.fate) && !more_than_keys) return {};
        if (which_.step && array.empty()) return {};
        if (in_order_ && by_key) {
            std::stable_sort(array.begin(), array.end(), [&](const auto& a, const auto& b) {
                return a.at(field.form.key).get_string() < b.at(field.form.key).get_string();
            });
        } else if (in_order_ && !field.form.ordered) {
            std::stable_sort(array.begin(), array.end(),
                             [](const auto& a, const auto& b) { return canonical_json(a) < canonical_json(b); });
        }
        return array;
    }

    [[nodiscard]] Selection inner() const { return {which_.step, which_.skip_defaults, {}}; }

    boost::json::object& out_;
    bool in_order_;
    const Selection& which_;
    std::string_view key_;
};

template <class T>
boost::json::object fields_to_json(const T& value, bool in_order, const Selection& which, std::string_view key,
                                   boost::json::storage_ptr storage) {
    boost::json::object out(std::move(storage));
    for_each_field<T>([&](const auto& field) { FieldWriter(out, in_order, which, key)(field, value); });
    return out;
}

} // namespace sandboxkit::detail
