// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "random_json.hpp"

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/json_patch.hpp>
#include <sandboxkit/strict_json.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace sandboxkit;

namespace {

boost::json::value json(std::string_view text) {
    return parse_strict(text, {.depth = 200}).value();
}

std::string applied(std::string_view document, std::string_view patch) {
    const auto result = apply_patch(json(document), json(patch));
    if (result) return canonical_json(*result);
    const Error& error = result.error();
    REQUIRE(!error.problems.empty());
    return error.code + " " + error.problems.front().pointer + " " + error.problems.front().code;
}

std::string patch_text(std::string_view before, std::string_view after) {
    return canonical_json(json_patch(json(before), json(after)));
}

} // namespace

TEST_CASE("RFC 6902, appendix A: what succeeds") {
    struct Sample {
        const char* name;
        const char* document;
        const char* patch;
        const char* result;
    };
    for (const Sample& s : std::vector<Sample>{
             {"A.1", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"baz":"qux","foo":"bar"})"},
             {"A.2", R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])",
              R"({"foo":["bar","qux","baz"]})"},
             {"A.3", R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
             {"A.4", R"({"foo":["bar","qux","baz"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},
             {"A.5", R"({"baz":"qux","foo":"bar"})", R"([{"op":"replace","path":"/baz","value":"boo"}])",
              R"({"baz":"boo","foo":"bar"})"},
             {"A.6", R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
              R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
              R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},
             {"A.7", R"({"foo":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
              R"({"foo":["all","cows","eat","grass"]})"},
             {"A.8", R"({"baz":"qux","foo":["a",2,"c"]})",
              R"([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}])",
              R"({"baz":"qux","foo":["a",2,"c"]})"},
             {"A.10", R"({"foo":"bar"})", R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
              R"({"child":{"grandchild":{}},"foo":"bar"})"},
             {"A.11", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux","xyz":123}])",
              R"({"baz":"qux","foo":"bar"})"},
             {"A.14", R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10}])", R"({"/":9,"~1":10})"},
             {"A.16", R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])",
              R"({"foo":["bar",["abc","def"]]})"},
         }) {
        CAPTURE(s.name);
        CHECK(applied(s.document, s.patch) == s.result);
    }
}

TEST_CASE("RFC 6902, appendix A: what fails") {
    CHECK(applied(R"({"baz":"qux"})", R"([{"op":"test","path":"/baz","value":"bar"}])") ==
          "patch_test_failed /0 test_failed"); // A.9
    CHECK(applied(R"({"foo":"bar"})", R"([{"op":"add","path":"/baz/bat","value":"qux"}])") ==
          "patch_invalid /0/path no_such_value"); // A.12
    // A.13 has two members op; parse_strict does not let it pass.
    CHECK(parse_strict(R"([{"op":"add","path":"/baz","value":"qux","op":"remove"}])").error().problems.at(0).code ==
          "duplicate_key");
    CHECK(applied(R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":"10"}])") ==
          "patch_test_failed /0 test_failed"); // A.15
}

TEST_CASE("operations at the borders of arrays and at the root") {
    CHECK(applied("[1]", R"([{"op":"add","path":"/1","value":2}])") == "[1,2]");
    CHECK(applied("[1]", R"([{"op":"add","path":"/0","value":0}])") == "[0,1]");
    CHECK(applied("[1]", R"([{"op":"add","path":"/2","value":2}])") == "patch_invalid /0/path out_of_range");
    CHECK(applied("[1]", R"([{"op":"add","path":"/01","value":2}])") == "patch_invalid /0/path bad_value");
    CHECK(applied("[1]", R"([{"op":"add","path":"/1x","value":2}])") == "patch_invalid /0/path bad_value");
    CHECK(applied("[1]", R"([{"op":"add","path":"/","value":2}])") == "patch_invalid /0/path bad_value");
    CHECK(applied("[1]", R"([{"op":"add","path":"/99999999999999999999","value":2}])") == "patch_invalid /0/path bad_value");
    CHECK(applied("[1]", R"([{"op":"remove","path":"/1"}])") == "patch_invalid /0/path no_such_value");
    CHECK(applied("[1]", R"([{"op":"remove","path":"/-"}])") == "patch_invalid /0/path no_such_value");
    CHECK(applied("[1]", R"([{"op":"replace","path":"/-","value":0}])") == "patch_invalid /0/path no_such_value");
    CHECK(applied("[1,2]", R"([{"op":"copy","from":"/0","path":"/-"}])") == "[1,2,1]");
    CHECK(applied("[1]", R"([{"op":"add","path":"","value":{"a":1}}])") == R"({"a":1})");
    CHECK(applied("[1]", R"([{"op":"replace","path":"","value":null}])") == "null");
    CHECK(applied(R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":""}])") == R"({"b":1})");
    CHECK(applied(R"({"a":1})", R"([{"op":"copy","from":"","path":"/b"}])") == R"({"a":1,"b":{"a":1}})");
    CHECK(applied(R"({"a":1})", R"([{"op":"move","from":"","path":""}])") == R"({"a":1})");
    CHECK(applied(R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])") == R"({"a":1})");
    CHECK(applied(R"({"a":1})", R"([{"op":"move","from":"/b","path":"/b"}])") == "patch_invalid /0/from no_such_value");
    CHECK(applied(R"({"":1})", R"([{"op":"replace","path":"/","value":2}])") == R"({"":2})");
    CHECK(applied("7", R"([{"op":"add","path":"/a","value":2}])") == "patch_invalid /0/path no_such_value");
    CHECK(applied("7", "[]") == "7");
    // The index of a target counts after the source is gone.
    CHECK(applied("[1,2]", R"([{"op":"move","from":"/0","path":"/2"}])") == "patch_invalid /0/path out_of_range");
    // An existing member is replaced by add, and removal keeps the order of the others.
    CHECK(applied(R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])") == R"({"a":2})");
    const auto removed = apply_patch(json(R"({"a":1,"b":2,"c":3})"), json(R"([{"op":"remove","path":"/a"}])")).value();
    CHECK(removed.get_object().begin()->key() == "b");
}

