// SPDX-License-Identifier: Apache-2.0
// docs/profile.md: the page about the profile document, made from its definition (profile_fields.hpp).
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/check_table.hpp>
#include <sandboxkit/field.hpp>
#include <sandboxkit/permission.hpp>
#include <sandboxkit/plan_diff.hpp>
#include <sandboxkit/profile_fields.hpp>
#include <sandboxkit/profile_schema.hpp>
#include <sandboxkit/section.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit {

// A document that this build enacts as it is.
inline constexpr std::string_view example_profile = R"({
  "name": "Web",
  "description": "The shop and its documentation.",
  "image": "archive:/srv/images/base.tar",
  "repositories": [
    {"url": "https://git.example/team/shop.git", "branch": "main", "role": "primary"},
    {"identifier": "handbook", "url": "https://git.example/team/handbook.git", "depth": 1, "role": "reference"}
  ],
  "setup_script": "cd /workspace/shop && make dependencies",
  "setup_timeout": 900,
  "environment": {"LANG": "C.UTF-8"},
  "resources": {"class": "development", "memory_mb": 6144},
  "network": {"egress": "open"},
  "access": {"roles": ["developers"]}
}
)";

namespace detail {

[[nodiscard]] inline std::string table_row(std::initializer_list<std::string_view> cells) {
    std::string row = "|";
    for (const std::string_view cell : cells) {
        row += ' ';
        for (const char c : cell) row += c == '|' ? std::string("\\|") : std::string(1, c);
        row += " |";
    }
    return row + '\n';
}
[[nodiscard]] inline std::string table_head(std::initializer_list<std::string_view> names) {
    std::string rule = "|";
    for (std::size_t i = 0; i < names.size(); ++i) rule += "---|";
    return table_row(names) + rule + '\n';
}
[[nodiscard]] inline std::string in_code(std::string_view text) {
    return '`' + std::string(text) + '`';
}
// 1,000,000
[[nodiscard]] inline std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

// Rows with equal reasons as one, the fields together.
class GroupedRows {
public:
    void add(std::string field, std::string reason) {
        const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return row.first == reason; });
        if (at == rows_.end())
            rows_.emplace_back(std::move(reason), in_code(field));
        else
            at->second += ", " + in_code(field);
    }
    // Each a reason, and the fields that it is of.
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& rows() const noexcept { return rows_; }

private:
    std::vector<std::pair<std::string, std::string>> rows_;
};

// The form of a field in words.
class FormText {
public:
    [[nodiscard]] static std::string of(const Text& text) { return "text, up to " + grouped(text.most) + " characters"; }
    [[nodiscard]] static std::string of(const Whole& whole) {
        return "integer, " + grouped(whole.least) + " to " + grouped(whole.most);
    }
    [[nodiscard]] static std::string of(const Real& real) {
        return "number, " + canonical_json(real.least) + " to " + grouped(static_cast<std::uint64_t>(real.most));
    }
    [[nodiscard]] static std::string of(const Flag&) { return "`true` or `false`"; }
    template <class E>
    [[nodiscard]] static std::string of(const Choice<E>& choice) {
        std::string text;
        for (std::size_t i = 0; i < choice.names.size(); ++i)
            text += (i == 0 ? "" : i + 1 == choice.names.size() ? " or " : ", ") + in_code(choice.names[i].first);
        return text;
    }
    template <class Item>
    [[nodiscard]] static std::string of(const Many<Item>& many) {
        return "list of " + std::string(many.least > 0 ? grouped(many.least) + " to " : "up to ") + grouped(many.most) +
               (many.ordered ? ", in order" : "") + ": " + of(many.item);
    }
    [[nodiscard]] static std::string of(const Dictionary& d) {
        return "object of up to " + grouped(d.most) + ": names up to " + grouped(d.key.most) + ", values up to " +
               grouped(d.value.most) + " characters";
    }
    [[nodiscard]] static std::string of(const OptionDictionary& d) {
        return of(Dictionary{d.key, d.value, d.most}) + ", or `true` or `false`";
    }
    [[nodiscard]] static std::string of(const Object&) { return "object"; }
    [[nodiscard]] static std::string of(const Objects& objects) {
        return "list of up to " + grouped(objects.most) + " objects" + (objects.ordered ? ", in order" : "");
    }
};

