// SPDX-License-Identifier: Apache-2.0
// The difference of two JSON values as a patch, RFC 6902, and the application of such patches, also those of others.
#pragma once

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/json_pointer.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// Whether both have the same canonical form (canonical.hpp): the order of members does not matter, and numbers are compared
// as doubles, so that 1 is 1.0, and integers beyond 2^53 are equal when the nearest double is. Recurses as deep as the values.
[[nodiscard]] inline bool same_json(const boost::json::value& a, const boost::json::value& b) {
    if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
    case boost::json::kind::string: return a.get_string() == b.get_string();
    case boost::json::kind::bool_: return a.get_bool() == b.get_bool();
    case boost::json::kind::array:
        return std::equal(a.get_array().begin(), a.get_array().end(), b.get_array().begin(), b.get_array().end(), same_json);
    case boost::json::kind::object:
        return a.get_object().size() == b.get_object().size() &&
               std::all_of(a.get_object().begin(), a.get_object().end(), [&](const auto& member) {
                   const boost::json::value* other = b.get_object().if_contains(member.key());
                   return other != nullptr && same_json(member.value(), *other);
               });
    default: return true; // null
    }
}

namespace detail {

class PatchWriter {
public:
    // `before` and `after` differ.
    void difference(const std::string& path, const boost::json::value& before, const boost::json::value& after) {
        if (before.is_object() && after.is_object())
            objects(path, before.get_object(), after.get_object());
        else if (before.is_array() && after.is_array())
            arrays(path, before.get_array(), after.get_array());
        else
            operations_.push_back({{"op", "replace"}, {"path", path}, {"value", after}});
    }
    [[nodiscard]] boost::json::array take() { return std::move(operations_); }

private:
    static std::vector<const boost::json::key_value_pair*> sorted(const boost::json::object& object) {
        std::vector<const boost::json::key_value_pair*> members;
        members.reserve(object.size());
        for (const auto& member : object) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); });
        return members;
    }

    void add(const std::string& path, const boost::json::value& value) {
        operations_.push_back({{"op", "add"}, {"path", path}, {"value", value}});
    }
    void remove(const std::string& path) { operations_.push_back({{"op", "remove"}, {"path", path}}); }

    void objects(const std::string& path, const boost::json::object& before, const boost::json::object& after) {
        const auto old_members = sorted(before), new_members = sorted(after);
        auto a = old_members.begin();
        auto b = new_members.begin();
        while (a != old_members.end() || b != new_members.end()) {
            if (b == new_members.end() || (a != old_members.end() && utf16_less((*a)->key(), (*b)->key()))) {
                remove(exact_pointer_to(path, (*a)->key()));
                ++a;
            } else if (a == old_members.end() || (*a)->key() != (*b)->key()) {
                add(exact_pointer_to(path, (*b)->key()), (*b)->value());
                ++b;
            } else {
                if (!same_json((*a)->value(), (*b)->value()))
                    difference(exact_pointer_to(path, (*a)->key()), (*a)->value(), (*b)->value());
                ++a, ++b;
            }
        }
    }

    void arrays(const std::string& path, const boost::json::array& before, const boost::json::array& after) {
        const std::size_t shorter = std::min(before.size(), after.size());
        std::size_t prefix = 0, suffix = 0;
        while (prefix < shorter && same_json(before[prefix], after[prefix])) ++prefix;
        while (suffix < shorter - prefix && same_json(before[before.size() - 1 - suffix], after[after.size() - 1 - suffix]))
            ++suffix;
        const std::size_t old_end = before.size() - suffix, new_end = after.size() - suffix;
        std::size_t i = prefix;
        for (; i < std::min(old_end, new_end); ++i)
            if (!same_json(before[i], after[i])) difference(exact_pointer_to(path, std::to_string(i)), before[i], after[i]);
        // The last one first, so that the indexes of the others still hold.
        for (std::size_t last = old_end; last > i; --last) remove(exact_pointer_to(path, std::to_string(last - 1)));
        for (; i < new_end; ++i) add(exact_pointer_to(path, std::to_string(i)), after[i]);
    }

    boost::json::array operations_;
};

enum class PatchVerb : std::uint8_t { add, remove, replace, move, copy, test };

struct PatchOperation {
    PatchVerb verb{};
    std::vector<std::string> path;
    std::vector<std::string> from;
    const boost::json::value* value = nullptr; // of add, replace and test
};

// Reads every operation before the first is applied, so that all that is wrong with their form is told together.
class PatchReader {
public:
    explicit PatchReader(ProblemList& problems) : problems_(problems) {}

    [[nodiscard]] std::vector<PatchOperation> read(const boost::json::value& patch) {
        std::vector<PatchOperation> operations;
        if (!patch.is_array()) {
            problems_.add("", "wrong_type", "expected an array of operations");
            return operations;
        }
        for (std::size_t i = 0; i < patch.get_array().size(); ++i) operation(operations, patch.get_array()[i], pointer_to("", i));
        return operations;
    }

private:
    static constexpr std::array<std::string_view, 6> verbs = {"add", "remove", "replace", "move", "copy", "test"};

