// SPDX-License-Identifier: Apache-2.0
// A provider that the host application is: each operation asked and answered, wrongly answered, late, by nobody.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "answering_provider.hpp"

#include "host_provider.hpp"

#include "async/spawn.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <poll.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t host_tag = 77;

// A thread on which coroutines await operations; and the questions that come of them.
class Awaiting {
public:
    Awaiting() : thread_([this] { io_.run(); }) {}
    ~Awaiting() {
        host->close();
        work_.reset();
        thread_.join();
    }
    template <class T>
    Operation<T> run(Task<T> task) {
        return async::spawn(io_.get_executor(), std::move(task));
    }
    Handle<sbk_event> question() { return expect(questions, SBK_EVENT_REQUEST, host_tag); }

    Handle<sbk_queue> questions = new_queue();
    std::shared_ptr<capi::Host> host = std::make_shared<capi::Host>(questions->queue, host_tag, 1ms); // which is not for these
    capi::HostProvider provider{host, "mine"};

private:
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    std::thread thread_;
};

sbk_status respond(const Handle<sbk_event>& event, std::string_view json) {
    return sbk_event_respond(event.get(), json.data(), json.size());
}

// Asks, expects this question, gives this answer, and returns what became of it.
template <class T>
Result<T> answered(Awaiting& a, Task<T> task, std::string_view question, std::string_view answer, sbk_status status = SBK_OK) {
    auto operation = a.run(std::move(task));
    const auto asked = a.question();
    const auto value = boost::json::parse(json_of(asked)).as_object();
    CHECK(value.at("request") == "provider");
    CHECK(value.at("provider") == "mine");
    auto rest = value;
    rest.erase("request");
    rest.erase("provider");
    CHECK_MESSAGE(boost::json::value(rest) == boost::json::parse(question), boost::json::serialize(rest));
    CHECK(respond(asked, answer) == status);
    return operation.get();
}

const std::map<std::string, std::string> labels{{"a", "b"}};

} // namespace

