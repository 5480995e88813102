// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_json.hpp"

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/strict_json.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace sandboxkit;

namespace {

std::string canonical_of(std::string_view text) {
    return canonical_json(parse_strict(text).value());
}

} // namespace

TEST_CASE("RFC 8785, appendix B: numbers") {
    struct Sample {
        std::uint64_t bits;
        const char* text;
    };
    for (const auto& [bits, text] : std::vector<Sample>{
             {0x0000000000000000, "0"},
             {0x8000000000000000, "0"},
             {0x0000000000000001, "5e-324"},
             {0x8000000000000001, "-5e-324"},
             {0x7fefffffffffffff, "1.7976931348623157e+308"},
             {0xffefffffffffffff, "-1.7976931348623157e+308"},
             {0x4340000000000000, "9007199254740992"},
             {0xc340000000000000, "-9007199254740992"},
             {0x4430000000000000, "295147905179352830000"},
             {0x44b52d02c7e14af5, "9.999999999999997e+22"},
             {0x44b52d02c7e14af6, "1e+23"},
             {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
             {0x444b1ae4d6e2ef4e, "999999999999999700000"},
             {0x444b1ae4d6e2ef4f, "999999999999999900000"},
             {0x444b1ae4d6e2ef50, "1e+21"},
             {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
             {0x3eb0c6f7a0b5ed8d, "0.000001"},
             {0x41b3de4355555553, "333333333.3333332"},
             {0x41b3de4355555554, "333333333.33333325"},
             {0x41b3de4355555555, "333333333.3333333"},
             {0x41b3de4355555556, "333333333.3333334"},
             {0x41b3de4355555557, "333333333.33333343"},
             {0xbecbf647612f3696, "-0.0000033333333333333333"},
             {0x43143ff3c1cb0959, "1424953923781206.2"},
         }) {
        const auto number = std::bit_cast<double>(bits);
        CHECK(canonical_json(number) == text);
        // And back: reading is as exact as writing. (-0 is written as 0.)
        if (number != 0) CHECK(parse_strict(text).value().to_number<double>() == number);
    }
    CHECK_THROWS_AS((void)canonical_json(std::numeric_limits<double>::quiet_NaN()), std::domain_error);
    CHECK_THROWS_AS((void)canonical_json(std::numeric_limits<double>::infinity()), std::domain_error);
}

TEST_CASE("RFC 8785, 3.2.2: the sample document") {
    CHECK(canonical_of(R"({
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
})") == R"({"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"})");
}

TEST_CASE("RFC 8785, 3.2.3: members in the order of UTF-16") {
    CHECK(canonical_of(R"({
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
})") == "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\",\"\xC3\xB6\":\"Latin Small Letter O With "
        "Diaeresis\","
        "\"\xE2\x82\xAC\":\"Euro Sign\",\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\",\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet "
        "With Dagesh\"}");
    CHECK(canonical_of(R"({"aa":1,"a":2,"":3,"b":4})") == R"({"":3,"a":2,"aa":1,"b":4})");
}

TEST_CASE("the order of UTF-8 strings is that of their UTF-16") {
    // Every pair of code points at the borders of the encodings.
    const std::vector<std::uint32_t> points = {0x00,   0x7F,   0x80,   0x7FF,   0x800,   0xD7FF,
                                               0xE000, 0xFB33, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF};
    const auto units = [](std::uint32_t p) {
        if (p < 0x10000) return std::u16string(1, static_cast<char16_t>(p));
        return std::u16string{static_cast<char16_t>(0xD800 + ((p - 0x10000) >> 10)),
                              static_cast<char16_t>(0xDC00 + ((p - 0x10000) & 0x3FF))};
    };
    for (const auto a : points)
        for (const auto b : points)
            for (const std::string prefix : {"", "x", "\xF0\x9F\x98\x80"})
                CHECK(detail::utf16_less(prefix + test::utf8(a), prefix + test::utf8(b)) == (units(a) < units(b)));
}

TEST_CASE("integers and doubles of one value have one form") {
    CHECK(canonical_of("[1, 1.0, 10e-1, 100, 1e2, -0, -0.0, 18446744073709551615, -9223372036854775808]") ==
          "[1,1,1,100,100,0,0,18446744073709552000,-9223372036854776000]");
    CHECK(canonical_of("[]") == "[]");
    CHECK(canonical_of(" { } ") == "{}");
}

TEST_CASE("every control character is escaped in its one way") {
    CHECK(canonical_of(R"("\u0000\u0007\b\t\n\u000B\f\r\u001F\u007f")") == "\"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f\x7F\"");
}

TEST_CASE("property: the form does not depend on member order, white space or escapes") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        const boost::json::value value = random.value(4);
        const std::string canonical = canonical_json(value);
        for (int i = 0; i < 3; ++i) {
            const std::string text = random.write(value);
            CAPTURE(text);
            CHECK(canonical_of(text) == canonical);
        }
        CHECK(canonical_of(canonical) == canonical);
    }
}

TEST_CASE("property: doubles read back bit for bit") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 engine(seed);
        for (int i = 0; i < 20000; ++i) {
            const auto number = std::bit_cast<double>(engine());
            if (!std::isfinite(number) || number == 0) continue;
            const auto read = parse_strict(canonical_json(number)).value();
            REQUIRE(std::bit_cast<std::uint64_t>(read.to_number<double>()) == std::bit_cast<std::uint64_t>(number));
        }
    }
}
