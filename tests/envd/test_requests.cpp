// SPDX-License-Identifier: Apache-2.0
// Requests against what the official JavaScript SDK 2.51.0 was recorded to send.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "envd/requests.hpp"
#include "net/connect_envelope.hpp"
#include "net/result_text.hpp"

using namespace sandboxkit;
using namespace sandboxkit::envd;

namespace {

void expect_invalid(const Result<net::HttpRequest>& request, std::string_view code) {
    REQUIRE(!request);
    CHECK(request.error().kind == ErrorClass::invalid);
    CHECK(request.error().code == code);
}

std::string header(const net::HttpRequest& request, std::string_view name) {
    return std::string(net::find_header(request.headers, name).value_or("absent"));
}

} // namespace

TEST_CASE("Start, as the SDK says it") {
    ExecRequest exec;
    exec.argv = {"/bin/bash", "-l", "-c", "echo hi"};
    exec.environment = {{"A", "1"}};
    exec.cwd = "/tmp";
    exec.user = "root";
    exec.timeout = std::chrono::seconds(5);
    const auto request = start_request(exec, "");
    REQUIRE(request);
    CHECK(request->method == "POST");
    CHECK(request->target == "/process.Process/Start");
    CHECK(request->body ==
          net::encode_envelope(
              0, R"({"process":{"cmd":"/bin/bash","args":["-l","-c","echo hi"],"envs":{"A":"1"},"cwd":"/tmp"},"stdin":false})"));
    CHECK(request->body.size() == 109);
    CHECK(header(*request, "Authorization") == "Basic cm9vdDo=");
    CHECK(header(*request, "Connect-Protocol-Version") == "1");
    CHECK(header(*request, "Connect-Timeout-Ms") == "5000");
    CHECK(header(*request, "Content-Type") == "application/connect+json");
    CHECK(header(*request, "Keepalive-Ping-Interval") == "50");
    CHECK(!request->idempotent);
}

TEST_CASE("Start, the least and the tag") {
    ExecRequest exec;
    exec.argv = {"true"};
    exec.standard_input = true;
    const auto request = start_request(exec, "t");
    REQUIRE(request);
    CHECK(request->body == net::encode_envelope(0, R"({"process":{"cmd":"true","args":[]},"stdin":true,"tag":"t"})"));
    CHECK(header(*request, "Authorization") == "absent");
    CHECK(header(*request, "Connect-Timeout-Ms") == "absent");
}

TEST_CASE("the unary requests, as the SDK says them") {
    CHECK(input_request(42, "abc", false)->body == R"({"process":{"pid":42},"input":{"stdin":"YWJj"}})");
    CHECK(close_stdin_request(42)->body == R"({"process":{"pid":42}})");
    CHECK(signal_request(42, 9)->body == R"({"process":{"pid":42},"signal":"SIGNAL_SIGKILL"})");
    CHECK(signal_request(42, 15)->body == R"({"process":{"pid":42},"signal":"SIGNAL_SIGTERM"})");
    CHECK(signal_request(42, 2)->body == R"({"process":{"pid":42},"signalNumber":2})");
    CHECK(connect_request(ProcessSelector(42), {})->body == net::encode_envelope(0, R"({"process":{"pid":42}})"));
    CHECK(header(*connect_request(ProcessSelector(42), {}), "Sandboxkit-Output-Offset") == "absent");
    CHECK(connect_request(ProcessSelector(42, "t"), 7)->body == net::encode_envelope(0, R"({"process":{"tag":"t"}})"));
    CHECK(header(*connect_request(ProcessSelector(42, "t"), 7), "Sandboxkit-Output-Offset") == "7");
    CHECK(input_request(42, "abc", true)->body == R"({"process":{"pid":42},"input":{"pty":"YWJj"}})");
    CHECK(resize_request(42, {80, 24})->body == R"({"process":{"pid":42},"pty":{"size":{"cols":80,"rows":24}}})");
    CHECK(watch_request("/a", true)->body == net::encode_envelope(0, R"({"path":"/a","recursive":true})"));
    CHECK(list_request()->body == "{}");
    CHECK(path_request("filesystem.Filesystem/Stat", "a.txt", true)->body == R"({"path":"a.txt"})");
    CHECK(list_dir_request("/", 2)->body == R"({"path":"/","depth":2})");
    CHECK(move_request("a", "b")->body == R"({"source":"a","destination":"b"})");
    CHECK(read_file_request("/home/user/a b.txt")->target == "/files?path=/home/user/a%20b.txt");
    CHECK(write_file_request("/a&b", "bytes")->target == "/files?path=/a%26b");
    CHECK(write_file_request("/a", "bytes")->body == "bytes");
}

