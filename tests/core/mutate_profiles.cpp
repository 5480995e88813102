// SPDX-License-Identifier: Apache-2.0
// Documents that are wrong in one place, or in several, or nearly: made from the schema and from a document that has every
// field, each given to the reader. Prints one line of JSON a document:
//   {"text": the document (null when it is not UTF-8), "accepted": bool, "codes": [[code, pointer], ...]}
// which tests/core/check_agreement.py holds against the schema. Whatever is accepted must survive being written and read again.
//
// Usage: mutate_profiles DOCUMENT SEED COMBINATIONS EVERY [quiet]   EVERY: of the single mutations, only each so many-th
#include <sandboxkit/profile_document.hpp>
#include <sandboxkit/profile_schema.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace json = boost::json;
using namespace sandboxkit;

namespace {

constexpr std::string_view hole = "@hole@";

std::string quoted(std::string_view text) {
    return json::serialize(json::string(text));
}

// Where something is put in: a value, or the name of a member of a dictionary.
struct Place {
    std::vector<std::string> path; // of member names and, of elements, indexes
    json::object schema;           // of the value; of a name, of all names
    json::value valid;
    bool is_name = false, is_element = false;
};

struct Mutation {
    std::size_t place = 0;
    std::string raw; // the text in place of the value; empty: it is left out
};

class Places {
public:
    Places(const json::object& schema, const json::object& document) : root_(schema), document_(document) {
        walk_members(schema, document, {});
    }
    [[nodiscard]] const std::vector<Place>& all() const { return all_; }

    // The name and the member that the place is in, with the text at the place. Of an array only the element on the way is kept.
    [[nodiscard]] std::string member_with(const Mutation& mutation) const {
        const Place& place = all_[mutation.place];
        json::object out;
        put(out, document_, place, 0, mutation.raw.empty());
        if (out.empty()) return {};
        std::string text = json::serialize(out);
        text = text.substr(1, text.size() - 2); // the braces
        const std::string mark = quoted(hole);
        if (const auto at = text.find(mark); at != std::string::npos) text.replace(at, mark.size(), mutation.raw);
        return text;
    }

private:
    const json::object& resolved(const json::object& schema) const {
        const auto* reference = schema.if_contains("$ref");
        if (!reference) return schema;
        const std::string_view name = std::string_view(reference->get_string()).substr(std::string_view("#/$defs/").size());
        return root_.at("$defs").at(name).get_object();
    }
    void walk_members(const json::object& schema, const json::object& object, const std::vector<std::string>& path) {
        for (const auto& [name, member_schema] : schema.at("properties").get_object()) {
            const auto* value = object.if_contains(name);
            if (value) walk(member_schema.get_object(), *value, path, name, false);
        }
    }
    void walk(const json::object& given, const json::value& value, std::vector<std::string> path, std::string_view token,
              bool is_element) {
        const json::object& schema = resolved(given);
        path.emplace_back(token);
        all_.push_back({path, schema, value, false, is_element});
        if (schema.contains("properties")) {
            walk_members(schema, value.get_object(), path);
        } else if (const auto* items = schema.if_contains("items")) {
            const bool objects = items->get_object().contains("$ref");
            for (std::size_t i = 0; i < value.get_array().size() && (objects || i < 1); ++i)
                walk(items->get_object(), value.get_array()[i], path, std::to_string(i), true);
        } else if (const auto* names = schema.if_contains("propertyNames")) {
            const auto first = value.get_object().begin();
            if (first == value.get_object().end()) return;
            walk(schema.at("additionalProperties").get_object(), first->value(), path, first->key(), false);
            auto of_name = path;
            of_name.emplace_back(first->key());
            all_.push_back({std::move(of_name), names->get_object(), json::string(first->key()), true, false});
        }
    }
    static void put(json::object& out, const json::object& from, const Place& place, std::size_t depth, bool leave_out) {
        const std::string& token = place.path[depth];
        const bool last = depth + 1 == place.path.size();
        for (const auto& [name, value] : from) {
            if (name != token) {
                if (depth > 0) out[name] = value;
            } else if (last && place.is_name) {
                if (!leave_out) out[hole] = value;
            } else if (last) {
                if (!leave_out) out[name] = hole;
            } else {
                out[name] = inner(value, place, depth + 1, leave_out);
            }
        }
    }
    static json::value inner(const json::value& value, const Place& place, std::size_t depth, bool leave_out) {
        const bool last = depth + 1 == place.path.size();
        if (const auto* object = value.if_object()) {
            json::object out;
            put(out, *object, place, depth, leave_out);
            return out;
        }
        const json::value& element = value.get_array()[std::stoul(place.path[depth])];
        if (!last) return json::array{inner(element, place, depth + 1, leave_out)};
        return leave_out ? json::array{} : json::array{json::value(hole)};
    }

