// SPDX-License-Identifier: Apache-2.0
// What the library asks of its host: answered in every way, late, twice, by nobody.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "capi/c_fixture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds for_ever = 24h;

// Questions on a queue of their own; the tag is 77.
struct Asking {
    explicit Asking(std::chrono::milliseconds patience = for_ever)
        : host(std::make_shared<capi::Host>(questions->queue, 77, patience, true)) {}
    Handle<sbk_event> question() { return expect(questions, SBK_EVENT_REQUEST, 77); }

    Handle<sbk_queue> questions = new_queue();
    std::shared_ptr<capi::Host> host;
};

sbk_status respond(const Handle<sbk_event>& event, std::string_view json) {
    return sbk_event_respond(event.get(), json.data(), json.size());
}

// An engine that asks for references, and a document with one.
struct Validating : Asking {
    explicit Validating(std::chrono::milliseconds patience = for_ever) : Asking(patience), c({host, true}) {}
    void validate(std::uint64_t tag, const boost::json::object& more) {
        const auto text = document_for_memory(more);
        REQUIRE(sbk_profile_validate(nullptr, c.client.get(), tag, text.data(), text.size(), SBK_GATE_PUBLISH) == SBK_OK);
    }
    void validate(std::uint64_t tag) { validate(tag, {{"connections", {{"git", "con_1"}}}}); }
    CEngine c;
};

// The errors that the answer brings, as "pointer code" lines.
std::string errors_of(const Handle<sbk_event>& event) {
    std::string text;
    const auto value = boost::json::parse(json_of(event));
    for (const auto& error : value.at("errors").as_array())
        text += std::string(error.at("pointer").as_string()) + " " + std::string(error.at("code").as_string()) + "\n";
    return text;
}

} // namespace

