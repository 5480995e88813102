// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_json.hpp"

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace sandboxkit;

namespace {

std::vector<Problem> problems_of(std::string_view text, const JsonLimits& limits = {}) {
    const auto result = parse_strict(text, limits);
    if (result) return {};
    CHECK(result.error().kind == ErrorClass::invalid);
    CHECK(result.error().code == "json_invalid");
    return result.error().problems;
}

} // namespace

TEST_CASE("values of every kind") {
    CHECK(parse_strict("null").value().is_null());
    CHECK(parse_strict(" true\r\n").value() == boost::json::value(true));
    CHECK(parse_strict("false").value() == boost::json::value(false));
    CHECK(parse_strict("-9223372036854775808").value().get_int64() == INT64_MIN);
    CHECK(parse_strict("18446744073709551615").value().get_uint64() == UINT64_MAX);
    CHECK(parse_strict("18446744073709551616").value().get_double() == 18446744073709551616.0);
    CHECK(parse_strict("-0.5e+1").value().get_double() == -5);
    CHECK(parse_strict(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00é")").value().get_string() ==
          "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xA9");
    CHECK(parse_strict(R"({"a":[1,{"b":[]}],"c":{}})").value() == boost::json::parse(R"({"a":[1,{"b":[]}],"c":{}})"));
}

TEST_CASE("a syntax error says where, what was expected and what was found") {
    struct Sample {
        const char* text;
        const char* message;
        const char* remedy = "";
    };
    for (const Sample& sample : std::vector<Sample>{
             {"", "line 1, column 1: expected a value, found the end of the document"},
             {"  ", "line 1, column 3: expected a value, found the end of the document"},
             {"{\"a\": 1,\n  \"b\" 2}", "line 2, column 7: expected ':' after a member name, found '2'"},
             {"{\"a\": 1\n\"b\": 2}", "line 2, column 1: expected ',' or '}' after a member, found '\"'"},
             {"{\"é\": x}", "line 1, column 7: expected a value after ':', found 'x'"},
             {"{a: 1}", "line 1, column 2: expected a member name in double quotes, or '}', found 'a'"},
             {"{\"a\":1,}", "line 1, column 8: expected a member name in double quotes, found '}'", "remove the comma before it"},
             {"[1,]", "line 1, column 4: expected a value after ',', found ']'", "remove the comma before it"},
             {"[1 2]", "line 1, column 4: expected ',' or ']' after an element, found '2'"},
             {"[", "line 1, column 2: expected a value or ']', found the end of the document"},
             {"{", "line 1, column 2: expected a member name in double quotes, or '}', found the end of the document"},
             {"[] []", "line 1, column 4: expected the end of the document, found '['"},
             {"{'a': 1}", "line 1, column 2: expected a member name in double quotes, or '}', found '''",
              "JSON strings are written in double quotes"},
             {"// hello\n{}", "line 1, column 1: expected a value, found '/'", "JSON has no comments"},
             {"\"abc", "line 1, column 1: this string has no closing quote"},
             {"\"a\nb\"", "line 1, column 3: expected a character of a string, found the control character 10",
              "write line ends as \\n, tabs as \\t"},
             {R"("\x")", "line 1, column 3: expected one of \" \\ / b f n r t u after a backslash, found 'x'"},
             {R"("\u12g4")", "line 1, column 6: expected four hexadecimal digits after \\u, found 'g'"},
             {R"("\ud800")", "line 1, column 2: half of a surrogate pair", "write the character itself, or both halves"},
             {R"("\ud800\u0041")", "line 1, column 2: half of a surrogate pair", "write the character itself, or both halves"},
             {R"("\udc00")", "line 1, column 2: half of a surrogate pair", "write the character itself, or both halves"},
             {"01", "line 1, column 2: expected no digit after a leading 0", "write the number without leading zeros"},
             {"-", "line 1, column 2: expected a digit after '-', found the end of the document"},
             {"+1", "line 1, column 1: expected a value, found '+'"},
             {".5", "line 1, column 1: expected a value, found '.'"},
             {"1.", "line 1, column 3: expected a digit after '.', found the end of the document"},
             {"1e", "line 1, column 3: expected a digit of an exponent, found the end of the document"},
             {"tru", "line 1, column 1: expected true, found another word"},
             {"nulL", "line 1, column 1: expected null, found another word"},
             {"truex", "line 1, column 5: expected the end of the document, found 'x'"},
             {"NaN", "line 1, column 1: expected a value, found 'N'"},
             {"\xEF\xBB\xBF{}", "line 1, column 1: expected a value, found a byte order mark",
              "save the document as UTF-8 without a byte order mark"},
         }) {
        const std::string text = sample.text;
        CAPTURE(text);
        const auto problems = problems_of(text);
        REQUIRE(problems.size() == 1);
        CHECK(problems[0] == Problem{"", "syntax", sample.message, sample.remedy});
        boost::json::error_code error;
        boost::json::parse(text, error);
        CHECK(error);
    }
    CHECK(parse_strict("{").error().message == "the JSON document is not valid: line 1, column 2: expected a member name in "
                                               "double quotes, or '}', found the end of the document");
    // A NUL byte is not the end of the text.
    CHECK(problems_of(std::string_view("[]\0", 3)).at(0).message ==
          "line 1, column 3: expected the end of the document, found the control character 0");
    CHECK(problems_of(std::string_view("\"\\\0\"", 4)).at(0).message.ends_with("found the control character 0"));
}

