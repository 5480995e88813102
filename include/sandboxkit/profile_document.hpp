// SPDX-License-Identifier: Apache-2.0
// The JSON document of a profile.
//
//   name           required; 1..200 bytes, no control characters
//   description    up to 4,000 bytes
//   provider       default "local"
//   image          default "host"; "directory:<path>", "archive:<path>"
//   repositories   [{url (required), identifier, branch, depth, mount_path, role, read_only}]
//                  identifier: default the last component of the URL's path, without .git
//                  mount_path: default /workspace/<identifier>; no two repositories inside each other
//                  role: "primary" (at most one), "context", "reference"; default "primary" when the profile has exactly
//                  one repository, else "context": which of several is worked in is the profile's to say
//                  read_only: default true for a reference, false otherwise
//   setup_script   up to 256 KiB
//   setup_timeout  seconds, 1..86400, default 1800
//   environment    {NAME: value}; values up to 32 KiB; names beginning with SANDBOXKIT_ are the library's
//   resources      {class: "planning" | "development" | "development-large", cpus, memory_mb, processes, disk_mb}
//   network        {egress: "open" | "none"}
//   persistence    {enabled, paths}
//
// Only name is required, and nothing else is known: a member that would be ignored is an error.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/strict_json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

namespace detail {

inline constexpr std::size_t setup_script_limit = std::size_t{256} << 10;
inline constexpr std::size_t environment_value_limit = std::size_t{32} << 10;
inline constexpr std::size_t environment_name_limit = 256;
// Longer than any string that a check of form accepts; the check says the exact limit.
inline constexpr std::size_t short_string_limit = 4096;

inline void add_fault(ProblemList& problems, std::string pointer, std::optional<FormFault> fault) {
    if (fault) problems.add(std::move(pointer), std::move(fault->code), std::move(fault->message), std::move(fault->remedy));
}

// Reports paths that are equal, or inside one another. The pointer of each path says where it stands.
inline void check_disjoint(const std::vector<std::pair<std::string, std::string>>& paths, ProblemList& problems) {
    std::map<std::string_view, std::string_view> seen;
    for (const auto& [path, pointer] : paths) {
        const auto [first, fresh] = seen.emplace(path, pointer);
        if (!fresh)
            problems.add(pointer, "duplicate_value", "this path is also that of " + std::string(first->second),
                         "use another path");
    }
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

inline Repository read_repository(ObjectReader& reader, bool only_one, ProblemList& problems) {
    Repository out;
    reader.require("url");
    if (auto url = reader.string("url", short_string_limit)) {
        auto fault = check_repository_url(*url);
        if (!fault) out.url = std::move(*url);
        add_fault(problems, reader.pointer("url"), std::move(fault));
    }
    if (auto identifier = reader.string("identifier", short_string_limit)) {
        if (is_repository_identifier(*identifier))
            out.identifier = std::move(*identifier);
        else
            reader.problem("identifier", "bad_value",
                           "expected a letter or digit, then up to 99 letters, digits, '.', '_' and '-'", "choose a short name");
    } else if (!reader.has("identifier") && !out.url.empty()) {
        out.identifier = identifier_from_url(out.url);
        if (!is_repository_identifier(out.identifier)) {
            out.identifier.clear();
            reader.problem("identifier", "missing_field", "no identifier can be taken from the end of the URL",
                           "add \"identifier\"");
        }
    }
    if (auto branch = reader.string("branch", short_string_limit)) {
        add_fault(problems, reader.pointer("branch"), check_branch(*branch));
        out.branch = std::move(*branch);
    }
    if (const auto depth = reader.integer("depth", 1, 1'000'000)) out.depth = static_cast<std::uint32_t>(*depth);
    if (auto path = reader.string("mount_path", short_string_limit)) {
        auto fault = check_mount_path(*path);
        if (!fault) out.mount_path = std::move(*path);
        add_fault(problems, reader.pointer("mount_path"), std::move(fault));
    } else if (!reader.has("mount_path") && !out.identifier.empty()) {
        out.mount_path = "/workspace/" + out.identifier;
    }
    out.role = reader.choice<RepositoryRole>("role", repository_role_names)
                   .value_or(only_one ? RepositoryRole::primary : RepositoryRole::context);
    out.read_only = reader.boolean("read_only").value_or(out.role == RepositoryRole::reference);
    reader.finish();
    return out;
}

inline std::vector<Repository> read_repositories(const boost::json::array& array, const std::string& pointer,
                                                 ProblemList& problems) {
    std::vector<Repository> out;
    std::map<std::string, std::size_t> identifiers; // as variables have them, each with the index of its repository
    std::vector<std::pair<std::string, std::string>> paths;
    std::string primary;
    for (std::size_t i = 0; i < array.size(); ++i) {
        ObjectReader reader(array[i], pointer_to(pointer, i), problems);
        Repository repository = read_repository(reader, array.size() == 1, problems);
        bool fresh = true;
        if (!repository.identifier.empty()) {
            const auto [first, inserted] = identifiers.emplace(variable_part(repository.identifier), i);
            fresh = inserted;
            if (!fresh)
                reader.problem(
                    "identifier", "duplicate_value",
                    std::string(out[first->second].identifier == repository.identifier ? "" : "in the names of variables ") +
                        "this identifier is also that of " + pointer_to(pointer, first->second),
                    "give one of them another \"identifier\"");
        }
        // The default mount paths of equal identifiers are equal too: that is the same mistake, told once.
        if (!repository.mount_path.empty() && (fresh || reader.has("mount_path")))
            paths.emplace_back(repository.mount_path, reader.pointer("mount_path"));
        if (repository.role == RepositoryRole::primary && array[i].is_object()) {
            if (!primary.empty())
                reader.problem("role", "duplicate_value", "the primary repository is already " + primary,
                               "make it \"context\" or \"reference\"");
            else
                primary = reader.pointer();
        }
        out.push_back(std::move(repository));
    }
    check_disjoint(paths, problems);
    return out;
}

inline std::map<std::string, std::string> read_environment(const boost::json::object& object, const std::string& pointer,
                                                           ProblemList& problems) {
    std::map<std::string, std::string> out;
    for (const auto& member : object) {
        const std::string_view name = member.key();
        std::string here = pointer_to(pointer, name);
        if (name.size() > environment_name_limit)
            problems.add(here, "too_long",
                         "the name of a variable has at most " + std::to_string(environment_name_limit) + " bytes");
        else if (!is_environment_name(name))
            problems.add(here, "bad_value", "the name of a variable is letters, digits and '_', and does not begin with a digit",
                         "rename it");
        else if (name.starts_with(reserved_environment_prefix))
            problems.add(here, "reserved_name", "names beginning with SANDBOXKIT_ are set by the library", "rename it");
        if (auto value = ObjectReader::string_of(member.value(), here, environment_value_limit, problems))
            out.emplace(name, std::move(*value));
    }
    return out;
}

inline Resources read_resources(ObjectReader& reader) {
    Resources out;
    out.resource_class = reader.choice<ResourceClass>("class", resource_class_names).value_or(out.resource_class);
    out.cpus = reader.number("cpus", 0.01, 1024);
    out.memory_mb = reader.integer("memory_mb", 16, 16'777'216);
    if (const auto processes = reader.integer("processes", 8, 4'194'304)) out.processes = static_cast<std::uint32_t>(*processes);
    out.disk_mb = reader.integer("disk_mb", 16, 1'073'741'824);
    reader.finish();
    return out;
}

inline Persistence read_persistence(ObjectReader& reader, ProblemList& problems) {
    Persistence out;
    out.enabled = reader.boolean("enabled").value_or(false);
    if (const auto* array = reader.array("paths")) {
        out.paths.clear();
        std::vector<std::pair<std::string, std::string>> paths;
        for (std::size_t i = 0; i < array->size(); ++i) {
            const std::string here = pointer_to(reader.pointer("paths"), i);
            auto path = ObjectReader::string_of((*array)[i], here, short_string_limit, problems);
            if (!path) continue;
            auto fault = check_absolute_path(*path);
            if (!fault) paths.emplace_back(*path, here);
            add_fault(problems, here, std::move(fault));
            out.paths.push_back(std::move(*path));
        }
        check_disjoint(paths, problems);
    }
    reader.finish();
    return out;
}

inline Recipe read_recipe_members(ObjectReader& reader, ProblemList& problems) {
    Recipe out;
    if (auto provider = reader.string("provider", short_string_limit)) {
        if (is_provider_name(*provider))
            out.provider = std::move(*provider);
        else
            reader.problem("provider", "bad_value",
                           "expected a lower-case letter, then up to 63 lower-case letters, digits and '-'",
                           "\"local\" is always there");
    }
    if (auto image = reader.string("image", short_string_limit)) {
        add_fault(problems, reader.pointer("image"), check_image(*image));
        out.image = std::move(*image);
    }
    if (const auto* repositories = reader.array("repositories"))
        out.repositories = read_repositories(*repositories, reader.pointer("repositories"), problems);
    if (auto script = reader.string("setup_script", setup_script_limit)) out.setup_script = std::move(*script);
    if (const auto seconds = reader.integer("setup_timeout", 1, 86'400))
        out.setup_timeout_seconds = static_cast<std::uint32_t>(*seconds);
    if (const auto* environment = reader.member("environment")) {
        const ObjectReader checked(*environment, reader.pointer("environment"), problems);
        if (environment->is_object()) out.environment = read_environment(environment->get_object(), checked.pointer(), problems);
    }
    if (auto resources = reader.object("resources")) out.resources = read_resources(*resources);
    if (auto network = reader.object("network")) {
        out.network.egress = network->choice<Egress>("egress", egress_names).value_or(out.network.egress);
        network->finish();
    }
    if (auto persistence = reader.object("persistence")) out.persistence = read_persistence(*persistence, problems);
    return out;
}

inline Record read_record_members(ObjectReader& reader) {
    Record out;
    reader.require("name");
    if (auto name = reader.string("name", 200)) {
        if (name->empty())
            reader.problem("name", "bad_value", "the name is empty", "give the profile a name");
        else if (has_control_character(*name))
            reader.problem("name", "bad_value", "the name contains a control character", "remove it");
        out.name = std::move(*name);
    }
    if (auto description = reader.string("description", 4000)) out.description = std::move(*description);
    return out;
}

} // namespace detail

// Class invalid, code "profile_invalid", with every problem of form at once. Codes of problems: too_large, bad_utf8, syntax,
// too_deep (nothing else could be looked at); duplicate_key, unknown_field, missing_field, wrong_type, out_of_range,
// too_long, bad_value, duplicate_value, nested_path, reserved_name, secret_in_url; more_problems (ProblemList::take).
// No problem repeats a value of the document.
[[nodiscard]] inline Result<Profile> read_profile(std::string_view json, const JsonLimits& limits = {}) {
    ProblemList problems;
    Profile out;
    if (const auto value = parse_collecting(json, limits, problems)) {
        ObjectReader reader(*value, "", problems);
        out.record = detail::read_record_members(reader);
        out.recipe = detail::read_recipe_members(reader, problems);
        reader.finish();
    }
    if (!problems.empty()) return document_error("profile_invalid", "the profile", problems.take());
    return out;
}

// Reads what canonical_recipe wrote. Class invalid, code "recipe_invalid"; for the store that is damage (data_loss).
[[nodiscard]] inline Result<Recipe> read_recipe(std::string_view canonical_json, const JsonLimits& limits = {}) {
    ProblemList problems;
    Recipe out;
    if (const auto value = parse_collecting(canonical_json, limits, problems)) {
        ObjectReader reader(*value, "", problems);
        out = detail::read_recipe_members(reader, problems);
        reader.finish();
    }
    if (!problems.empty()) return document_error("recipe_invalid", "the recipe", problems.take());
    return out;
}

// What this build does not enact, whatever the provider; publishing is refused with these. What a provider lacks (a disk
// limit, read-only paths, a kind of image) is known by its Capabilities only.
[[nodiscard]] inline std::vector<Problem> publish_problems(const Recipe& recipe) {
    ProblemList problems;
    if (recipe.persistence.enabled)
        problems.add("/persistence/enabled", "not_enacted", "this build does not keep paths beyond the compute",
                     "set it to false");
    auto paths = recipe.persistence.paths, unsaid = Persistence{}.paths; // their order means nothing
    std::sort(paths.begin(), paths.end());
    std::sort(unsaid.begin(), unsaid.end());
    if (paths != unsaid)
        problems.add("/persistence/paths", "not_enacted", "this build does not keep paths beyond the compute", "leave them out");
    return problems.take();
}

} // namespace sandboxkit