TEST_CASE("a connection is asked for, and the answer counts") {
    Validating v;
    v.validate(2);
    auto asked = v.question();
    CHECK(json_of(asked) == R"({"request":"connection","id":"con_1"})");
    CHECK(sbk_event_status(asked.get()) == SBK_OK);
    SUBCASE("one of the right kind") {
        CHECK(respond(asked, R"({"kind": "git", "name": "GitHub", "provider": "github",
                                 "repositories": {"app": "https://git.example/app.git"},
                                 "url_template": "https://git.example/{identifier}.git"})") == SBK_OK);
        CHECK(errors_of(success(v.c.queue, 2)) == "/connections/git not_enacted\n"); // it is what it should be
        CHECK(respond(asked, "null") == SBK_CONFLICT);                               // answered twice
        CHECK(sbk_event_refuse(asked.get(), SBK_UNAVAILABLE, "no", 2) == SBK_CONFLICT);
    }
    SUBCASE("one of the wrong kind") {
        CHECK(respond(asked, R"({"kind": "model_provider", "protocols": ["anthropic-messages"]})") == SBK_OK);
        CHECK(errors_of(success(v.c.queue, 2)).find("/connections/git ") != std::string::npos);
    }
    SUBCASE("there is none") {
        CHECK(respond(asked, " null ") == SBK_OK);
        CHECK(errors_of(success(v.c.queue, 2)).find("/connections/git connection_unknown") != std::string::npos);
    }
    SUBCASE("by another thread") {
        std::thread([&] { CHECK(respond(asked, "null") == SBK_OK); }).join();
        success(v.c.queue, 2);
    }
    SUBCASE("what is no such answer") {
        CHECK(respond(asked, R"({"kind": "car", "protocols": [1, "x"], "wheels": 4})") == SBK_INVALID);
        CHECK(respond(asked, "null") == SBK_CONFLICT); // that was the answer
        const auto end = expect(v.c.queue, SBK_EVENT_COMPLETION, 2);
        CHECK(sbk_event_status(end.get()) == SBK_INVALID);
        CHECK(text_at(end, "/code") == "host_answer_invalid");
        CHECK(text_at(end, "/problems/0/pointer") == "/kind");
        CHECK(text_at(end, "/problems/1/pointer") == "/protocols/0");
        CHECK(text_at(end, "/problems/2/pointer") == "/wheels");
    }
    SUBCASE("what is no JSON") {
        for (const auto* wrong : {"{\"kind\": \"git\"", "\xff", ""}) {
            CHECK(respond(asked, wrong) == SBK_INVALID);
            CHECK(failure(v.c.queue, 2) == "host_answer_invalid");
            v.validate(2);
            asked = v.question();
        }
        respond(asked, "null");
        success(v.c.queue, 2);
    }
    SUBCASE("refused") {
        CHECK(sbk_event_refuse(asked.get(), SBK_OK, "why", 3) == SBK_MISUSE);
        CHECK(sbk_event_refuse(asked.get(), SBK_NO_MEMORY, "why", 3) == SBK_MISUSE);
        CHECK(sbk_event_refuse(asked.get(), SBK_UNAVAILABLE, nullptr, 0) == SBK_MISUSE);
        CHECK(sbk_event_refuse(asked.get(), SBK_UNAVAILABLE, "the directory is down\xff", SBK_NUL) == SBK_OK);
        const auto end = expect(v.c.queue, SBK_EVENT_COMPLETION, 2);
        CHECK(sbk_event_status(end.get()) == SBK_UNAVAILABLE);
        CHECK(text_at(end, "/code") == "host_refused");
        CHECK(text_at(end, "/message") == "the directory is down\xEF\xBF\xBD"); // as JSON has to be
    }
    SUBCASE("freed without an answer") {
        asked.reset();
        CHECK(failure(v.c.queue, 2) == "host_did_not_answer");
    }
    SUBCASE("the queue of questions goes") {
        v.questions.reset();
        CHECK(respond(asked, "null") == SBK_OK); // this one was taken out of it
        success(v.c.queue, 2);
        v.validate(3);
        CHECK(failure(v.c.queue, 3) == "host_did_not_answer");
    }
    SUBCASE("the engine closes") {
        REQUIRE(sbk_engine_close(nullptr, v.c.queue.get(), 4, v.c.engine.get()) == SBK_OK);
        CHECK(sbk_event_status(expect(v.c.queue, SBK_EVENT_COMPLETION, 2).get()) != SBK_OK);
        success(v.c.queue, 4);
        CHECK(respond(asked, "null") == SBK_CONFLICT);
    }
    SUBCASE("the engine is freed") {
        v.c.engine.reset();
        CHECK(sbk_event_status(expect(v.c.queue, SBK_EVENT_COMPLETION, 2).get()) != SBK_OK);
        CHECK(respond(asked, "null") == SBK_CONFLICT);
    }
}

TEST_CASE("the queue of questions goes while one is in it") {
    Validating v;
    v.validate(2);
    while (v.questions) {
        // It is there when the descriptor says so; nobody takes it.
        fd_set readable;
        FD_ZERO(&readable);
        const int descriptor = sbk_queue_descriptor(v.questions.get());
        FD_SET(descriptor, &readable);
        REQUIRE(::select(descriptor + 1, &readable, nullptr, nullptr, nullptr) == 1);
        v.questions.reset();
    }
    CHECK(failure(v.c.queue, 2) == "host_did_not_answer");
}

TEST_CASE("a question that nobody answers in time is refused") {
    Validating v(1ms);
    v.validate(2);
    CHECK(failure(v.c.queue, 2) == "host_did_not_answer");
    const auto asked = v.question();
    CHECK(respond(asked, "null") == SBK_CONFLICT);
    CHECK(sbk_event_refuse(asked.get(), SBK_UNAVAILABLE, "late", SBK_NUL) == SBK_CONFLICT);
}