    void operation(std::vector<PatchOperation>& out, const boost::json::value& value, const std::string& at) {
        if (!value.is_object()) return problems_.add(at, "wrong_type", "expected an object with the member op");
        const boost::json::object& object = value.get_object();
        const boost::json::value* op = object.if_contains("op");
        if (op == nullptr) return problems_.add(at, "missing_field", "the member op is missing");
        const auto verb =
            op->is_string() ? std::find(verbs.begin(), verbs.end(), std::string_view(op->get_string())) : verbs.end();
        if (verb == verbs.end())
            return problems_.add(pointer_to(at, "op"), "bad_value", "expected add, remove, replace, move, copy or test");

        PatchOperation operation;
        operation.verb = static_cast<PatchVerb>(verb - verbs.begin());
        bool complete = pointer(operation.path, object, at, "path");
        if (operation.verb == PatchVerb::move || operation.verb == PatchVerb::copy) {
            complete = pointer(operation.from, object, at, "from") && complete;
        } else if (operation.verb != PatchVerb::remove) {
            operation.value = object.if_contains("value");
            if (operation.value == nullptr) return problems_.add(at, "missing_field", "the member value is missing");
        }
        if (!complete) return;
        const auto& from = operation.from;
        if (operation.verb == PatchVerb::move && from.size() < operation.path.size() &&
            std::equal(from.begin(), from.end(), operation.path.begin()))
            return problems_.add(pointer_to(at, "path"), "bad_value", "a value cannot be moved into itself");
        if (operation.verb == PatchVerb::remove && operation.path.empty())
            return problems_.add(pointer_to(at, "path"), "bad_value", "the whole document cannot be removed",
                                 "replace it by another value");
        out.push_back(std::move(operation)); // members that the RFC does not know are ignored, as it demands (section 4)
    }

    bool pointer(std::vector<std::string>& out, const boost::json::object& object, const std::string& at, std::string_view name) {
        const boost::json::value* text = object.if_contains(name);
        if (text == nullptr) {
            problems_.add(at, "missing_field", "the member " + std::string(name) + " is missing");
            return false;
        }
        if (!text->is_string()) {
            problems_.add(pointer_to(at, name), "wrong_type", "expected a JSON pointer in a string");
            return false;
        }
        auto tokens = pointer_tokens(text->get_string());
        if (!tokens) {
            problems_.add(pointer_to(at, name), "bad_value", "this is not a JSON pointer",
                          "begin it with '/', and write ~0 for '~' and ~1 for '/' in a name");
            return false;
        }
        out = std::move(*tokens);
        return true;
    }

    ProblemList& problems_;
};

class PatchApplication {
public:
    PatchApplication(boost::json::value& document, const JsonLimits& limits) : document_(document), limits_(limits) {}

    // What hinders the operation, without its index: the member in `pointer`, "" for the operation as a whole.
    [[nodiscard]] std::optional<Problem> apply(const PatchOperation& operation) {
        switch (operation.verb) {
        case PatchVerb::add: return add(operation.path, *operation.value);
        case PatchVerb::remove: return remove(operation.path, "/path");
        case PatchVerb::replace: {
            boost::json::value* target = find(operation.path);
            if (target == nullptr) return missing("/path");
            if (auto problem = fits(operation.path, extent(*operation.value))) return problem;
            *target = *operation.value;
            return {};
        }
        case PatchVerb::move: {
            boost::json::value* source = find(operation.from);
            if (source == nullptr) return missing("/from");
            if (operation.from == operation.path) return {};
            if (auto problem = carry(*source)) return problem;
            boost::json::value moved = std::move(*source);
            if (auto problem = remove(operation.from, "/from")) return problem;
            return add(operation.path, std::move(moved));
        }
        case PatchVerb::copy: {
            const boost::json::value* source = find(operation.from);
            if (source == nullptr) return missing("/from");
            if (auto problem = carry(*source)) return problem;
            return add(operation.path, *source);
        }
        case PatchVerb::test: {
            const boost::json::value* target = find(operation.path);
            if (target == nullptr) return Problem{"", "test_failed", "the value to be tested does not exist", {}};
            if (!same_json(*target, *operation.value)) return Problem{"", "test_failed", "the value is another one", {}};
            return {};
        }
        }
        return {};
    }

private:
    struct Extent {
        std::size_t weight = 0;  // about the bytes of its text
        std::size_t nesting = 0; // arrays and objects inside each other
    };

    static Extent extent(const boost::json::value& value) {
        Extent all{8, 0};
        const auto inner = [&](const boost::json::value& part) {
            const Extent one = extent(part);
            all.weight += one.weight;
            all.nesting = std::max(all.nesting, one.nesting + 1);
        };
        if (value.is_string()) {
            all.weight += value.get_string().size();
        } else if (value.is_array()) {
            all.nesting = 1;
            for (const auto& element : value.get_array()) inner(element);
        } else if (value.is_object()) {
            all.nesting = 1;
            for (const auto& member : value.get_object()) {
                all.weight += member.key().size();
                inner(member.value());
            }
        }
        return all;
    }

