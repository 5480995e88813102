// SPDX-License-Identifier: Apache-2.0
// What goes in and comes out as JSON: every result is valid, values are found by pointers, and what is wrong is refused.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "capi/c_fixture.hpp"

#include <sandboxkit/strict_json.hpp>

#include <climits>
#include <set>
#include <tuple>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// An event with this JSON, as a queue would hand it out.
Handle<sbk_event> event_with(boost::json::value value) {
    Handle<sbk_event> event(new sbk_event(SBK_EVENT_COMPLETION, 1));
    event->set_json(std::move(value));
    return event;
}

std::int64_t integer_at(const Handle<sbk_event>& event, std::string_view pointer, sbk_status expected = SBK_OK) {
    std::int64_t value = -99;
    CHECK(sbk_event_integer(&value, event.get(), pointer.data(), pointer.size()) == expected);
    return value;
}

} // namespace

TEST_CASE("results of what needs no sandbox are valid JSON, as the header has them") {
    CEngine c;
    const auto profile = c.new_profile({{"name", "Zürich \u2028 \"x\""}, {"agent_instructions", "Be kind."}});
    const char* const p = profile.c_str();
    sbk_client* const client = c.client.get();
    // The members of the answer, or of the first element of a list.
    const auto members = [&](sbk_status submitted) {
        REQUIRE(submitted == SBK_OK);
        const auto event = success(c.queue, 5);
        const auto text = json_of(event);
        const auto value = must(parse_strict(text)); // UTF-8, and RFC 8259 to the letter
        CHECK(text.data()[text.size()] == '\0');
        std::set<std::string> names;
        const auto* object = value.if_object();
        if (const auto* list = value.if_array(); list && !list->empty()) object = (*list)[0].if_object();
        REQUIRE_MESSAGE(object, text);
        for (const auto& member : *object) names.emplace(member.key());
        return names;
    };
    using Names = std::set<std::string>;
    const Names profile_names{
        "id",        "name",           "description",    "created",        "created_by",           "revision",
        "has_draft", "draft_revision", "latest_version", "usable_version", "instructions_revision"};
    const Names kept{"profile", "changes"};
    const Names version{"profile",  "version", "digest",      "recipe",   "published", "published_by",
                        "snapshot", "image",   "ingredients", "decision", "last_job",  "snapshots"};
    const Names job{"id",    "profile", "version", "host",    "trigger", "state",
                    "phase", "attempt", "error",   "created", "started", "finished"};
    CHECK(members(sbk_profile_get(nullptr, client, 5, p, SBK_NUL)) == profile_names);
    CHECK(members(sbk_profile_list(nullptr, client, 5)) == profile_names);
    CHECK(members(sbk_profile_draft(nullptr, client, 5, p, SBK_NUL)).contains("agent_instructions"));
    CHECK(members(sbk_profile_overview(nullptr, client, 5, p, SBK_NUL)) ==
          Names{"profile", "in_use", "latest", "record", "sessions", "active_jobs", "proposals", "activity", "test"});
    CHECK(members(sbk_profile_duplicate(nullptr, client, 5, p, SBK_NUL, nullptr, 0)) == profile_names);
    CHECK(members(sbk_profile_edit(nullptr, client, 5, p, SBK_NUL, document_for_memory({{"setup_script", "true"}}).c_str(),
                                   SBK_NUL, -1)) == kept);
    CHECK(members(sbk_profile_edit_section(nullptr, client, 5, p, SBK_NUL, "general", SBK_NUL, R"({"name": "other"})", SBK_NUL,
                                           2)) == kept);
    CHECK(
        members(sbk_proposal_create(nullptr, client, 5, p, SBK_NUL, "general", SBK_NUL, R"({"name": "new"})", SBK_NUL, -1)) ==
        Names{"id", "profile", "section", "members", "changes", "base_revision", "proposed_by", "channel", "proposed", "state"});
    CHECK(members(sbk_profile_activity(nullptr, client, 5, p, SBK_NUL, 10, -1)) ==
          Names{"sequence", "at", "principal", "channel", "action", "section", "detail"});
    CHECK(members(sbk_profile_validate(nullptr, client, 5, "{}", SBK_NUL, SBK_GATE_SAVE)) == Names{"errors", "warnings"});
    CHECK(members(sbk_version_publish(nullptr, client, 5, p, SBK_NUL)) == version);
    CHECK(members(sbk_version_get(nullptr, client, 5, p, SBK_NUL, 1)) == version);
    CHECK(members(sbk_version_list(nullptr, client, 5, p, SBK_NUL)) == version);
    CHECK(members(sbk_job_list(nullptr, client, 5, p, SBK_NUL)) == job);

    REQUIRE(sbk_version_export(nullptr, client, 5, p, SBK_NUL, 1) == SBK_OK);
    auto event = success(c.queue, 5);
    CHECK(sbk_event_json(event.get(), nullptr) == nullptr);
    const auto file = bytes_of(event);
    CHECK(members(sbk_version_import(nullptr, client, 5, file.data(), file.size(), "imported", SBK_NUL)) == profile_names);
    REQUIRE(sbk_version_diff(nullptr, client, 5, p, SBK_NUL, 1, 1) == SBK_OK);
    CHECK(json_of(success(c.queue, 5)) == "[]");
}

