// SPDX-License-Identifier: Apache-2.0
// The parts without I/O: requests out of bytes, messages, encodings, multipart, ranges, paths.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "guest/accounts.hpp"
#include "guest/encoding.hpp"
#include "guest/file_range.hpp"
#include "guest/messages.hpp"
#include "guest/multipart.hpp"
#include "guest/paths.hpp"
#include "guest/request_reader.hpp"
#include "guest/service.hpp"
#include "guest/sha256.hpp"
#include "guest/stream_fields.hpp"

using namespace sandboxkit::guest;
using Event = RequestReader::Event;

namespace {

struct Read {
    std::vector<std::string> heads; // "METHOD path?query"
    std::vector<std::string> bodies;
    Event last = Event::need_more;
    unsigned status = 0;
};

Read read_in_pieces(std::string_view bytes, std::size_t piece) {
    RequestReader reader;
    Read result;
    std::string body;
    while (!bytes.empty()) {
        reader.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        for (;;) {
            result.last = reader.next();
            if (result.last == Event::head)
                result.heads.push_back(reader.head().method + " " + reader.head().path + "?" + reader.head().query);
            if (result.last == Event::body) body += reader.body();
            if (result.last == Event::end) result.bodies.push_back(std::exchange(body, {}));
            if (result.last == Event::bad) result.status = reader.error_status();
            if (result.last == Event::bad || result.last == Event::need_more) break;
        }
    }
    return result;
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        text += "0123456789abcdef"[c & 15];
    }
    return text;
}

} // namespace

TEST_CASE("requests arrive the same however they are cut") {
    const std::string bytes =
        "GET /files?path=%2Fa&x HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        "GET /c HTTP/1.0\r\n\r\n";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Read result = read_in_pieces(bytes, piece);
        CHECK(result.heads == std::vector<std::string>{"GET /files?path=%2Fa&x", "POST /a?", "POST /b?", "GET /c?"});
        CHECK(result.bodies == std::vector<std::string>{"", "hello", "abcde", ""});
        CHECK(result.last == Event::need_more);
    }
}

