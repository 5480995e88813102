// SPDX-License-Identifier: Apache-2.0
// A published version as one self-contained file, which shows when it was changed on the way.
#pragma once

#include <sandboxkit/digest.hpp>
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/recipe_json.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit {

struct VersionFile {
    std::string name;         // of the profile
    std::uint32_t number = 0; // of the version, where it comes from
    Recipe recipe;
    std::string digest; // of the recipe: the version's own, the same everywhere
};

namespace detail {

inline constexpr std::string_view version_format = "sandboxkit.version/1";
inline constexpr JsonLimits version_file_limits{std::size_t{16} << 20};

[[nodiscard]] inline Error not_this_version(std::string message) {
    return {
        ErrorClass::data_loss, "version_file_changed", std::move(message), "export the version again where it came from", {}, {}};
}

} // namespace detail

// Canonical JSON: {"format", "name", "version", "recipe", "recipe_digest", "digest"}, the last over all the others.
// `canonical_recipe` is the text that the version's digest is of.
[[nodiscard]] inline std::string write_version_file(std::string_view name, std::uint32_t number,
                                                    std::string_view canonical_recipe) {
    boost::json::object file{{"format", detail::version_format},
                             {"name", name},
                             {"version", number},
                             {"recipe", parse_strict(canonical_recipe, detail::version_file_limits).value()},
                             {"recipe_digest", digest_of(canonical_recipe)}};
    file["digest"] = digest_of(canonical_json(file));
    return canonical_json(file) + '\n';
}

// Class data_loss "version_file_changed" when a digest does not match; invalid "version_file_invalid" for what is no such file,
// and "recipe_invalid" for a recipe that this build cannot read: with a field that it does not know, for example.
[[nodiscard]] inline Result<VersionFile> read_version_file(std::string_view text) {
    auto value = parse_strict(text, detail::version_file_limits);
    if (!value) return value.error();
    ProblemList problems;
    ObjectReader reader(*value, "", problems);
    for (const std::string_view name : {"format", "name", "version", "recipe", "recipe_digest", "digest"}) reader.require(name);
    const auto format = reader.string("format", 100);
    auto name = reader.string("name", 200);
    const auto number = reader.integer("version", 1, 0xFFFF'FFFF);
    const auto* recipe = reader.member("recipe");
    const auto recipe_digest = reader.string("recipe_digest", 71);
    const auto digest = reader.string("digest", 71);
    if (format && *format != detail::version_format)
        reader.problem("format", "bad_value", "expected \"" + std::string(detail::version_format) + '"',
                       "use the build of sandboxkit that wrote it, or a newer one");
    if (name) detail::add_fault(problems, reader.pointer("name"), check_line(*name));
    reader.finish();
    if (!problems.empty()) return document_error("version_file_invalid", "the file", problems.take());

    boost::json::object all = value->get_object();
    all.erase("digest");
    if (digest_of(canonical_json(all)) != *digest)
        return detail::not_this_version("the file is not as it was written: its digest does not match");
    const std::string canonical = canonical_json(*recipe);
    if (digest_of(canonical) != *recipe_digest)
        return detail::not_this_version("the recipe in the file is not the one that its digest is of");
    auto read = read_recipe(canonical, detail::version_file_limits);
    if (!read) return read.error();
    if (canonical_recipe(*read) != canonical)
        return detail::not_this_version("the recipe in the file is not in its canonical form");
    return VersionFile{std::move(*name), static_cast<std::uint32_t>(*number), std::move(*read), *recipe_digest};
}

} // namespace sandboxkit