TEST_CASE("each operation is asked with its arguments, and its answer comes back") {
    Awaiting a;
    auto& p = a.provider;
    CHECK(p.name() == "mine");

    const auto can = must(answered(a, p.capabilities(), R"({"operation": "capabilities"})",
                                   R"({"capture": true, "volumes": true, "cpu_limit": false, "image_kinds": ["directory", "oci"],
                                       "identity": "one", "facts": {"runtime": "chroot"}})"));
    CHECK(can.capture);
    CHECK(can.volumes);
    CHECK(!can.cpu_limit);
    CHECK(!can.stop_and_resume);
    CHECK(can.image_kinds == std::vector<std::string>{"directory", "oci"});
    CHECK(can.identity == "one");
    CHECK(can.facts.at("runtime") == "chroot");

    ImageRequest image;
    image.image = "directory:/base";
    image.digest = "sha256:00";
    image.trees = {{"/here", "/there"}};
    image.labels = labels;
    const auto made = must(answered(a, p.prepare_image(image),
                                    R"({"operation": "prepare_image", "image": "directory:/base", "digest": "sha256:00",
                                        "trees": [{"source": "/here", "target": "/there"}], "labels": {"a": "b"}})",
                                    R"({"id": "img", "labels": {"a": "b"}, "stale": true,
                                        "ingredients": [{"kind": "base_image", "name": "x", "digest": "sha256:00"}]})"));
    CHECK(made.id == "img");
    CHECK(made.labels == labels);
    CHECK(made.stale);
    CHECK(made.ingredients == std::vector<Ingredient>{{"base_image", "x", "sha256:00", ""}});
    CHECK(must(answered(a, p.inspect_image("img"), R"({"operation": "inspect_image", "image_id": "img"})",
                        R"({"id": "img", "labels": {}})"))
              .id == "img");
    CHECK(must(answered(a, p.list_images(), R"({"operation": "list_images"})", R"([{"id": "img", "labels": {}}])")).size() == 1);
    CHECK(answered(a, p.remove_image("img"), R"({"operation": "remove_image", "image_id": "img"})", "null").has_value());

    CreateRequest create;
    create.token = "ses_1";
    create.image_id = "img";
    create.labels = labels;
    create.limits = {1.5, 1 << 30, 100, {}};
    create.egress = Egress::open;
    create.read_only_paths = {"/etc"};
    create.hostname = "box";
    create.volumes = {{"vol", "/data", true}};
    const auto sandbox =
        must(answered(a, p.create(create),
                      R"({"operation": "create", "token": "ses_1", "image_id": "img", "labels": {"a": "b"},
            "limits": {"cpus": 1.5, "memory_bytes": 1073741824, "processes": 100, "disk_bytes": null},
            "egress": "open", "read_only_paths": ["/etc"], "hostname": "box",
            "volumes": [{"volume_id": "vol", "path": "/data", "read_only": true}]})",
                      R"({"id": "box-1", "token": "ses_1", "state": "created", "labels": {"a": "b"}, "unenforced": ["cpus"]})"));
    CHECK(sandbox.id == "box-1");
    CHECK(sandbox.token == "ses_1");
    CHECK(sandbox.state == SandboxState::created);
    CHECK(sandbox.labels == labels);
    CHECK(sandbox.unenforced == std::vector<std::string>{"cpus"});

    CHECK(answered(a, p.start("box-1"), R"({"operation": "start", "sandbox_id": "box-1"})", "null").has_value());
    CHECK(answered(a, p.stop("box-1"), R"({"operation": "stop", "sandbox_id": "box-1"})", "null").has_value());
    CHECK(answered(a, p.destroy("box-1"), R"({"operation": "destroy", "sandbox_id": "box-1"})", "null").has_value());
    CHECK(must(answered(a, p.inspect("box-1"), R"({"operation": "inspect", "sandbox_id": "box-1"})",
                        R"({"id": "box-1", "token": "t", "state": "ended", "labels": {}})"))
              .state == SandboxState::ended);
    CHECK(must(answered(a, p.list(labels), R"({"operation": "list", "labels": {"a": "b"}})", "[]")).empty());

    auto endpoint = must(answered(a, p.endpoint("box-1"), R"({"operation": "endpoint", "sandbox_id": "box-1"})",
                                  R"({"unix_socket": "/run/x", "headers": {"X-One": "1"}, "access_token": "secret"})"));
    CHECK(endpoint.unix_socket == "/run/x");
    CHECK(endpoint.headers.at("X-One") == "1");
    CHECK(endpoint.access_token == "secret");
    CHECK(!endpoint.dial);
    endpoint =
        must(answered(a, p.endpoint("box-1"), R"({"operation": "endpoint", "sandbox_id": "box-1"})",
                      R"({"host": "box.example", "port": 443, "tls": true, "tls_ca": "PEM", "token_in_the_clear": false})"));
    CHECK(endpoint.host == "box.example");
    CHECK(endpoint.port == 443);
    CHECK(endpoint.tls);
    CHECK(endpoint.tls_ca == "PEM");

    const auto captured =
        must(answered(a, p.capture("box-1", labels), R"({"operation": "capture", "sandbox_id": "box-1", "labels": {"a": "b"}})",
                      R"({"image": {"id": "img-2", "labels": {"a": "b"}}, "sealed_us": 5, "synced_us": 7})"));
    CHECK(captured.image.id == "img-2");
    CHECK(captured.sealed == 5us);
    CHECK(captured.synced == 7us);

    CHECK(must(answered(a, p.ensure_volume("t", labels), R"({"operation": "ensure_volume", "token": "t", "labels": {"a": "b"}})",
                        R"({"id": "vol", "labels": {"a": "b"}})"))
              .id == "vol");
    CHECK(answered(a, p.remove_volume("vol"), R"({"operation": "remove_volume", "volume_id": "vol"})", "null").has_value());
    CHECK(
        must(answered(a, p.list_volumes({}), R"({"operation": "list_volumes", "labels": {}})", R"([{"id": "v", "labels": {}}])"))
            .size() == 1);
}

