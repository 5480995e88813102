// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "providers/docker/daemon_error.hpp"
#include "providers/docker/engine_client.hpp"
#include "providers/docker/progress_messages.hpp"
#include "providers/docker/stream_frames.hpp"

#include <vector>

using namespace sandboxkit;
using namespace sandboxkit::docker;

namespace {

std::string frame(char output, std::string_view bytes) {
    std::string result(8, '\0');
    result[0] = output;
    for (int i = 0; i < 4; ++i) result[static_cast<std::size_t>(7 - i)] = static_cast<char>(bytes.size() >> (8 * i) & 0xFF);
    return result + std::string(bytes);
}

} // namespace

TEST_CASE("frames, however they are cut") {
    const std::string stream = frame(1, "hello ") + frame(2, "oops") + frame(1, "") + frame(1, std::string(70'000, 'x'));
    for (const std::size_t step : {1UL, 3UL, 8UL, 13UL, stream.size()}) {
        FrameDecoder decoder;
        std::string output;
        for (std::size_t at = 0; at < stream.size(); at += step)
            REQUIRE(decoder.feed(std::string_view(stream).substr(at, step), output).has_value());
        CHECK(output == "hello " + std::string(70'000, 'x'));
        CHECK(decoder.errors() == "oops");
        CHECK(decoder.at_boundary());
    }
    FrameDecoder cut;
    std::string output;
    REQUIRE(cut.feed(std::string_view(stream).substr(0, 9), output).has_value());
    CHECK(!cut.at_boundary());
    for (const std::string& bad :
         {frame(3, "x"), frame(0, "x"), std::string("HTTP/1.1 200 OK"), std::string("\1\0\1\0\0\0\0\1", 8)}) {
        FrameDecoder decoder;
        CHECK(decoder.feed(bad, output).error().code == "peer_protocol");
    }
    FrameDecoder noisy;
    REQUIRE(noisy.feed(frame(2, std::string(100'000, 'e')), output).has_value());
    CHECK(noisy.errors().size() == FrameDecoder::errors_limit);
}

TEST_CASE("progress, and a failure in the middle of a 200") {
    std::vector<ProgressDecoder::Progress> told;
    ProgressDecoder decoder([&](const auto& progress) { told.push_back(progress); });
    const std::string stream = "{\"status\":\"Pulling from team/base\",\"id\":\"1\"}\r\n"
                               "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":100},\"id\":\"a\"}\r\n"
                               "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":50},\"id\":\"b\"}\r\n"
                               "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":100,\"total\":100},\"id\":\"a\"}\r\n"
                               "{\"status\":\"Extracting\",\"progressDetail\":{},\"id\":\"a\"}\r\n";
    for (const char c : stream) REQUIRE(decoder.feed(std::string_view(&c, 1)).has_value());
    REQUIRE(told.size() == 5);
    CHECK(told[0].message == "1: Pulling from team/base");
    CHECK(told[2].done == 15);
    CHECK(told[2].total == 150);
    CHECK(told[4].done == 105);
    REQUIRE(decoder.feed("{\"errorDetail\":{\"message\":\"no space left on device\"},\"error\":\"x\"}").has_value());
    CHECK(decoder.failure().empty());
    REQUIRE(decoder.finish().has_value());
    CHECK(decoder.failure() == "no space left on device");
    CHECK(failure_in_stream(decoder.failure(), "x").code == "disk_full");

    for (const char* bad : {"[]\n", "{\n", "{\"status\":7}\n", "{\"progressDetail\":[]}\n", "{\"error\":{}}\n"}) {
        ProgressDecoder other({});
        CHECK(other.feed(bad).error().code == "peer_protocol");
    }
    ProgressDecoder empty({});
    REQUIRE(empty.feed("{\"error\":\"\"}\n").has_value());
    CHECK(!empty.failure().empty());
    ProgressDecoder endless({});
    CHECK(endless.feed(std::string(ProgressDecoder::message_limit + 1, ' ')).error().code == "peer_protocol");
}

TEST_CASE("what a refusal means") {
    const auto code = [](unsigned status, const char* body) { return refusal(status, body, "cannot do it").code; };
    CHECK(code(400, "{\"message\":\"bad\"}") == "docker_invalid");
    CHECK(code(401, "") == "docker_permission");
    CHECK(code(403, "") == "docker_permission");
    CHECK(code(404, "{}") == "docker_not_found");
    CHECK(code(409, "[]") == "docker_conflict");
    CHECK(code(500, "x") == "docker_failed");
    CHECK(code(503, "x") == "docker_unavailable");
    CHECK(code(418, "x") == "peer_protocol");
    CHECK(code(500, "{\"message\":\"write /var: no space left on device\"}") == "disk_full");
    const auto error = refusal(404, "{\"message\":\"no \\u001b[31msuch\"}", "cannot do it");
    CHECK(error.detail == "no ?[31msuch");
    CHECK(error.message == "cannot do it: the Docker daemon has no such thing");
    CHECK(refusal(500, std::string(100'000, 'x'), "w").detail.size() <= 4096);
    CHECK(wants_credential(refusal(500, "{\"message\":\"unauthorized: authentication required\"}", "w")));
    CHECK(wants_credential(refusal(404, "{\"message\":\"pull access denied for x, repository does not exist\"}", "w")));
    CHECK(!wants_credential(refusal(404, "{\"message\":\"manifest unknown\"}", "w")));
    CHECK(failure_in_stream("no matching manifest for linux/amd64 in the manifest list entries", "w").code ==
          "image_architecture");
}

TEST_CASE("versions, queries and filters") {
    CHECK(*negotiate_api("1.41") == 41);
    CHECK(*negotiate_api("1.99") == most_api_minor);
    CHECK(negotiate_api("1.40").error().code == "docker_too_old");
    for (const char* bad : {"", "1", "1.", "2.0", "1.4x", "1.-1", "1.99999999999"})
        CHECK(negotiate_api(bad).error().code == "peer_protocol");
    CHECK(encode_query({}) == "");
    CHECK(encode_query({{"path", "/a b"}, {"x", "&="}}) == "?path=%2Fa%20b&x=%26%3D");
    CHECK(label_filter({"a=b", "c=\""}) == R"({"label":["a=b","c=\""]})");
}
