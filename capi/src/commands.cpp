// SPDX-License-Identifier: Apache-2.0
// Commands, and what is run in a session.
#include "client.hpp"
#include "command.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using sandboxkit::Engine;
using sandboxkit::Principal;

sbk_status sbk_command_new(sbk_command** command) {
    return guarded(__func__, command, [&] {
        auto*& place = capi::result_at(command);
        place = new sbk_command;
        return SBK_OK;
    });
}

sbk_status sbk_command_add_argument(sbk_command* command, const char* argument, size_t argument_size) {
    return guarded(__func__, [&] {
        capi::object(command).request.argv.emplace_back(text(argument, argument_size));
        return SBK_OK;
    });
}

sbk_status sbk_command_set_environment(sbk_command* command, const char* name, size_t name_size, const char* value,
                                       size_t value_size) {
    return guarded(__func__, [&] {
        auto& environment = capi::object(command).request.environment;
        environment.insert_or_assign(std::string(text(name, name_size)), std::string(text(value, value_size)));
        return SBK_OK;
    });
}

sbk_status sbk_command_set_directory(sbk_command* command, const char* path, size_t path_size) {
    return guarded(__func__, [&] {
        capi::object(command).request.cwd = text(path, path_size);
        return SBK_OK;
    });
}

sbk_status sbk_command_set_user(sbk_command* command, const char* user, size_t user_size) {
    return guarded(__func__, [&] {
        capi::object(command).request.user = text(user, user_size);
        return SBK_OK;
    });
}

sbk_status sbk_command_set_timeout(sbk_command* command, uint64_t milliseconds) {
    return guarded(__func__, [&] {
        auto& timeout = capi::object(command).request.timeout;
        timeout.reset();
        // What the library counts with: 292 million years.
        if (milliseconds > 0)
            timeout = std::chrono::milliseconds(std::min<std::uint64_t>(milliseconds, std::numeric_limits<std::int64_t>::max()));
        return SBK_OK;
    });
}

sbk_status sbk_command_set_standard_input(sbk_command* command, int open) {
    return guarded(__func__, [&] {
        capi::object(command).request.standard_input = open != 0;
        return SBK_OK;
    });
}

sbk_status sbk_command_set_terminal(sbk_command* command, uint16_t columns, uint16_t rows) {
    return guarded(__func__, [&] {
        if (columns == 0 || rows == 0) throw capi::Misuse{};
        capi::object(command).request.terminal = sandboxkit::TerminalSize{columns, rows};
        return SBK_OK;
    });
}

void sbk_command_free(sbk_command* command) {
    capi::release(__func__, command);
}

sbk_status sbk_session_exec(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                            const sbk_command* command, uint64_t output_limit) {
    return guarded(__func__, operation, [&] {
        const auto& request = capi::object(command).request;
        const std::uint64_t limit = output_limit == 0 ? 16ULL << 20 : output_limit;
        return submit(operation, client, tag,
                      [session = text(session, session_size), &request, limit](Engine& engine, const Principal& who) {
                          return engine.exec(who, session, request, limit);
                      });
    });
}

sbk_status sbk_session_processes(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                                 size_t session_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size))](Engine& engine, const Principal& who) {
                          return engine.processes(who, session);
                      });
    });
}

sbk_status sbk_session_signal(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                              size_t session_size, const char* process, size_t process_size, int signal_number) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size)), process = std::string(text(process, process_size)),
                       signal_number](Engine& engine, const Principal& who) {
                          return engine.signal_process(who, session, process, signal_number);
                      });
    });
}