namespace {

// Of an answer that is none: the pointers and codes of what is wrong with it.
template <class T>
std::string faults(Awaiting& a, Task<T> task, std::string_view answer) {
    auto operation = a.run(std::move(task));
    const auto asked = a.question();
    CHECK(respond(asked, answer) == SBK_INVALID);
    CHECK(respond(asked, "null") == SBK_CONFLICT); // that was the answer
    const auto result = operation.get();
    REQUIRE(!result.has_value());
    CHECK(result.error().kind == ErrorClass::internal);
    CHECK(result.error().code == "provider_answer");
    std::string text;
    for (const auto& problem : result.error().problems) text += problem.pointer + " " + problem.code + "\n";
    return text;
}

} // namespace

TEST_CASE("what is no answer is told, with all that is wrong") {
    Awaiting a;
    auto& p = a.provider;
    SUBCASE("no JSON, or too much") {
        CHECK(faults(a, p.start("s"), "") == " syntax\n");
        CHECK(faults(a, p.start("s"), "{\"a\": 1") == " syntax\n");
        CHECK(faults(a, p.start("s"), "\xff") == " bad_utf8\n");
        CHECK(faults(a, p.list_images(), std::string((64 << 20) + 1, ' ')) == " too_large\n");
        CHECK(faults(a, p.inspect("s"), R"({"id": "s", "id": "s", "token": "t", "state": "running", "labels": {}})") ==
              "/id duplicate_key\n");
    }
    SUBCASE("nothing is expected") {
        CHECK(faults(a, p.start("s"), "{}") == " wrong_type\n");
        CHECK(faults(a, p.destroy("s"), "true") == " wrong_type\n");
        CHECK(faults(a, p.remove_image("i"), "[]") == " wrong_type\n");
        CHECK(faults(a, p.remove_volume("v"), "\"ok\"") == " wrong_type\n");
    }
    SUBCASE("capabilities") {
        CHECK(faults(a, p.capabilities(), "null") == " wrong_type\n");
        for (const std::string name :
             {"capture", "capture_attributes", "capture_holes", "stop_and_resume", "read_only_paths", "egress_none",
              "egress_open", "cpu_limit", "memory_limit", "process_limit", "disk_limit", "volumes", "image_kinds", "facts"})
            CHECK(faults(a, p.capabilities(), "{\"" + name + "\": 1}") == "/" + name + " wrong_type\n");
        CHECK(faults(a, p.capabilities(), R"({"identity": 1})") == "/identity wrong_type\n");
        CHECK(faults(a, p.capabilities(), R"({"image_kinds": ["host", 2], "facts": {"a": null}, "fly": true})") ==
              "/image_kinds/1 wrong_type\n/facts/a wrong_type\n/fly unknown_field\n");
        CHECK(faults(a, p.capabilities(), "{\"identity\": \"" + std::string(4097, 'x') + "\"}") == "/identity too_long\n");
    }
    SUBCASE("images") {
        CHECK(faults(a, p.inspect_image("i"), "{}") == "/id missing_field\n/labels missing_field\n");
        CHECK(faults(a, p.inspect_image("i"), R"({"id": "", "labels": {"a": 1}, "stale": 0, "ingredients": {}})") ==
              "/id bad_value\n/labels/a wrong_type\n/ingredients wrong_type\n/stale wrong_type\n");
        CHECK(faults(a, p.inspect_image("i"), R"({"id": "a\u0001", "labels": {}, "ingredients": [{"kind": "layer"}, 7]})") ==
              "/id bad_value\n/ingredients/0/name missing_field\n/ingredients/0/digest missing_field\n"
              "/ingredients/1 wrong_type\n");
        CHECK(faults(a, p.inspect_image("i"), "{\"labels\": {}, \"id\": \"" + std::string(4097, 'x') + "\"}") ==
              "/id too_long\n");
        CHECK(faults(a, p.list_images(), "{}") == " wrong_type\n");
        CHECK(faults(a, p.list_images(), R"([{"id": "a", "labels": {}}, {"id": "b"}])") == "/1/labels missing_field\n");
        CHECK(faults(a, p.capture("s", {}), "{}") == "/image missing_field\n");
        CHECK(faults(a, p.capture("s", {}), R"({"image": {"id": "i", "labels": {}}, "sealed_us": -1, "synced_us": "1"})") ==
              "/sealed_us out_of_range\n/synced_us wrong_type\n");
        CHECK(faults(a, p.capture("s", {}), R"({"image": null})") == "/image wrong_type\n");
    }
    SUBCASE("sandboxes") {
        CHECK(faults(a, p.inspect("s"), "{}") ==
              "/id missing_field\n/token missing_field\n/state missing_field\n/labels missing_field\n");
        CHECK(faults(a, p.inspect("s"), R"({"id": 1, "token": 2, "state": "dead", "labels": [], "unenforced": [3]})") ==
              "/id wrong_type\n/token wrong_type\n/state bad_value\n/labels wrong_type\n/unenforced/0 wrong_type\n");
        CHECK(faults(a, p.list({}), R"([null])") == "/0 wrong_type\n");
        CHECK(faults(a, p.create({}), "null") == " wrong_type\n");
    }
    SUBCASE("volumes") {
        CHECK(faults(a, p.ensure_volume("t", {}), R"({"id": "v"})") == "/labels missing_field\n");
        CHECK(faults(a, p.list_volumes({}), R"([{"labels": {}}])") == "/0/id missing_field\n");
    }
    SUBCASE("endpoints") {
        CHECK(faults(a, p.endpoint("s"), "null") == " wrong_type\n");
        CHECK(faults(a, p.endpoint("s"), "{}") == " bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"unix_socket": "/s", "host": "h", "port": 1})") == " bad_value\n/port bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"unix_socket": "s", "tls": true})") == "/unix_socket bad_value\n/tls bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"host": "h"})") == "/port missing_field\n");
        CHECK(faults(a, p.endpoint("s"), R"({"host": "", "port": 0})") == "/host bad_value\n/port out_of_range\n");
        CHECK(faults(a, p.endpoint("s"), R"({"host": "h", "port": 65536})") == "/port out_of_range\n");
        CHECK(faults(a, p.endpoint("s"), R"({"host": "h", "port": 1, "tls_ca": "PEM"})") == "/tls_ca bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"unix_socket": "/s", "headers": {"A: b": "c", "D": "e\r\nF: g", "": ""}})") ==
              "/headers/ bad_value\n/headers/A: b bad_value\n/headers/D bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"unix_socket": "/s", "access_token": "a\nb"})") == "/access_token bad_value\n");
        CHECK(faults(a, p.endpoint("s"), R"({"unix_socket": "/s", "dial": 3})") == "/dial unknown_field\n");
    }
    SUBCASE("errors") {
        CHECK(faults(a, p.start("s"), R"({"error": "no"})") == "/error wrong_type\n");
        CHECK(faults(a, p.start("s"), R"({"error": {}})") ==
              "/error/class missing_field\n/error/code missing_field\n/error/message missing_field\n");
        CHECK(faults(a, p.start("s"), R"({"error": {"class": "bad", "code": "No such", "message": ""}, "more": 1})") ==
              "/error/class bad_value\n/error/code bad_value\n/error/message bad_value\n/more unknown_field\n");
    }
}

