// SPDX-License-Identifier: Apache-2.0
// Sessions.
#include "client.hpp"
#include "options.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using capi::text_or_empty;
using sandboxkit::Engine;
using sandboxkit::Principal;

namespace {

// As in version 0.1.
constexpr std::size_t first_session_options = offsetof(sbk_session_options, reserved) + sizeof(std::uint32_t);

// What the library counts with; more is refused there, by name.
std::optional<std::chrono::seconds> limit_of(std::uint64_t seconds) {
    if (seconds == 0) return {};
    return std::chrono::seconds(std::min<std::uint64_t>(seconds, std::numeric_limits<std::int64_t>::max()));
}

sandboxkit::Result<sandboxkit::StartOptions> read_session_options(const sbk_session_options* given) {
    auto read = capi::read_options(given, first_session_options);
    if (!read) return read.error();
    if (read->reserved != 0) throw capi::Misuse{};
    sandboxkit::StartOptions options;
    options.profile = text(read->profile, read->profile_size);
    if (read->version != 0) options.version = read->version;
    options.client_token = text_or_empty(read->client_token, read->client_token_size);
    options.idle_limit = limit_of(read->idle_limit_s);
    options.time_limit = limit_of(read->time_limit_s);
    return options;
}

} // namespace

sbk_status sbk_session_start(sbk_operation** operation, sbk_client* client, uint64_t tag, const sbk_session_options* options) {
    return guarded(__func__, operation, [&] {
        auto read = read_session_options(options);
        if (!read)
            return capi::submit_to(operation, capi::object(client).queue, tag,
                                   [&](const auto& pending) { pending->fail(read.error()); });
        return submit(operation, client, tag,
                      [&](Engine& engine, const Principal& who) { return engine.start_session(who, std::move(*read)); });
    });
}

sbk_status sbk_session_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                           size_t session_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size))](Engine& engine, const Principal& who) {
                          return engine.session(who, session);
                      });
    });
}

sbk_status sbk_session_list(sbk_operation** operation, sbk_client* client, uint64_t tag, int ended) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [ended](Engine& engine, const Principal& who) { return engine.sessions(who, ended != 0); });
    });
}

sbk_status sbk_session_stop(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                            size_t session_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size))](Engine& engine, const Principal& who) {
                          return engine.stop_session(who, session);
                      });
    });
}

sbk_status sbk_session_resume(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                              size_t session_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size))](Engine& engine, const Principal& who) {
                          return engine.resume_session(who, session);
                      });
    });
}

sbk_status sbk_session_remove(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                              size_t session_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = std::string(text(session, session_size))](Engine& engine, const Principal& who) {
                          return engine.remove_session(who, session);
                      });
    });
}
