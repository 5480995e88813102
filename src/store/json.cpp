// SPDX-License-Identifier: Apache-2.0
// The JSON of what rows carry. Written and read only here, so it is read without ceremony: what does not fit was damaged.
#include "store/failure.hpp"
#include "store/store.hpp"

#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>

#include <array>

namespace sandboxkit::store {

namespace json = boost::json;

namespace {

constexpr std::size_t detail_limit = 64 * 1024; // bytes of Error::detail
constexpr std::string_view replacement = "\xEF\xBF\xBD";

// What others wrote need not be UTF-8, JSON must be: every byte that is not becomes U+FFFD.
std::string text(std::string_view bytes) {
    std::string valid;
    for (;;) {
        const std::size_t bad = invalid_utf8_at(bytes);
        valid += bytes.substr(0, bad);
        if (bad == std::string_view::npos) return valid;
        valid += replacement;
        bytes.remove_prefix(bad + 1);
    }
}

std::string_view view(const json::string& s) {
    return {s.data(), s.size()};
}
std::string string_of(const json::object& o, std::string_view key) {
    return std::string(view(o.at(key).as_string()));
}

constexpr std::array field_classes{FieldClass::snapshot_relevant, FieldClass::snapshot_neutral};
constexpr std::array error_classes{ErrorClass::invalid,     ErrorClass::not_found,   ErrorClass::conflict, ErrorClass::permission,
                                   ErrorClass::unavailable, ErrorClass::quota,       ErrorClass::timeout,  ErrorClass::cancelled,
                                   ErrorClass::data_loss,   ErrorClass::unsupported, ErrorClass::internal};

template <class E, std::size_t N>
E named(std::string_view name, const std::array<E, N>& all) {
    for (E e : all)
        if (to_string(e) == name) return e;
    throw std::invalid_argument("unknown name");
}

// `read(value)` throws whatever Boost.JSON throws when a member is missing or of another kind.
template <class T, class Read>
Result<T> parsed(std::string_view text, const char* what, Read read) {
    try {
        return read(json::parse(json::string_view(text.data(), text.size())));
    } catch (const std::exception& e) {
        Error error =
            make_error(ErrorClass::data_loss, "stored_json_damaged", std::string("a stored ") + what + " cannot be read",
                       "check the store's file, or restore it from a backup");
        error.detail = e.what();
        return Result<T>(boost::system::in_place_error, std::move(error));
    }
}

} // namespace

static json::array changes_to_json(const std::vector<FieldChange>& changes) {
    json::array all;
    for (const FieldChange& c : changes)
        all.push_back(json::object{{"pointer", text(c.pointer)},
                                   {"class", to_string(c.field_class)},
                                   {"before", text(c.before)},
                                   {"after", text(c.after)},
                                   {"reason", text(c.reason)}});
    return all;
}

static std::vector<FieldChange> changes_of(const json::value& value) {
    std::vector<FieldChange> changes;
    for (const json::value& v : value.as_array()) {
        const json::object& c = v.as_object();
        changes.push_back({string_of(c, "pointer"), named(string_of(c, "class"), field_classes), string_of(c, "before"),
                           string_of(c, "after"), string_of(c, "reason")});
    }
    return changes;
}

std::string to_json(const std::vector<FieldChange>& changes) {
    return json::serialize(changes_to_json(changes));
}

Result<std::vector<FieldChange>> changes_from_json(std::string_view document) {
    return parsed<std::vector<FieldChange>>(document, "list of changes", changes_of);
}

std::string to_json(const RebuildDecision& decision) {
    return json::serialize(json::object{
        {"reuse", decision.reuse}, {"reason", text(decision.reason)}, {"changes", changes_to_json(decision.changes)}});
}

Result<RebuildDecision> decision_from_json(std::string_view document) {
    return parsed<RebuildDecision>(document, "decision", [](const json::value& root) {
        const json::object& o = root.as_object();
        RebuildDecision decision;
        decision.reuse = o.at("reuse").as_bool();
        decision.reason = string_of(o, "reason");
        decision.changes = changes_of(o.at("changes"));
        return decision;
    });
}

std::string to_json(const Manifest& manifest) {
    json::array ingredients;
    for (const Ingredient& i : manifest.ingredients)
        ingredients.push_back(
            json::object{{"kind", text(i.kind)}, {"name", text(i.name)}, {"digest", text(i.digest)}, {"branch", text(i.branch)}});
    return json::serialize(
        json::object{{"version_digest", text(manifest.version_digest)}, {"ingredients", std::move(ingredients)}});
}

Result<Manifest> manifest_from_json(std::string_view document) {
    return parsed<Manifest>(document, "manifest", [](const json::value& root) {
        const json::object& o = root.as_object();
        Manifest manifest;
        manifest.version_digest = string_of(o, "version_digest");
        for (const json::value& v : o.at("ingredients").as_array()) {
            const json::object& i = v.as_object();
            manifest.ingredients.push_back(
                {string_of(i, "kind"), string_of(i, "name"), string_of(i, "digest"), string_of(i, "branch")});
        }
        return manifest;
    });
}

std::string to_json(const Timeline& timeline) {
    json::array steps;
    for (const TimelineStep& s : timeline.steps)
        steps.push_back(json::object{{"name", text(s.name)},
                                     {"begin_us", static_cast<std::int64_t>(s.begin.count())},
                                     {"duration_us", static_cast<std::int64_t>(s.duration.count())}});
    return json::serialize(json::object{{"steps", std::move(steps)}});
}

Result<Timeline> timeline_from_json(std::string_view document) {
    return parsed<Timeline>(document, "timeline", [](const json::value& root) {
        Timeline timeline;
        for (const json::value& v : root.as_object().at("steps").as_array()) {
            const json::object& s = v.as_object();
            timeline.steps.push_back({string_of(s, "name"),
                                      std::chrono::microseconds(json::value_to<std::int64_t>(s.at("begin_us"))),
                                      std::chrono::microseconds(json::value_to<std::int64_t>(s.at("duration_us")))});
        }
        return timeline;
    });
}

std::string to_json(const Error& error) {
    json::array problems;
    for (const Problem& p : error.problems)
        problems.push_back(json::object{
            {"pointer", text(p.pointer)}, {"code", text(p.code)}, {"message", text(p.message)}, {"remedy", text(p.remedy)}});
    return json::serialize(json::object{{"class", to_string(error.kind)},
                                        {"code", text(error.code)},
                                        {"message", text(error.message)},
                                        {"remedy", text(error.remedy)},
                                        {"detail", text(std::string_view(error.detail).substr(0, detail_limit))},
                                        {"problems", std::move(problems)}});
}

Result<Error> error_from_json(std::string_view document) {
    struct Wrapped { // in a Result<Error> the value and the error would have the same type
        Error error;
    };
    Result<Wrapped> read = parsed<Wrapped>(document, "error", [](const json::value& root) {
        const json::object& o = root.as_object();
        Wrapped w;
        Error& e = w.error;
        e.kind = named(string_of(o, "class"), error_classes);
        e.code = string_of(o, "code");
        e.message = string_of(o, "message");
        e.remedy = string_of(o, "remedy");
        e.detail = string_of(o, "detail");
        for (const json::value& v : o.at("problems").as_array()) {
            const json::object& p = v.as_object();
            e.problems.push_back(
                {string_of(p, "pointer"), string_of(p, "code"), string_of(p, "message"), string_of(p, "remedy")});
        }
        return w;
    });
    if (!read) return Result<Error>(boost::system::in_place_error, read.error());
    return Result<Error>(boost::system::in_place_value, std::move(read->error));
}

std::string to_json(const std::vector<std::string>& notes) {
    json::array all;
    for (const std::string& note : notes) all.emplace_back(text(note));
    return json::serialize(all);
}

Result<std::vector<std::string>> notes_from_json(std::string_view document) {
    return parsed<std::vector<std::string>>(document, "list of notes", [](const json::value& root) {
        std::vector<std::string> notes;
        for (const json::value& note : root.as_array()) notes.emplace_back(view(note.as_string()));
        return notes;
    });
}

} // namespace sandboxkit::store