// The fields of a type and of those inside it, as rows of a table.
class FieldTable {
public:
    FieldTable(std::string prefix, std::string& out, std::optional<Section> section = {})
        : prefix_(std::move(prefix)), out_(out), section_(section) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field) {
        if (section_ && field.section != section_) return;
        const std::string name = prefix_ + std::string(field.name);
        std::string preset = field.presence == Presence::required ? "required" : "";
        if (const auto value = default_of(field)) preset = in_code(canonical_json(*value));
        out_ += table_row({in_code(name), FormText::of(field.form), preset, field.fate.versioned ? "recipe" : "record",
                           std::string(field.meaning) + alternatives<Owner>(field.name)});
        if constexpr (std::is_same_v<Form, Object>)
            for_each_field<typename Unwrapped<Value>::type>(FieldTable(name + '.', out_));
        else if constexpr (std::is_same_v<Form, Objects>)
            for_each_field<typename Value::value_type>(FieldTable(name + "[].", out_));
    }

private:
    // What is said of a field beside which, or in place of which, another must stand.
    template <class Owner>
    [[nodiscard]] static std::string alternatives(std::string_view name) {
        std::string others;
        if constexpr (requires { Model<Owner>::any_of; }) {
            if (std::find(Model<Owner>::any_of.begin(), Model<Owner>::any_of.end(), name) == Model<Owner>::any_of.end())
                return {};
            for (const std::string_view other : Model<Owner>::any_of)
                if (other != name) others += (others.empty() ? "" : ", ") + in_code(other);
            if constexpr (requires { Model<Owner>::exclusive; })
                return " Either this or " + others + '.';
            else
                return " This or " + others + " is required, or both.";
        }
        return others;
    }

    std::string prefix_;
    std::string& out_;
    std::optional<Section> section_;
};

// "agent_instructions" as a heading.
[[nodiscard]] inline std::string heading(Section section) {
    std::string text(to_string(section));
    std::replace(text.begin(), text.end(), '_', ' ');
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
    return text;
}

// "/repositories/*/url" as "repositories[].url", and "/environment/*" as "environment.*".
[[nodiscard]] inline std::string field_path(const FieldRule& rule) {
    static const auto is_list = [](std::string_view pattern) {
        const FieldRule* list = rule_for(pattern);
        return list && !list->key.empty();
    };
    std::string out, pattern;
    for (std::size_t begin = 1; begin <= rule.pattern.size();) {
        const std::size_t end = std::min(rule.pattern.find('/', begin), rule.pattern.size());
        const std::string token = rule.pattern.substr(begin, end - begin);
        if (token == "*" && is_list(pattern))
            out += "[]";
        else
            out += (out.empty() ? "" : ".") + token;
        pattern += '/' + token;
        begin = end + 1;
    }
    return out;
}

// Whether the field that it is in is classified alike, so that it need not be told. Of a list its elements are.
[[nodiscard]] inline bool goes_with_its_container(const FieldRule& rule) {
    std::string_view pointer = rule.pattern;
    while (!pointer.empty()) {
        pointer = pointer.substr(0, pointer.rfind('/'));
        const FieldRule* container = rule_for(pointer);
        if (container && container->key.empty())
            return container->fate.use == rule.fate.use && container->fate.reason == rule.fate.reason;
    }
    return false;
}

class RefusalRows {
public:
    RefusalRows(std::string prefix, GroupedRows& rows) : prefix_(std::move(prefix)), rows_(rows) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field) {
        const std::string name = prefix_ + std::string(field.name);
        if (!field.fate.refused.empty()) {
            rows_.add(name, std::string(field.fate.refused));
        } else if constexpr (std::is_same_v<Form, Object>) {
            for_each_field<typename Unwrapped<Value>::type>(RefusalRows(name + '.', rows_));
        } else if constexpr (std::is_same_v<Form, Objects>) {
            for_each_field<typename Value::value_type>(RefusalRows(name + "[].", rows_));
        }
    }

private:
    std::string prefix_;
    GroupedRows& rows_;
};

} // namespace detail

// The parts of the page, each Markdown that begins with its heading and ends with a line end.

