// SPDX-License-Identifier: Apache-2.0
// Processes: started or attached to, followed, and written to.
#include "client.hpp"
#include "command.hpp"
#include "stream.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::text;
using sandboxkit::Engine;
using sandboxkit::Principal;

namespace {

constexpr std::size_t default_window = 1 << 20;

sandboxkit::Error already_followed() {
    return {sandboxkit::ErrorClass::conflict,
            "already_followed",
            "this process is being followed already",
            "cancel that, or attach to the process once more",
            "",
            {}};
}

// `begin(Engine&, const Principal&)` starts a process or attaches to one.
template <class Begin>
sbk_status submit_process(sbk_operation** operation, sbk_client* given, uint64_t tag, Begin begin) {
    const sbk_client& client = capi::object(given);
    return capi::submit_to(operation, client.queue, tag, [&](const std::shared_ptr<capi::Pending>& pending) {
        auto done = [pending, engine = client.engine, queue = client.queue](sandboxkit::Result<sandboxkit::Process> result) {
            pending->complete([&](sbk_event& event) {
                if (!result) return capi::write_error(event, result.error());
                event.set_json(boost::json::object{{"id", result->id()}, {"pid", result->pid()}});
                event.process = std::make_shared<capi::ProcessHandle>(std::move(*result), engine, queue);
            });
        };
        capi::follow_in_engine(pending, client, std::move(begin), std::move(done));
    });
}

// `verb(Process&)` is an operation without a result.
template <class Verb>
sbk_status submit_to_process(sbk_operation** operation, sbk_process* given, uint64_t tag, Verb verb) {
    auto& handle = *capi::object(given).handle;
    return capi::submit_to(operation, handle.queue, tag, [&](const std::shared_ptr<capi::Pending>& pending) {
        capi::follow_operation(
            pending, [&] { return verb(handle.process); },
            [pending](auto result) { capi::complete(*pending, std::move(result)); });
    });
}

sbk_status submit_input(sbk_operation** operation, sbk_process* given, uint64_t tag, capi::ProcessHandle::Start start) {
    const auto handle = capi::object(given).handle;
    return capi::submit_to(operation, handle->queue, tag,
                           [&](const std::shared_ptr<capi::Pending>& pending) { handle->add_input(pending, std::move(start)); });
}

} // namespace

sbk_status sbk_process_start(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                             size_t session_size, const sbk_command* command) {
    return guarded(__func__, operation, [&] {
        const auto& request = capi::object(command).request;
        const auto id = text(session, session_size);
        return submit_process(operation, client, tag,
                              [&](Engine& engine, const Principal& who) { return engine.start_process(who, id, request); });
    });
}

sbk_status sbk_process_attach(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                              size_t session_size, const char* process, size_t process_size, int64_t offset) {
    return guarded(__func__, operation, [&] {
        const auto id = text(session, session_size);
        const std::string which(text(process, process_size));
        const auto from = offset < 0 ? std::optional<std::uint64_t>() : static_cast<std::uint64_t>(offset);
        return submit_process(operation, client, tag,
                              [&](Engine& engine, const Principal& who) { return engine.attach_process(who, id, which, from); });
    });
}

sbk_status sbk_process_follow(sbk_operation** operation, sbk_process* process, uint64_t tag, size_t window) {
    return guarded(__func__, operation, [&] {
        const auto handle = capi::object(process).handle;
        return capi::submit_to(operation, handle->queue, tag, [&](const std::shared_ptr<capi::Pending>& pending) {
            capi::StreamSource<sandboxkit::ProcessEvent> source;
            source.next = [handle] { return handle->process.next(); };
            source.write = [](sandboxkit::ProcessEvent& output, sbk_event& event) -> std::optional<std::size_t> {
                if (output.end) {
                    event.set_json(sandboxkit::to_json(*output.end));
                    return {};
                }
                event.bytes = std::move(output.bytes);
                event.stream = output.stream == sandboxkit::Stream::standard_output ? SBK_STANDARD_OUTPUT : SBK_STANDARD_ERROR;
                event.offset = output.offset;
                return event.bytes.size();
            };
            source.at_end = [handle] { handle->followed = false; };
            const auto stream = std::make_shared<capi::Stream<sandboxkit::ProcessEvent>>(
                pending, SBK_EVENT_OUTPUT, window == 0 ? default_window : window, std::move(source));
            if (!handle->engine->keep(stream))
                pending->fail(capi::engine_closed);
            else if (handle->followed.exchange(true))
                pending->fail(already_followed);
            else
                stream->start();
        });
    });
}

sbk_status sbk_process_write(sbk_operation** operation, sbk_process* process, uint64_t tag, const char* bytes, size_t size) {
    return guarded(__func__, operation, [&] {
        return submit_input(operation, process, tag,
                            [input = capi::text_or_empty(bytes, size)](sandboxkit::Process& p) { return p.write(input); });
    });
}

sbk_status sbk_process_close_input(sbk_operation** operation, sbk_process* process, uint64_t tag) {
    return guarded(__func__, operation,
                   [&] { return submit_input(operation, process, tag, [](sandboxkit::Process& p) { return p.close_stdin(); }); });
}

sbk_status sbk_process_resize(sbk_operation** operation, sbk_process* process, uint64_t tag, uint16_t columns, uint16_t rows) {
    return guarded(__func__, operation, [&] {
        if (columns == 0 || rows == 0) throw capi::Misuse{};
        return submit_to_process(operation, process, tag, [&](sandboxkit::Process& p) { return p.resize({columns, rows}); });
    });
}

sbk_status sbk_process_signal(sbk_operation** operation, sbk_process* process, uint64_t tag, int signal_number) {
    return guarded(__func__, operation, [&] {
        return submit_to_process(operation, process, tag, [&](sandboxkit::Process& p) { return p.signal(signal_number); });
    });
}

void sbk_process_free(sbk_process* process) {
    capi::release(__func__, process);
}