TEST_CASE("questions of many operations are answered by several threads") {
    Validating v;
    constexpr std::uint64_t many = 50;
    std::vector<std::thread> answering;
    std::atomic<int> wrong = 0;
    for (int i = 0; i < 3; ++i)
        answering.emplace_back([&, i] {
            for (;;) {
                sbk_event* event = nullptr;
                sbk_queue_next(&event, v.questions.get(), -1);
                const Handle<sbk_event> asked(event);
                if (sbk_event_get_kind(asked.get()) == SBK_EVENT_POSTED) return;
                // The others may be refused, or forgotten.
                const auto status = i == 0   ? respond(asked, R"({"kind": "git"})")
                                    : i == 1 ? sbk_event_refuse(asked.get(), SBK_QUOTA, "no", 2)
                                             : SBK_OK;
                if (status != SBK_OK) ++wrong;
            }
        });
    for (std::uint64_t tag = 100; tag < 100 + many; ++tag) v.validate(tag);
    for (std::uint64_t i = 0; i < many; ++i) {
        const auto event = next(v.c.queue);
        CHECK(sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION);
        const auto code = sbk_event_status(event.get()) == SBK_OK ? "" : text_at(event, "/code");
        CHECK_MESSAGE((code == "" || code == "host_refused" || code == "host_did_not_answer"), code);
    }
    for (std::size_t i = 0; i < answering.size(); ++i) sbk_queue_post(v.questions.get(), 0);
    for (auto& thread : answering) thread.join();
    CHECK(wrong == 0);
    CHECK(next(v.c.queue, 0) == nullptr);
}

TEST_CASE("environments and hosts") {
    Asking a;
    std::thread host([&] {
        auto asked = a.question();
        CHECK(json_of(asked) == R"({"request":"environment","id":"env_1"})");
        CHECK(respond(asked, R"({"name": "production", "change_policy": "two people"})") == SBK_OK);
        asked = a.question();
        CHECK(respond(asked, R"({"name": null})") == SBK_INVALID);
        asked = a.question();
        CHECK(json_of(asked) == R"({"request":"host","id":""})");
        CHECK(respond(asked, R"({"provider": "local", "registered": true, "reachable": false, "storage_backend": null,
                                 "workspace_volumes": true})") == SBK_OK);
        asked = a.question();
        CHECK(respond(asked, R"({"provider": "local", "storage_backend": "directory"})") == SBK_OK);
        asked = a.question();
        CHECK(respond(asked, "[]") == SBK_INVALID);
        asked = a.question();
        CHECK(respond(asked, R"({"registered": 1})") == SBK_INVALID);
    });
    const auto environment = must(a.host->environment("env_1"));
    CHECK(environment == EnvironmentBinding{"env_1", "production", "two people"});
    CHECK(a.host->environment("env_2").error().problems.at(0).pointer == "/name");
    CHECK(must(a.host->host("")) == HostRecord{"", "local", true, false, {}, true});
    CHECK(must(a.host->host("one")) == HostRecord{"one", "local", false, true, "directory", false});
    CHECK(a.host->host("two").error().code == "host_answer_invalid");
    const auto faults = a.host->host("three").error().problems;
    host.join();
    REQUIRE(faults.size() == 2);
    CHECK(std::any_of(faults.begin(), faults.end(), [](const auto& p) { return p.pointer == "" || p.pointer == "/provider"; }));
    CHECK(std::any_of(faults.begin(), faults.end(), [](const auto& p) { return p.pointer == "/registered"; }));
}