    // Copies of copies double: twenty operations would make a gigabyte of a kilobyte.
    std::optional<Problem> carry(const boost::json::value& value) {
        const std::size_t weight = extent(value).weight;
        if (weight > limits_.size - carried_)
            return Problem{"", "too_large", "the patch copies and moves too much",
                           "the values together may have about " + std::to_string(limits_.size) + " bytes"};
        carried_ += weight;
        return {};
    }

    [[nodiscard]] std::optional<Problem> fits(std::span<const std::string> path, const Extent& value) const {
        if (path.size() <= limits_.depth && value.nesting <= limits_.depth - path.size()) return {};
        return Problem{"", "too_deep",
                       "more than " + std::to_string(limits_.depth) + " arrays and objects would be inside each other",
                       "make the document flatter"};
    }

    static Problem missing(std::string member) {
        return {std::move(member), "no_such_value", "the document has no value at this place", {}};
    }

    [[nodiscard]] boost::json::value* find(std::span<const std::string> path) {
        boost::json::value* at = &document_;
        for (const std::string& token : path) {
            boost::json::value* next = nullptr;
            if (at->is_object()) {
                next = at->get_object().if_contains(token);
            } else if (at->is_array()) {
                const auto index = array_index(token);
                if (index && *index < at->get_array().size()) next = &at->get_array()[*index];
            }
            if (next == nullptr) return nullptr;
            at = next;
        }
        return at;
    }

    std::optional<Problem> add(std::span<const std::string> path, boost::json::value value) {
        if (auto problem = fits(path, extent(value))) return problem;
        if (path.empty()) {
            document_ = std::move(value);
            return {};
        }
        boost::json::value* parent = find(path.first(path.size() - 1));
        const std::string& token = path.back();
        if (parent == nullptr) return Problem{"/path", "no_such_value", "the document has no value to add this to", {}};
        if (parent->is_object()) {
            parent->get_object().insert_or_assign(token, std::move(value));
            return {};
        }
        if (!parent->is_array())
            return Problem{"/path", "no_such_value", "what this would be added to is neither an object nor an array", {}};
        boost::json::array& array = parent->get_array();
        const auto index = token == "-" ? array.size() : array_index(token);
        if (!index) return Problem{"/path", "bad_value", "expected an index of an array, or -", "write it without leading zeros"};
        if (*index > array.size()) return Problem{"/path", "out_of_range", "the index is beyond the end of the array", {}};
        array.insert(array.begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
        return {};
    }

    // `path` is not empty.
    std::optional<Problem> remove(std::span<const std::string> path, std::string_view member) {
        if (find(path) == nullptr) return missing(std::string(member));
        boost::json::value* parent = find(path.first(path.size() - 1));
        if (parent->is_object()) {
            parent->get_object().stable_erase(path.back()); // people read the document: the others stay in their order
        } else {
            boost::json::array& array = parent->get_array();
            array.erase(array.begin() + static_cast<std::ptrdiff_t>(*array_index(path.back())));
        }
        return {};
    }

    boost::json::value& document_;
    const JsonLimits& limits_;
    std::size_t carried_ = 0;
};

} // namespace detail

// The operations (add, remove, replace) that make `after` of `before`, up to same_json; none when they are the same. Members in
// canonical order of their names. Arrays: what both begin and end with stays, the rest is compared one by one.
// Recurses as deep as the values, which parse_strict bounds.
[[nodiscard]] inline boost::json::array json_patch(const boost::json::value& before, const boost::json::value& after) {
    detail::PatchWriter writer;
    if (!same_json(before, after)) writer.difference("", before, after);
    return writer.take();
}

// `document` after all operations of `patch`, or an error; never something between.
//
// Class invalid, code "patch_invalid": the patch has not the form of the RFC (every such problem at once), or an operation cannot
// be done to this document (the first one; the ones after it would not mean anything). Pointers are into the patch ("/2/path").
// Class conflict, code "patch_test_failed": a test found another value, or none; one problem, "test_failed" at "/<index>".
//
// `limits` bounds what a patch of a stranger makes: `depth` is that of the result where the patch adds to it, `size` is bytes,
// about, that all copies and moves carry together; so the result is never larger than document, patch and `size` are together.
// Inserting into and removing from an array or object takes as long as what stands behind the place.
[[nodiscard]] inline Result<boost::json::value> apply_patch(const boost::json::value& document, const boost::json::value& patch,
                                                            const JsonLimits& limits = {}) {
    ProblemList problems;
    const auto operations = detail::PatchReader(problems).read(patch);
    if (!problems.empty()) return document_error("patch_invalid", "the patch", problems.take());

    boost::json::value result = document;
    detail::PatchApplication application(result, limits);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        auto problem = application.apply(operations[i]);
        if (!problem) continue;
        problem->pointer = pointer_to("", i) + problem->pointer;
        if (problem->code != "test_failed") return document_error("patch_invalid", "the patch", {std::move(*problem)});
        return Error{ErrorClass::conflict,
                     "patch_test_failed",
                     "the document is not what the patch expects: " + problem->pointer + ": " + problem->message,
                     "read the document again and make a new patch",
                     {},
                     {std::move(*problem)}};
    }
    return result;
}

} // namespace sandboxkit