TEST_CASE("values are found by JSON pointers") {
    const auto event = event_with(boost::json::parse(R"({"a/b": {"c~d": "x"}, "": "empty", "list": ["zero", {"n": 7}],
        "nul": "a\u0000b", "yes": true, "no": false, "half": 1.5, "whole": 3.0, "large": 18446744073709551615,
        "least": -9223372036854775808, "none": null, "1": "a name"})"));
    CHECK(text_at(event, "/a~1b/c~0d") == "x");
    CHECK(text_at(event, "/") == "empty");
    CHECK(text_at(event, "/list/0") == "zero");
    CHECK(text_at(event, "/1") == "a name");
    CHECK(text_at(event, "/nul") == std::string("a\0b", 3));
    CHECK(text_at(event, "/list/1/n") == "(none)");
    CHECK(integer_at(event, "/list/1/n") == 7);
    CHECK(integer_at(event, "/yes") == 1);
    CHECK(integer_at(event, "/no") == 0);
    CHECK(integer_at(event, "/whole") == 3);
    CHECK(integer_at(event, "/least") == INT64_MIN);
    for (const auto* other :
         {"/half",     "/large",   "/none",   "/list",   "/a~1b", "/1", "/missing", "/list/2",
          "/list/-",   "/list/00", "/list/x", "/nul/0",  "",      "x",  "//",       "/list/99999999999999999999999",
          "/a~1b/c~d", "/a~2b",    "/~",      "/list/0/"}) {
        CHECK_MESSAGE(integer_at(event, other, SBK_NOT_FOUND) == 0, other);
    }
    for (const auto* other : {"/half", "/none", "/list", "/missing", "", "x", "//", "/a~2b", "/~", "/list/-", "/list/00"})
        CHECK_MESSAGE(text_at(event, other) == "(none)", other);
    // The forms of a pointer's length, and absent places.
    CHECK(sbk_event_text(event.get(), "/list/0", SBK_NUL, nullptr) == std::string_view("zero"));
    CHECK(sbk_event_text(event.get(), "/list/0/more", 7, nullptr) == std::string_view("zero"));
    CHECK(sbk_event_text(event_with("whole").get(), "", 0, nullptr) == std::string_view("whole"));
    std::size_t size = 9;
    CHECK(sbk_event_text(event.get(), nullptr, 0, &size) == nullptr);
    CHECK(size == 0);
    CHECK(sbk_event_text(event.get(), "/nul\0", 5, &size) == nullptr);
    // Of an event without JSON.
    const Handle<sbk_event> bare(new sbk_event(SBK_EVENT_POSTED, 1));
    CHECK(text_at(bare, "") == "(none)");
    CHECK(integer_at(bare, "", SBK_NOT_FOUND) == 0);
    CHECK(sbk_event_bytes(bare.get(), &size) == std::string_view(""));
    CHECK(size == 0);
}

