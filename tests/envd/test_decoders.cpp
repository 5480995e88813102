// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "envd/base64.hpp"
#include "envd/bounded_text.hpp"
#include "envd/entry_decoder.hpp"
#include "envd/guest_errors.hpp"
#include "envd/json_reader.hpp"
#include "envd/process_events.hpp"
#include "envd/recorded.hpp"
#include "envd/signal_names.hpp"
#include "envd/watch_events.hpp"
#include "net/result_text.hpp"

#include <random>
#include <vector>

using namespace sandboxkit;
using namespace sandboxkit::envd;
namespace recorded = sandboxkit::test::recorded;

TEST_CASE("base64, RFC 4648's own examples") {
    const std::pair<std::string, std::string> examples[] = {{"", ""},
                                                            {"f", "Zg=="},
                                                            {"fo", "Zm8="},
                                                            {"foo", "Zm9v"},
                                                            {"foob", "Zm9vYg=="},
                                                            {"fooba", "Zm9vYmE="},
                                                            {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : examples) {
        CHECK(base64_encode(bytes) == text);
        CHECK(base64_decode(text) == bytes);
    }
}

TEST_CASE("base64 gives back any bytes and takes nothing else") {
    std::mt19937 random(2);
    for (int i = 0; i < 500; ++i) {
        std::string bytes(random() % 100, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
    }
    for (const char* bad : {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 8", "Zm-_", "Zm8=\n", "=Zg=", "Zg=a"})
        CHECK(!base64_decode(bad));
    CHECK(!base64_decode(std::string_view("Zm\08", 4)));
    CHECK(!base64_decode("\xc3\xa4\xc3\xa4"));
}

TEST_CASE("text of a peer becomes harmless") {
    CHECK(bounded_text("a\tb\nc") == "a\tb\nc");
    CHECK(bounded_text("\x1b[31mred\r\x7f") == "?[31mred??");
    CHECK(bounded_text("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80") == "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK(bounded_text("\xc2\x9b"
                       "31m") == "?31m"); // a C1 control
    CHECK(bounded_text("\xff\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xc3") == "???????????"
                                                                          "");
    CHECK(bounded_text(std::string(10000, 'x')).size() == 4096);
    CHECK(bounded_text("\xe2\x82\xac\xe2\x82\xac", 5) == "\xe2\x82\xac"); // never half a character
    CHECK(is_utf8("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
    for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                            "\xf5\x80\x80\x80", "a\xe2\x82"})
        CHECK(!is_utf8(bad));
}

TEST_CASE("Go's names of signals") {
    CHECK(signal_of_status("signal: killed") == 9);
    CHECK(signal_of_status("signal: terminated") == 15);
    CHECK(signal_of_status("signal: interrupt") == 2);
    CHECK(signal_of_status("signal: hangup") == 1);
    CHECK(signal_of_status("signal: segmentation fault (core dumped)") == 11);
    CHECK(signal_of_status("signal: bad system call") == 31);
    CHECK(signal_of_status("signal: signal 34") == 34);
    for (const char* other : {"", "exit status 1", "signal: ", "signal: signal 65", "signal: signal 0", "signal: signal 3x",
                              "signal: nonsense", "killed"})
        CHECK(!signal_of_status(other));
}

namespace {

struct Decoded {
    std::vector<ProcessEventDecoder::Item> items;
    std::optional<Error> error;
    bool ended = false;
};

Decoded decode(std::string_view bytes, std::size_t step, bool has_timeout = false, bool raw = false) {
    Decoded out;
    ProcessEventDecoder decoder({"Start", has_timeout, raw, 1000});
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        decoder.feed(bytes.substr(at, step));
        for (;;) {
            auto item = decoder.next();
            if (!item) {
                out.error = item.error();
                return out;
            }
            if (!*item) break;
            out.items.push_back(std::move(**item));
            if (const auto* event = std::get_if<ProcessEvent>(&out.items.back()); event != nullptr && event->end) {
                out.ended = true;
                return out;
            }
        }
    }
    return out;
}

std::string event(std::string_view json) {
    return net::encode_envelope(0, json);
}
std::string frame(std::string_view json) {
    return net::encode_envelope(2, json);
}
const std::string started = event(R"({"event":{"start":{"pid":7}}})");

ProcessEnd end_of(const Decoded& decoded) {
    REQUIRE(!decoded.error);
    REQUIRE(decoded.ended);
    return *std::get<ProcessEvent>(decoded.items.back()).end;
}
ProcessEnd end_of_event(std::string_view end) {
    return end_of(decode(started + event("{\"event\":{\"end\":" + std::string(end) + "}}") + frame("{}"), 1000));
}

} // namespace

TEST_CASE("a recorded stream, cut at every byte and merged") {
    std::string bytes;
    for (const auto part : recorded::command_chunks) bytes += part;
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        const auto decoded = decode(bytes, step);
        REQUIRE(!decoded.error);
        REQUIRE(decoded.items.size() == 5);
        CHECK(std::get<ProcessStarted>(decoded.items[0]).pid == 7659);
        CHECK(std::get<ProcessEvent>(decoded.items[1]).bytes == "out\n");
        CHECK(std::get<ProcessEvent>(decoded.items[1]).stream == Stream::standard_output);
        CHECK(std::get<ProcessEvent>(decoded.items[2]).bytes == "err\n");
        CHECK(std::get<ProcessEvent>(decoded.items[2]).stream == Stream::standard_error);
        CHECK(std::get<ProcessEvent>(decoded.items[3]).bytes == "bar 1 /tmp /root\n");
        CHECK(end_of(decoded) == ProcessEnd{3, 0, false});
    }
}

TEST_CASE("a stream that stops at any byte before its last has no end") {
    std::string bytes;
    for (const auto part : recorded::command_chunks) bytes += part;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto decoded = decode(std::string_view(bytes).substr(0, size), bytes.size());
        CHECK(!decoded.error);
        CHECK(!decoded.ended);
    }
    const Error truncated = ProcessEventDecoder({"Start"}).truncated();
    CHECK(truncated.kind == ErrorClass::internal);
    CHECK(truncated.code == "peer_protocol");
}