TEST_CASE("what is not a request is refused, and nothing follows") {
    CHECK(read_in_pieces("\x16\x03\x01", 1).status == 400); // no need to wait for a line
    CHECK(read_in_pieces("nonsense\r\n\r\n", 100).status == 400);
    CHECK(read_in_pieces("GET / HTTP/2.0\r\n\r\n", 100).status == 400);
    CHECK(read_in_pieces("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 100).status == 400);
    CHECK(read_in_pieces("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 200).status == 400);
    CHECK(read_in_pieces("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 200).status == 400);
    CHECK(read_in_pieces("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200).status == 400);
    CHECK(read_in_pieces("GET / HTTP/1.1\r\nA: " + std::string(20000, 'a'), 1000).status == 431);
    CHECK(read_in_pieces("GET / HTTP/1.1\r\nA\x01: b\r\n\r\n", 100).status == 400);
    CHECK(read_in_pieces("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(200000, 'a'), 1000).last ==
          Event::bad);
    for (const std::string coding :
         {"gzip", "gzip, chunked", "chunked, gzip", "identity", "", "gzip\r\nTransfer-Encoding: chunked"}) {
        CAPTURE(coding);
        const Read result =
            read_in_pieces("POST / HTTP/1.1\r\nTransfer-Encoding: " + coding + "\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", 200);
        CHECK(result.status == 501);
        CHECK(result.heads.empty());
    }
    CHECK(read_in_pieces("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 200).status == 400);
    CHECK(read_in_pieces("POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200).bodies.size() == 1);
    RequestReader reader;
    reader.feed("nonsense\r\n\r\n");
    CHECK(reader.next() == Event::bad);
    reader.feed("GET / HTTP/1.1\r\n\r\n");
    CHECK(reader.next() == Event::bad);
}

TEST_CASE("messages: protobuf's JSON") {
    const auto start = decode_start(
        R"({"process":{"cmd":"a","args":["b",""],"envs":{"K":"v"},"cwd":"/","unknown":{}},"tag":null,"stdin":false})");
    REQUIRE(start.has_value());
    CHECK(start->cmd == "a");
    CHECK(start->args == std::vector<std::string>{"b", ""});
    CHECK(start->envs == Environment{{"K", "v"}});
    CHECK(!start->stdin_open);
    CHECK(decode_start(R"({"process":{"cmd":"a"}})")->stdin_open);
    CHECK(decode_selector(R"({"process":{"pid":"17"}})")->pid == 17U);
    CHECK(decode_selector(R"({"process":{"tag":"t"}})")->tag == "t");
    CHECK(decode_selector(R"({"process":{}})").has_error());
    CHECK(decode_selector(R"({"process":{"pid":-1}})").has_error());
    CHECK(decode_selector(R"({"process":{"pid":4294967296}})").has_error());
    CHECK(decode_selector(R"({"process":{"pid":"1x"}})").has_error());
    CHECK(decode_signal(R"({"process":{"pid":1},"signalNumber":2})")->signal == 2);
    CHECK(decode_signal(R"({"process":{"pid":1},"signal":"SIGNAL_SIGTERM"})")->signal == 15);
    CHECK(decode_signal(R"({"process":{"pid":1},"signal":15})")->signal == 15);
    CHECK(decode_signal(R"({"process":{"pid":1},"signal":9})")->signal == 9);
    for (const char* signal : {"0", "1", "-9", "9.5", "\"9\"", "true", "null"})
        CHECK(decode_signal(R"({"process":{"pid":1},"signal":)" + std::string(signal) + "}").has_error());
    CHECK(decode_signal(R"({"process":{"pid":1},"signalNumber":0})").has_error());
    CHECK(decode_signal(R"({"process":{"pid":1}})").has_error());
    CHECK(decode_input(R"({"process":{"pid":1},"input":{"stdin":"YQ"}})")->input.bytes == "a");
    CHECK(decode_input(R"({"process":{"pid":1},"input":{"stdin":"%"}})").has_error());
    CHECK(decode_input(R"({"process":{"pid":1}})").has_error());
    CHECK(decode_path(R"({"path":"a","depth":3})")->depth == 3);
    // Fields by the names of the schema, too.
    CHECK(decode_watcher_id(R"({"watcherId":"w"})").value() == "w");
    CHECK(decode_watcher_id(R"({"watcher_id":"w"})").value() == "w");
    CHECK(decode_watch(R"({"path":"a","include_entry":true})")->with_entries);
    CHECK(decode_init(R"({"envVars":{}})")->envs.has_value());
    CHECK(!decode_init(R"({})")->envs.has_value());
    CHECK(decode_start("\"\"").has_error());
    CHECK(decode_start("{\"process\":{\"cmd\":\"\xff\"}}").has_error());
}

TEST_CASE("events") {
    const auto text = [](const ExitStatus& status) {
        std::string out;
        append_end_event(out, status);
        return out.substr(5);
    };
    CHECK(text({}) == R"({"event":{"end":{"exited":true,"status":"exit status 0"}}})");
    CHECK(
        text({0, 11, true, false}) ==
        R"x({"event":{"end":{"exitCode":-1,"status":"signal: segmentation fault (core dumped)","error":"signal: segmentation fault (core dumped)","signal":11}}})x");
    CHECK(
        text({0, 34, false, true}) ==
        R"({"event":{"end":{"exitCode":-1,"status":"signal: signal 34","error":"signal: signal 34","signal":34,"timedOut":true}}})");
    std::string data;
    append_data_event(data, Stream::standard_error, std::string("\0\xff", 2));
    CHECK(data == std::string("\0\0\0\0\x24", 5) + R"({"event":{"data":{"stderr":"AP8="}}})");
}

TEST_CASE("encodings") {
    for (const std::string_view bytes : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
        std::string text;
        append_base64(text, bytes);
        CHECK(text.size() == base64_size(bytes.size()));
        CHECK(decode_base64(text) == bytes);
    }
    CHECK(decode_base64("Zm8") == "fo");
    CHECK(!decode_base64("Z"));
    CHECK(!decode_base64("Zm9v\n"));
    CHECK(!decode_base64("===="));
    CHECK(decode_query_component("a%2Fb+c") == "a/b c");
    CHECK(!decode_query_component("%2"));
    CHECK(!decode_query_component("%g0"));
    std::string json;
    append_json_string(json, std::string_view("a\"\\\n\0\xff\xc3\xa4\xed\xa0\x80", 11));
    CHECK(json == "\"a\\\"\\\\\\u000a\\u0000\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256(std::string(1000000, 'a'))) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    // The recorded signature of a real client.
    std::string signature;
    append_base64(signature, sha256("/tmp/pd/f.txt:read:root:ea_tok"));
    CHECK(signature == "Zo+BHDBSLurjp2+SpZF8XBtdAMRR3X8rJF7NSf30OFA=");
    CHECK(equals_in_constant_time("abc", "abc"));
    CHECK(!equals_in_constant_time("abc", "abd"));
    CHECK(!equals_in_constant_time("abc", "ab"));
}

TEST_CASE("multipart, however it is cut") {
    const std::string bytes = "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\"; "
                              "c\"\r\n\r\nA\r\n--Bx\r\n--\r\n--B \r\n\r\n\r\n"
                              "--B\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--B--\r\nepilogue";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        MultipartReader reader("B");
        std::vector<std::string> parts;
        bool end = false;
        std::string_view rest = bytes;
        while (!rest.empty() && !end) {
            reader.feed(rest.substr(0, piece));
            rest.remove_prefix(std::min(piece, rest.size()));
            for (;;) {
                const auto event = reader.next();
                REQUIRE(event != MultipartReader::Event::bad);
                if (event == MultipartReader::Event::part)
                    parts.push_back(reader.head().name + "|" + reader.head().filename + "|");
                if (event == MultipartReader::Event::data) parts.back() += reader.data();
                end = event == MultipartReader::Event::end;
                if (end || event == MultipartReader::Event::need_more) break;
            }
        }
        CHECK(end);
        // A line that merely begins like a boundary is not one.
        CHECK(parts == std::vector<std::string>{"file|a \"b\"; c|A\r\n--Bx\r\n--", "||", "x||"});
    }
    CHECK(multipart_boundary("multipart/form-data; boundary=\"a b\"") == "a b");
    CHECK(multipart_boundary("Multipart/Form-Data; charset=x; boundary=ab") == "ab");
    CHECK(!multipart_boundary("multipart/form-data"));
    CHECK(!multipart_boundary("multipart/mixed; boundary=a"));
    CHECK(!multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST_CASE("ranges") {
    using Kind = RangeAnswer::Kind;
    const auto is = [](std::string_view field, std::uint64_t size, Kind kind, std::uint64_t first = 0, std::uint64_t length = 0) {
        const RangeAnswer range = parse_range(field, size);
        return range.kind == kind && range.first == first && range.length == length;
    };
    CHECK(is("", 5, Kind::whole));
    CHECK(is("bytes=0-", 5, Kind::part, 0, 5));
    CHECK(is("bytes=4-100", 5, Kind::part, 4, 1));
    CHECK(is("bytes=-100", 5, Kind::part, 0, 5));
    CHECK(is("bytes=5-", 5, Kind::unsatisfiable));
    CHECK(is("bytes=-0", 5, Kind::unsatisfiable));
    CHECK(is("bytes=0-0", 0, Kind::unsatisfiable));
    CHECK(is("bytes=3-1", 5, Kind::whole));
    CHECK(is("bytes=0-1,3-4", 5, Kind::whole));
    CHECK(is("lines=0-1", 5, Kind::whole));
    CHECK(is("bytes=18446744073709551615-", 5, Kind::unsatisfiable));
    CHECK(is("bytes=0-18446744073709551615", 5, Kind::part, 0, 5));
    CHECK(is("bytes=99999999999999999999-", 5, Kind::whole));
}

TEST_CASE("paths, queries, users") {
    Identity user;
    user.home = "/home/u";
    CHECK(*resolve_path("/a//b/./c/", user, "") == "/a/b/c");
    CHECK(*resolve_path("a/../b", user, "/w") == "/home/u/a/../b");
    CHECK(*resolve_path("", user, "/w") == "/w");
    CHECK(*resolve_path("", user, "") == "/home/u");
    CHECK(*resolve_path("~/x", user, "") == "/home/u/x");
    CHECK(*resolve_path("/", user, "") == "/");
    CHECK(resolve_path("~other", user, "").has_error());
    CHECK(resolve_path(std::string_view("/a\0b", 4), user, "").has_error());
    CHECK(resolve_path("/" + std::string(5000, 'a'), user, "").has_error());
    CHECK(base_name("/a/b") == "b");
    CHECK(parent_path("/a") == "/");
    CHECK(parent_path("/a/b") == "/a");
    CHECK(parse_query("a=1&b&a=2&&c=%26")->at("c") == "&");
    CHECK(parse_query("a=1&a=2")->at("a") == "1");
    CHECK(!parse_query("a=%"));
    CHECK(*basic_auth_user("Basic cm9vdDo=") == "root");
    CHECK(basic_auth_user("Bearer x")->empty());
    CHECK(basic_auth_user("Basic %").has_error());
    REQUIRE(find_user("root"));
    CHECK(find_user("root")->uid == 0);
    CHECK(!find_user(""));
    CHECK(!find_user("no:such"));
    CHECK(OwnerNames().user(4294967290U) == "4294967290");
}

TEST_CASE("the fields of a stream") {
    const auto options = [](std::string name, std::string value) {
        RequestHead head;
        head.fields = {{std::move(name), std::move(value)}};
        return output_options(head);
    };
    CHECK(output_options({})->keepalive == std::chrono::seconds(90));
    CHECK(!output_options({})->extensions);
    CHECK(!output_options({})->offset);
    CHECK(!output_options({})->raw_frames);
    CHECK(options("keepalive-ping-interval", "7")->keepalive == std::chrono::seconds(7));
    CHECK(options("Sandboxkit-Extensions", "1")->extensions);
    CHECK(!options("Sandboxkit-Extensions", "2")->extensions);
    CHECK(options("sandboxkit-output-offset", "0")->offset == 0U);
    CHECK(options("Sandboxkit-Output-Offset", "18446744073709551615")->offset == UINT64_MAX);
    CHECK(!options("Sandboxkit-Output-Offset", "")->offset);
    for (const char* offset : {"-1", "+1", "x", "1x", "0x1", "1 2", "18446744073709551616", "000000000000000000000"})
        CHECK(options("Sandboxkit-Output-Offset", offset).error().code == Code::invalid_argument);
    CHECK(options("Sandboxkit-Frames", "raw")->raw_frames);
    for (const char* frames : {"", "Raw", "json", "raw, json"})
        CHECK(options("Sandboxkit-Frames", frames).error().code == Code::invalid_argument);
}