TEST_CASE("what JSON, HTTP or a kernel cannot carry is refused before it is sent") {
    const auto exec = [](auto change) {
        ExecRequest request;
        request.argv = {"true"};
        change(request);
        return start_request(request, "");
    };
    expect_invalid(exec([](auto& r) { r.argv.clear(); }), "argv_empty");
    expect_invalid(exec([](auto& r) { r.argv = {""}; }), "argv_empty");
    expect_invalid(exec([](auto& r) { r.argv.push_back(std::string("a\0b", 3)); }), "text_has_nul");
    expect_invalid(exec([](auto& r) { r.argv.push_back("\xff"); }), "text_not_utf8");
    expect_invalid(exec([](auto& r) { r.cwd = "here"; }), "cwd_not_absolute");
    expect_invalid(exec([](auto& r) { r.cwd = "/\xff"; }), "text_not_utf8");
    expect_invalid(exec([](auto& r) { r.environment = {{"", "x"}}; }), "environment_name");
    expect_invalid(exec([](auto& r) { r.environment = {{"A=B", "x"}}; }), "environment_name");
    expect_invalid(exec([](auto& r) { r.environment = {{"A", std::string(1, '\0')}}; }), "text_has_nul");
    expect_invalid(exec([](auto& r) { r.user = ""; }), "user_name");
    expect_invalid(exec([](auto& r) { r.user = "a:b"; }), "user_name");
    expect_invalid(exec([](auto& r) { r.timeout = std::chrono::milliseconds(0); }), "timeout_out_of_range");
    expect_invalid(exec([](auto& r) { r.timeout = std::chrono::milliseconds(-1); }), "timeout_out_of_range");
    expect_invalid(exec([](auto& r) { r.timeout = std::chrono::milliseconds(10'000'000'000); }), "timeout_out_of_range");
    expect_invalid(exec([](auto& r) { r.argv.push_back(std::string(5 << 20, 'x')); }), "request_too_large");
    expect_invalid(exec([](auto& r) { r.terminal = TerminalSize{0, 24}; }), "terminal_size");
    expect_invalid(resize_request(1, {80, 0}), "terminal_size");
    expect_invalid(watch_request("", false), "path_empty");
    expect_invalid(connect_request(ProcessSelector(1, "\xff"), {}), "text_not_utf8");
    expect_invalid(signal_request(1, 0), "signal_out_of_range");
    expect_invalid(signal_request(1, 65), "signal_out_of_range");
    expect_invalid(read_file_request(""), "path_empty");
    expect_invalid(write_file_request(std::string(1, '\0'), ""), "text_has_nul");
    expect_invalid(move_request("a", "\xff"), "text_not_utf8");
    InitRequest init;
    init.environment = {{"A", "\xff"}};
    expect_invalid(init_request(init), "text_not_utf8");
}

TEST_CASE("init says only what was given") {
    InitRequest init;
    CHECK(init_request(init)->body == R"({"envVars":{},"defaultUser":"root"})");
    init.environment = {{"FOO", "bar"}};
    init.access_token = "ea_tok";
    init.default_workdir = "/tmp";
    CHECK(init_request(init)->body ==
          R"({"envVars":{"FOO":"bar"},"accessToken":"ea_tok","defaultUser":"root","defaultWorkdir":"/tmp"})");
}

TEST_CASE("the headers of every request") {
    Endpoint endpoint;
    endpoint.headers = {{"E2b-Sandbox-Id", "i0"}};
    const auto headers = common_headers(endpoint, "ea_tok");
    CHECK(net::find_header(headers, "E2b-Sandbox-Id") == "i0");
    CHECK(net::find_header(headers, "X-Access-Token") == "ea_tok");
    CHECK(net::find_header(headers, "Sandboxkit-Extensions") == "1");
    CHECK(!net::find_header(common_headers(endpoint, ""), "X-Access-Token"));
}