TEST_CASE("all duplicate keys are reported, each with its pointer") {
    const auto problems =
        problems_of(R"({"a": 1, "b": [{"x/y": 1, "x\/y": 2}, {"~": {}, "~": {"c": 1, "c": 1}}], "\u0061": 2, "a": 3})");
    std::vector<std::string> pointers;
    for (const Problem& problem : problems) {
        CHECK(problem.code == "duplicate_key");
        pointers.push_back(problem.pointer);
    }
    CHECK(pointers == std::vector<std::string>{"/b/0/x~1y", "/b/1/~0/c", "/b/1/~0", "/a", "/a"});
}

TEST_CASE("a number that no double holds is reported with its pointer") {
    for (const char* text : {"1e400", "-1e400", "1e-400", "1e99999999999999999999", "1e-99999999999999999999"}) {
        const auto problems = problems_of("{\"n\": [0, " + std::string(text) + "]}");
        REQUIRE(problems.size() == 1);
        CHECK(problems[0].pointer == "/n/1");
        CHECK(problems[0].code == "out_of_range");
    }
    CHECK(problems_of(std::string(400, '9')).at(0).code == "out_of_range");
    CHECK(problems_of("0e99999999999999999999").empty());
}

TEST_CASE("size is refused before anything is read") {
    const auto problems = problems_of(std::string(std::size_t{100} << 20, '['));
    REQUIRE(problems.size() == 1);
    CHECK(problems[0] == Problem{"", "too_large", "the document has 104857600 bytes, the limit is 1048576", "make it smaller"});
    CHECK(problems_of("[1]", {.size = 3}).empty());
    CHECK(problems_of("[1] ", {.size = 3}).at(0).code == "too_large");
}

TEST_CASE("depth is bounded") {
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    CHECK(problems_of(nested(32)).empty());
    const auto problems = problems_of(nested(33));
    REQUIRE(problems.size() == 1);
    CHECK(problems[0] == Problem{"", "too_deep", "line 1, column 33: more than 32 arrays and objects are inside each other",
                                 "make the document flatter"});
    CHECK(problems_of(nested(10000)).at(0).code == "too_deep");
    CHECK(problems_of(std::string(500000, '[')).at(0).code == "too_deep");
    std::string objects;
    for (int i = 0; i < 10000; ++i) objects += "{\"a\":";
    CHECK(problems_of(objects).at(0).code == "too_deep");
    CHECK(problems_of(nested(3), {.depth = 2}).at(0).code == "too_deep");
}

