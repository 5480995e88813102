// SPDX-License-Identifier: Apache-2.0
#include "every_function.hpp"

namespace sandboxkit::test {

namespace {

// Not NULL, so that it can be told whether a function has emptied it; never looked at.
template <class T>
T* rubbish() {
    static int place = 0;
    return reinterpret_cast<T*>(&place);
}

// `call(sbk_operation**)`
template <class Call>
Function submits(const char* name, Call call, bool endless = false) {
    auto last = std::make_shared<Handle<sbk_operation>>();
    return {name, Kind::submits,
            [call, last] {
                auto* operation = rubbish<sbk_operation>();
                const auto status = call(&operation);
                if (status == SBK_OK) last->reset(operation);
                return Answer{status, operation == nullptr};
            },
            [last] { CHECK(sbk_operation_cancel(last->get()) == SBK_OK); }, endless};
}

// `call(T**)`
template <class T, class Call>
Function makes(const char* name, Call call) {
    return {name, Kind::makes, [call] {
                auto* made = rubbish<T>();
                const auto status = call(&made);
                if (status == SBK_OK) Free{}(made);
                return Answer{status, made == nullptr};
            }};
}

template <class Call>
Function acts(const char* name, Call call) {
    return {name, Kind::acts, [call] { return Answer{call(), true}; }};
}

// `call()`: whether what is told says nothing.
template <class Call>
Function tells(const char* name, Call call) {
    return {name, Kind::tells, [call] { return Answer{SBK_OK, call()}; }};
}

template <class Call>
Function frees(const char* name, Call call) {
    return {name, Kind::frees, [call] {
                call();
                return Answer{};
            }};
}

} // namespace

std::vector<Function> OneOfEach::functions() {
    auto* const c = on.client.get();
    auto* const q = on.queue.get();
    auto* const e = event.get();
    auto* const p = process.get();
    const auto* const prf = profile.c_str();
    const auto* const ses = session.c_str();
    constexpr auto t = call_tag;
    constexpr auto n = SBK_NUL;
    using Op = sbk_operation**;
    std::vector<Function> all;
    const auto add = [&](Function function) { all.push_back(std::move(function)); };

    add(tells("sbk_version", [] { return sbk_version() == nullptr; }));
    add(tells("sbk_has_feature", [=] { return sbk_has_feature("log", n) == 0; }));
    add(tells("sbk_status_name", [] { return sbk_status_name(SBK_OK) == nullptr; }));

    add(makes<sbk_queue>("sbk_queue_new", [](sbk_queue** made) { return sbk_queue_new(made); }));
    add(tells("sbk_queue_descriptor", [=] { return sbk_queue_descriptor(q) == -1; }));
    add(acts("sbk_queue_post", [=] { return sbk_queue_post(q, t); }));
    add(makes<sbk_event>("sbk_queue_next", [=](sbk_event** made) { return sbk_queue_next(made, q, 0); }));

    add(tells("sbk_event_get_kind", [=] { return sbk_event_get_kind(e) == sbk_event_kind{}; }));
    add(tells("sbk_event_tag", [=] { return sbk_event_tag(e) == 0; }));
    add(acts("sbk_event_status", [=] { return sbk_event_status(e); }));
    add(tells("sbk_event_json", [=] {
        std::size_t size = 1;
        return sbk_event_json(e, &size) == nullptr && size == 0;
    }));
    add(tells("sbk_event_text", [=] {
        std::size_t size = 1;
        return sbk_event_text(e, "/id", n, &size) == nullptr && size == 0;
    }));
    add({"sbk_event_integer", Kind::acts, [=] {
             std::int64_t value = -1;
             const auto status = sbk_event_integer(&value, e, "/revision", n);
             return Answer{status, value == 0};
         }});
    add(tells("sbk_event_bytes", [=] {
        std::size_t size = 1;
        return std::string(sbk_event_bytes(e, &size)).empty() && size == 0;
    }));
    add(tells("sbk_event_error_bytes", [=] {
        std::size_t size = 1;
        return std::string(sbk_event_error_bytes(e, &size)).empty() && size == 0;
    }));
    add(tells("sbk_event_stream", [=] { return sbk_event_stream(e) == SBK_STANDARD_OUTPUT; }));
    add(tells("sbk_event_offset", [=] { return sbk_event_offset(e) == 0; }));
    add({"sbk_event_take_engine", Kind::makes, [this] {
             auto* made = rubbish<sbk_engine>();
             const auto status = sbk_event_take_engine(&made, with_engine.get());
             // Not freed, which would close what the others use.
             if (status == SBK_OK) taken_engine.reset(made);
             return Answer{status, made == nullptr};
         }});
    add(makes<sbk_process>("sbk_event_take_process",
                           [this](sbk_process** made) { return sbk_event_take_process(made, with_process.get()); }));
    add(acts("sbk_event_respond", [this] { return sbk_event_respond(asked.get(), "{\"a\": [\"b\"]}", n); }));
    add(acts("sbk_event_refuse",
             [this] { return sbk_event_refuse(asked_too.get(), SBK_PERMISSION, "not while the sun is shining", n); }));

    add(acts("sbk_operation_cancel", [this] { return sbk_operation_cancel(operation.get()); }));

    add(submits("sbk_doctor", [this, q](Op op) { return sbk_doctor(op, q, t, &options); }));
    add(submits("sbk_engine_open", [this, q](Op op) { return sbk_engine_open(op, q, t, &options); }));
    add(submits("sbk_engine_ping", [this, q](Op op) { return sbk_engine_ping(op, q, t, on.engine.get()); }));
    add(submits("sbk_engine_close", [this, q](Op op) { return sbk_engine_close(op, q, t, other->engine.get()); }));

    add(makes<sbk_client>("sbk_client_new", [this, q](sbk_client** made) {
        return sbk_client_new(made, on.engine.get(), q, "somebody whose name is long enough", n);
    }));
    add(acts("sbk_client_add_role",
             [this] { return sbk_client_add_role(spare_client.get(), "a role whose name is long enough", n); }));
    add(acts("sbk_client_add_scope", [this] { return sbk_client_add_scope(spare_client.get(), "sandbox-profiles.read", n); }));
    add(acts("sbk_client_add_every_scope", [this] { return sbk_client_add_every_scope(spare_client.get()); }));
    add(acts("sbk_client_set_channel", [this] { return sbk_client_set_channel(spare_client.get(), SBK_CHANNEL_FORM); }));
    add(submits("sbk_engine_reconcile", [=](Op op) { return sbk_engine_reconcile(op, c, t); }));
    add(submits("sbk_engine_check_provider", [=](Op op) {
        return sbk_engine_check_provider(op, c, t, "none", n, R"({"image": "host", "scratch": "/nowhere"})", n);
    }));

    add(submits("sbk_profile_create", [=](Op op) { return sbk_profile_create(op, c, t, "{\"name\": \"new\"}", n, nullptr, 0); }));
    add(submits("sbk_profile_get", [=](Op op) { return sbk_profile_get(op, c, t, prf, n); }));
    add(submits("sbk_profile_list", [=](Op op) { return sbk_profile_list(op, c, t); }));
    add(submits("sbk_profile_draft", [=](Op op) { return sbk_profile_draft(op, c, t, prf, n); }));
    add(submits("sbk_profile_overview", [=](Op op) { return sbk_profile_overview(op, c, t, prf, n); }));
    add(submits("sbk_profile_duplicate", [=](Op op) { return sbk_profile_duplicate(op, c, t, prf, n, "copy", n); }));
    add(submits("sbk_profile_delete", [=](Op op) { return sbk_profile_delete(op, c, t, "prf_none", n, 0); }));
    add(submits("sbk_profile_edit", [=](Op op) { return sbk_profile_edit(op, c, t, prf, n, "{\"name\": \"edited\"}", n, -1); }));
    add(submits("sbk_profile_edit_section", [=](Op op) {
        return sbk_profile_edit_section(op, c, t, prf, n, "network", n, "{\"egress\": \"none\"}", n, -1);
    }));
    add(submits("sbk_proposal_create",
                [=](Op op) { return sbk_proposal_create(op, c, t, prf, n, "network", n, "{\"egress\": \"open\"}", n, -1); }));
    add(submits("sbk_proposal_list", [=](Op op) { return sbk_proposal_list(op, c, t, prf, n); }));
    add(submits("sbk_proposal_keep", [=](Op op) { return sbk_proposal_keep(op, c, t, "edt_none", n); }));
    add(submits("sbk_proposal_discard", [=](Op op) { return sbk_proposal_discard(op, c, t, "edt_none", n); }));
    add(submits("sbk_instructions_list", [=](Op op) { return sbk_instructions_list(op, c, t, prf, n); }));
    add(submits("sbk_instructions_get", [=](Op op) { return sbk_instructions_get(op, c, t, prf, n, 1); }));
    add(submits("sbk_instructions_restore", [=](Op op) { return sbk_instructions_restore(op, c, t, prf, n, 1); }));
    add(submits("sbk_profile_activity", [=](Op op) { return sbk_profile_activity(op, c, t, prf, n, 10, -1); }));
    add(submits("sbk_profile_validate",
                [=](Op op) { return sbk_profile_validate(op, c, t, "{\"name\": 1}", n, SBK_GATE_SAVE); }));

    add(submits("sbk_version_publish", [=](Op op) { return sbk_version_publish(op, c, t, "prf_none", n); }));
    add(submits("sbk_version_get", [=](Op op) { return sbk_version_get(op, c, t, prf, n, 1); }));
    add(submits("sbk_version_list", [=](Op op) { return sbk_version_list(op, c, t, prf, n); }));
    add(submits("sbk_version_diff", [=](Op op) { return sbk_version_diff(op, c, t, prf, n, 1, 2); }));
    add(submits("sbk_version_export", [=](Op op) { return sbk_version_export(op, c, t, prf, n, 1); }));
    add(submits("sbk_version_import", [=](Op op) { return sbk_version_import(op, c, t, "no file", n, nullptr, 0); }));
    add(submits("sbk_snapshot_refresh", [=](Op op) { return sbk_snapshot_refresh(op, c, t, prf, n, 1); }));
    add(submits("sbk_host_add", [=](Op op) { return sbk_host_add(op, c, t, "{}", n); }));
    add(submits("sbk_host_get", [=](Op op) { return sbk_host_get(op, c, t, "none", n); }));
    add(submits("sbk_host_list", [=](Op op) { return sbk_host_list(op, c, t); }));
    add(submits("sbk_host_test", [=](Op op) { return sbk_host_test(op, c, t, "none", n); }));
    add(submits("sbk_host_accept", [=](Op op) { return sbk_host_accept(op, c, t, "none", n); }));
    add(submits("sbk_host_set_default", [=](Op op) { return sbk_host_set_default(op, c, t, "none", n); }));
    add(submits("sbk_host_remove", [=](Op op) { return sbk_host_remove(op, c, t, "none", n, 0); }));
    add(submits("sbk_job_get", [=](Op op) { return sbk_job_get(op, c, t, "job_none", n); }));
    add(submits("sbk_job_list", [=](Op op) { return sbk_job_list(op, c, t, prf, n); }));
    add(submits("sbk_job_wait", [=](Op op) { return sbk_job_wait(op, c, t, "job_none", n); }));
    add(submits("sbk_job_log", [=](Op op) { return sbk_job_log(op, c, t, "job_none", n); }));
    add(submits("sbk_job_cancel", [=](Op op) { return sbk_job_cancel(op, c, t, "job_none", n); }));

    add(submits("sbk_session_start", [this, c](Op op) { return sbk_session_start(op, c, t, &start); }));
    add(submits("sbk_session_get", [=](Op op) { return sbk_session_get(op, c, t, ses, n); }));
    add(submits("sbk_session_list", [=](Op op) { return sbk_session_list(op, c, t, 1); }));

    add(makes<sbk_command>("sbk_command_new", [](sbk_command** made) { return sbk_command_new(made); }));
    add(acts("sbk_command_add_argument",
             [this] { return sbk_command_add_argument(spare_command.get(), "an argument of some length", n); }));
    add(acts("sbk_command_set_environment", [this] {
        return sbk_command_set_environment(spare_command.get(), "A_NAME_OF_SOME_LENGTH", n, "a value of some length", n);
    }));
    add(acts("sbk_command_set_directory",
             [this] { return sbk_command_set_directory(spare_command.get(), "/a/path/of/some/length", n); }));
    add(acts("sbk_command_set_user", [this] { return sbk_command_set_user(spare_command.get(), "a-user-with-a-long-name", n); }));
    add(acts("sbk_command_set_timeout", [this] { return sbk_command_set_timeout(spare_command.get(), 1000); }));
    add(acts("sbk_command_set_standard_input", [this] { return sbk_command_set_standard_input(spare_command.get(), 1); }));
    add(acts("sbk_command_set_terminal", [this] { return sbk_command_set_terminal(spare_command.get(), 80, 24); }));
    add(submits("sbk_session_exec", [this, c, ses](Op op) { return sbk_session_exec(op, c, t, ses, n, command.get(), 0); }));
    add(submits("sbk_session_processes", [=](Op op) { return sbk_session_processes(op, c, t, ses, n); }));
    add(submits("sbk_session_signal", [=](Op op) { return sbk_session_signal(op, c, t, ses, n, "cmd_none", n, 15); }));

    add(submits("sbk_process_start", [this, c, ses](Op op) { return sbk_process_start(op, c, t, ses, n, command.get()); }));
    add(submits("sbk_process_attach", [=](Op op) { return sbk_process_attach(op, c, t, ses, n, "cmd_none", n, 0); }));
    add(submits(
        "sbk_process_follow", [=](Op op) { return sbk_process_follow(op, p, t, 0); }, true));
    add(submits("sbk_process_write", [=](Op op) { return sbk_process_write(op, p, t, "a line that is long enough\n", n); }));
    add(submits("sbk_process_close_input", [=](Op op) { return sbk_process_close_input(op, p, t); }));
    add(submits("sbk_process_resize", [=](Op op) { return sbk_process_resize(op, p, t, 80, 24); }));
    add(submits("sbk_process_signal", [=](Op op) { return sbk_process_signal(op, p, t, 0); }));

    const auto* const file = "/sandboxkit-no-such-directory/file";
    add(submits("sbk_file_write", [=](Op op) { return sbk_file_write(op, c, t, ses, n, "/proc/none/file", n, "contents", n); }));
    add(submits("sbk_file_read", [=](Op op) { return sbk_file_read(op, c, t, ses, n, file, n); }));
    add(submits("sbk_file_info", [=](Op op) { return sbk_file_info(op, c, t, ses, n, file, n); }));
    add(submits("sbk_file_list", [=](Op op) { return sbk_file_list(op, c, t, ses, n, file, n, 1); }));
    add(submits("sbk_file_make_directory",
                [=](Op op) { return sbk_file_make_directory(op, c, t, ses, n, "/proc/none/directory", n); }));
    add(submits("sbk_file_move", [=](Op op) { return sbk_file_move(op, c, t, ses, n, file, n, "/proc/none/moved", n); }));
    add(submits("sbk_file_remove", [=](Op op) { return sbk_file_remove(op, c, t, ses, n, file, n); }));
    add(submits(
        "sbk_file_watch", [this, c, ses](Op op) { return sbk_file_watch(op, c, t, ses, n, on.dir.path().c_str(), n, 0); }, true));
    add(submits("sbk_tree_upload", [=](Op op) { return sbk_tree_upload(op, c, t, ses, n, file, n, "/proc/none/tree", n); }));
    add(submits("sbk_tree_download", [this, c, ses, file](Op op) {
        return sbk_tree_download(op, c, t, ses, n, file, n, downloaded.c_str(), n, nullptr);
    }));
    add(submits("sbk_session_stop", [=](Op op) { return sbk_session_stop(op, c, t, "ses_none", n); }));
    add(submits("sbk_session_resume", [=](Op op) { return sbk_session_resume(op, c, t, "ses_none", n); }));
    add(submits("sbk_session_remove", [=](Op op) { return sbk_session_remove(op, c, t, "ses_none", n); }));

    add(frees("sbk_queue_free", [=] { sbk_queue_free(q); }));
    add(frees("sbk_event_free", [=] { sbk_event_free(e); }));
    add(frees("sbk_operation_free", [this] { sbk_operation_free(operation.get()); }));
    add(frees("sbk_engine_free", [this] { sbk_engine_free(on.engine.get()); }));
    add(frees("sbk_client_free", [=] { sbk_client_free(c); }));
    add(frees("sbk_command_free", [this] { sbk_command_free(command.get()); }));
    add(frees("sbk_process_free", [=] { sbk_process_free(p); }));
    return all;
}

} // namespace sandboxkit::test