TEST_CASE("a test compares canonical forms") {
    CHECK(applied(R"({"a":1,"b":[2]})", R"([{"op":"test","path":"","value":{"b":[2.0],"a":1e0}}])") == R"({"a":1,"b":[2]})");
    CHECK(applied("[0]", R"([{"op":"test","path":"/0","value":false}])") == "patch_test_failed /0 test_failed");
    CHECK(applied("[null]", R"([{"op":"test","path":"/0","value":null}])") == "[null]");
    CHECK(applied("[null]", R"([{"op":"test","path":"/1","value":null}])") == "patch_test_failed /0 test_failed");
    CHECK(apply_patch(json("[0]"), json(R"([{"op":"test","path":"/0","value":1}])")).error().kind == ErrorClass::conflict);
}

TEST_CASE("all that is wrong with the form is told together, before anything is done") {
    const auto result = apply_patch(json("{}"), json(R"([
        7, {}, {"op":"append","path":""}, {"op":1}, {"op":"add","path":"a","value":1}, {"op":"add","path":"/a"},
        {"op":"add","value":1}, {"op":"remove","path":7}, {"op":"copy","path":"/a"}, {"op":"move","from":"/~","path":"/~2"},
        {"op":"move","from":"/a","path":"/a/b"}, {"op":"remove","path":""}, {"op":"test","path":"/nothing","value":1}])"));
    REQUIRE(!result);
    CHECK(result.error().kind == ErrorClass::invalid);
    CHECK(result.error().code == "patch_invalid");
    std::string all;
    for (const auto& problem : result.error().problems) all += problem.pointer + " " + problem.code + "\n";
    CHECK(all == "/0 wrong_type\n/1 missing_field\n/2/op bad_value\n/3/op bad_value\n/4/path bad_value\n/5 missing_field\n"
                 "/6 missing_field\n/7/path wrong_type\n/8 missing_field\n/9/path bad_value\n/9/from bad_value\n"
                 "/10/path bad_value\n/11/path bad_value\n");
    CHECK(applied("{}", R"({"op":"add"})") == "patch_invalid  wrong_type");
    CHECK(applied("{}", R"([{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b"}])") ==
          "patch_invalid /1/path no_such_value");
}

TEST_CASE("what a patch makes is bounded") {
    boost::json::array doubling;
    for (int i = 0; i < 40; ++i) doubling.push_back({{"op", "copy"}, {"from", ""}, {"path", "/" + std::to_string(i)}});
    const auto large = apply_patch(json(R"({"a":"b"})"), doubling, {.size = 1U << 20, .depth = 100});
    REQUIRE(!large);
    CHECK(large.error().problems.at(0).code == "too_large");
    const auto deep = apply_patch(json(R"({"a":"b"})"), doubling, {.size = std::size_t{1} << 40, .depth = 8});
    REQUIRE(!deep);
    CHECK(deep.error().problems.at(0).code == "too_deep");

    const JsonLimits two{.depth = 2};
    CHECK(apply_patch(json(R"({"a":{}})"), json(R"([{"op":"add","path":"/a/b","value":1}])"), two));
    CHECK(!apply_patch(json(R"({"a":{}})"), json(R"([{"op":"add","path":"/a/b","value":[]}])"), two));
    CHECK(!apply_patch(json(R"({"a":{"b":1}})"), json(R"([{"op":"replace","path":"/a/b","value":[]}])"), two));
    CHECK(!apply_patch(json(R"({"a":{},"b":{}})"), json(R"([{"op":"move","from":"/a","path":"/b/a"}])"), {.depth = 1}));
}

