// SPDX-License-Identifier: Apache-2.0
// Typed access to one JSON object that collects every problem instead of stopping at the first.
#pragma once

#include <sandboxkit/strict_json.hpp>

#include <boost/json/value.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

namespace detail {

// Insertions, deletions and replacements that turn `a` into `b`.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j - 1] + 1, row[j] + 1});
        }
    }
    return row[b.size()];
}

// The known name that was probably meant, or nothing: same letters in another style (setupScript), a few letters
// wrong, or a part of the name (env, timeout).
[[nodiscard]] inline std::string_view nearest_name(std::string_view given, std::span<const std::string_view> known) {
    const auto letters = [](std::string_view name) {
        std::string out;
        for (const char c : name)
            if (c != '_' && c != '-') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return out;
    };
    const std::string wanted = letters(given.substr(0, 64));
    std::string_view best;
    std::size_t best_distance = std::numeric_limits<std::size_t>::max();
    for (const std::string_view name : known) {
        const std::string candidate = letters(name);
        std::size_t distance = edit_distance(wanted, candidate);
        const bool part = wanted.size() >= 3 && (candidate.starts_with(wanted) || candidate.ends_with(wanted));
        if (part) distance = std::min<std::size_t>(distance, 1);
        if (distance > 2 || distance * 2 > wanted.size()) continue;
        if (distance < best_distance) best = name, best_distance = distance;
    }
    return best;
}

[[nodiscard]] constexpr std::string_view kind_name(boost::json::kind kind) noexcept {
    switch (kind) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "true or false";
    case boost::json::kind::int64:
    case boost::json::kind::uint64: return "an integer";
    case boost::json::kind::double_: return "a number";
    case boost::json::kind::string: return "a string";
    case boost::json::kind::array: return "an array";
    case boost::json::kind::object: return "an object";
    }
    return "a value";
}

// "12 or 3.5": a bound as people write it.
[[nodiscard]] inline std::string bound_text(double bound) {
    std::string text = std::to_string(bound);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

} // namespace detail

// Code points of well-formed UTF-8.
[[nodiscard]] constexpr std::size_t character_count(std::string_view text) noexcept {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
}

// The getters return nothing when the member is absent or wrong; what is wrong they have reported. A member nobody asked
// for is reported by finish(). The value and the problem list must outlive the reader. Not thread-safe.
// Codes: wrong_type, missing_field, out_of_range, too_long, bad_value, unknown_field.
class ObjectReader {
public:
    // `value` that is no object is reported, and then read as if it were empty, without missing_field.
    ObjectReader(const boost::json::value& value, std::string pointer, ProblemList& problems)
        : object_(value.if_object()), pointer_(std::move(pointer)), problems_(problems) {
        if (!object_) wrong_type(pointer_, "an object", value);
    }

    [[nodiscard]] bool is_object() const noexcept { return object_ != nullptr; }
    [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }
    [[nodiscard]] std::string pointer(std::string_view name) const { return pointer_to(pointer_, name); }
    [[nodiscard]] bool has(std::string_view name) const { return object_ && object_->contains(name); }

    // Null when absent. Makes `name` a known name; so do all getters below.
    [[nodiscard]] const boost::json::value* member(std::string_view name) {
        if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
        return object_ ? object_->if_contains(name) : nullptr;
    }
    void require(std::string_view name) {
        if (member(name) || !object_) return;
        problem(name, "missing_field", "this member is required", "add \"" + std::string(name) + "\"");
    }

    // At most `longest` characters, no NUL.
    [[nodiscard]] std::optional<std::string> string(std::string_view name, std::size_t longest) {
        const auto* value = member(name);
        return value ? string_of(*value, pointer(name), longest, problems_) : std::nullopt;
    }
    [[nodiscard]] static std::optional<std::string> string_of(const boost::json::value& value, const std::string& pointer,
                                                              std::size_t longest, ProblemList& problems) {
        const auto* text = value.if_string();
        if (!text) {
            report_type(problems, pointer, "a string", value);
            return {};
        }
        if (text->size() > longest && character_count(*text) > longest) {
            problems.add(pointer, "too_long",
                         "this has " + std::to_string(character_count(*text)) + " characters, the limit is " +
                             std::to_string(longest),
                         "make it shorter");
            return {};
        }
        if (text->find('\0') != boost::json::string::npos) {
            problems.add(pointer, "bad_value", "this contains a NUL character (\\u0000)", "remove it");
            return {};
        }
        return std::string(text->begin(), text->end());
    }

    [[nodiscard]] std::optional<bool> boolean(std::string_view name) {
        const auto* value = member(name);
        if (!value) return {};
        if (value->is_bool()) return value->get_bool();
        wrong_type(pointer(name), "true or false", *value);
        return {};
    }

