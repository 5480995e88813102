// SPDX-License-Identifier: Apache-2.0
// Reading the JSON document of a profile. Its fields: profile_fields.hpp, and docs/profile.md, which is made from it. Only name
// is required, and nothing else is known: a member that would be ignored is an error.
#pragma once

#include <sandboxkit/document_reader.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_fields.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/monotonic_resource.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

inline void Model<Repository>::complete(Repository& repository, ObjectReader& reader, std::size_t how_many) {
    if (!reader.has("identifier") && !repository.url.empty()) {
        repository.identifier = identifier_from_url(repository.url);
        if (!is_repository_identifier(repository.identifier)) {
            repository.identifier.clear();
            reader.problem("identifier", "bad_form", "no identifier can be taken from the end of the URL", "add \"identifier\"");
        }
    }
    if (!reader.has("mount_path") && !repository.identifier.empty())
        repository.mount_path = "/workspace/" + repository.identifier;
    if (reader.has("branch") && reader.has("revision"))
        reader.problem("revision", "excluded_field", "this cannot stand beside \"branch\"", "leave one of them out");
    if (!reader.has("role")) repository.role = how_many == 1 ? RepositoryRole::primary : RepositoryRole::context;
    if (!reader.has("read_only")) repository.read_only = repository.role == RepositoryRole::reference;
}

inline void Model<Repository>::check_all(const std::vector<Repository>& repositories, const boost::json::array& array,
                                         const std::string& pointer, ProblemList& problems) {
    std::map<std::string, std::size_t> identifiers; // as variables have them, each with the index of its repository
    std::vector<std::pair<std::string, std::string>> paths;
    std::string primary;
    for (std::size_t i = 0; i < repositories.size(); ++i) {
        const Repository& repository = repositories[i];
        const auto* object = array[i].if_object();
        const std::string here = pointer_to(pointer, i);
        bool fresh = true;
        if (!repository.identifier.empty()) {
            const auto [first, inserted] = identifiers.emplace(variable_part(repository.identifier), i);
            fresh = inserted;
            if (!fresh)
                problems.add(pointer_to(here, "identifier"), "duplicate_value",
                             std::string(repositories[first->second].identifier == repository.identifier
                                             ? ""
                                             : "in the names of variables ") +
                                 "this identifier is also that of " + pointer_to(pointer, first->second),
                             "give one of them another \"identifier\"");
        }
        // The default mount paths of equal identifiers are equal too: that is the same mistake, told once.
        if (!repository.mount_path.empty() && (fresh || (object && object->contains("mount_path"))))
            paths.emplace_back(repository.mount_path, pointer_to(here, "mount_path"));
        if (repository.role == RepositoryRole::primary && object) {
            if (!primary.empty())
                problems.add(pointer_to(here, "role"), "duplicate_value", "the primary repository is already " + primary,
                             "make it \"context\" or \"reference\"");
            else
                primary = here;
        }
    }
    detail::check_disjoint(paths, problems);
}

namespace detail {

inline Profile read_profile_value(const boost::json::value& value, ProblemList& problems) {
    Profile out;
    ObjectReader reader(value, "", problems);
    read_fields(reader, out.record, problems);
    read_fields(reader, out.recipe, problems);
    reader.finish();
    return out;
}

} // namespace detail

// Class invalid, code "profile_invalid", with every problem of form at once. Codes of problems: too_large, bad_utf8, syntax,
// too_deep (nothing else could be looked at); duplicate_key, unknown_field, missing_field, excluded_field, wrong_type,
// out_of_range, too_long, too_few, too_many, bad_value, bad_form, duplicate_value, nested_path, secret_in_url, never_fires;
// more_problems (ProblemList::take). No problem repeats a value of the document.
[[nodiscard]] inline Result<Profile> read_profile(std::string_view json, const JsonLimits& limits = {}) {
    ProblemList problems;
    Profile out;
    boost::json::monotonic_resource memory;
    if (const auto value = parse_collecting(json, limits, problems, &memory)) out = detail::read_profile_value(*value, problems);
    if (!problems.empty()) return document_error("profile_invalid", "the profile", problems.take());
    return out;
}