TEST_CASE("what is no UTF-8 becomes U+FFFD, wherever it stands") {
    Error error{ErrorClass::unavailable, "x", "m\xff", "r\xc3", "d\xed\xa0\x80 \xf5", {{"/p\xfe", "c", "\x80", ""}}};
    Handle<sbk_event> event(new sbk_event(SBK_EVENT_COMPLETION, 1));
    capi::write_error(*event, error);
    CHECK(sbk_event_status(event.get()) == SBK_UNAVAILABLE);
    must(parse_strict(json_of(event)));
    const std::string bad = "\xEF\xBF\xBD";
    CHECK(text_at(event, "/message") == "m" + bad);
    CHECK(text_at(event, "/remedy") == "r" + bad);
    CHECK(text_at(event, "/detail") == "d" + bad + bad + bad + " " + bad);
    CHECK(text_at(event, "/problems/0/pointer") == "/p" + bad);
    CHECK(text_at(event, "/problems/0/message") == bad);
}

TEST_CASE("a document of ten megabytes, and what is no document") {
    CEngine c;
    const std::string large = R"({"name": ")" + std::string(10 << 20, 'x') + "\"}";
    const auto create = [&](std::string_view document) {
        REQUIRE(sbk_profile_create(nullptr, c.client.get(), 2, document.data(), document.size(), nullptr, 0) == SBK_OK);
        const auto event = expect(c.queue, SBK_EVENT_COMPLETION, 2);
        CHECK(text_at(event, "/problems/0/pointer") != "(none)");
        return sbk_event_status(event.get());
    };
    CHECK(create(large) == SBK_INVALID);
    CHECK(create(std::string(10 << 20, '[')) == SBK_INVALID);
    CHECK(create("\xff") == SBK_INVALID);
    CHECK(create(std::string_view("{}\0", 3)) == SBK_INVALID);
    CHECK(create("") == SBK_INVALID);
    CHECK(create("[]") == SBK_INVALID);
}

namespace {

// Calls `function` with each of its pointers replaced by NULL, alone. `may_be_null`: where that is allowed.
class Misuses {
public:
    explicit Misuses(CEngine& on) : on_(on) {}

    template <class... P>
    void of(const char* name, sbk_status (*function)(P...), const std::set<std::size_t>& may_be_null,
            std::common_type_t<P>... arguments) {
        const std::tuple<P...> given{arguments...};
        each(name, function, may_be_null, given, std::index_sequence_for<P...>{});
    }

private:
    template <class Function, class Tuple, std::size_t... I>
    void each(const char* name, Function function, const std::set<std::size_t>& may_be_null, const Tuple& given,
              std::index_sequence<I...>) {
        (one<I>(name, function, may_be_null, given), ...);
    }
    template <std::size_t I, class Function, class Tuple>
    void one(const char* name, Function function, const std::set<std::size_t>& may_be_null, const Tuple& given) {
        if constexpr (std::is_pointer_v<std::tuple_element_t<I, Tuple>>) {
            Tuple changed = given;
            std::get<I>(changed) = nullptr;
            check(name, I, function, changed, may_be_null.contains(I) ? SBK_OK : SBK_MISUSE);
            // A string: absent, with a length of 0 or of SBK_NUL; and with a length, which is wrong also of one that may be
            // absent.
            if constexpr (std::is_same_v<std::tuple_element_t<I, Tuple>, const char*>) {
                std::get<I + 1>(changed) = 0;
                check(name, I, function, changed, may_be_null.contains(I) ? SBK_OK : SBK_MISUSE);
                std::get<I + 1>(changed) = 3;
                check(name, I, function, changed, SBK_MISUSE);
            }
        }
    }
    template <class Function, class Tuple>
    void check(const char* name, std::size_t which, Function function, const Tuple& arguments, sbk_status expected) {
        const auto status = std::apply(function, arguments);
        CHECK_MESSAGE(status == expected, name << ", parameter " << which << ": " << sbk_status_name(status));
        if (status != SBK_OK) {
            CHECK(next(on_.queue, 0) == nullptr); // nothing was submitted
            return;
        }
        // Whatever it says: it says it once.
        while (sbk_event_get_kind(next(on_.queue).get()) != SBK_EVENT_COMPLETION) {
        }
    }