TEST_CASE("ends") {
    CHECK(end_of_event(R"({"exited":true})") == ProcessEnd{0, 0, false});
    CHECK(end_of_event(R"({"exited":true,"exitCode":255,"new":[1]})") == ProcessEnd{255, 0, false});
    CHECK(end_of_event(R"({"exitCode":-1,"status":"signal: killed"})") == ProcessEnd{-1, 9, false});
    CHECK(end_of_event(R"({"exitCode":-1,"status":"signal: terminated"})") == ProcessEnd{-1, 15, false});
    CHECK(end_of_event(R"({"exitCode":-1,"status":"?","signal":34})") == ProcessEnd{-1, 34, false});
    CHECK(end_of_event(R"({"exitCode":-1,"signal":9,"timedOut":true})") == ProcessEnd{-1, 9, true});
    CHECK(end_of_event(R"({"exited":true,"exitCode":0,"timedOut":true})") == ProcessEnd{0, 0, true});
    const std::string_view killed[] = {recorded::start_event, recorded::killed_event, recorded::end_frame};
    CHECK(end_of(decode(std::string(killed[0]) + std::string(killed[1]) + std::string(killed[2]), 9)) ==
          ProcessEnd{-1, 9, false});
}

TEST_CASE("the time limit that was asked for is an end, one that was not is an error") {
    const std::string bytes = std::string(recorded::start_event) + std::string(recorded::deadline_frame);
    CHECK(end_of(decode(bytes, 3, true)) == ProcessEnd{-1, 9, true});
    const auto failed = decode(bytes, 3, false);
    REQUIRE(failed.error);
    CHECK(failed.error->kind == ErrorClass::timeout);
    // A server that gave up before the process started ran nothing.
    const auto early = decode(recorded::deadline_frame, 100, true);
    REQUIRE(early.error);
    CHECK(early.error->kind == ErrorClass::timeout);
    // Our guest tells the end and then closes with the same frame.
    const auto both = decode(started + event(R"({"event":{"end":{"exitCode":-1,"signal":9,"timedOut":true}}})") +
                                 std::string(recorded::deadline_frame),
                             5, true);
    CHECK(end_of(both) == ProcessEnd{-1, 9, true});
}

