// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_json.hpp"

#include <sandboxkit/json_position.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace sandboxkit;

namespace {

// "2:5" and what stands there, up to the end of the line.
std::string at(std::string_view text, std::string_view pointer) {
    const auto position = position_of(text, pointer);
    if (!position) return "nowhere";
    const std::string_view rest = text.substr(position->offset);
    return std::to_string(position->line) + ":" + std::to_string(position->column) + " " +
           std::string(rest.substr(0, rest.find('\n')));
}

// Writes a value with every pointer and where it stands.
class RecordingWriter {
public:
    explicit RecordingWriter(test::RandomJson& random) : random_(random) {}

    void write(const boost::json::value& value, const std::string& pointer, std::size_t place = std::string::npos) {
        space();
        places.push_back({pointer, place == std::string::npos ? text.size() : place});
        if (value.is_array()) {
            text += '[';
            std::size_t i = 0;
            for (const auto& element : value.get_array()) {
                if (i > 0) text += ',';
                write(element, exact_pointer_to(pointer, std::to_string(i++)));
                space();
            }
            text += ']';
        } else if (value.is_object()) {
            text += '{';
            bool first = true;
            for (const auto& member : value.get_object()) {
                if (!std::exchange(first, false)) text += ',';
                const std::string key = trimmed(random_.write(boost::json::value(member.key())));
                // A member of the same name before it: the last one counts.
                if (random_.below(4) == 0) text += key + ":" + random_.write(random_.value(2)) + ",";
                space();
                const std::size_t begin = text.size();
                text += key;
                space();
                text += ':';
                write(member.value(), exact_pointer_to(pointer, member.key()), begin);
                space();
            }
            text += '}';
        } else {
            text += trimmed(random_.write(value));
        }
    }

    std::string text;
    struct Place {
        std::string pointer;
        std::size_t offset;
    };
    std::vector<Place> places;

private:
    static std::string trimmed(std::string text) {
        text.erase(0, text.find_first_not_of(" \t\r\n"));
        text.erase(text.find_last_not_of(" \t\r\n") + 1);
        return text;
    }
    void space() {
        while (random_.below(3) == 0) text += " \t\r\n"[random_.below(4)];
    }

    test::RandomJson& random_;
};

} // namespace

TEST_CASE("members, elements and the document") {
    const std::string_view text = "\n {\n"
                                  "  \"name\": \"x\",\n"
                                  "  \"list\": [10,\n"
                                  "    {\"é\": 1, \"ü\": 2},\n"
                                  "    [[]] ],\n"
                                  "  \"a/b~c\": {},\n"
                                  "  \"\": 0\n"
                                  "}";
    CHECK(at(text, "") == "2:2 {");
    CHECK(at(text, "/name") == "3:3 \"name\": \"x\",");
    CHECK(at(text, "/list") == "4:3 \"list\": [10,");
    CHECK(at(text, "/list/0") == "4:12 10,");
    CHECK(at(text, "/list/1") == "5:5 {\"é\": 1, \"ü\": 2},");
    CHECK(at(text, "/list/1/ü") == "5:14 \"ü\": 2},");
    CHECK(at(text, "/list/2/0") == "6:6 []] ],");
    CHECK(at(text, "/a~1b~0c") == "7:3 \"a/b~c\": {},");
    CHECK(at(text, "/") == "8:3 \"\": 0");
    CHECK(position_of(text, "/name") == TextPosition{6, 3, 3});
    CHECK(at(" 7", "") == "1:2 7");
}

TEST_CASE("what is missing stands where the value around it does") {
    const std::string_view text = R"({"a": {"b": [1, {"c": 2}]}})";
    CHECK(at(text, "/x") == at(text, ""));
    CHECK(at(text, "/a/x/y") == at(text, "/a"));
    CHECK(at(text, "/a/b/2") == at(text, "/a/b"));
    CHECK(at(text, "/a/b/-") == at(text, "/a/b"));
    CHECK(at(text, "/a/b/01") == at(text, "/a/b"));
    CHECK(at(text, "/a/b/0/x") == at(text, "/a/b/0"));
    CHECK(at(text, "/a/b/1/c/x") == at(text, "/a/b/1/c"));
    CHECK(at(text, "/b") == at(text, ""));     // it is below /a only
    CHECK(at(text, "/a/c") == at(text, "/a")); // likewise
}

TEST_CASE("of equal keys the last, with what is in it") {
    CHECK(at(R"({"a": 1, "b": 2, "a": 3})", "/a") == R"(1:18 "a": 3})");
    CHECK(at(R"({"a": {"x": 1}, "\u0061": {"y": 1}})", "/a/x") == R"(1:17 "\u0061": {"y": 1}})");
    CHECK(at(R"({"a": {"x": 1}, "a": {"x": 2}})", "/a/x") == R"(1:23 "x": 2}})");
    CHECK(at(R"({"a": {"x": 1}, "a": 7, "b": {"x": 1}})", "/a/x") == R"(1:17 "a": 7, "b": {"x": 1}})");
}