TEST_CASE("UTF-8 is checked") {
    struct Sample {
        std::string_view bytes;
        std::size_t bad;
    };
    constexpr auto good = std::string_view::npos;
    using namespace std::string_view_literals;
    for (const auto& [bytes, bad] : std::vector<Sample>{
             {"abc"sv, good},
             {"\xC2\x80"sv, good},
             {"\xDF\xBF"sv, good},
             {"\xE0\xA0\x80"sv, good},
             {"\xED\x9F\xBF"sv, good},
             {"\xEE\x80\x80"sv, good},
             {"\xF0\x90\x80\x80"sv, good},
             {"\xF4\x8F\xBF\xBF"sv, good},
             {"a\x80"sv, 1},
             {"\xC0\x80"sv, 0},
             {"\xC1\xBF"sv, 0},
             {"\xC2"sv, 0},
             {"\xC2\x41"sv, 0},
             {"\xE0\x9F\xBF"sv, 0},
             {"\xED\xA0\x80"sv, 0},
             {"\xE2\x82"sv, 0},
             {"\xE2\x82\x41"sv, 0},
             {"\xF0\x8F\xBF\xBF"sv, 0},
             {"\xF4\x90\x80\x80"sv, 0},
             {"\xF5\x80\x80\x80"sv, 0},
             {"xy\xFF"sv, 2},
             {"\xF0\x9F\x98"sv, 0},
             {"\xF0\x9F\x98\x41"sv, 0},
             {"\xE2\x82\xAC\xFE"sv, 3},
         }) {
        const std::string text = '"' + std::string(bytes) + '"';
        CAPTURE(text);
        CHECK(invalid_utf8_at(bytes) == bad);
        CHECK(parse_strict(text).has_value() == (bad == good));
    }
    const auto problems = problems_of("{\n\"é\xFF\": 1}");
    REQUIRE(problems.size() == 1);
    CHECK(problems[0] ==
          Problem{"", "bad_utf8", "line 2, column 3: expected UTF-8, found the byte 255", "save the document as UTF-8"});
}

TEST_CASE("a report stays smaller than what it is about") {
    std::string text = "{";
    for (int i = 0; i < 1000; ++i) text += "\"k\": 1,";
    text += '"' + std::string(10000, '~') + "\": 1}";
    const auto problems = problems_of(text);
    REQUIRE(problems.size() == ProblemList::capacity + 1);
    CHECK(problems.back().code == "more_problems");
    CHECK(problems.back().message == "there are 799 more problems");
    CHECK(pointer_to("", std::string(10000, 'k')) == "/" + std::string(128, 'k') + "...");
    CHECK(pointer_to("", std::string(127, 'k') + "\xC3\xA9") == "/" + std::string(127, 'k') + "...");
    CHECK(pointer_to("/a", std::size_t{7}) == "/a/7");
}

TEST_CASE("problems as JSON") {
    CHECK(problems_to_json({{"/a", "duplicate_key", "m", "r"}}) ==
          boost::json::parse(R"([{"pointer":"/a","code":"duplicate_key","message":"m","remedy":"r"}])"));
    CHECK(problems_to_json({}).empty());
}

TEST_CASE("property: reads what Boost.JSON reads, and its broken texts no more than Boost.JSON does") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        const boost::json::value value = random.value(4);
        std::string text = random.write(value);
        CHECK(canonical_json(parse_strict(text).value()) == canonical_json(value));
        for (int i = 0; i < 20; ++i) {
            std::string broken = text;
            static constexpr std::string_view bytes = "{}[]:,\"\\u0e-.tfn \n\x01\x80\xC3";
            broken[random.below(broken.size())] = bytes[random.below(bytes.size())];
            CAPTURE(broken);
            boost::json::error_code error;
            boost::json::parse(broken, error);
            if (error == boost::json::error::exponent_overflow) continue; // a matter of range there, of syntax nowhere
            bool syntax_ok = true;
            const auto read = parse_strict(broken);
            if (!read)
                for (const Problem& p : read.error().problems)
                    syntax_ok = syntax_ok && (p.code == "duplicate_key" || p.code == "out_of_range");
            CHECK(syntax_ok == !error);
        }
    }
}