[[nodiscard]] inline std::string profile_introduction() {
    return "# The profile document\n"
           "\n"
           "A profile is one JSON document. Only `name` is required. A member that is not known is an error, not a wish; so is "
           "`null`: what is left out has its default.\n"
           "\n"
           "The fields of the **recipe** are versioned: publishing freezes them, and a change makes a new version. Those of the "
           "**record** are not: a change acts at once.\n"
           "\n"
           "For programs there is [profile.schema.json](profile.schema.json), a JSON Schema (draft 2020-12). It says whatever a "
           "schema can say; the forms of URLs, paths, addresses and schedules, and that names are unique, it cannot. Both are "
           "made "
           "from [profile_fields.hpp](../include/sandboxkit/profile_fields.hpp), by `sandboxkit profile reference` and "
           "`sandboxkit profile schema`.\n"
           "\n"
           "An example (and [another](../tests/core/corpus/profile_reader/every_field.json), with every field there is):\n"
           "\n"
           "```json\n" +
           std::string(example_profile) +
           "```\n"
           "\n"
           "The text is UTF-8 without a byte order mark, at most 1 MiB. Lengths are in characters. No text contains a NUL. The "
           "order of a list means something only where it says so; elsewhere nothing is listed twice. A fault of a document has "
           "the JSON pointer of the value that it is about, a code, and mostly what to do; all are told at once.\n";
}

[[nodiscard]] inline std::string field_table() {
    std::string out =
        "## The fields\n\n`a.b` is the member `b` of the object `a`, `a[].b` that of each object in the list `a`.\n";
    for (std::size_t i = 0; i < section_names.size(); ++i) {
        const auto section = static_cast<Section>(i);
        out += "\n### " + detail::heading(section) + "\n\n";
        out += detail::table_head({"field", "form", "default", "part", "meaning"});
        for_each_field<Record>(detail::FieldTable("", out, section));
        for_each_field<Recipe>(detail::FieldTable("", out, section));
    }
    return out;
}

// Which change needs a new snapshot.
[[nodiscard]] inline std::string classification_table() {
    std::string out = "## What a change means for the snapshot\n"
                      "\n"
                      "A new version takes over the snapshot of the one before when no changed field is part of it. A row is "
                      "about what is inside its fields too, unless that has a row of its own. Scripts are the setup script and "
                      "the build hooks.\n\n";
    out += detail::table_head({"a change needs a new snapshot", "fields", "why"});
    const auto add = [&](std::string_view answer, SnapshotUse use) {
        detail::GroupedRows rows;
        for (const FieldRule& rule : field_rules()) {
            if (rule.fate.use != use || !rule.key.empty() || detail::goes_with_its_container(rule)) continue;
            std::string reason(rule.fate.reason);
            if (use == SnapshotUse::scripts) reason += "; without scripts " + std::string(rule.fate.reason_without_scripts);
            rows.add(detail::field_path(rule), std::move(reason));
        }
        for (const auto& [reason, fields] : rows.rows()) out += detail::table_row({answer, fields, reason});
    };
    add("yes", SnapshotUse::always);
    add("when scripts run", SnapshotUse::scripts);
    add("no", SnapshotUse::never);
    return out;
}

// What has a form and is stored, and cannot be published.
[[nodiscard]] inline std::string refusal_table() {
    std::string out =
        "## What this build refuses\n"
        "\n"
        "These fields are read and kept in drafts. A profile in which one of them has another value than its default "
        "cannot be published: nothing is accepted and ignored. What depends on the provider and the host is "
        "refused by name too, when they are asked.\n\n";
    out += detail::table_head({"fields", "why"});
    detail::GroupedRows rows;
    for_each_field<Record>(detail::RefusalRows("", rows));
    for_each_field<Recipe>(detail::RefusalRows("", rows));
    for (const auto& [reason, fields] : rows.rows()) out += detail::table_row({fields, reason});
    return out;
}

// The whole page.
[[nodiscard]] inline std::string profile_reference() {
    return profile_introduction() + '\n' + field_table() + '\n' + classification_table() + '\n' + refusal_table() +
           "\n## What is checked, and when\n\nEvery problem is told at once, with a JSON pointer, one of these codes, and what "
           "to do. "
           "*save* is when an edit is kept, *publish* when a version is made, *start* when a session starts.\n\n" +
           check_table() +
           "\n## Who may do what\n\nEvery call of the engine carries a principal with scopes; none of them implies another.\n\n" +
           permission_table();
}

} // namespace sandboxkit