namespace {

CredentialRequest some_request() {
    CredentialRequest request;
    request.url = "https://git.example/app.git";
    request.connection = "con_1";
    request.profile = "prf_1";
    request.version = 2;
    request.repository = "app";
    request.job = "job_1";
    return request;
}

// How often the bytes that `make` gives stand anywhere in the writable memory of this process, besides in what it gave itself.
// They are put together here, so that this search does not find itself.
template <std::size_t Size>
int copies_of(const std::array<unsigned char, Size>& masked, unsigned char mask) {
    int found = 0;
    std::ifstream maps("/proc/self/maps");
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    std::string line, block;
    while (std::getline(maps, line)) {
        if (line.find(" rw-p ") == std::string::npos || line.find("[v") != std::string::npos) continue;
        char* rest = nullptr;
        const auto begin = std::strtoull(line.c_str(), &rest, 16);
        const auto end = std::strtoull(rest + 1, nullptr, 16);
        block.resize(1 << 16);
        for (auto at = begin; at < end; at += block.size() - Size) {
            const auto size =
                ::pread(memory, block.data(), std::min<std::size_t>(block.size(), end - at), static_cast<off_t>(at));
            for (ssize_t i = 0; i + static_cast<ssize_t>(Size) <= size; ++i) {
                std::size_t same = 0;
                while (same < Size && static_cast<unsigned char>(block[static_cast<std::size_t>(i) + same]) ==
                                          static_cast<unsigned char>(masked[same] ^ mask))
                    ++same;
                // Not what this search has read itself.
                const auto place = at + static_cast<std::size_t>(i);
                const auto own = reinterpret_cast<std::uintptr_t>(block.data());
                if (same == Size && !(place >= own && place < own + block.size())) ++found;
            }
        }
        std::fill(block.begin(), block.end(), '\0');
    }
    ::close(memory);
    return found;
}

} // namespace