    const json::object& root_;
    const json::object& document_;
    std::vector<Place> all_;
};

const std::vector<std::string>& values_of_all_kinds() {
    static const std::vector<std::string> values = {"null",         "true",   "false",       R"("")",
                                                    R"("x")",       R"("0")", "[]",          "{}",
                                                    "[null]",       "[[]]",   R"({"a": 1})", R"([{"name": "x"}, {}])",
                                                    R"(["x", "x"])"};
    return values;
}

const std::vector<std::string>& numbers() {
    static const std::vector<std::string> values = {"-1",
                                                    "0",
                                                    "1",
                                                    "-0",
                                                    "-0.0",
                                                    "5.0",
                                                    "4.5",
                                                    "1e0",
                                                    "100e-2",
                                                    "0.0099999999999999",
                                                    "1e-400",
                                                    "9007199254740991",
                                                    "9007199254740992",
                                                    "9007199254740993",
                                                    "-9223372036854775809",
                                                    "9223372036854775808",
                                                    "18446744073709551615",
                                                    "18446744073709551616",
                                                    "1e308",
                                                    "-1e308",
                                                    "1e309",
                                                    "01",
                                                    "1.",
                                                    "NaN"};
    return values;
}

// As they stand in JSON text, between the quotes.
const std::vector<std::string>& odd_characters() {
    static const std::vector<std::string> characters = {R"(\u0000)",
                                                        R"(\u0001)",
                                                        R"(\n)",
                                                        R"(\r)",
                                                        R"(\t)",
                                                        R"(\u007f)",
                                                        R"(\u0080)",
                                                        "\xC2\x85",
                                                        R"(\u009f)",
                                                        R"(\u00a0)",
                                                        R"(e\u0301)",
                                                        R"(\u202e)",
                                                        R"(\u200f)",
                                                        R"(\u2028)",
                                                        R"(\ufeff)",
                                                        R"(\uffff)",
                                                        "\xF0\x9F\x98\x80",
                                                        R"(\ud83d\ude00)",
                                                        R"(\ud800)",
                                                        R"(\udc00x)",
                                                        "\xC0\x80",
                                                        "\xED\xA0\x80",
                                                        "\xF4\x90\x80\x80",
                                                        "\n",
                                                        " ",
                                                        "/",
                                                        "//",
                                                        "/../",
                                                        ".",
                                                        "-",
                                                        "--",
                                                        "_",
                                                        "*",
                                                        "~",
                                                        "~2",
                                                        "~0",
                                                        "@",
                                                        ":",
                                                        "A",
                                                        "0",
                                                        "\xC3\xA9",
                                                        R"(\\)",
                                                        R"(\")",
                                                        R"(\/)",
                                                        "%",
                                                        "?",
                                                        "#"};
    return characters;
}

std::string with_length(const std::string& unit, std::size_t count) {
    std::string out;
    out.reserve(unit.size() * count + 2);
    out += '"';
    for (std::size_t i = 0; i < count; ++i) out += unit;
    return out += '"';
}

void add_texts(const Place& place, std::vector<std::string>& out) {
    const std::string valid = place.valid.is_string() ? std::string(place.valid.get_string()) : std::string("x");
    const std::string text = quoted(valid), inner = text.substr(1, text.size() - 2);
    for (const std::string& odd : odd_characters()) {
        out.push_back('"' + odd + '"');
        out.push_back('"' + inner + odd + '"');
        out.push_back('"' + odd + inner + '"');
        if (valid.size() > 2 && text.find('\\') == std::string::npos && static_cast<signed char>(valid[valid.size() / 2]) > 0)
            out.push_back('"' + valid.substr(0, valid.size() / 2) + odd + valid.substr(valid.size() / 2) + '"');
    }
    out.push_back(quoted(valid + valid));
    if (valid.size() > 1 && static_cast<signed char>(valid.back()) > 0) out.push_back(quoted(valid.substr(0, valid.size() - 1)));
    if (valid.size() > 1 && static_cast<signed char>(valid.front()) > 0) out.push_back(quoted(valid.substr(1)));
    std::string upper = valid;
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    out.push_back(quoted(upper));
    for (const char* word : {"SANDBOXKIT_X", "SANDBOXKIT", "a.b", "*.a.b", "a--b", "---x", "--x", "-x", "*x", "sha256:", "/a~",
                             "a@b:c", "https://a@b/c", "https://a/c?t=1", "host", "directory:/a", "0 0 31 2 *"})
        out.push_back(quoted(word));
    const std::size_t most = static_cast<std::size_t>(place.schema.at("maxLength").to_number<std::uint64_t>());
    for (const std::size_t length : {most - 1, most, most + 1}) {
        if (most > 40'000 && length < most) continue;
        for (const char* unit : {"a", "0", "\xC3\xA9", "\xF0\x9F\x98\x80", R"(\u00e9)"})
            if (most <= 5000 || unit[0] == 'a' || (most < 40'000 && unit[0] == '\xC3')) out.push_back(with_length(unit, length));
        if (most <= 5000 && !valid.empty() && length > valid.size() && text.find('\\') == std::string::npos)
            out.push_back('"' + valid + with_length("a", length - valid.size()).substr(1));
        if (most <= 5000 && length > 1) out.push_back("\"/" + with_length("a", length - 1).substr(1));
    }
}

// Elements like the first, each with its index in what tells it from the others.
std::string elements(const json::value& first, std::size_t count) {
    std::string out = "[";
    for (std::size_t i = 0; i < count; ++i) {
        json::value element = first;
        const std::string number = std::to_string(i);
        if (auto* text = element.if_string()) text->append(number);
        if (element.is_int64()) element = i + 1;
        if (auto* object = element.if_object())
            for (const char* key : {"name", "id", "identifier", "pointer"})
                if (auto* value = object->if_contains(key)) value->get_string().append(number);
        out += (i == 0 ? "" : ",") + json::serialize(element);
    }
    return out + ']';
}

void add_lists(const Place& place, std::vector<std::string>& out) {
    const json::array& valid = place.valid.get_array();
    if (valid.empty()) return;
    const std::string first = json::serialize(valid.front());
    out.push_back('[' + first + ']');
    out.push_back('[' + first + ',' + first + ']');
    out.push_back('[' + first + ",null," + first + ']');
    out.push_back("[[" + first + "]]");
    out.push_back(R"(["\u0001", "\u0001"])");
    out.push_back(R"(["x y", "x y", "https://a@b/c", "https://a@b/c"])");
    out.push_back("[80, 80.0, 8e1, 0, 0]");
    const std::size_t most = static_cast<std::size_t>(place.schema.at("maxItems").to_number<std::uint64_t>());
    for (const std::size_t count : {most, most + 1}) out.push_back(elements(valid.front(), count));
}

void add_dictionaries(const Place& place, std::vector<std::string>& out) {
    const std::size_t most = static_cast<std::size_t>(place.schema.at("maxProperties").to_number<std::uint64_t>());
    for (const std::size_t count : {most, most + 1}) {
        std::string text = "{";
        for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "\"A" : ",\"A") + std::to_string(i) + "\":\"\"";
        out.push_back(text + '}');
    }
}

// Every subset of the members of which one is needed.
void add_alternatives(const Place& place, std::vector<std::string>& out) {
    const auto* ways = place.schema.if_contains("oneOf");
    if (!ways) ways = place.schema.if_contains("anyOf");
    if (!ways) return;
    static const json::object examples{{"command", json::array{"run"}},
                                       {"url", "https://git.example/other"},
                                       {"identifier", "other"},
                                       {"domain", "example.org"},
                                       {"cidr", "192.0.2.0/24"},
                                       {"schedule", "0 0 * * *"},
                                       {"event", {{"connection", "c"}, {"type", "t"}}}};
    const json::array& all = ways->get_array();
    for (std::size_t set = 0; set < (std::size_t{1} << all.size()); ++set) {
        json::object object = place.valid.get_object();
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto& name = all[i].at("required").at(0).get_string();
            object.erase(name);
            if (set >> i & 1) object[name] = examples.at(name);
        }
        out.push_back(json::serialize(object));
    }
}

std::vector<std::string> texts_for(const Place& place) {
    std::vector<std::string> out;
    const auto has = [&](std::string_view keyword) { return place.schema.contains(keyword); };
    const std::string valid = json::serialize(place.valid);
    if (place.is_name) {
        add_texts(place, out);
        out.push_back(valid + ":\"\"," + valid); // twice
        out.push_back("7");
        return out;
    }
    out = values_of_all_kinds();
    out.insert(out.end(), numbers().begin(), numbers().end());
    if (has("maxLength")) add_texts(place, out);
    if (const auto* names = place.schema.if_contains("enum"))
        for (const auto& name : names->get_array()) {
            out.push_back(json::serialize(name));
            out.push_back(quoted(std::string(name.get_string()) + '\n'));
            out.push_back(quoted(' ' + std::string(name.get_string())));
            out.push_back(quoted("X" + std::string(name.get_string())));
        }
    if (has("minimum")) {
        const double least = place.schema.at("minimum").to_number<double>(),
                     most = place.schema.at("maximum").to_number<double>();
        for (const double number : {least - 1, least, least + 1, least + 0.5, most - 1, most, most + 1, most + 0.5})
            out.push_back(canonical_json(number));
    }
    if (has("maxItems")) add_lists(place, out);
    if (has("maxProperties")) add_dictionaries(place, out);
    if (has("properties")) {
        add_alternatives(place, out);
        const std::string members = valid.substr(0, valid.size() - 1);
        for (const char* name : {"", "zzz", "Name", "name ", "\xC3\xA9", "$ref", "x-sandboxkit"})
            out.push_back(members + (members == "{" ? "" : ",") + quoted(name) + ":\"x\"}");
        out.push_back(members + R"(,"a\u0000b":null})");
    }
    if (!place.is_element) {
        const std::string& name = place.path.back();
        out.push_back(""); // left out
        out.push_back(valid + ',' + quoted(name) + ':' + valid);
        out.push_back(valid + ',' + quoted(name) + ":null");
        out.push_back("null," + quoted(name) + ':' + valid);
        out.push_back(valid + ',' + quoted(name + '_') + ':' + valid);
        out.push_back(valid + ",\"\":" + valid);
    }
    return out;
}

void expect(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

void check_round_trip(const Profile& profile) {
    const auto again = read_profile(json::serialize(profile_to_json(profile)), {.size = std::size_t{16} << 20});
    expect(again && *again == profile, "a profile that was accepted is written and read again");
    const std::string recipe = canonical_recipe(profile.recipe);
    const auto recipe_again = read_recipe(recipe, {.size = recipe.size()});
    expect(recipe_again && canonical_recipe(*recipe_again) == recipe, "and so is its canonical recipe");
    const std::string record = canonical_json(record_to_json(profile.record));
    const auto record_again = read_record(record, {.size = record.size()});
    expect(record_again && canonical_json(record_to_json(*record_again)) == record, "and so is its record");
}

bool ends_in_index(std::string_view pointer) {
    const std::size_t slash = pointer.rfind('/');
    return slash != std::string_view::npos && slash + 1 < pointer.size() &&
           pointer.find_first_not_of("0123456789", slash + 1) == std::string_view::npos;
}

// Returns whether it was accepted.
bool try_document(const std::string& text, bool quiet) {
    const auto profile = read_profile(text);
    json::array codes;
    if (profile) {
        check_round_trip(*profile);
    } else {
        std::set<std::pair<std::string, bool>> seen; // one of each kind is enough
        for (const Problem& problem : profile.error().problems) {
            expect(!problem.code.empty() && !problem.message.empty(), "a problem says what it is");
            if (seen.emplace(problem.code, ends_in_index(problem.pointer)).second)
                codes.push_back(json::array{json::value(problem.code), json::value(problem.pointer)});
        }
        expect(!codes.empty(), "a refusal says why");
    }
    if (quiet) return bool(profile);
    const bool is_text = invalid_utf8_at(text) == std::string_view::npos;
    const json::object line{
        {"text", is_text ? json::value(text) : json::value(nullptr)}, {"accepted", bool(profile)}, {"codes", std::move(codes)}};
    std::cout << json::serialize(line) << '\n';
    return bool(profile);
}

int run(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: %s DOCUMENT SEED COMBINATIONS EVERY [quiet]\n", argv[0]);
        return 2;
    }
    std::ifstream stream(argv[1], std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(stream), {}};
    const bool quiet = argc > 5;
    const std::size_t every = std::max<std::size_t>(std::strtoull(argv[4], nullptr, 10), 1);
    if (!stream || !try_document(whole, quiet)) {
        std::fprintf(stderr, "%s is no valid profile\n", argv[1]);
        return 1;
    }
    const json::value schema = profile_schema(), document = parse_strict(whole).value();
    const Places places(schema.get_object(), document.get_object());

    std::vector<Mutation> mutations;
    std::size_t accepted = 0, tried = 0, number = std::strtoull(argv[2], nullptr, 10);
    const auto attempt = [&](const std::string& text) {
        try {
            accepted += try_document(text, quiet);
        } catch (const std::exception&) {
            std::fprintf(stderr, "%s\n", text.substr(0, 4000).c_str());
            throw;
        }
        ++tried;
    };
    for (std::size_t i = 0; i < places.all().size(); ++i) {
        for (std::string& raw : texts_for(places.all()[i])) {
            if (++number % every != 0) continue;
            Mutation mutation{i, std::move(raw)};
            std::string text = places.member_with(mutation);
            const bool named = places.all()[i].path[0] == "name";
            attempt(named || text.empty() ? '{' + text + '}' : "{\"name\":\"x\"," + text + '}');
            if (mutation.raw.size() < 2000) mutations.push_back(std::move(mutation));
        }
    }
    std::mt19937_64 engine(std::strtoull(argv[2], nullptr, 10));
    const auto below = [&](std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine); };
    for (std::uint64_t left = std::strtoull(argv[3], nullptr, 10); left > 0; --left) {
        std::string text = "{";
        std::set<std::string> taken;
        for (std::size_t n = 2 + below(3); n > 0; --n) {
            const Mutation& mutation = mutations[below(mutations.size())];
            const Place& place = places.all()[mutation.place];
            if (!taken.insert(place.path[0]).second) continue;
            // Mostly one fault at a time, among members that are right: two would hide each other.
            const std::string raw = below(2) == 0 ? mutation.raw : json::serialize(place.valid);
            const std::string member = places.member_with({mutation.place, raw});
            if (!member.empty()) text += (text == "{" ? "" : ",") + member;
        }
        if (!taken.contains("name")) text += (text == "{" ? "" : ",") + std::string(R"("name":"x")");
        attempt(text + '}');
    }
    std::fprintf(stderr, "%zu places, %zu documents, %zu accepted\n", places.all().size(), tried, accepted);
    return 0;
}

} // namespace

int main(int argc, char** argv) try {
    std::ios::sync_with_stdio(false);
    return run(argc, argv);
} catch (const std::exception& e) {
    std::fprintf(stderr, "does not hold: %s\n", e.what());
    return 1;
}
