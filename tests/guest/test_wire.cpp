// SPDX-License-Identifier: Apache-2.0
// The exchanges that were recorded with a real server of this wire, repeated by meaning.
#include "live_guest.hpp"

#include "guest/encoding.hpp"
#include "net/connect_envelope.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace sandboxkit::guest::test;
namespace json = boost::json;

namespace {

const Headers stream_type = {{"Content-Type", "application/connect+json"}};

std::string basic(std::string_view user) {
    std::string text = "Basic ";
    sandboxkit::guest::append_base64(text, std::string(user) + ":");
    return text;
}

} // namespace

TEST_CASE("health, init, token and environment") {
    const LiveGuest guest;
    const Reply health = guest.request("GET", "/health");
    CHECK(health.status == 204);
    CHECK(health.headers.at("cache-control") == "no-store");
    CHECK(health.headers.at("sandboxkit-extensions") == "1");
    CHECK(guest.request("GET", "/envs").json().empty());

    const std::string init =
        R"({"accessToken":"ea_tok","envVars":{"FOO":"bar"},"defaultUser":"root","defaultWorkdir":"/tmp","timestamp":"2026-01-01T00:00:00Z"})";
    const Reply done = guest.request("POST", "/init", {{"Content-Type", "application/json"}}, init);
    CHECK(done.status == 204);
    CHECK(done.headers.at("x-envd-version") == "0.6.13");

    const Reply refused = guest.request("GET", "/envs");
    CHECK(refused.status == 401);
    CHECK(refused.headers.at("content-type") == "application/json; charset=utf-8");
    CHECK(refused.json().at("code") == 401);
    CHECK(refused.json().at("message") ==
          "unauthorized access, please provide a valid access token or method signing if supported");
    Headers wrong = stream_type;
    wrong.emplace_back("X-Access-Token", "wrong");
    CHECK(guest
              .request("POST", "/process.Process/Start", wrong,
                       sandboxkit::net::encode_envelope(0, R"({"process":{"cmd":"/bin/true"}})"))
              .status == 401);
    CHECK(guest.request("GET", "/no/such/route").status == 401);
    CHECK(guest.request("GET", "/health").status == 204);

    const Headers token = {{"X-Access-Token", "ea_tok"}};
    CHECK(guest.request("GET", "/envs", token).json().at("FOO") == "bar");
    const auto run = guest.shell("echo $FOO $PWD $HOME", token);
    CHECK(run.out == "bar /tmp /root\n");

    // A second call needs the token; the variables replace the old ones.
    CHECK(guest.request("POST", "/init", {}, R"({"envVars":{"A":"1"}})").status == 401);
    CHECK(guest.request("POST", "/init", {}, R"({"accessToken":"ea_tok","envVars":{"A":"1"}})").status == 204);
    const auto replaced = guest.request("GET", "/envs", token).json();
    CHECK(replaced.at("A") == "1");
    CHECK(!replaced.contains("FOO"));
    // Without one in the body, it is cleared.
    CHECK(guest.request("POST", "/init", token, "{}").status == 204);
    CHECK(guest.request("GET", "/envs").status == 200);
    CHECK(guest.request("POST", "/init", {}, "{bad").status == 400);
    CHECK(guest.request("POST", "/init", {}, R"({"defaultUser":"no-such-user"})").status == 400);
}

