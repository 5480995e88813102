// SPDX-License-Identifier: Apache-2.0
// diff() and decide_rebuild() of plan.hpp, and the table that says which field a snapshot depends on.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/field.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/plan_compile.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_fields.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit {

// What is said of a field of the canonical form; profile_fields.hpp is where it is said.
struct FieldRule {
    std::string pattern; // a JSON pointer; a token "*" stands for any one
    Fate fate;
    std::string key{}; // of a list that is compared by its elements: the member that tells them apart
};

namespace detail {

class RuleCollector {
public:
    RuleCollector(std::string prefix, std::vector<FieldRule>& rules) : prefix_(std::move(prefix)), rules_(rules) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field) {
        std::string here = prefix_ + '/' + std::string(field.name);
        if constexpr (std::is_same_v<Form, Object>) {
            if (field.fate.decided) rules_.push_back({here, field.fate});
            walk<typename Unwrapped<Value>::type>(here);
        } else if constexpr (std::is_same_v<Form, Objects>) {
            if (field.form.key.empty() || field.form.ordered) {
                rules_.push_back({here, field.fate});
                return;
            }
            rules_.push_back({here, field.fate, std::string(field.form.key)});
            rules_.push_back({here + "/*", field.fate});
            walk<typename Value::value_type>(here + "/*");
        } else if constexpr (std::is_same_v<Form, Dictionary> || std::is_same_v<Form, OptionDictionary>) {
            rules_.push_back({here + "/*", field.fate});
        } else if (field.fate.decided) {
            rules_.push_back({here, field.fate});
        }
    }

private:
    template <class T>
    void walk(const std::string& prefix) {
        for_each_field<T>(RuleCollector(prefix, rules_));
    }

    std::string prefix_;
    std::vector<FieldRule>& rules_;
};

} // namespace detail

// Of recipe and record, in the order of the definition. What is not in it counts as SnapshotUse::always.
[[nodiscard]] inline const std::vector<FieldRule>& field_rules() {
    static const std::vector<FieldRule> rules = [] {
        std::vector<FieldRule> all;
        for_each_field<Recipe>(detail::RuleCollector("", all));
        for_each_field<Record>(detail::RuleCollector("", all));
        return all;
    }();
    return rules;
}

// The rule for a field of the canonical form; null when there is none.
[[nodiscard]] inline const FieldRule* rule_for(std::string_view pointer) noexcept {
    const auto take_token = [](std::string_view& rest) {
        rest.remove_prefix(1); // the slash
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string_view token = rest.substr(0, end);
        rest.remove_prefix(end);
        return token;
    };
    for (const FieldRule& rule : field_rules()) {
        std::string_view pattern = rule.pattern, given = pointer;
        bool matches = true;
        while (matches && !pattern.empty() && !given.empty()) {
            const std::string_view expected = take_token(pattern), token = take_token(given);
            matches = expected == "*" || expected == token;
        }
        if (matches && pattern.empty() && given.empty()) return &rule;
    }
    return nullptr;
}

namespace detail {

class DocumentDiff {
public:
    // `scripts`: of either side.
    DocumentDiff(const boost::json::object& before, const boost::json::object& after, bool scripts) : scripts_(scripts) {
        compare_members({}, before, after);
    }
    [[nodiscard]] std::vector<FieldChange> take() { return std::move(changes_); }

private:
    // Of one field in both documents: the indexes on the way may differ.
    struct Pointers {
        std::string before, after;
    };

