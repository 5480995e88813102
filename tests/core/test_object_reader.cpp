// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/object_reader.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace sandboxkit;

TEST_CASE("the nearest name is found by style, by typing error and by part") {
    constexpr std::array<std::string_view, 8> known = {"name",          "image",     "repositories", "setup_script",
                                                       "setup_timeout", "resources", "read_only",    "environment"};
    const auto near = [&](std::string_view given) { return detail::nearest_name(given, known); };
    CHECK(near("setupScript") == "setup_script");
    CHECK(near("setup-script") == "setup_script");
    CHECK(near("SETUP_TIMEOUT") == "setup_timeout");
    CHECK(near("imgae") == "image");
    CHECK(near("nmae") == "name");
    CHECK(near("environmnt") == "environment");
    CHECK(near("env") == "environment");
    CHECK(near("script") == "setup_script");
    CHECK(near("timeout") == "setup_timeout");
    CHECK(near("repos") == "repositories");
    CHECK(near("resource") == "resources");
    CHECK(near("readonly") == "read_only");
    CHECK(near("colour").empty());
    CHECK(near("x").empty());
    CHECK(near("").empty());
    CHECK(near(std::string(100000, 'n')).empty());
}

TEST_CASE("every getter takes what it says and reports the rest") {
    const auto value = parse_strict(R"({
        "s": "text", "s_long": "12345", "s_nul": "a\u0000b", "s_type": 1, "s_null": null,
        "b": true, "b_type": "true",
        "i": 7, "i_low": 0, "i_high": 11, "i_negative": -7, "i_huge": 1e300, "i_fraction": 7.5, "i_exact": 7.0, "i_type": "7", "i_big": 18446744073709551615,
        "n": 0.5, "n_integer": 1, "n_low": 0.25, "n_type": [],
        "c": "two", "c_bad": "thre", "c_type": 2,
        "a": [], "a_type": {}, "o": {}, "o_type": []
    })")
                           .value();
    ProblemList problems;
    ObjectReader reader(value, "/x", problems);
    CHECK(reader.string("s", 4) == "text");
    CHECK(reader.string("absent", 4) == std::nullopt);
    CHECK(reader.boolean("b") == true);
    CHECK(reader.integer("i", 1, 10) == 7);
    CHECK(reader.integer("i_exact", 1, 10) == 7);
    CHECK(reader.number("n", 0.5, 1) == 0.5);
    CHECK(reader.number("n_integer", 0.5, 1) == 1);
    constexpr std::array<std::pair<std::string_view, int>, 2> numbers = {{{"two", 2}, {"three", 3}}};
    CHECK(reader.choice<int>("c", numbers) == 2);
    CHECK(reader.array("a") != nullptr);
    CHECK(reader.object("o").has_value());
    CHECK(problems.empty());

    CHECK_FALSE(reader.string("s_long", 4));
    CHECK_FALSE(reader.string("s_nul", 4));
    CHECK_FALSE(reader.string("s_type", 4));
    CHECK_FALSE(reader.string("s_null", 4));
    CHECK_FALSE(reader.boolean("b_type"));
    for (const char* name : {"i_low", "i_high", "i_negative", "i_huge", "i_big"}) CHECK_FALSE(reader.integer(name, 1, 10));
    for (const char* name : {"i_fraction", "i_type"}) CHECK_FALSE(reader.integer(name, 1, 10));
    CHECK_FALSE(reader.number("n_low", 0.5, 1));
    CHECK_FALSE(reader.number("n_type", 0.5, 1));
    CHECK_FALSE(reader.choice<int>("c_bad", numbers));
    CHECK_FALSE(reader.choice<int>("c_type", numbers));
    CHECK_FALSE(reader.array("a_type"));
    CHECK(reader.object("o_type").has_value()); // reads as empty
    reader.finish();
    CHECK(problems.take() ==
          std::vector<Problem>{
              {"/x/s_long", "too_long", "this has 5 characters, the limit is 4", "make it shorter"},
              {"/x/s_nul", "bad_value", "this contains a NUL character (\\u0000)", "remove it"},
              {"/x/s_type", "wrong_type", "expected a string, found an integer", ""},
              {"/x/s_null", "wrong_type", "expected a string, found null", "leave the member out for its default"},
              {"/x/b_type", "wrong_type", "expected true or false, found a string", ""},
              {"/x/i_low", "out_of_range", "expected a number from 1 to 10", ""},
              {"/x/i_high", "out_of_range", "expected a number from 1 to 10", ""},
              {"/x/i_negative", "out_of_range", "expected a number from 1 to 10", ""},
              {"/x/i_huge", "out_of_range", "expected a number from 1 to 10", ""},
              {"/x/i_big", "out_of_range", "expected a number from 1 to 10", ""},
              {"/x/i_fraction", "wrong_type", "expected an integer, found a number", ""},
              {"/x/i_type", "wrong_type", "expected an integer, found a string", ""},
              {"/x/n_low", "out_of_range", "expected a number from 0.5 to 1", ""},
              {"/x/n_type", "wrong_type", "expected a number, found an array", ""},
              {"/x/c_bad", "bad_value", "expected one of \"two\", \"three\"", "did you mean \"three\"?"},
              {"/x/c_type", "wrong_type", "expected one of \"two\", \"three\", found an integer", ""},
              {"/x/a_type", "wrong_type", "expected an array, found an object", ""},
              {"/x/o_type", "wrong_type", "expected an object, found an array", ""},
          });
}

TEST_CASE("members nobody asked for are unknown, and a name that is there is not suggested") {
    const auto value = parse_strict(R"({"image": 1, "imgae": 2, "nmae": 3, "other": 4, "a/b": 5})").value();
    ProblemList problems;
    ObjectReader reader(value, "", problems);
    (void)reader.member("image");
    (void)reader.member("name");
    reader.finish();
    CHECK(problems.take() == std::vector<Problem>{
                                 {"/imgae", "unknown_field", "this member is not known", "remove it; known here: image, name"},
                                 {"/nmae", "unknown_field", "this member is not known", "did you mean name?"},
                                 {"/other", "unknown_field", "this member is not known", "remove it; known here: image, name"},
                                 {"/a~1b", "unknown_field", "this member is not known", "remove it; known here: image, name"},
                             });
}

TEST_CASE("what is no object is one problem, not one a member") {
    const boost::json::value value(1);
    ProblemList problems;
    ObjectReader reader(value, "/x", problems);
    reader.require("name");
    CHECK_FALSE(reader.string("name", 10));
    CHECK_FALSE(reader.has("name"));
    reader.finish();
    CHECK(problems.take() == std::vector<Problem>{{"/x", "wrong_type", "expected an object, found an integer", ""}});
}

TEST_CASE("a required member") {
    const boost::json::value value = boost::json::object{};
    ProblemList problems;
    ObjectReader(value, "", problems).require("name");
    CHECK(problems.take() == std::vector<Problem>{{"/name", "missing_field", "this member is required", "add \"name\""}});
}