TEST_CASE("refusals in the end frame") {
    const auto cwd = decode(recorded::missing_cwd_frame, 10);
    REQUIRE(cwd.error);
    CHECK(cwd.error->kind == ErrorClass::invalid);
    CHECK(cwd.error->code == "guest_invalid_argument");
    CHECK(cwd.error->detail == "cwd '/nope' does not exist");
}

TEST_CASE("keepalives, empty output and unknown events say nothing; a terminal is one stream") {
    const auto decoded = decode(std::string(recorded::keepalive_event) + started + std::string(recorded::keepalive_event) +
                                    event(R"({"event":{"data":{"stdout":""}}})") + event(R"({"event":{"data":{}}})") +
                                    event(R"({"event":{"later":{"a":1}}})") + event("{}") +
                                    std::string(recorded::terminal_event) + std::string(recorded::exit_zero_event) + frame("{}"),
                                17);
    REQUIRE(!decoded.error);
    REQUIRE(decoded.items.size() == 3);
    CHECK(std::get<ProcessEvent>(decoded.items[1]).bytes == "30 100\r\n");
    CHECK(std::get<ProcessEvent>(decoded.items[1]).stream == Stream::standard_output);
}

TEST_CASE("a guest that lies") {
    const std::string streams[] = {
        event("not json"),
        event("[]"),
        event("null"),
        event(""),
        event("{\"event\":1}"),
        event(std::string(40, '[')),
        event(R"({"event":{"start":{}}})"),
        event(R"({"event":{"start":{"pid":0}}})"),
        event(R"({"event":{"start":{"pid":-1}}})"),
        event(R"({"event":{"start":{"pid":4294967296}}})"),
        event(R"({"event":{"start":{"pid":1.5}}})"),
        event(R"({"event":{"start":{"pid":"x"}}})"),
        event(R"({"event":{"start":[]}})"),
        event(R"({"event":{"data":{"stdout":"YQ=="}}})"), // before the start
        event(R"({"event":{"end":{"exited":true}}})"),
        started + started,
        started + event(R"({"event":{"data":{"stdout":"YQ"}}})"),
        started + event(R"({"event":{"data":{"stdout":7}}})"),
        started + event(R"({"event":{"data":{"stdout":"YQ==","stderr":"YQ=="}}})"),
        started + event(R"({"event":{"data":{"stdout":"YQ=="},"end":{"exited":true}}})"),
        started + event(R"({"event":{"end":{}}})"),
        started + event(R"({"event":{"end":{"exited":true,"exitCode":256}}})"),
        started + event(R"({"event":{"end":{"exited":true,"exitCode":-1}}})"),
        started + event(R"({"event":{"end":{"exited":true,"signal":9}}})"),
        started + event(R"({"event":{"end":{"exited":"yes"}}})"),
        started + event(R"({"event":{"end":{"signal":65}}})"),
        started + event(R"({"event":{"end":{"exitCode":-1,"status":"signal: love"}}})"),
        started + event(R"({"event":{"end":{"exitCode":9999999999}}})"),
        started + event(R"({"event":{"end":{"exited":true}}})") + event(R"({"event":{"data":{"stdout":"YQ=="}}})"),
        started + event(R"({"event":{"end":{"exited":true}}})") + event(R"({"event":{"end":{"exited":true}}})"),
        started + frame("{}"), // no end event
        started + frame("nonsense"),
        started + frame(R"({"error":7})"),
        started + frame(R"({"error":{"code":7}})"),
        started + net::encode_envelope(1, "\x1f\x8b"),
        started + net::encode_envelope(3, "{}"),
        started + net::encode_envelope(0x80, "{}"),
        started + std::string("\0\0\x10\0\1", 5), // one byte past the limit
        started + std::string("\0\xff\xff\xff\xff", 5),
        frame("{}"),
    };
    for (const auto& bytes : streams)
        for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
            CAPTURE(bytes.substr(0, 120));
            const auto decoded = decode(bytes, step);
            REQUIRE(decoded.error);
            CHECK(decoded.error->kind == ErrorClass::internal);
            CHECK(decoded.error->code == "peer_protocol");
            CHECK(decoded.error->detail.size() <= 4096);
        }
}