TEST_CASE("keys are compared by what they mean") {
    CHECK(at(R"({"\u00e9\n\ud83d\ude00": 1})", "/\xC3\xA9\n\xF0\x9F\x98\x80") == R"(1:2 "\u00e9\n\ud83d\ude00": 1})");
    CHECK(at(R"({"x\"}": 1, "b": 2})", "/b") == R"(1:13 "b": 2})");
    CHECK(at(R"({"\q": 1, "\ud800": 2, "b": 3})", "/b") == R"(1:24 "b": 3})");
}

TEST_CASE("a token that was cut finds the key") {
    for (const std::string& end : {std::string("y"), std::string("\xC3\xA9"), std::string("~/"), std::string(300, '/')})
        for (const std::size_t length : {120U, 124U, 125U, 126U, 127U, 128U, 129U, 500U}) {
            const std::string key = std::string(length, 'x') + end;
            const std::string text = R"({"short": {"xxx": 0}, ")" + key + R"(": {"z": 1}})";
            CAPTURE(key);
            CHECK(position_of(text, pointer_to("", key))->offset == 22);
            CHECK(position_of(text, exact_pointer_to("", key))->offset == 22);
            CHECK(position_of(text, pointer_to(pointer_to("", key), "z"))->offset == 22 + key.size() + 5);
        }
    CHECK(position_of(R"({"ab...": 1, "abcdef": 2})", "/ab...")->offset == 1); // not cut: too short
    CHECK(position_of(R"({"abcdef": 2})", "/ab...")->offset == 0);
}

TEST_CASE("text that is not JSON is read as far as it is") {
    CHECK(at("", "") == "nowhere");
    CHECK(at(" \n", "/a") == "nowhere");
    CHECK(at("{}", "a") == "nowhere");
    CHECK(at("{}", "/~") == "nowhere");
    CHECK(at("{}", "/~2") == "nowhere");
    CHECK(at("garbage", "/a") == "1:1 garbage");
    CHECK(at("\xEF\xBB\xBF{\"a\":1}", "/a").starts_with("1:1 "));
    CHECK(at(R"({"a": 1, "b)", "/b") == R"(1:1 {"a": 1, "b)");
    CHECK(at(R"({"a": 1, "b": )", "/b") == R"(1:1 {"a": 1, "b": )");
    CHECK(at(R"({"a": 1, "b": })", "/b") == R"(1:1 {"a": 1, "b": })");
    CHECK(at(R"({"a": 1, "b": 2)", "/b") == R"(1:10 "b": 2)");
    CHECK(at(R"({"a": 1 "b": 2})", "/b") == R"(1:1 {"a": 1 "b": 2})");
    CHECK(at(R"([,1])", "/0") == "1:1 [,1]");
    CHECK(at(R"({"a": [1, 2})", "/a/1") == "1:11 2}");
}

TEST_CASE("deep and wide texts and pointers take time in proportion") {
    const std::size_t many = 300'000;
    std::string pointer, objects;
    for (std::size_t i = 0; i < many; ++i) pointer += "/a", objects += "{\"a\":";
    CHECK(position_of(objects, pointer)->offset == (many - 2) * 5 + 1); // nothing stands in the innermost
    CHECK(position_of(std::string(many, '['), "/1")->offset == 0);
    CHECK(position_of(std::string(many, '['), "")->offset == 0);
    std::string zeros;
    for (std::size_t i = 0; i < many; ++i) zeros += "/0";
    CHECK(position_of(std::string(many, '[') + "1", zeros)->offset == many);
    std::string wide = "[";
    for (std::size_t i = 0; i < many; ++i) wide += "0,";
    CHECK(position_of(wide + "7]", "/" + std::to_string(many))->offset == 1 + 2 * many);
    CHECK(position_of(wide + "7]", "/" + std::string(many, '9'))->offset == 0);
    std::string keys = "{";
    for (std::size_t i = 0; i < many; ++i) keys += "\"\":0,";
    CHECK(position_of(keys + "\"x\":1}", "/x")->offset == 1 + 5 * many);
    CHECK(position_of(keys, "/" + std::string(many, 'x') + "...")->offset == 0);
}

TEST_CASE("property: every value of a random document is found where it was written") {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        RecordingWriter writer(random);
        writer.write(random.value(4), "");
        CAPTURE(writer.text);
        for (const auto& place : writer.places) { // clang 14 captures no structured binding
            CAPTURE(place.pointer);
            const auto position = position_of(writer.text, place.pointer);
            REQUIRE(position);
            CHECK(position->offset == place.offset);
            CHECK(detail::StrictParser::position(writer.text, place.offset) ==
                  "line " + std::to_string(position->line) + ", column " + std::to_string(position->column));
        }
    }
}

TEST_CASE("property: any bytes and any pointer have an answer within the text") {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        RecordingWriter writer(random);
        writer.write(random.value(4), "");
        std::string text = writer.text;
        for (std::size_t n = random.below(4); n > 0 && !text.empty(); --n)
            text[random.below(text.size())] = "{}[]\",:\\0a \xFF"[random.below(12)];
        text.resize(random.below(text.size() + 1));
        text.shrink_to_fit(); // so that a sanitizer sees a read beyond it
        for (const auto& place : writer.places) {
            const auto position = position_of(text, place.pointer);
            if (position) CHECK(position->offset < text.size());
        }
    }
}