    void compare_members(const Pointers& at, const boost::json::object& a, const boost::json::object& b) {
        std::set<std::string_view> names;
        for (const auto& member : a) names.insert(member.key());
        for (const auto& member : b) names.insert(member.key());
        // A pointer must find the value again: no name in it is cut.
        for (const std::string_view name : names)
            compare({pointer_to(at.before, name, name.size()), pointer_to(at.after, name, name.size())}, a.if_contains(name),
                    b.if_contains(name));
    }
    void compare(const Pointers& at, const boost::json::value* a, const boost::json::value* b) {
        if (a && b && *a == *b) return; // most of them
        static const boost::json::value no_members = boost::json::object(), no_elements = boost::json::array();
        const FieldRule* rule = rule_for(at.after);
        const boost::json::value& some = a ? *a : *b;
        if (rule && !rule->key.empty())
            return compare_elements(at, rule->key, (a ? *a : no_elements).get_array(), (b ? *b : no_elements).get_array());
        if (some.is_object() && (!rule || (a && b)))
            return compare_members(at, (a ? *a : no_members).get_object(), (b ? *b : no_members).get_object());
        std::string before = a ? canonical_json(*a) : "", after = b ? canonical_json(*b) : "";
        if (before != after) add(b ? at.after : at.before, rule, std::move(before), std::move(after));
    }
    // Both are sorted by the key.
    void compare_elements(const Pointers& at, std::string_view key, const boost::json::array& a, const boost::json::array& b) {
        const auto name = [&](const boost::json::value& element) -> std::string_view { return element.at(key).get_string(); };
        std::size_t i = 0, j = 0;
        while (i < a.size() || j < b.size()) {
            const bool removed = j == b.size() || (i < a.size() && name(a[i]) < name(b[j]));
            const bool added = !removed && (i == a.size() || name(b[j]) < name(a[i]));
            const Pointers here{pointer_to(at.before, i), pointer_to(at.after, j)};
            if (removed)
                add(here.before, rule_for(here.before), canonical_json(a[i++]), "");
            else if (added)
                add(here.after, rule_for(here.after), "", canonical_json(b[j++]));
            else
                compare(here, &a[i++], &b[j++]);
        }
    }
    void add(const std::string& pointer, const FieldRule* rule, std::string before, std::string after) {
        FieldChange change{pointer, FieldClass::snapshot_relevant, std::move(before), std::move(after),
                           "not known to be independent of the snapshot"};
        if (rule) {
            const Fate& fate = rule->fate;
            const bool relevant = fate.use == SnapshotUse::always || (fate.use == SnapshotUse::scripts && scripts_);
            change.field_class = relevant ? FieldClass::snapshot_relevant : FieldClass::snapshot_neutral;
            change.reason = fate.use == SnapshotUse::scripts && !relevant ? fate.reason_without_scripts : fate.reason;
        }
        changes_.push_back(std::move(change));
    }

    bool scripts_;
    std::vector<FieldChange> changes_;
};

[[nodiscard]] inline std::string describe(char sign, const Step& step) {
    std::string line{sign};
    line += ' ';
    line += to_string(step.kind);
    line += ' ' + step.digest.substr(0, std::string_view("sha256:").size() + 12);
    if (const auto* repository = step.detail.if_contains("repository"))
        line.append(" ").append(repository->at("identifier").get_string());
    return line;
}

} // namespace detail

inline std::vector<FieldChange> diff(const Recipe& before, const Recipe& after) {
    return detail::DocumentDiff(recipe_to_json(before), recipe_to_json(after), runs_scripts(before) || runs_scripts(after))
        .take();
}

inline std::vector<FieldChange> diff(const Profile& before, const Profile& after) {
    const auto document = [](const Profile& profile) {
        auto out = record_to_json(profile.record);
        for (auto& member : recipe_to_json(profile.recipe)) out[member.key()] = std::move(member.value());
        return out;
    };
    return detail::DocumentDiff(document(before), document(after), runs_scripts(before.recipe) || runs_scripts(after.recipe))
        .take();
}

inline std::vector<std::string> diff(const Plan& before, const Plan& after) {
    std::set<std::string_view> old_steps, new_steps;
    for (const Step& step : before.steps) old_steps.insert(step.digest);
    for (const Step& step : after.steps) new_steps.insert(step.digest);
    std::vector<std::pair<StepKind, std::string>> lines;
    for (const Step& step : before.steps)
        if (!new_steps.contains(step.digest)) lines.emplace_back(step.kind, detail::describe('-', step));
    for (const Step& step : after.steps)
        if (!old_steps.contains(step.digest)) lines.emplace_back(step.kind, detail::describe('+', step));
    std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> out;
    for (auto& [kind, line] : lines) out.push_back(std::move(line));
    return out;
}

inline RebuildDecision decide_rebuild(const Recipe* before, const Recipe& after) {
    if (!before) return {false, {}, "first version"};
    RebuildDecision decision{true, diff(*before, after), {}};
    constexpr std::size_t named = 3;
    std::size_t relevant = 0;
    std::string fields;
    for (const FieldChange& change : decision.changes) {
        if (change.field_class != FieldClass::snapshot_relevant) continue;
        if (++relevant <= named) fields += (fields.empty() ? "" : ", ") + change.pointer;
    }
    decision.reuse = relevant == 0;
    if (decision.changes.empty())
        decision.reason = "nothing changed";
    else if (decision.reuse)
        decision.reason = "no change touches the snapshot";
    else
        decision.reason = "the snapshot depends on " + fields;
    if (relevant > named) decision.reason += " and " + std::to_string(relevant - named) + " more changed fields";
    return decision;
}

} // namespace sandboxkit