TEST_CASE("JSON that grows in memory is refused") {
    std::string bomb = "{\"a\":[";
    for (int i = 0; i < 300'000; ++i) bomb += "0,";
    bomb += "0]}"; // two bytes a value that takes more than sixteen
    const auto parsed = with_json_object(bomb, [](const boost::json::object&) -> Result<void> { return {}; });
    REQUIRE(!parsed);
    CHECK(parsed.error().code == "peer_protocol");
    CHECK(with_json_object("{\"a\":1}", [](const boost::json::object& o) -> Result<void> {
        CHECK(o.size() == 1);
        return {};
    }));
}

TEST_CASE("recorded answers of the file and process services") {
    const auto entry = decode_entry(recorded::entry_body);
    REQUIRE(entry);
    CHECK(entry->name == "a");
    CHECK(entry->path == "/tmp/pd/a");
    CHECK(entry->type == FileType::directory);
    CHECK(entry->size == 4096);
    CHECK(entry->mode == 493);
    CHECK(entry->permissions == "drwxr-xr-x");
    CHECK(entry->owner == "root");
    CHECK(entry->modified == "2026-11-20T23:13:47.176244826Z");
    const auto entries = decode_entries(recorded::entries_body);
    REQUIRE(entries);
    REQUIRE(entries->size() == 2);
    CHECK((*entries)[1].type == FileType::file);
    CHECK((*entries)[1].size == 5);
    CHECK(decode_entries("{}")->empty());
    const auto processes = decode_processes(recorded::processes_body);
    REQUIRE(processes);
    REQUIRE(processes->size() == 1);
    CHECK((*processes)[0].pid == 7666);
    CHECK((*processes)[0].argv.at(0) == "/bin/cat");
    CHECK((*processes)[0].id == "cat1");
    CHECK(decode_processes("{}")->empty());
    const auto written = decode_written_file(recorded::written_body);
    REQUIRE(written);
    CHECK(written->path == "/tmp/pd/f.txt");
    CHECK(written->type == FileType::file);
    const auto link = decode_entry(R"({"entry":{"path":"/l","type":"FILE_TYPE_FILE","symlinkTarget":"/t"}})");
    REQUIRE(link);
    CHECK(link->type == FileType::symlink);
    CHECK(link->symlink_target == "/t");
    CHECK(decode_entry(R"({"entry":{"path":"/l","type":"FILE_TYPE_NEW"}})")->type == FileType::other);
}

TEST_CASE("answers that are not what they should be") {
    for (const char* body :
         {"", "{}", "[]", "null", "{\"entry\":null}", "{\"entry\":[]}", "{\"entry\":{}}", "{\"entry\":{\"path\":7}}",
          "{\"entry\":{\"path\":\"/a\",\"size\":\"-1\"}}", "{\"entry\":{\"path\":\"/a\",\"size\":\"x\"}}",
          "{\"entry\":{\"path\":\"/a\",\"size\":1e3}}", "{\"entry\":{\"path\":\"/a\",\"mode\":4294967296}}",
          "{\"entry\":{\"path\":\"/a\",\"mode\":true}}", "{\"entry\":{\"path\":\"\xff\"}}"}) {
        CAPTURE(body);
        const auto entry = decode_entry(body);
        REQUIRE(!entry);
        CHECK(entry.error().code == "peer_protocol");
    }
    for (const char* body : {"{\"entries\":{}}", "{\"entries\":[7]}", "{\"entries\":[{}]}", "{\"entries\":\"x\"}"})
        CHECK(!decode_entries(body));
    for (const char* body :
         {"{\"processes\":[{}]}", "{\"processes\":[{\"pid\":0}]}", "{\"processes\":[{\"pid\":1,\"config\":{\"args\":[1]}}]}",
          "{\"processes\":[{\"pid\":1,\"tag\":1}]}", "{\"processes\":7}"})
        CHECK(!decode_processes(body));
    for (const char* body : {"", "[]", "{}", "[7]", "[{},{}]", "[{\"path\":\"/a\"},{\"path\":\"/b\"}]"})
        CHECK(!decode_written_file(body));
}

TEST_CASE("every Connect code has its class") {
    const std::pair<const char*, ErrorClass> table[] = {{"canceled", ErrorClass::unavailable},
                                                        {"unknown", ErrorClass::internal},
                                                        {"invalid_argument", ErrorClass::invalid},
                                                        {"deadline_exceeded", ErrorClass::timeout},
                                                        {"not_found", ErrorClass::not_found},
                                                        {"already_exists", ErrorClass::conflict},
                                                        {"permission_denied", ErrorClass::permission},
                                                        {"resource_exhausted", ErrorClass::quota},
                                                        {"failed_precondition", ErrorClass::conflict},
                                                        {"aborted", ErrorClass::conflict},
                                                        {"out_of_range", ErrorClass::invalid},
                                                        {"unimplemented", ErrorClass::unsupported},
                                                        {"internal", ErrorClass::internal},
                                                        {"unavailable", ErrorClass::unavailable},
                                                        {"data_loss", ErrorClass::data_loss},
                                                        {"unauthenticated", ErrorClass::permission}};
    for (const auto& [code, kind] : table) {
        CHECK(class_of_connect_code(code) == kind);
        const Error error = guest_error("Stat", code, "words");
        CHECK(error.kind == kind);
        CHECK(error.code == "guest_" + std::string(code));
        CHECK(error.detail == "words");
        CHECK(error.message.find("Stat") != std::string::npos);
    }
    CHECK(class_of_connect_code("nonsense") == ErrorClass::internal);
    CHECK(guest_error("Stat", "nonsense", "").code == "guest_unknown");
}

TEST_CASE("refusals of HTTP") {
    const auto of = [](unsigned status, std::string type, std::string body, Route route = Route::rpc) {
        net::HttpResponse response;
        response.head.status = status;
        if (!type.empty()) response.head.headers.emplace_back("Content-Type", std::move(type));
        response.body = std::move(body);
        return error_of_response("Stat", route, response);
    };
    const auto json = "application/json; charset=utf-8";
    CHECK(of(404, json, R"({"code":"not_found","message":"file not found"})").kind == ErrorClass::not_found);
    CHECK(of(404, json, R"({"code":"not_found","message":"file not found"})").detail == "file not found");
    CHECK(of(409, json, R"({"code":"already_exists"})").kind == ErrorClass::conflict);
    CHECK(of(401, json, std::string(recorded::unauthorized_body)).kind == ErrorClass::permission);
    CHECK(of(404, json, R"({"code":404,"message":"path does not exist"})", Route::plain).kind == ErrorClass::not_found);
    CHECK(of(400, json, R"({"code":400,"message":"is a directory"})", Route::plain).kind == ErrorClass::invalid);
    CHECK(of(507, json, R"({"code":507,"message":"disk full"})", Route::plain).kind == ErrorClass::quota);
    CHECK(of(502, json, R"({"sandboxId":"x","message":"The sandbox was not found","code":502})").kind == ErrorClass::unavailable);
    CHECK(of(404, "text/plain; charset=utf-8", "404 page not found\n").kind == ErrorClass::unsupported); // an unknown method
    CHECK(of(404, "text/plain; charset=utf-8", "404 page not found\n", Route::plain).kind == ErrorClass::not_found);
    CHECK(of(415, "", "").kind == ErrorClass::internal);
    CHECK(of(500, json, "not json at all").kind == ErrorClass::internal);
    CHECK(of(500, json, "not json at all").detail == "not json at all");
    CHECK(of(403, json, R"({"code":"what","message":7})").kind == ErrorClass::permission);
    CHECK(of(503, "text/html", std::string(100'000, 'x')).detail.size() <= 4096);
    CHECK(of(504, "", "upstream request timeout").kind == ErrorClass::timeout);
    CHECK(of(599, "", "").code == "guest_unknown");
}

TEST_CASE("raw output counts as output, where it was asked for") {
    const std::string start = event(R"({"event":{"start":{"pid":7}}})");
    const std::string end = event(R"({"event":{"end":{"exited":true,"status":"exit status 0"}}})") +
                            net::encode_envelope(net::envelope_end_of_stream, "{}");
    const std::string bytes("\0\xff{\"", 4);
    const std::string answer = start + net::encode_envelope(0x40, bytes) + net::encode_envelope(0x41, "e") +
                               net::encode_envelope(0x42, "") + net::encode_envelope(0x42, "t") + end;
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, answer.size()}) {
        const auto decoded = decode(answer, step, false, true);
        REQUIRE(decoded.ended);
        REQUIRE(decoded.items.size() == 5);
        const auto item = [&](std::size_t i) { return std::get<ProcessEvent>(decoded.items[i]); };
        CHECK(item(1).bytes == bytes);
        CHECK(item(1).stream == Stream::standard_output);
        CHECK(item(1).offset == 1000);
        CHECK(item(2).stream == Stream::standard_error);
        CHECK(item(2).offset == 1004);
        CHECK(item(3).bytes == "t"); // a terminal has one stream; an empty chunk is none
        CHECK(item(3).offset == 1005);
        CHECK(item(4).offset == 1006);
    }
    REQUIRE(decode(answer, 1).error);
    CHECK(decode(answer, 1).error->code == "peer_protocol");
    const auto early = decode(net::encode_envelope(0x40, "x"), 1, false, true);
    REQUIRE(early.error);
    CHECK(early.error->code == "peer_protocol");
}

TEST_CASE("the events of a watch") {
    const auto watch = [](std::string_view bytes) {
        WatchEventDecoder decoder;
        std::vector<FileEvent> events;
        std::optional<Error> error;
        for (const char byte : bytes) {
            decoder.feed(std::string_view(&byte, 1));
            for (;;) {
                auto item = decoder.next();
                if (!item) return std::pair(events, std::optional(item.error()));
                if (!*item) break;
                if (const auto* found = std::get_if<FileEvent>(&**item)) events.push_back(*found);
            }
        }
        return std::pair(events, error);
    };
    const std::string start = event(R"({"start":{}})");
    const std::string written = event(R"({"filesystem":{"name":"a/b","type":"EVENT_TYPE_WRITE"}})");
    const auto [events, none] =
        watch(start + event(R"({"keepalive":{}})") + written + event(R"({"filesystem":{"name":"x","type":"EVENT_TYPE_NEWER"}})"));
    CHECK(!none);
    REQUIRE(events.size() == 1);
    CHECK(events[0].change == FileChange::written);
    CHECK(events[0].name == "a/b");
    const auto code = [&](std::string_view bytes) { return watch(bytes).second.value_or(Error{}).code; };
    CHECK(code(written) == "peer_protocol");
    CHECK(code(start + start) == "peer_protocol");
    CHECK(code(start + event(R"({"filesystem":7})")) == "peer_protocol");
    CHECK(code(start + net::encode_envelope(1, "{}")) == "peer_protocol");
    CHECK(code(start + net::encode_envelope(net::envelope_end_of_stream, "{}")) == "watch_ended");
    CHECK(code(start + net::encode_envelope(net::envelope_end_of_stream,
                                            R"({"error":{"code":"resource_exhausted","message":"too many"}})")) ==
          "guest_resource_exhausted");
    CHECK(code(start + std::string("\0\xff\xff\xff\xff", 5)) == "peer_protocol");
}