namespace detail {

template <class T>
[[nodiscard]] Result<T> read_part(std::string_view json, const JsonLimits& limits, const char* code, const char* what) {
    ProblemList problems;
    T out;
    boost::json::monotonic_resource memory;
    if (const auto value = parse_collecting(json, limits, problems, &memory)) {
        ObjectReader reader(*value, "", problems);
        read_fields(reader, out, problems);
        reader.finish();
    }
    if (!problems.empty()) return document_error(code, what, problems.take());
    return out;
}

} // namespace detail

// Reads what canonical_recipe wrote. Class invalid, code "recipe_invalid"; for the store that is damage (data_loss).
[[nodiscard]] inline Result<Recipe> read_recipe(std::string_view canonical_json, const JsonLimits& limits = {}) {
    return detail::read_part<Recipe>(canonical_json, limits, "recipe_invalid", "the recipe");
}

// Likewise of record_to_json: code "record_invalid".
[[nodiscard]] inline Result<Record> read_record(std::string_view canonical_json, const JsonLimits& limits = {}) {
    return detail::read_part<Record>(canonical_json, limits, "record_invalid", "the record");
}

// The profile with one section replaced by the members given; what they leave out takes its default. Class invalid, code
// "section_invalid": also for a member that belongs to another section.
[[nodiscard]] inline Result<Profile> with_section(const Profile& profile, Section section, const boost::json::value& members) {
    ProblemList problems;
    Profile out = profile;
    ObjectReader reader(members, "", problems);
    const auto replace = [&](auto& part) {
        using Part = std::remove_reference_t<decltype(part)>;
        static const Part defaults{};
        for_each_field<Part>([&](const auto& field) {
            if (field.section != section) return;
            part.*field.member = defaults.*field.member;
            detail::FieldReader(reader, problems)(field, part);
        });
    };
    replace(out.record);
    replace(out.recipe);
    reader.finish();
    if (!problems.empty())
        return document_error("section_invalid", "the section " + std::string(to_string(section)), problems.take());
    return out;
}

namespace detail {

class RefusalCollector {
public:
    RefusalCollector(std::string pointer, ProblemList& problems) : pointer_(std::move(pointer)), problems_(problems) {}

    template <class Owner, class Value, class Form>
    void operator()(const Field<Owner, Value, Form>& field, const Owner& owner) {
        static const Owner defaults{};
        const Value& value = owner.*field.member;
        if (same_value(field.form, value, defaults.*field.member)) return;
        const std::string here = pointer_to(pointer_, field.name);
        if (!field.fate.refused.empty()) {
            problems_.add(here, "not_enacted", std::string(field.fate.refused), "leave it out");
        } else if constexpr (std::is_same_v<Form, Object>) {
            if constexpr (std::is_same_v<typename Unwrapped<Value>::type, Value>) walk(value, here);
        } else if constexpr (std::is_same_v<Form, Objects>) {
            for (std::size_t i = 0; i < value.size(); ++i) walk(value[i], pointer_to(here, i));
        }
    }

private:
    template <class T>
    void walk(const T& value, const std::string& pointer) {
        for_each_field<T>([&](const auto& field) { RefusalCollector(pointer, problems_)(field, value); });
        if constexpr (requires { Model<T>::refuse(value, pointer, problems_); }) Model<T>::refuse(value, pointer, problems_);
    }

    std::string pointer_;
    ProblemList& problems_;
};

} // namespace detail

// What this build does not enact, whatever the provider, though the profile asks for it; publishing is refused with these.
// What a provider lacks (a disk limit, read-only paths, a kind of image) is known by its Capabilities only.
template <class Part> // Recipe or Record
[[nodiscard]] std::vector<Problem> not_enacted(const Part& part) {
    ProblemList problems;
    for_each_field<Part>([&](const auto& field) { detail::RefusalCollector("", problems)(field, part); });
    return problems.take();
}

} // namespace sandboxkit