    CEngine& on_;
};

} // namespace

TEST_CASE("NULL where it is not allowed is misuse, in every function, and nothing is submitted") {
    CEngine c;
    Misuses misuses(c);
    sbk_client* const l = c.client.get();
    sbk_queue* const q = c.queue.get();
    sbk_engine* const e = c.engine.get();
    const auto made = CEngine::shell("true");
    sbk_command* const m = made.get();
    constexpr std::size_t nul = SBK_NUL;
    const char* const s = "none";
    // The places that may be NULL: the operation of all, and absent strings.
    using Places = std::set<std::size_t>;
    misuses.of("ping", sbk_engine_ping, Places{0}, nullptr, q, 1, e);
    misuses.of("reconcile", sbk_engine_reconcile, Places{0}, nullptr, l, 1);
    misuses.of("profile_create", sbk_profile_create, Places{0, 5}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("profile_get", sbk_profile_get, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("profile_list", sbk_profile_list, Places{0}, nullptr, l, 1);
    misuses.of("profile_draft", sbk_profile_draft, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("profile_overview", sbk_profile_overview, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("profile_duplicate", sbk_profile_duplicate, Places{0, 5}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("profile_delete", sbk_profile_delete, Places{0}, nullptr, l, 1, s, nul, 0);
    misuses.of("profile_edit", sbk_profile_edit, Places{0}, nullptr, l, 1, s, nul, s, nul, 0);
    misuses.of("profile_edit_section", sbk_profile_edit_section, Places{0}, nullptr, l, 1, s, nul, s, nul, s, nul, 0);
    misuses.of("proposal_create", sbk_proposal_create, Places{0}, nullptr, l, 1, s, nul, s, nul, s, nul, 0);
    misuses.of("proposal_list", sbk_proposal_list, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("proposal_keep", sbk_proposal_keep, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("proposal_discard", sbk_proposal_discard, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("instructions_list", sbk_instructions_list, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("instructions_get", sbk_instructions_get, Places{0}, nullptr, l, 1, s, nul, 1);
    misuses.of("instructions_restore", sbk_instructions_restore, Places{0}, nullptr, l, 1, s, nul, 1);
    misuses.of("profile_activity", sbk_profile_activity, Places{0}, nullptr, l, 1, s, nul, 1, 1);
    misuses.of("profile_validate", sbk_profile_validate, Places{0}, nullptr, l, 1, s, nul, SBK_GATE_SAVE);
    misuses.of("version_publish", sbk_version_publish, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("version_get", sbk_version_get, Places{0}, nullptr, l, 1, s, nul, 1);
    misuses.of("version_list", sbk_version_list, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("version_diff", sbk_version_diff, Places{0}, nullptr, l, 1, s, nul, 1, 1);
    misuses.of("version_export", sbk_version_export, Places{0}, nullptr, l, 1, s, nul, 1);
    misuses.of("version_import", sbk_version_import, Places{0, 5}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("snapshot_refresh", sbk_snapshot_refresh, Places{0}, nullptr, l, 1, s, nul, 1);
    misuses.of("job_get", sbk_job_get, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("job_list", sbk_job_list, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("job_wait", sbk_job_wait, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("job_log", sbk_job_log, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("job_cancel", sbk_job_cancel, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("session_get", sbk_session_get, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("session_list", sbk_session_list, Places{0}, nullptr, l, 1, 1);
    misuses.of("session_exec", sbk_session_exec, Places{0}, nullptr, l, 1, s, nul, m, 0);
    misuses.of("session_processes", sbk_session_processes, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("session_signal", sbk_session_signal, Places{0}, nullptr, l, 1, s, nul, s, nul, 9);
    misuses.of("process_start", sbk_process_start, Places{0}, nullptr, l, 1, s, nul, m);
    misuses.of("process_attach", sbk_process_attach, Places{0}, nullptr, l, 1, s, nul, s, nul, 0);
    misuses.of("file_write", sbk_file_write, Places{0, 7}, nullptr, l, 1, s, nul, s, nul, s, nul);
    misuses.of("file_read", sbk_file_read, Places{0}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("file_info", sbk_file_info, Places{0}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("file_list", sbk_file_list, Places{0}, nullptr, l, 1, s, nul, s, nul, 1);
    misuses.of("file_make_directory", sbk_file_make_directory, Places{0}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("file_move", sbk_file_move, Places{0}, nullptr, l, 1, s, nul, s, nul, s, nul);
    misuses.of("file_remove", sbk_file_remove, Places{0}, nullptr, l, 1, s, nul, s, nul);
    misuses.of("file_watch", sbk_file_watch, Places{0}, nullptr, l, 1, s, nul, s, nul, 0);
    misuses.of("tree_upload", sbk_tree_upload, Places{0}, nullptr, l, 1, s, nul, s, nul, s, nul);
    misuses.of("tree_download", sbk_tree_download, Places{0, 9}, nullptr, l, 1, s, nul, s, nul, s, nul, nullptr);
    misuses.of("session_stop", sbk_session_stop, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("session_resume", sbk_session_resume, Places{0}, nullptr, l, 1, s, nul);
    misuses.of("session_remove", sbk_session_remove, Places{0}, nullptr, l, 1, s, nul);
}

TEST_CASE("NULL in what submits nothing, numbers out of their range, and the wrong kind of event") {
    CEngine c;
    const std::size_t nul = SBK_NUL;
    auto made = CEngine::shell("true");
    sbk_command* const command = made.get();
    CHECK(sbk_queue_new(nullptr) == SBK_MISUSE);
    CHECK(sbk_queue_descriptor(nullptr) == -1);
    CHECK(sbk_queue_next(nullptr, c.queue.get(), 0) == SBK_MISUSE);
    sbk_event* none = reinterpret_cast<sbk_event*>(1);
    CHECK(sbk_queue_next(&none, nullptr, 0) == SBK_MISUSE);
    CHECK(none == nullptr);
    CHECK(sbk_queue_post(nullptr, 1) == SBK_MISUSE);

    CHECK(sbk_event_get_kind(nullptr) == 0);
    CHECK(sbk_event_tag(nullptr) == 0);
    CHECK(sbk_event_status(nullptr) == SBK_MISUSE);
    std::size_t size = 9;
    CHECK(sbk_event_json(nullptr, &size) == nullptr);
    CHECK(size == 0);
    CHECK(sbk_event_text(nullptr, "", 0, nullptr) == nullptr);
    CHECK(sbk_event_bytes(nullptr, nullptr) == std::string_view(""));
    CHECK(sbk_event_error_bytes(nullptr, nullptr) == std::string_view(""));
    CHECK(sbk_event_offset(nullptr) == 0);
    std::int64_t integer = 0;
    const auto event = event_with("x");
    CHECK(sbk_event_integer(nullptr, event.get(), "", 0) == SBK_MISUSE);
    CHECK(sbk_event_integer(&integer, nullptr, "", 0) == SBK_MISUSE);
    CHECK(sbk_event_integer(&integer, event.get(), nullptr, 0) == SBK_MISUSE);
    sbk_engine* engine = nullptr;
    sbk_process* process = nullptr;
    CHECK(sbk_event_take_engine(nullptr, event.get()) == SBK_MISUSE);
    CHECK(sbk_event_take_engine(&engine, nullptr) == SBK_MISUSE);
    CHECK(sbk_event_take_process(nullptr, event.get()) == SBK_MISUSE);
    CHECK(sbk_event_take_process(&process, event.get()) == SBK_MISUSE);
    CHECK(sbk_event_respond(event.get(), "null", nul) == SBK_MISUSE); // asks nothing
    CHECK(sbk_event_respond(nullptr, "null", nul) == SBK_MISUSE);
    CHECK(sbk_event_respond(event.get(), nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_event_refuse(event.get(), SBK_UNAVAILABLE, "x", nul) == SBK_MISUSE);
    CHECK(sbk_operation_cancel(nullptr) == SBK_MISUSE);

    sbk_engine_options options{};
    CHECK(sbk_engine_open(nullptr, c.queue.get(), 1, nullptr) == SBK_MISUSE);
    CHECK(sbk_engine_open(nullptr, c.queue.get(), 1, &options) == SBK_MISUSE); // struct_size
    options.struct_size = sizeof options;
    CHECK(sbk_engine_open(nullptr, nullptr, 1, &options) == SBK_MISUSE);
    CHECK(sbk_doctor(nullptr, nullptr, 1, &options) == SBK_MISUSE);
    CHECK(sbk_doctor(nullptr, c.queue.get(), 1, nullptr) == SBK_MISUSE);
    options.store_size = 5; // of a NULL pointer
    CHECK(sbk_engine_open(nullptr, c.queue.get(), 1, &options) == SBK_MISUSE);
    CHECK(sbk_engine_close(nullptr, nullptr, 1, c.engine.get()) == SBK_MISUSE);
    CHECK(sbk_engine_close(nullptr, c.queue.get(), 1, nullptr) == SBK_MISUSE);

    sbk_client* client = reinterpret_cast<sbk_client*>(1);
    const auto new_client = [&](sbk_engine* on, sbk_queue* queue, const char* id, std::size_t id_size) {
        const auto status = sbk_client_new(&client, on, queue, id, id_size);
        const Handle<sbk_client> freed(client);
        CHECK((client == nullptr) == (status != SBK_OK));
        return status;
    };
    CHECK(sbk_client_new(nullptr, c.engine.get(), c.queue.get(), "ada", nul) == SBK_MISUSE);
    CHECK(new_client(nullptr, c.queue.get(), "ada", nul) == SBK_MISUSE);
    CHECK(new_client(c.engine.get(), nullptr, "ada", nul) == SBK_MISUSE);
    const std::string long_id(257, 'x');
    for (const std::string& id : {std::string(), long_id, std::string("a\nb"), std::string("\xff"), std::string("a\0b", 3)})
        CHECK(new_client(c.engine.get(), c.queue.get(), id.data(), id.size()) == SBK_MISUSE);
    CHECK(new_client(c.engine.get(), c.queue.get(), nullptr, 0) == SBK_MISUSE);
    CHECK(new_client(c.engine.get(), c.queue.get(), long_id.data(), 256) == SBK_OK);
    CHECK(sbk_client_add_role(nullptr, "x", nul) == SBK_MISUSE);
    CHECK(sbk_client_add_role(c.client.get(), nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_client_add_scope(nullptr, "x", nul) == SBK_MISUSE);
    CHECK(sbk_client_add_scope(c.client.get(), nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_client_add_scope(c.client.get(), "everything", nul) == SBK_INVALID);
    CHECK(sbk_client_add_scope(c.client.get(), "sandbox-profiles.read and more", 21) == SBK_OK);
    CHECK(sbk_client_add_every_scope(nullptr) == SBK_MISUSE);
    CHECK(sbk_client_set_channel(nullptr, SBK_CHANNEL_API) == SBK_MISUSE);
    for (const int channel : {-1, 4, INT_MAX})
        CHECK(sbk_client_set_channel(c.client.get(), static_cast<sbk_channel>(channel)) == SBK_MISUSE);
    for (const int gate : {-1, 3, INT_MIN})
        CHECK(sbk_profile_validate(nullptr, c.client.get(), 1, "{}", nul, static_cast<sbk_gate>(gate)) == SBK_MISUSE);

    CHECK(sbk_command_new(nullptr) == SBK_MISUSE);
    CHECK(sbk_command_add_argument(nullptr, "x", nul) == SBK_MISUSE);
    CHECK(sbk_command_add_argument(command, nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_command_set_environment(nullptr, "x", nul, "y", nul) == SBK_MISUSE);
    CHECK(sbk_command_set_environment(command, nullptr, 0, "y", nul) == SBK_MISUSE);
    CHECK(sbk_command_set_environment(command, "x", nul, nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_command_set_directory(nullptr, "/", nul) == SBK_MISUSE);
    CHECK(sbk_command_set_directory(command, nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_command_set_user(nullptr, "x", nul) == SBK_MISUSE);
    CHECK(sbk_command_set_user(command, nullptr, 0) == SBK_MISUSE);
    CHECK(sbk_command_set_timeout(nullptr, 1) == SBK_MISUSE);
    CHECK(sbk_command_set_timeout(command, UINT64_MAX) == SBK_OK);
    CHECK(sbk_command_set_standard_input(nullptr, 1) == SBK_MISUSE);
    CHECK(sbk_command_set_terminal(nullptr, 80, 24) == SBK_MISUSE);
    CHECK(sbk_command_set_terminal(command, 0, 24) == SBK_MISUSE);
    CHECK(sbk_command_set_terminal(command, 80, 0) == SBK_MISUSE);

    sbk_session_options start{};
    CHECK(sbk_session_start(nullptr, c.client.get(), 1, nullptr) == SBK_MISUSE);
    CHECK(sbk_session_start(nullptr, c.client.get(), 1, &start) == SBK_MISUSE);
    start.struct_size = sizeof start;
    CHECK(sbk_session_start(nullptr, c.client.get(), 1, &start) == SBK_MISUSE); // no profile
    start.profile = "prf_none";
    start.profile_size = nul;
    CHECK(sbk_session_start(nullptr, nullptr, 1, &start) == SBK_MISUSE);
    start.reserved = 1;
    CHECK(sbk_session_start(nullptr, c.client.get(), 1, &start) == SBK_MISUSE);
    sbk_tree_limits limits{};
    CHECK(sbk_tree_download(nullptr, c.client.get(), 1, "s", nul, "/", nul, "/", nul, &limits) == SBK_MISUSE);

    CHECK(sbk_process_follow(nullptr, nullptr, 1, 0) == SBK_MISUSE);
    CHECK(sbk_process_write(nullptr, nullptr, 1, "x", 1) == SBK_MISUSE);
    CHECK(sbk_process_close_input(nullptr, nullptr, 1) == SBK_MISUSE);
    CHECK(sbk_process_resize(nullptr, nullptr, 1, 80, 24) == SBK_MISUSE);
    CHECK(sbk_process_signal(nullptr, nullptr, 1, 9) == SBK_MISUSE);

    CHECK(sbk_has_feature(nullptr, 0) == 0);
    CHECK(sbk_has_feature("log and more", 3) == 1);
    for (const int status : {-1, 16, INT_MAX})
        CHECK(sbk_status_name(static_cast<sbk_status>(status)) == std::string_view("unknown"));
    sbk_queue_free(nullptr);
    sbk_event_free(nullptr);
    sbk_operation_free(nullptr);
    sbk_engine_free(nullptr);
    sbk_client_free(nullptr);
    sbk_command_free(nullptr);
    sbk_process_free(nullptr);
    CHECK(next(c.queue, 0) == nullptr);
}