TEST_CASE("errors of the provider's own") {
    Awaiting a;
    auto operation = a.run(a.provider.inspect("s"));
    auto asked = a.question();
    SUBCASE("with all that they say") {
        CHECK(respond(asked, R"({"error": {"class": "not_found", "code": "sandbox_not_found", "message": "no such sandbox",
                                            "remedy": "look", "detail": "ENOENT"}})") == SBK_OK);
        const auto error = operation.get().error();
        CHECK(error.kind == ErrorClass::not_found);
        CHECK(error.code == "sandbox_not_found");
        CHECK(error.message == "no such sandbox");
        CHECK(error.remedy == "look");
        CHECK(error.detail == "ENOENT");
    }
    SUBCASE("that read like those of the library") {
        CHECK(respond(asked, R"({"error": {"class": "internal", "code": "provider_answer", "message": "mine"}})") == SBK_OK);
        CHECK(operation.get().error().message == "mine");
    }
    SUBCASE("refused") {
        CHECK(sbk_event_refuse(asked.get(), SBK_QUOTA, "full", SBK_NUL) == SBK_OK);
        const auto error = operation.get().error();
        CHECK(error.kind == ErrorClass::quota);
        CHECK(error.code == "host_refused");
    }
    SUBCASE("freed without an answer") {
        asked.reset();
        const auto error = operation.get().error();
        CHECK(error.kind == ErrorClass::unavailable);
        CHECK(error.code == "host_did_not_answer");
    }
    SUBCASE("the queue of questions goes") {
        auto second = a.run(a.provider.start("s"));
        while (a.questions) {
            pollfd waiting{sbk_queue_descriptor(a.questions.get()), POLLIN, 0};
            REQUIRE(::poll(&waiting, 1, -1) == 1); // it is in there
            a.questions.reset();
        }
        CHECK(second.get().error().code == "host_did_not_answer");
        CHECK(a.run(a.provider.start("s")).get().error().code == "host_did_not_answer");
        CHECK(respond(asked, R"({"id": "s", "token": "t", "state": "running", "labels": {}})") == SBK_OK);
        CHECK(operation.get().has_value());
    }
    SUBCASE("the host is closed") {
        a.host->close();
        CHECK(operation.get().error().code == "host_did_not_answer");
        CHECK(respond(asked, "null") == SBK_CONFLICT);
        CHECK(a.run(a.provider.start("s")).get().error().code == "host_did_not_answer");
    }
}

