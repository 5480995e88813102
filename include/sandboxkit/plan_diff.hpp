// SPDX-License-Identifier: Apache-2.0
// diff() and decide_rebuild() of plan.hpp, and the table that says which field a snapshot depends on.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/plan.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

enum class SnapshotUse : std::uint8_t {
    always,       // the field's value goes into the snapshot
    setup_script, // it does when a setup script runs, which sees it
    never,
};

struct FieldRule {
    std::string_view pattern; // a JSON pointer into the canonical recipe; a token "*" stands for any one
    SnapshotUse use;
    std::string_view reason;
    std::string_view reason_without_script = {}; // for SnapshotUse::setup_script
};

// What is not in this table counts as `always`.
inline constexpr std::array<FieldRule, 21> field_rules = {{
    {"/provider", SnapshotUse::always, "a snapshot belongs to one provider"},
    {"/image", SnapshotUse::always, "the snapshot is built on it"},
    {"/repositories/*", SnapshotUse::always, "its checkout is part of the snapshot"},
    {"/repositories/*/identifier", SnapshotUse::always, "the snapshot's checkouts are known by it"},
    {"/repositories/*/url", SnapshotUse::always, "the checkout in the snapshot comes from it"},
    {"/repositories/*/branch", SnapshotUse::always, "the checkout in the snapshot is of this branch"},
    {"/repositories/*/depth", SnapshotUse::always, "the checkout in the snapshot has this much history"},
    {"/repositories/*/mount_path", SnapshotUse::always, "the checkout stands there in the snapshot"},
    {"/repositories/*/role", SnapshotUse::setup_script, "the setup script can see it", "bound at start"},
    {"/repositories/*/read_only", SnapshotUse::setup_script, "the setup script can see it", "applied at start"},
    {"/setup_script", SnapshotUse::always, "what it does is part of the snapshot"},
    {"/setup_timeout", SnapshotUse::never, "it only limits how long the setup script may run"},
    {"/environment/*", SnapshotUse::setup_script, "the setup script runs with it", "bound at start"},
    {"/resources/class", SnapshotUse::never, "applied at start"},
    {"/resources/cpus", SnapshotUse::never, "applied at start"},
    {"/resources/memory_mb", SnapshotUse::never, "applied at start"},
    {"/resources/processes", SnapshotUse::never, "applied at start"},
    {"/resources/disk_mb", SnapshotUse::never, "applied at start"},
    {"/network/egress", SnapshotUse::setup_script, "the setup script runs with it", "applied at start"},
    {"/persistence/enabled", SnapshotUse::never, "persistent paths are attached at start"},
    {"/persistence/paths", SnapshotUse::never, "persistent paths are attached at start"},
}};

// The rule for a field of the canonical recipe; null when there is none.
[[nodiscard]] constexpr const FieldRule* rule_for(std::string_view pointer) noexcept {
    const auto take_token = [](std::string_view& rest) {
        rest.remove_prefix(1); // the slash
        const std::size_t end = std::min(rest.find('/'), rest.size());
        const std::string_view token = rest.substr(0, end);
        rest.remove_prefix(end);
        return token;
    };
    for (const FieldRule& rule : field_rules) {
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

class RecipeDiff {
public:
    RecipeDiff(const Recipe& before, const Recipe& after)
        : has_script_(!before.setup_script.empty() || !after.setup_script.empty()) {
        const boost::json::object a = recipe_to_json(before), b = recipe_to_json(after);
        compare_members("", a, b);
    }
    [[nodiscard]] std::vector<FieldChange> take() { return std::move(changes_); }

private:
    void compare_members(const std::string& pointer, const boost::json::object& a, const boost::json::object& b) {
        std::set<std::string_view> names;
        for (const auto& member : a) names.insert(member.key());
        for (const auto& member : b) names.insert(member.key());
        for (const std::string_view name : names)
            compare(pointer + '/' + std::string(name), a.if_contains(name), b.if_contains(name));
    }
    void compare(const std::string& pointer, const boost::json::value* a, const boost::json::value* b) {
        if (pointer == "/repositories") return compare_repositories(pointer, a->get_array(), b->get_array());
        if (a && b && a->is_object() && b->is_object()) return compare_members(pointer, a->get_object(), b->get_object());
        std::string before = a ? canonical_json(*a) : "", after = b ? canonical_json(*b) : "";
        if (before != after) add(pointer, std::move(before), std::move(after));
    }
    // Both are sorted by identifier.
    void compare_repositories(const std::string& pointer, const boost::json::array& a, const boost::json::array& b) {
        const auto identifier = [](const boost::json::value& repository) -> std::string_view {
            return repository.at("identifier").get_string();
        };
        std::size_t i = 0, j = 0;
        while (i < a.size() || j < b.size()) {
            const bool removed = j == b.size() || (i < a.size() && identifier(a[i]) < identifier(b[j]));
            const bool added = !removed && (i == a.size() || identifier(b[j]) < identifier(a[i]));
            const std::string here = pointer + '/' + std::to_string(removed ? i : j);
            if (removed)
                add(here, canonical_json(a[i++]), "");
            else if (added)
                add(here, "", canonical_json(b[j++]));
            else
                compare(here, &a[i++], &b[j++]);
        }
    }
    void add(const std::string& pointer, std::string before, std::string after) {
        FieldChange change{pointer, FieldClass::snapshot_relevant, std::move(before), std::move(after),
                           "not known to be independent of the snapshot"};
        if (const FieldRule* rule = rule_for(pointer)) {
            const bool relevant = rule->use == SnapshotUse::always || (rule->use == SnapshotUse::setup_script && has_script_);
            change.field_class = relevant ? FieldClass::snapshot_relevant : FieldClass::snapshot_neutral;
            change.reason = rule->use == SnapshotUse::setup_script && !relevant ? rule->reason_without_script : rule->reason;
        }
        changes_.push_back(std::move(change));
    }

    bool has_script_; // of either recipe
    std::vector<FieldChange> changes_;
};

[[nodiscard]] inline std::string describe(char sign, const Step& step) {
    std::string line{sign};
    line += ' ';
    line += to_string(step.kind);
    line += ' ' + step.digest.substr(0, std::string_view("sha256:").size() + 12);
    if (step.kind == StepKind::clone_repository) line.append(" ").append(step.detail.at("identifier").get_string());
    return line;
}

} // namespace detail

inline std::vector<FieldChange> diff(const Recipe& before, const Recipe& after) {
    return detail::RecipeDiff(before, after).take();
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