TEST_CASE("the patch between two values") {
    CHECK(patch_text(R"({"b":1,"a":2,"d":{"x":1}})", R"({"a":3,"c":4,"d":{"x":1,"y/~":2}})") ==
          R"([{"op":"replace","path":"/a","value":3},{"op":"remove","path":"/b"},{"op":"add","path":"/c","value":4},)"
          R"({"op":"add","path":"/d/y~1~0","value":2}])");
    CHECK(patch_text("[1,2,3,4]", "[1,4]") == R"([{"op":"remove","path":"/2"},{"op":"remove","path":"/1"}])");
    CHECK(patch_text("[1,4]", "[1,2,3,4]") == R"([{"op":"add","path":"/1","value":2},{"op":"add","path":"/2","value":3}])");
    CHECK(patch_text("[1,{\"a\":1},3]", "[1,{\"a\":2},3]") == R"([{"op":"replace","path":"/1/a","value":2}])");
    CHECK(patch_text("[1,1]", "[1,1,1]") == R"([{"op":"add","path":"/2","value":1}])");
    CHECK(patch_text("[]", "{}") == R"([{"op":"replace","path":"","value":{}}])");
    CHECK(patch_text("[1,-0.0,100]", "[1.0,0,1e2]") == "[]");
    CHECK(patch_text(R"({"a":1,"b":2})", R"({"b":2,"a":1})") == "[]");
    const std::string longer(300, 'k'); // a path is followed, and so never cut
    CHECK(patch_text("{}", R"({")" + longer + R"(":1})") == R"([{"op":"add","path":"/)" + longer + R"(","value":1}])");
}

TEST_CASE("property: the patch between two values makes the one of the other") {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        const boost::json::value before = random.value(4), after = random.value(4);
        const boost::json::array patch = json_patch(before, after);
        const auto result = apply_patch(before, patch);
        REQUIRE(result);
        CHECK(canonical_json(*result) == canonical_json(after));
        CHECK(same_json(before, after) == (canonical_json(before) == canonical_json(after)));
        CHECK(json_patch(before, before).empty());
        // The same values in another order, with other escapes and other forms of numbers.
        CHECK(json_patch(before, json(random.write(before))).empty());
    }
}

TEST_CASE("property: a patch between values that are alike") {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        boost::json::array before;
        for (std::size_t n = random.below(8); n > 0; --n) before.push_back(random.value(2));
        boost::json::array after = before;
        for (std::size_t n = random.below(4); n > 0; --n) {
            const auto place = static_cast<std::ptrdiff_t>(random.below(after.size() + 1));
            if (random.below(2) == 0)
                after.insert(after.begin() + place, random.value(2));
            else if (static_cast<std::size_t>(place) < after.size())
                after.erase(after.begin() + place);
        }
        const auto result = apply_patch(before, json_patch(before, after));
        REQUIRE(result);
        CHECK(canonical_json(*result) == canonical_json(after));
    }
}

TEST_CASE("property: a patch that cannot be applied says so, whatever it is") {
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        CAPTURE(seed);
        test::RandomJson random(seed);
        static const std::vector<std::string> verbs = {"add", "remove", "replace", "move", "copy", "test", "other"};
        static const std::vector<std::string> paths = {"", "/a", "/b", "/a/b", "/0", "/1", "/-", "/a/0", "/a/b/0", "x", "/~"};
        boost::json::array patch;
        for (std::size_t n = 1 + random.below(4); n > 0; --n)
            patch.push_back({{"op", verbs[random.below(verbs.size())]},
                             {"path", paths[random.below(paths.size())]},
                             {"from", paths[random.below(paths.size())]},
                             {"value", random.value(2)}});
        const boost::json::value document = json(R"({"a":{"b":[1,[2]]},"b":[3],"0":{"a":[]}})");
        const std::string before = canonical_json(document);
        const auto result = apply_patch(document, patch);
        CHECK(canonical_json(document) == before);
        if (result) continue;
        CHECK((result.error().code == "patch_invalid" || result.error().code == "patch_test_failed"));
        CHECK(!result.error().problems.empty());
    }
}