TEST_CASE("what is cancelled waits for its answer, for a while") {
    Awaiting a;
    const auto cancelled = [&](auto& provider) {
        auto operation = a.run(provider.create({}));
        auto asked = a.question();
        operation.cancel();
        return std::pair(std::move(operation), std::move(asked));
    };
    SUBCASE("that it was done all the same") {
        const auto asked = cancelled(a.provider);
        CHECK(respond(asked.second, R"({"id": "s", "token": "t", "state": "created", "labels": {}})") == SBK_OK);
        CHECK(must(Operation<SandboxInfo>(asked.first).get()).id == "s");
    }
    SUBCASE("that it was not") {
        const auto asked = cancelled(a.provider);
        CHECK(respond(asked.second, R"({"error": {"class": "cancelled", "code": "cancelled", "message": "undone"}})") == SBK_OK);
        CHECK(Operation<SandboxInfo>(asked.first).get().error().message == "undone");
    }
    SUBCASE("that nobody gives") {
        auto asked = cancelled(a.provider);
        asked.second.reset();
        CHECK(asked.first.get().error().kind == ErrorClass::cancelled);
    }
}

TEST_CASE("an answer that comes after that is too late") {
    Awaiting a;
    capi::HostProvider provider(a.host, "mine", 0ms);
    auto operation = a.run(provider.create({}));
    const auto asked = a.question();
    operation.cancel();
    CHECK(operation.get().error().kind == ErrorClass::cancelled);
    CHECK(respond(asked, R"({"id": "s", "token": "t", "state": "created", "labels": {}})") == SBK_CONFLICT);
    CHECK(sbk_event_refuse(asked.get(), SBK_UNAVAILABLE, "late", SBK_NUL) == SBK_CONFLICT);
}

TEST_CASE("a coroutine that goes with its executor leaves a question that may still be answered") {
    const auto questions = new_queue();
    const auto host = std::make_shared<capi::Host>(questions->queue, host_tag, 1ms);
    capi::HostProvider provider(host, "mine");
    Handle<sbk_event> asked;
    {
        boost::asio::io_context io{1};
        auto operation = async::spawn(io.get_executor(), provider.start("s"));
        while (!asked) {
            io.run_one();
            asked = next(questions, 0);
        }
    }
    CHECK(respond(asked, "null") == SBK_CONFLICT);
}

