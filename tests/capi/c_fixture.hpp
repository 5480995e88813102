// SPDX-License-Identifier: Apache-2.0
// An engine as the C ABI hands it out, over a provider in memory; and what a test reads its events with.
#pragma once

#include "engine/memory_provider.hpp"

#include "engine_handle.hpp"

#include <sandboxkit.h>

#include <boost/json/parse.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::test {

struct Free {
    void operator()(sbk_queue* queue) const { sbk_queue_free(queue); }
    void operator()(sbk_event* event) const { sbk_event_free(event); }
    void operator()(sbk_operation* operation) const { sbk_operation_free(operation); }
    void operator()(sbk_engine* engine) const { sbk_engine_free(engine); }
    void operator()(sbk_client* client) const { sbk_client_free(client); }
    void operator()(sbk_command* command) const { sbk_command_free(command); }
    void operator()(sbk_process* process) const { sbk_process_free(process); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

// What `function(T**, arguments...)` gives.
template <class T, class Function, class... Arguments>
Handle<T> made_by(Function function, Arguments... arguments) {
    T* made = nullptr;
    REQUIRE(function(&made, arguments...) == SBK_OK);
    REQUIRE(made != nullptr);
    return Handle<T>(made);
}

inline Handle<sbk_queue> new_queue() {
    return made_by<sbk_queue>(sbk_queue_new);
}

// Null: there is none in that time.
inline Handle<sbk_event> next(const Handle<sbk_queue>& queue, std::int64_t timeout_ms = -1) {
    sbk_event* event = nullptr;
    const auto status = sbk_queue_next(&event, queue.get(), timeout_ms);
    CHECK(status == (event ? SBK_OK : SBK_EMPTY));
    return Handle<sbk_event>(event);
}

// The next event is this one.
inline Handle<sbk_event> expect(const Handle<sbk_queue>& queue, sbk_event_kind kind, std::uint64_t tag) {
    auto event = next(queue);
    REQUIRE(sbk_event_get_kind(event.get()) == kind);
    REQUIRE(sbk_event_tag(event.get()) == tag);
    return event;
}

inline std::string_view json_of(const Handle<sbk_event>& event) {
    std::size_t size = 0;
    const char* const text = sbk_event_json(event.get(), &size);
    return {text ? text : "", size};
}

inline std::string text_at(const Handle<sbk_event>& event, std::string_view pointer) {
    std::size_t size = 0;
    const char* const text = sbk_event_text(event.get(), pointer.data(), pointer.size(), &size);
    return text ? std::string(text, size) : "(none)";
}

inline std::string bytes_of(const Handle<sbk_event>& event) {
    std::size_t size = 0;
    const char* const bytes = sbk_event_bytes(event.get(), &size);
    return {bytes, size};
}

// The completion of `tag`, which succeeded; the next event.
inline Handle<sbk_event> success(const Handle<sbk_queue>& queue, std::uint64_t tag) {
    auto event = expect(queue, SBK_EVENT_COMPLETION, tag);
    REQUIRE_MESSAGE(sbk_event_status(event.get()) == SBK_OK, json_of(event));
    return event;
}

// The code of the error that `tag` completes with, as the next event.
inline std::string failure(const Handle<sbk_queue>& queue, std::uint64_t tag) {
    auto event = expect(queue, SBK_EVENT_COMPLETION, tag);
    REQUIRE_MESSAGE(sbk_event_status(event.get()) != SBK_OK, json_of(event));
    CHECK(text_at(event, "/class") == sbk_status_name(sbk_event_status(event.get())));
    return text_at(event, "/code");
}

inline std::string document_for_memory(boost::json::object more = {}) {
    more["provider"] = "memory";
    return document(std::move(more));
}

struct COptions {
    std::shared_ptr<capi::Host> host{};
    bool asks_references = false;
};

// One engine, one client who may do everything, one queue.
class CEngine {
public:
    explicit CEngine(const COptions& given = {}) {
        auto options = options_with(dir.path(), provider);
        if (given.asks_references) options.references = given.host;
        auto opened = must(Engine::open(std::move(options)));
        engine.reset(new sbk_engine(std::make_shared<capi::EngineHandle>(std::move(opened), given.host)));
        client = new_client();
    }

    Handle<sbk_client> new_client() {
        auto made = made_by<sbk_client>(sbk_client_new, engine.get(), queue.get(), "ada", SBK_NUL);
        REQUIRE(sbk_client_add_every_scope(made.get()) == SBK_OK);
        return made;
    }
    std::string new_profile(const boost::json::object& more = {}) {
        const auto text = document_for_memory(more);
        REQUIRE(sbk_profile_create(nullptr, client.get(), 1, text.data(), text.size(), nullptr, 0) == SBK_OK);
        return text_at(success(queue, 1), "/id");
    }
    // Of a profile with a snapshot.
    std::string new_session() {
        const auto profile = new_profile();
        REQUIRE(sbk_version_publish(nullptr, client.get(), 1, profile.c_str(), SBK_NUL) == SBK_OK);
        const auto job = text_at(success(queue, 1), "/last_job");
        REQUIRE(sbk_job_wait(nullptr, client.get(), 1, job.c_str(), SBK_NUL) == SBK_OK);
        for (auto event = next(queue); sbk_event_get_kind(event.get()) != SBK_EVENT_COMPLETION; event = next(queue)) {
        }
        sbk_session_options start{};
        start.struct_size = sizeof start;
        start.profile = profile.c_str();
        start.profile_size = SBK_NUL;
        REQUIRE(sbk_session_start(nullptr, client.get(), 1, &start) == SBK_OK);
        return text_at(success(queue, 1), "/id");
    }
    static Handle<sbk_command> shell(const std::string& script) {
        auto command = made_by<sbk_command>(sbk_command_new);
        for (const std::string& argument : {std::string("/bin/sh"), std::string("-c"), script})
            REQUIRE(sbk_command_add_argument(command.get(), argument.data(), argument.size()) == SBK_OK);
        return command;
    }
    Handle<sbk_process> start(const std::string& session, const Handle<sbk_command>& command) {
        REQUIRE(sbk_process_start(nullptr, client.get(), 1, session.c_str(), SBK_NUL, command.get()) == SBK_OK);
        return taken(success(queue, 1));
    }
    static Handle<sbk_process> taken(const Handle<sbk_event>& event) {
        sbk_process* process = nullptr;
        REQUIRE(sbk_event_take_process(&process, event.get()) == SBK_OK);
        return Handle<sbk_process>(process);
    }
    void close(std::uint64_t tag = 999) {
        REQUIRE(sbk_engine_close(nullptr, queue.get(), tag, engine.get()) == SBK_OK);
        success(queue, tag);
    }

    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    Handle<sbk_queue> queue = new_queue();
    Handle<sbk_engine> engine;
    Handle<sbk_client> client;
};

} // namespace sandboxkit::test