TEST_CASE("a credential is asked for") {
    Asking a;
    std::thread host([&] {
        auto asked = a.question();
        const auto value = boost::json::parse(json_of(asked));
        CHECK(value.at("request") == "credential");
        CHECK(value.at("purpose") == "clone");
        CHECK(value.at("url") == "https://git.example/app.git");
        CHECK(value.at("connection") == "con_1");
        CHECK(value.at("repository") == "app");
        CHECK(value.at("role") == "primary");
        CHECK(value.at("session") == "");
        CHECK(respond(asked, R"({"username": "git", "secret": "s\u00e9cret \"quoted\"", "expires": 1893456000})") == SBK_OK);
        const auto lease = value.at("lease");
        asked = a.question();
        const auto released = boost::json::parse(json_of(asked));
        CHECK(released.at("request") == "credential_release");
        CHECK(released.at("lease") == lease);
        CHECK(released.at("job") == "job_1");
        CHECK(released.at("over") == false);
        CHECK(released.at("refused") == true);
        CHECK(respond(asked, "null") == SBK_OK);
        asked = a.question();
        CHECK(boost::json::parse(json_of(asked)).at("connection").is_null());
        CHECK(text_at(asked, "/purpose") == "pull");
        CHECK(text_at(asked, "/url") == "https://registry.example:5000");
        CHECK(respond(asked, "null") == SBK_OK);
        asked = a.question();
        CHECK(respond(asked, R"({"username": "git"})") == SBK_INVALID);
        asked = a.question();
        CHECK(sbk_event_refuse(asked.get(), SBK_PERMISSION, "not for you", SBK_NUL) == SBK_OK);
    });
    auto request = some_request();
    const auto given = must(a.host->credential(request));
    REQUIRE(given);
    CHECK(given->username == "git");
    CHECK(given->secret == "s\xc3\xa9"
                           "cret \"quoted\"");
    CHECK(given->expires == std::chrono::system_clock::time_point(std::chrono::seconds(1'893'456'000)));
    CHECK(a.host->release(request, *given, {.over = false, .refused = true}).has_value());
    CHECK(a.host->release(request, *given, {.over = true, .refused = false}).has_value()); // it was told: nobody is asked
    request.connection.reset();
    request.purpose = CredentialPurpose::pull;
    request.url = "https://registry.example:5000";
    CHECK(!must(a.host->credential(request)));
    CHECK(a.host->credential(request).error().problems.at(0).pointer == "/secret");
    const auto refused = a.host->credential(request).error();
    CHECK(refused.kind == ErrorClass::permission);
    CHECK(refused.message == "not for you");
    host.join();
}

// A sanitizer's own memory is terabytes, and keeps what was freed.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

TEST_CASE("nothing is left of a secret, however it was answered" * doctest::skip(sanitized)) {
    constexpr unsigned char mask = 0x5a;
    // "canary-" and so on, so that no copy of it stands in this program.
    std::array<unsigned char, 40> masked{};
    for (std::size_t i = 0; i < masked.size(); ++i) masked[i] = static_cast<unsigned char>(('A' + (i * 7) % 26) ^ mask);
    static char answer[400];
    const auto write_answer = [&](std::string_view before, bool escaped, std::string_view after) {
        std::size_t size = 0;
        const auto add = [&](std::string_view text) {
            std::memcpy(answer + size, text.data(), text.size());
            size += text.size();
        };
        add(before);
        if (escaped) add("\\u0041\\n");
        for (const auto byte : masked) answer[size++] = static_cast<char>(byte ^ mask);
        if (escaped) add("\\n and more, so that it has to grow\\n");
        add(after);
        return std::string_view(answer, size);
    };
    Asking a;
    std::vector<Handle<sbk_event>> kept; // a host may be slow to free
    const auto ask = [&](std::string_view before, bool escaped, std::string_view after, sbk_status expected) {
        std::thread host([&] {
            kept.push_back(a.question());
            const auto text = write_answer(before, escaped, after);
            CHECK(copies_of(masked, mask) == 1); // that this search can find one
            CHECK(respond(kept.back(), text) == expected);
            ::explicit_bzero(answer, sizeof answer);
        });
        {
            const auto given = a.host->credential(some_request());
            CHECK(given.has_value() == (expected == SBK_OK));
        }
        host.join();
        CHECK(copies_of(masked, mask) == 0);
    };
    SUBCASE("plain") {
        ask(R"({"secret": ")", false, R"("})", SBK_OK);
    }
    SUBCASE("with escapes") {
        ask(R"({"secret": ")", true, R"("})", SBK_OK);
    }
    SUBCASE("in the wrong place") {
        ask(R"({"secret": [")", true, R"("]})", SBK_INVALID);
    }
    SUBCASE("as a member that is not known") {
        ask(R"({"secret": "x", "password": ")", true, R"("})", SBK_INVALID);
    }
    SUBCASE("cut off") {
        ask(R"({"secret": ")", true, R"(")", SBK_INVALID);
    }
}

TEST_CASE("log lines wait to be freed, a thousand at most, and what was dropped is counted") {
    Asking a;
    LogLine line;
    line.level = LogLevel::warning;
    line.event = "job.failed";
    line.message = "the snapshot failed\xff";
    line.fields = {{"job", "job_1"}, {"code", "x"}};
    std::vector<Handle<sbk_event>> kept;
    const auto take = [&] { return expect(a.questions, SBK_EVENT_LOG, 77); };
    const auto dropped = [](const Handle<sbk_event>& event) {
        std::int64_t count = -1;
        CHECK(sbk_event_integer(&count, event.get(), "/dropped", SBK_NUL) == SBK_OK);
        return count;
    };
    a.host->log(line);
    kept.push_back(take());
    CHECK(text_at(kept[0], "/level") == "warning");
    CHECK(text_at(kept[0], "/event") == "job.failed");
    CHECK(text_at(kept[0], "/message") == "the snapshot failed\xEF\xBF\xBD");
    CHECK(text_at(kept[0], "/fields/job") == "job_1");
    CHECK(text_at(kept[0], "/at") == "1970-01-01T00:00:00.000Z");
    for (int i = 1; i < 1000; ++i) {
        a.host->log(line);
        if (i % 2 == 0) kept.push_back(take()); // in the queue or taken: what counts is whether they were freed
    }
    for (int i = 0; i < 7; ++i) a.host->log(line);
    while (auto event = next(a.questions, 0)) {
        CHECK(dropped(event) == 0);
        kept.push_back(std::move(event));
    }
    CHECK(kept.size() == 1000);
    a.host->log(line);
    CHECK(next(a.questions, 0) == nullptr);
    kept.pop_back();
    a.host->log(line);
    kept.push_back(take());
    CHECK(dropped(kept.back()) == 8);
    a.host->log(line);
    kept.clear();
    a.host->log(line);
    CHECK(dropped(take()) == 1);
    a.host->log(line);
    CHECK(dropped(take()) == 0);
    // A queue that goes frees them, too.
    a.host->log(line);
    a.questions.reset();
    a.host->log(line);
}