TEST_CASE("a tree whose path is no UTF-8 is refused before it is asked for") {
    Awaiting a;
    ImageRequest request;
    request.trees = {{"/a\xff", "/b"}};
    CHECK(a.run(a.provider.prepare_image(request)).get().error().code == "path_not_utf8");
    CHECK(next(a.questions, 0) == nullptr);
}

TEST_CASE("many are in flight, answered by several threads, some cancelled meanwhile") {
    Awaiting a;
    std::vector<std::thread> answering;
    for (int i = 0; i < 3; ++i)
        answering.emplace_back([&, i] {
            for (;;) {
                sbk_event* taken = nullptr;
                sbk_queue_next(&taken, a.questions.get(), -1);
                const Handle<sbk_event> asked(taken);
                if (sbk_event_get_kind(asked.get()) == SBK_EVENT_POSTED) return;
                if (i == 2) continue; // forgets them
                respond(asked, "null");
            }
        });
    std::vector<std::thread> asking;
    std::atomic<int> odd = 0;
    for (int i = 0; i < 4; ++i)
        asking.emplace_back([&, i] {
            std::vector<Operation<void>> operations;
            for (int n = 0; n < 50; ++n) operations.push_back(a.run(a.provider.start(std::to_string(n))));
            if (i == 0)
                for (auto& operation : operations) operation.cancel();
            for (auto& operation : operations) {
                const auto result = operation.get();
                if (result || result.error().code == "host_did_not_answer") continue;
                if (i != 0 || result.error().kind != ErrorClass::cancelled) ++odd;
            }
        });
    for (auto& thread : asking) thread.join();
    for (std::size_t i = 0; i < answering.size(); ++i) sbk_queue_post(a.questions.get(), 0);
    for (auto& thread : answering) thread.join();
    CHECK(odd == 0);
}

namespace {

// Options of an engine whose provider is the host. It is called "memory", as in the documents of these tests.
class HostedOptions {
public:
    explicit HostedOptions(const Handle<sbk_queue>& questions) {
        options.struct_size = sizeof options;
        options.store = store_.c_str();
        options.store_size = SBK_NUL;
        options.host_queue = questions.get();
        options.host_tag = host_tag;
        options.answer_timeout_ms = 1; // which is not for a provider
        set_providers(R"(["memory"])");
    }
    void set_providers(std::string json) {
        providers_ = std::move(json);
        options.providers = providers_.data();
        options.providers_size = providers_.size();
    }
    sbk_engine_options options{};

private:
    TempDir dir_;
    std::string store_ = (dir_.path() / "store.db").string(), providers_;
};

Handle<sbk_engine> opened(const Handle<sbk_queue>& queue, const HostedOptions& options) {
    REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options.options) == SBK_OK);
    return made_by<sbk_engine>(sbk_event_take_engine, success(queue, 1).get());
}

struct Session {
    std::string profile, id;
};
Session start_session(const Handle<sbk_queue>& queue, const Handle<sbk_client>& client, std::string profile = {}) {
    if (profile.empty()) {
        const auto document = document_for_memory();
        REQUIRE(sbk_profile_create(nullptr, client.get(), 1, document.data(), document.size(), nullptr, 0) == SBK_OK);
        profile = text_at(success(queue, 1), "/id");
        REQUIRE(sbk_version_publish(nullptr, client.get(), 1, profile.c_str(), SBK_NUL) == SBK_OK);
        const auto job = text_at(success(queue, 1), "/last_job");
        REQUIRE(sbk_job_wait(nullptr, client.get(), 1, job.c_str(), SBK_NUL) == SBK_OK);
        auto event = next(queue);
        for (; sbk_event_get_kind(event.get()) != SBK_EVENT_COMPLETION; event = next(queue)) {
        }
        CHECK_MESSAGE(text_at(event, "/state") == "succeeded", json_of(event));
    }
    sbk_session_options start{};
    start.struct_size = sizeof start;
    start.profile = profile.c_str();
    start.profile_size = SBK_NUL;
    REQUIRE(sbk_session_start(nullptr, client.get(), 1, &start) == SBK_OK);
    return {profile, text_at(success(queue, 1), "/id")};
}

