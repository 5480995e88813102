// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/timeline_format.hpp>

#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace sandboxkit;
using std::chrono::microseconds;

namespace {

const Timeline timeline{{
    {"store.begin", microseconds(0), microseconds(1250)},
    {"provider.créate", microseconds(1250), microseconds(8750)},
    {"guest.ready", microseconds(10000), microseconds(10000)},
    {"instant", microseconds(20000), microseconds(0)},
}};

} // namespace

TEST_CASE("a table for terminals") {
    CHECK(timeline_table(timeline) == "step             begin ms  took ms\n"
                                      "store.begin           0.0      1.3  ###\n"
                                      "provider.créate       1.3      8.8    ##################\n"
                                      "guest.ready          10.0     10.0                      ####################\n"
                                      "instant              20.0      0.0                                         #\n"
                                      "total                         20.0\n");
    CHECK(timeline_table({}) == "step   begin ms  took ms\ntotal                0.0\n");
}

TEST_CASE("rounding to a tenth of a millisecond") {
    CHECK(detail::milliseconds_text(microseconds(0)) == "0.0");
    CHECK(detail::milliseconds_text(microseconds(49)) == "0.0");
    CHECK(detail::milliseconds_text(microseconds(50)) == "0.1");
    CHECK(detail::milliseconds_text(microseconds(999)) == "1.0");
    CHECK(detail::milliseconds_text(microseconds(1949)) == "1.9");
    CHECK(detail::milliseconds_text(microseconds(1950)) == "2.0");
    CHECK(detail::milliseconds_text(microseconds(123456789)) == "123456.8");
}

TEST_CASE("a Chrome trace") {
    const auto trace = boost::json::parse(chrome_trace(timeline, "session \"x\""));
    CHECK(trace.at("displayTimeUnit") == "ms");
    const auto& events = trace.at("traceEvents").as_array();
    REQUIRE(events.size() == 5);
    CHECK(events[0] == boost::json::parse(R"({"ph":"M","name":"process_name","pid":1,"tid":1,"args":{"name":"session \"x\""}})"));
    CHECK(events[1] == boost::json::parse(R"({"ph":"X","name":"store.begin","cat":"start","ts":0,"dur":1250,"pid":1,"tid":1})"));
    CHECK(events[4] == boost::json::parse(R"({"ph":"X","name":"instant","cat":"start","ts":20000,"dur":0,"pid":1,"tid":1})"));
}

TEST_CASE("JSON") {
    CHECK(timeline_to_json({{{"a", microseconds(1), microseconds(2)}}}) ==
          boost::json::parse(R"({"steps":[{"name":"a","begin_us":1,"duration_us":2}],"total_us":3})"));
    CHECK(timeline_to_json({}) == boost::json::parse(R"({"steps":[],"total_us":0})"));
}

TEST_CASE("the recorder ends each step where the next begins") {
    TimelineRecorder recorder;
    recorder.step("a");
    recorder.step("b");
    const Timeline recorded = recorder.finish();
    REQUIRE(recorded.steps.size() == 2);
    CHECK(recorded.steps[0].name == "a");
    CHECK(recorded.steps[1].name == "b");
    CHECK(recorded.steps[0].begin + recorded.steps[0].duration <= recorded.steps[1].begin);
    CHECK(recorder.finish() == recorded);
}
