// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

using namespace store_test;

TEST_CASE("every document reads back as it was written") {
    const RebuildDecision decision{
        true,
        {{"/setup_script", FieldClass::snapshot_relevant, "\"a\"", "", "it runs in the build"},
         {"/environment", FieldClass::snapshot_neutral, "", "{\"A\":\"\xC3\xA9\\u0000\"}", "bound at each start"}},
        "only neutral fields differ"};
    CHECK(decision_from_json(to_json(decision)).value() == decision);
    CHECK(decision_from_json(to_json(RebuildDecision{})).value() == RebuildDecision{});

    const Manifest manifest{"sha256:1", {{"base_image", "host", "fingerprint:ab"}, {"repository", "app", "git:cd"}}};
    CHECK(manifest_from_json(to_json(manifest)).value() == manifest);

    const Timeline timeline{{{"store.begin", 0us, 1234us}, {"provider.create", 1234us, 99'999'999'999us}}};
    CHECK(timeline_from_json(to_json(timeline)).value() == timeline);

    const std::vector<std::string> notes{"memory is not limited", "", "\"quoted\""};
    CHECK(notes_from_json(to_json(notes)).value() == notes);
}

TEST_CASE("errors of every class read back") {
    for (int i = 1; i <= 11; ++i) {
        const Error error{static_cast<ErrorClass>(i), "a_code", "message", "remedy", "detail\n\t", {{"/p", "c", "m", "r"}}};
        const auto read = error_from_json(to_json(error));
        REQUIRE(read.has_value());
        CHECK((*read).kind == error.kind);
        CHECK((*read).code == error.code);
        CHECK((*read).message == error.message);
        CHECK((*read).remedy == error.remedy);
        CHECK((*read).detail == error.detail);
        CHECK((*read).problems == error.problems);
    }
}

TEST_CASE("text of others is bounded and made UTF-8") {
    Error error;
    error.detail = std::string(100'000, 'x');
    CHECK((*error_from_json(to_json(error))).detail.size() == 64 * 1024);
    error.detail = "a\xFF\xC3 b\xED\xA0\x80\xC3\xA9";
    CHECK((*error_from_json(to_json(error))).detail == "a\xEF\xBF\xBD\xEF\xBF\xBD b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9");
    CHECK(notes_from_json(to_json(std::vector<std::string>{"\x80"})).value() == std::vector<std::string>{"\xEF\xBF\xBD"});
}

TEST_CASE("a document that does not fit is data loss") {
    for (const char* bad : {"", "{", "null", "[]", "{}", "7", "{\"steps\":{}}", "{\"steps\":[{\"name\":\"x\"}]}",
                            "{\"steps\":[{\"name\":\"x\",\"begin_us\":\"1\",\"duration_us\":1}]}"}) {
        CAPTURE(bad);
        const auto timeline = timeline_from_json(bad);
        CHECK(kind(timeline) == ErrorClass::data_loss);
        CHECK(code(timeline) == "stored_json_damaged");
        CHECK(kind(manifest_from_json(bad)) == ErrorClass::data_loss);
        CHECK(kind(decision_from_json(bad)) == ErrorClass::data_loss);
        CHECK(error_from_json(bad).has_error());
        CHECK(error_from_json(bad).error().code == "stored_json_damaged");
    }
    CHECK(kind(notes_from_json("{}")) == ErrorClass::data_loss);
    CHECK(kind(notes_from_json("[1]")) == ErrorClass::data_loss);
    CHECK(kind(decision_from_json(
              R"({"reuse":true,"reason":"","changes":[{"pointer":"","class":"other","before":"","after":"","reason":""}]})")) ==
          ErrorClass::data_loss);
}