Handle<sbk_client> new_client(const Handle<sbk_engine>& engine, const Handle<sbk_queue>& queue) {
    auto client = made_by<sbk_client>(sbk_client_new, engine.get(), queue.get(), "ada", SBK_NUL);
    REQUIRE(sbk_client_add_every_scope(client.get()) == SBK_OK);
    return client;
}

} // namespace

TEST_CASE("an engine over a provider that the host is: a snapshot, a session, a command") {
    AnsweringProvider host;
    const auto queue = new_queue();
    HostedOptions options(host.questions);
    auto engine = opened(queue, options);
    auto client = new_client(engine, queue);
    const auto first = start_session(queue, client);
    const auto command = CEngine::shell("echo hello");
    REQUIRE(sbk_session_exec(nullptr, client.get(), 1, first.id.c_str(), SBK_NUL, command.get(), 0) == SBK_OK);
    CHECK(bytes_of(success(queue, 1)) == "hello\n");

    host.counted();
    const auto second = start_session(queue, client, first.profile);
    const auto asked = host.counted();
    CHECK(asked.at("capabilities") == 1);
    CHECK(asked.at("create") == 1);
    CHECK(asked.at("start") == 1);
    CHECK(asked.size() <= 5); // and the image and the endpoint

    CHECK(host.sandboxes() == 2);
    for (const auto& session : {first, second}) {
        REQUIRE(sbk_session_remove(nullptr, client.get(), 1, session.id.c_str(), SBK_NUL) == SBK_OK);
        success(queue, 1);
    }
    CHECK(host.sandboxes() == 0);
    client.reset();
    engine.reset();
}

TEST_CASE("a provider that does not answer holds up neither the cancelling of an opening nor the closing of an engine") {
    const auto queue = new_queue(), questions = new_queue();
    const HostedOptions options(questions);
    SUBCASE("an opening") {
        sbk_operation* started = nullptr;
        REQUIRE(sbk_engine_open(&started, queue.get(), 1, &options.options) == SBK_OK);
        const Handle<sbk_operation> operation(started);
        const auto asked = expect(questions, SBK_EVENT_REQUEST, host_tag);
        CHECK(text_at(asked, "/operation") == "capabilities");
        REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
        CHECK(failure(queue, 1) == "cancelled");
        CHECK(respond(asked, "[]") == SBK_CONFLICT);
    }
    SUBCASE("an engine") {
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options.options) == SBK_OK);
        Handle<sbk_event> completion;
        while (!(completion = next(queue, 100)))
            while (next(questions, 0)) { // it is opened also when its provider cannot be asked
            }
        const auto engine = made_by<sbk_engine>(sbk_event_take_engine, completion.get());
        const auto client = new_client(engine, queue);
        REQUIRE(sbk_engine_reconcile(nullptr, client.get(), 2) == SBK_OK);
        const auto asked = expect(questions, SBK_EVENT_REQUEST, host_tag);
        REQUIRE(sbk_engine_close(nullptr, queue.get(), 3, engine.get()) == SBK_OK);
        CHECK(failure(queue, 2) != "");
        success(queue, 3);
        CHECK(respond(asked, "[]") == SBK_CONFLICT);
    }
}