    // Both bounds included. A number without a fraction is an integer however it is written: 4, 4.0, 4e0.
    [[nodiscard]] std::optional<std::uint64_t> integer(std::string_view name, std::uint64_t least, std::uint64_t most) {
        const auto* value = member(name);
        return value ? integer_of(*value, pointer(name), least, most, problems_) : std::nullopt;
    }
    [[nodiscard]] static std::optional<std::uint64_t> integer_of(const boost::json::value& value, const std::string& pointer,
                                                                 std::uint64_t least, std::uint64_t most, ProblemList& problems) {
        std::optional<std::uint64_t> number;
        if (value.is_uint64()) {
            number = value.get_uint64();
        } else if (value.is_int64()) {
            if (value.get_int64() >= 0) number = static_cast<std::uint64_t>(value.get_int64());
        } else if (!value.is_double() || std::trunc(value.get_double()) != value.get_double()) {
            report_type(problems, pointer, "an integer", value);
            return {};
        } else if (value.get_double() >= 0 && value.get_double() < 0x1p64) {
            number = static_cast<std::uint64_t>(value.get_double());
        }
        if (number && *number >= least && *number <= most) return number;
        report_range(problems, pointer, std::to_string(least), std::to_string(most));
        return {};
    }
    [[nodiscard]] std::optional<double> number(std::string_view name, double least, double most) {
        const auto* value = member(name);
        if (!value) return {};
        if (!value->is_number()) {
            wrong_type(pointer(name), "a number", *value);
            return {};
        }
        const double number = value->to_number<double>();
        if (number >= least && number <= most) return number;
        report_range(problems_, pointer(name), detail::bound_text(least), detail::bound_text(most));
        return {};
    }

    // One of a list of names, each with what it means.
    template <class T>
    [[nodiscard]] std::optional<T> choice(std::string_view name, std::span<const std::pair<std::string_view, T>> choices) {
        const auto* value = member(name);
        if (!value) return {};
        std::string allowed;
        std::vector<std::string_view> names;
        const auto* given = value->if_string();
        for (const auto& [text, meaning] : choices) {
            if (given && std::string_view(*given) == text) return meaning;
            allowed += (allowed.empty() ? "\"" : ", \"") + std::string(text) + '"';
            names.push_back(text);
        }
        if (!given) {
            wrong_type(pointer(name), "one of " + allowed, *value);
            return {};
        }
        const std::string_view near = detail::nearest_name(*given, names);
        problem(name, "bad_value", "expected one of " + allowed,
                near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?");
        return {};
    }

    [[nodiscard]] const boost::json::array* array(std::string_view name) {
        const auto* value = member(name);
        if (!value) return nullptr;
        if (!value->is_array()) wrong_type(pointer(name), "an array", *value);
        return value->if_array();
    }
    [[nodiscard]] std::optional<ObjectReader> object(std::string_view name) {
        const auto* value = member(name);
        if (!value) return {};
        return ObjectReader(*value, pointer(name), problems_);
    }

    void problem(std::string_view name, std::string code, std::string message, std::string remedy = {}) {
        problems_.add(pointer(name), std::move(code), std::move(message), std::move(remedy));
    }

    // Reports every member that no getter was asked for. Call it last.
    void finish() {
        if (!object_) return;
        std::vector<std::string_view> missing; // a name that is already there was not meant
        for (const std::string_view name : known_)
            if (!object_->contains(name)) missing.push_back(name);
        for (const auto& member : *object_) {
            const std::string_view name = member.key();
            if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
            const std::string_view near = detail::nearest_name(name, missing);
            std::string remedy = "did you mean " + std::string(near) + "?";
            if (near.empty()) {
                remedy = "remove it; known here:";
                for (const std::string_view known : known_) remedy += (known == known_.front() ? " " : ", ") + std::string(known);
            }
            problem(name, "unknown_field", "this member is not known", std::move(remedy));
        }
    }

    static void report_type(ProblemList& problems, const std::string& pointer, std::string_view expected,
                            const boost::json::value& value) {
        problems.add(pointer, "wrong_type",
                     "expected " + std::string(expected) + ", found " + std::string(detail::kind_name(value.kind())),
                     value.is_null() ? "leave the member out for its default" : "");
    }

private:
    void wrong_type(const std::string& pointer, std::string_view expected, const boost::json::value& value) {
        report_type(problems_, pointer, expected, value);
    }
    static void report_range(ProblemList& problems, const std::string& pointer, const std::string& least,
                             const std::string& most) {
        problems.add(pointer, "out_of_range", "expected a number from " + least + " to " + most);
    }

    const boost::json::object* object_;
    std::string pointer_;
    ProblemList& problems_;
    std::vector<std::string_view> known_; // string literals of the callers
};

} // namespace sandboxkit