TEST_CASE("start: output, environment, exit code") {
    const LiveGuest guest;
    auto result = guest
                      .start(shell_request("echo out; echo err >&2; echo $A $PWD $HOME $USER $LOGNAME $PATH; exit 3",
                                           R"(,"envs":{"A":"1"},"cwd":"/tmp")"))
                      .rest();
    CHECK(result.out == "out\n1 /tmp /root root root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    CHECK(result.err == "err\n");
    CHECK(result.end == json::object{{"exitCode", 3}, {"exited", true}, {"status", "exit status 3"}, {"error", "exit status 3"}});
    CHECK(result.end_of_stream.empty());

    result = guest.start(R"({"process":{"cmd":"true"},"bogus":1})").rest(); // looked up on PATH
    CHECK(result.end == json::object{{"exited", true}, {"status", "exit status 0"}});

    result = guest.start(R"({"process":{"cmd":"/no/such"}})").rest();
    CHECK(result.err.find("'/no/such': No such file or directory\n") != std::string::npos);
    CHECK(result.end.at("exitCode") == 127);
    result = guest.start(R"({"process":{"cmd":"no-such-command"}})").rest();
    CHECK(result.end.at("exitCode") == 127);
    result = guest.start(R"({"process":{"cmd":"/etc"}})").rest();
    CHECK(result.end.at("exitCode") == 126);

    result = guest.shell("kill -9 $$");
    CHECK(result.end == json::object{{"exitCode", -1}, {"status", "signal: killed"}, {"error", "signal: killed"}, {"signal", 9}});
    result = guest.shell("kill -TERM $$");
    CHECK(result.end.at("status") == "signal: terminated");
}

TEST_CASE("start: refusals are streams of one frame") {
    const LiveGuest guest;
    const auto error = [&](std::string_view message, const Headers& headers = {}) {
        return guest.start(message, headers).refusal.at("error").as_object();
    };
    CHECK(error(R"({"process":{"cmd":"/bin/true","cwd":"/nope"}})") ==
          json::object{{"code", "invalid_argument"}, {"message", "cwd '/nope' does not exist"}});
    CHECK(error(R"({"process":{"cmd":"/bin/true","cwd":"/etc/hostname/x"}})").at("code") == "invalid_argument");
    CHECK(error(R"({"process":{"cmd":"/bin/true"}})", {{"Authorization", basic("nouser")}}) ==
          json::object{{"code", "unauthenticated"}, {"message", "invalid username: 'nouser'"}});
    CHECK(error(R"({"process":{}})").at("code") == "invalid_argument");
    CHECK(error("{bad").at("code") == "invalid_argument");
    CHECK(error(R"({"process":{"cmd":"/bin/tr\u0000ue"}})").at("code") == "invalid_argument");
    CHECK(error(R"({"process":{"cmd":"/bin/true","args":["\u0000"]}})").at("code") == "invalid_argument");
    CHECK(error(R"({"process":{"cmd":"/bin/true","envs":{"A=B":"1"}}})").at("code") == "invalid_argument");
    CHECK(error(R"({"process":{"cmd":"/bin/true"}})", {{"Connect-Timeout-Ms", "soon"}}).at("code") == "invalid_argument");
    CHECK(guest.attach(999999).refusal.at("error").at("code") == "not_found");
    // An envelope that is cut off, and two of them.
    const auto raw = [&](const std::string& body) {
        return guest.request("POST", "/process.Process/Start", stream_type, body).body;
    };
    CHECK(raw(std::string("\0\0\0", 3)).find("invalid_argument") != std::string::npos);
    CHECK(raw(std::string("\0\0\0\0\x40{}", 7)).find("invalid_argument") != std::string::npos);
    CHECK(raw(sandboxkit::net::encode_envelope(0, "{}") + sandboxkit::net::encode_envelope(0, "{}")).find("invalid_argument") !=
          std::string::npos);
    CHECK(raw(sandboxkit::net::encode_envelope(1, "{}")).find("unimplemented") != std::string::npos);
}

TEST_CASE("unary calls: errors, content types, unknown methods") {
    const LiveGuest guest;
    CHECK(guest.unary("/process.Process/List", "{}").json().empty());
    const Reply missing = guest.unary("/process.Process/SendInput", R"({"process":{"pid":999999},"input":{"stdin":"YQ=="}})");
    CHECK(missing.status == 404);
    CHECK(missing.json() == json::object{{"code", "not_found"}, {"message", "process with pid 999999 not found"}});
    CHECK(guest.unary("/process.Process/SendSignal", R"({"process":{"pid":999999},"signal":"SIGNAL_SIGKILL"})").status == 404);
    CHECK(guest.unary("/process.Process/CloseStdin", R"({"process":{"tag":"none"}})").json().at("message") ==
          "process with tag none not found");

    const Reply unknown = guest.unary("/process.Process/Nope", "{}");
    CHECK(unknown.status == 404);
    CHECK(unknown.headers.at("content-type") == "text/plain; charset=utf-8");
    CHECK(unknown.body == "404 page not found\n");
    for (const char* path : {"/filesystem.Filesystem/Nope", "/files/nope", "/", "*"})
        CHECK(guest.request("POST", path, {{"Content-Type", "application/json"}}, "{}").status == 404);

    const Reply wrong_type = guest.request("POST", "/process.Process/List", stream_type, std::string("\0\0\0\0\2{}", 7));
    CHECK(wrong_type.status == 415);
    CHECK(wrong_type.body.empty());
    CHECK(guest.request("POST", "/process.Process/Start", {{"Content-Type", "application/json"}}, "{}").status == 415);
    CHECK(guest.request("POST", "/process.Process/List", {{"Content-Type", "application/json; charset=UTF-8"}}, "{}").status ==
          200);
    CHECK(guest.request("GET", "/process.Process/List").status == 405);

    const Reply bad = guest.unary("/process.Process/List", "{bad");
    CHECK(bad.status == 400);
    CHECK(bad.json().at("code") == "invalid_argument");
    CHECK(std::string_view(bad.json().at("message").as_string()).starts_with("unmarshal message: "));
    CHECK(guest.unary("/process.Process/List", std::string(100'000, '[')).status == 400);
    CHECK(guest.unary("/process.Process/List", "[]").status == 400);
    CHECK(guest.unary("/filesystem.Filesystem/Stat", R"({"path":1})").status == 400);
    const Reply user = guest.unary("/process.Process/List", "{}", {{"Authorization", basic("nouser")}});
    CHECK(user.status == 401);
    CHECK(user.json().at("code") == "unauthenticated");
    const Reply compressed = guest.unary("/process.Process/List", "{}", {{"Content-Encoding", "gzip"}});
    CHECK(compressed.status == 501);
}

TEST_CASE("bounds of requests") {
    const LiveGuest guest;
    Client long_header = guest.connect();
    CHECK(long_header.request("GET", "/health", {{"X-Long", std::string(17 << 10, 'a')}}).status == 431);
    CHECK(long_header.read_to_end().empty());
    const Reply large = guest.unary("/process.Process/List", "{\"a\":\"" + std::string(9 << 20, 'a') + "\"}");
    CHECK(large.status == 429);
    CHECK(large.json().at("code") == "resource_exhausted");
    Client garbage = guest.connect();
    garbage.send("\x16\x03\x01 not http\r\n\r\n");
    CHECK(garbage.read_reply().status == 400);
    // What follows such a head is its body, not the next request.
    Client packed = guest.connect();
    packed.send("POST /init HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n" + request_bytes("GET", "/envs", {}, ""));
    CHECK(packed.read_reply().status == 501);
    CHECK(packed.read_to_end().empty());
    CHECK(guest.unary("/filesystem.Filesystem/Stat", R"({"path":"/)" + std::string(5000, 'a') + R"("})").status == 400);
    CHECK(guest.unary("/filesystem.Filesystem/Stat", R"({"path":"/)" + std::string(300, 'a') + R"("})").status == 400);
    CHECK(guest.unary("/filesystem.Filesystem/Stat", R"({"path":"/a\u0000b"})").status == 400);
}

TEST_CASE("connections: keep-alive, pipelining, HTTP/1.0, 100-continue, a half-closed client") {
    const LiveGuest guest;
    Client client = guest.connect();
    for (int i = 0; i < 3; ++i) CHECK(client.request("GET", "/health").status == 204);
    client.send(request_bytes("GET", "/health", {}, "") + request_bytes("GET", "/envs", {}, "") +
                request_bytes("GET", "/health", {}, ""));
    CHECK(client.read_reply().status == 204);
    CHECK(client.read_reply().status == 200);
    CHECK(client.read_reply().status == 204);
    // A stream, and then another request on the same connection.
    const std::string start = request_bytes("POST", "/process.Process/Start", stream_type,
                                            sandboxkit::net::encode_envelope(0, shell_request("echo hi")));
    client.send(start + request_bytes("GET", "/envs", {{"Connection", "close"}}, ""));
    CHECK(client.read_reply().body.find("aGkK") != std::string::npos);
    CHECK(client.read_reply().status == 200);
    CHECK(client.read_to_end().empty());

    Client old = guest.connect();
    old.send("GET /envs HTTP/1.0\r\n\r\n");
    CHECK(old.read_to_end().ends_with("\r\n\r\n{}\n"));
    Client old_stream = guest.connect();
    const std::string message = sandboxkit::net::encode_envelope(0, shell_request("echo hi"));
    old_stream.send("POST /process.Process/Start HTTP/1.0\r\nContent-Type: application/connect+json\r\nContent-Length: " +
                    std::to_string(message.size()) + "\r\n\r\n" + message);
    const std::string whole = old_stream.read_to_end();
    CHECK(whole.find("chunked") == std::string::npos);
    CHECK(whole.ends_with("{}"));

    Client careful = guest.connect();
    careful.send("POST /process.Process/List HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: "
                 "100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK(careful.read_head().status == 100);
    careful.send("{}");
    CHECK(careful.read_reply().status == 200);

    Client half = guest.connect();
    half.send(request_bytes("POST", "/process.Process/Start", stream_type,
                            sandboxkit::net::encode_envelope(0, shell_request("sleep 0.2; echo late"))));
    half.shut_down_writing();
    CHECK(half.read_reply().body.find("bGF0ZQo=") != std::string::npos);

    // A body in chunks, one byte at a time.
    Client chunked = guest.connect();
    for (const char c : std::string_view("POST /process.Process/List HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                         "application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"))
        chunked.send(std::string_view(&c, 1));
    CHECK(chunked.read_reply().status == 200);
}

TEST_CASE("list, connect by tag, input") {
    const LiveGuest guest;
    EventStream cat = guest.start(R"({"process":{"cmd":"/bin/cat","args":["-u"],"envs":{"K":"v"},"cwd":"/"},"tag":"cat1"})");
    EventStream other = guest.start(R"({"process":{"cmd":"/bin/cat"},"tag":"cat2"})");
    const auto list = guest.unary("/process.Process/List", "{}").json().at("processes").as_array();
    REQUIRE(list.size() == 2);
    const json::object first{{"config", {{"cmd", "/bin/cat"}, {"args", {"-u"}}, {"envs", {{"K", "v"}}}, {"cwd", "/"}}},
                             {"pid", cat.pid},
                             {"tag", "cat1"}};
    CHECK((list[0] == first || list[1] == first));

    // By tag, although several tagged processes run.
    for (const char* tag : {"cat1", "cat2"})
        CHECK(guest
                  .unary("/process.Process/SendInput",
                         R"({"process":{"tag":")" + std::string(tag) + R"("},"input":{"stdin":"YWJjCg=="}})")
                  .status == 200);
    const Reply tty = guest.unary("/process.Process/SendInput", R"({"process":{"tag":"cat1"},"input":{"pty":"YQ=="}})");
    CHECK(tty.status == 500);
    CHECK(tty.json().at("code") == "internal");
    CHECK(guest.unary("/process.Process/CloseStdin", R"({"process":{"tag":"cat1"}})").json().empty());
    const auto result = cat.rest();
    CHECK(result.out == "abc\n");
    CHECK(result.end.at("status") == "exit status 0");
    CHECK(guest.unary("/process.Process/SendInput", R"({"process":{"tag":"cat1"},"input":{"stdin":"YQ=="}})").status == 404);

    // The end stays known for a while.
    EventStream late(guest.connect(), "Connect", R"({"process":{"tag":"cat1"}})", {});
    CHECK(late.pid == cat.pid);
    CHECK(late.rest().end.at("status") == "exit status 0");
    CHECK(guest.unary("/process.Process/CloseStdin", R"({"process":{"tag":"cat2"}})").status == 200);
    CHECK(other.rest().out == "abc\n");
    CHECK(guest.unary("/process.Process/List", "{}").json().empty());
}

TEST_CASE("metrics are numbers that fit together") {
    const LiveGuest guest;
    const Reply reply = guest.request("GET", "/metrics");
    CHECK(reply.status == 200);
    CHECK(reply.headers.at("content-type") == "application/json");
    const auto metrics = reply.json();
    CHECK(metrics.size() == 10);
    const auto value = [&](std::string_view name) { return metrics.at(name).to_number<std::int64_t>(); };
    CHECK(value("ts") > 1'700'000'000);
    CHECK(value("cpu_count") >= 1);
    CHECK(metrics.at("cpu_used_pct").to_number<double>() >= 0);
    CHECK(metrics.at("cpu_used_pct").to_number<double>() <= 100);
    CHECK(value("mem_total") > value("mem_used"));
    CHECK(value("mem_used") > 0);
    CHECK(value("mem_cache") <= value("mem_total"));
    CHECK(value("mem_total_mib") == value("mem_total") >> 20);
    CHECK(value("mem_used_mib") == value("mem_used") >> 20);
    CHECK(value("disk_total") >= value("disk_used"));
    CHECK(value("disk_used") > 0);
    CHECK(guest.request("POST", "/metrics").status == 405);
    CHECK(guest.request("POST", "/init", {}, R"({"accessToken":"secret"})").status == 204);
    CHECK(guest.request("GET", "/metrics").status == 401);
    CHECK(guest.request("GET", "/metrics", {{"X-Access-Token", "secret"}}).status == 200);
}