TEST_CASE("a provider is checked") {
    const auto queue = new_queue();
    const TempDir scratch;
    const auto check = [&](const Handle<sbk_client>& client, const char* provider, boost::json::object more = {}) {
        more.insert({{"image", "host"}, {"scratch", scratch.path().string()}});
        const auto options = boost::json::serialize(more);
        REQUIRE(sbk_engine_check_provider(nullptr, client.get(), 5, provider, SBK_NUL, options.data(), options.size()) == SBK_OK);
    };
    SUBCASE("by a case that it passes, and by none") {
        AnsweringProvider host;
        HostedOptions options(host.questions);
        auto engine = opened(queue, options);
        auto client = new_client(engine, queue);
        check(client, "memory", {{"only", {"lifecycle/unknown_ids"}}});
        const auto results = boost::json::parse(json_of(success(queue, 5))).as_array();
        REQUIRE(results.size() == 1);
        CHECK(results[0].at("group") == "lifecycle");
        CHECK(results[0].at("name") == "unknown_ids");
        CHECK_MESSAGE(results[0].at("verdict") == "passed", boost::json::serialize(results));
        CHECK(results[0].at("taken_ms").as_int64() >= 0);

        check(client, "none");
        CHECK(failure(queue, 5) == "no_host");
        check(client, "memory", {{"only", {"lifecycle/none"}}});
        CHECK(failure(queue, 5) == "conformance_case_not_found");
        check(client, "memory", {{"only", "lifecycle"}, {"patience_ms", 0}, {"more", 1}});
        const auto wrong = expect(queue, SBK_EVENT_COMPLETION, 5);
        CHECK(text_at(wrong, "/code") == "bad_options");
        CHECK(text_at(wrong, "/problems/0/pointer") == "/only");
        CHECK(text_at(wrong, "/problems/1/pointer") == "/patience_ms");
        CHECK(text_at(wrong, "/problems/2/pointer") == "/more");
        const auto nobody = made_by<sbk_client>(sbk_client_new, engine.get(), queue.get(), "eve", SBK_NUL);
        check(nobody, "memory");
        CHECK(failure(queue, 5) == "not_permitted");
        REQUIRE(sbk_engine_close(nullptr, queue.get(), 6, engine.get()) == SBK_OK);
        success(queue, 6);
        check(client, "memory");
        CHECK(failure(queue, 5) == "engine_closed");
        client.reset();
        engine.reset();
    }
    SUBCASE("until its engine closes") {
        const auto questions = new_queue();
        const HostedOptions options(questions);
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options.options) == SBK_OK);
        Handle<sbk_event> completion;
        while (!(completion = next(queue, 100)))
            while (next(questions, 0)) { // it is opened also when its provider cannot be asked
            }
        const auto engine = made_by<sbk_engine>(sbk_event_take_engine, completion.get());
        const auto client = new_client(engine, queue);
        check(client, "memory");
        const auto asked = expect(questions, SBK_EVENT_REQUEST, host_tag);
        REQUIRE(sbk_engine_close(nullptr, queue.get(), 6, engine.get()) == SBK_OK);
        CHECK(failure(queue, 5) != "");
        success(queue, 6);
    }
}

TEST_CASE("names of providers") {
    const auto queue = new_queue(), questions = new_queue();
    HostedOptions options(questions);
    const auto problems = [&] {
        REQUIRE(sbk_doctor(nullptr, queue.get(), 1, &options.options) == SBK_OK);
        const auto event = expect(queue, SBK_EVENT_COMPLETION, 1);
        if (sbk_event_status(event.get()) == SBK_OK) return std::string();
        CHECK(text_at(event, "/code") == "bad_options");
        std::string text;
        const auto value = boost::json::parse(json_of(event));
        for (const auto& problem : value.at("problems").as_array())
            text += std::string(problem.at("pointer").as_string()) + " " + std::string(problem.at("code").as_string()) + "\n";
        return text;
    };
    CHECK(problems() == "");
    options.set_providers("[]");
    CHECK(problems() == "");
    options.set_providers(R"(["a", "local"])");
    CHECK(problems() == "");
    options.set_providers("mine");
    CHECK(problems() == "/providers syntax\n");
    options.set_providers("{}");
    CHECK(problems() == "/providers wrong_type\n");
    options.set_providers(R"(["a", 7, "", "a", "b\u0007", ")" + std::string(65, 'x') + "\"]");
    CHECK(problems() == "/providers/1 wrong_type\n/providers/2 bad_value\n/providers/3 duplicate\n/providers/4 bad_value\n"
                        "/providers/5 too_long\n");
    options.set_providers(R"(["a"])");
    options.options.host_queue = nullptr;
    CHECK(problems() == "/host_queue required_field\n");
}
