// SPDX-License-Identifier: Apache-2.0
// Files of a session, alone and as trees.
#include "client.hpp"
#include "options.hpp"
#include "stream.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using sandboxkit::Engine;
using sandboxkit::Principal;

namespace {

// As in version 0.1.
constexpr std::size_t first_tree_limits = offsetof(sbk_tree_limits, file_size) + sizeof(std::uint64_t);
constexpr std::size_t most_untaken_changes = 10'000;

sandboxkit::Result<sandboxkit::TreeLimits> read_tree_limits(const sbk_tree_limits* given) {
    sandboxkit::TreeLimits limits;
    if (!given) return limits;
    const auto read = capi::read_options(given, first_tree_limits);
    if (!read) return read.error();
    if (read->entries != 0) limits.entries = read->entries;
    if (read->bytes != 0) limits.bytes = read->bytes;
    if (read->file_size != 0) limits.file_size = read->file_size;
    return limits;
}

} // namespace

sbk_status sbk_file_write(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                          const char* path, size_t path_size, const char* bytes, size_t size) {
    return guarded(__func__, operation, [&] {
        std::string name(text(path, path_size));
        std::string contents = capi::text_or_empty(bytes, size);
        return submit(operation, client, tag,
                      [session = text(session, session_size), &name, &contents](Engine& engine, const Principal& who) {
                          return engine.write_file(who, session, std::move(name), std::move(contents));
                      });
    });
}

sbk_status sbk_file_read(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                         const char* path, size_t path_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), path = std::string(text(path, path_size))](
                          Engine& engine, const Principal& who) { return engine.read_file(who, session, path); });
    });
}

sbk_status sbk_file_info(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                         const char* path, size_t path_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), path = std::string(text(path, path_size))](
                          Engine& engine, const Principal& who) { return engine.file_info(who, session, path); });
    });
}

sbk_status sbk_file_list(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                         const char* path, size_t path_size, uint32_t depth) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), path = std::string(text(path, path_size)),
                       depth](Engine& engine, const Principal& who) { return engine.list_directory(who, session, path, depth); });
    });
}

sbk_status sbk_file_make_directory(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                                   size_t session_size, const char* path, size_t path_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), path = std::string(text(path, path_size))](
                          Engine& engine, const Principal& who) { return engine.make_directory(who, session, path); });
    });
}

sbk_status sbk_file_move(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                         const char* from, size_t from_size, const char* to, size_t to_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), from = std::string(text(from, from_size)),
                       to = std::string(text(to, to_size))](Engine& engine, const Principal& who) {
                          return engine.move_file(who, session, from, to);
                      });
    });
}

sbk_status sbk_file_remove(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                           const char* path, size_t path_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), path = std::string(text(path, path_size))](
                          Engine& engine, const Principal& who) { return engine.remove_file(who, session, path); });
    });
}

sbk_status sbk_file_watch(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                          const char* path, size_t path_size, int recursive) {
    return guarded(__func__, operation, [&] {
        const sbk_client& who = capi::object(client);
        const auto id = text(session, session_size);
        std::string directory(text(path, path_size));
        return capi::submit_to(operation, who.queue, tag, [&](const std::shared_ptr<capi::Pending>& pending) {
            auto begun = [pending, engine = who.engine](sandboxkit::Result<sandboxkit::FileWatch> watch) noexcept {
                if (!watch) {
                    pending->fail(watch.error());
                    return;
                }
                capi::answer_if_thrown(*pending, [&] {
                    auto watching = pending->make_event(SBK_EVENT_STATE);
                    watching->set_json(boost::json::object{{"state", "watching"}});
                    pending->push(std::move(watching));
                    capi::StreamSource<sandboxkit::FileEvent> source;
                    source.next = [kept = std::make_shared<sandboxkit::FileWatch>(std::move(*watch))] { return kept->next(); };
                    source.write = [](sandboxkit::FileEvent& change, sbk_event& event) -> std::optional<std::size_t> {
                        event.set_json(sandboxkit::to_json(change));
                        return 1;
                    };
                    const auto stream = std::make_shared<capi::Stream<sandboxkit::FileEvent>>(
                        pending, SBK_EVENT_CHANGE, most_untaken_changes, std::move(source));
                    if (engine->keep(stream))
                        stream->start();
                    else
                        pending->fail(capi::cancelled_error);
                });
            };
            capi::follow_in_engine(
                pending, who,
                [&](Engine& engine, const Principal& principal) {
                    return engine.watch_directory(principal, id, std::move(directory), recursive != 0);
                },
                std::move(begun));
        });
    });
}

sbk_status sbk_tree_upload(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session, size_t session_size,
                           const char* from, size_t from_size, const char* to, size_t to_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [session = text(session, session_size), from = std::string(text(from, from_size)),
                       to = std::string(text(to, to_size))](Engine& engine, const Principal& who) {
                          return engine.upload_tree(who, session, from, to);
                      });
    });
}

sbk_status sbk_tree_download(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* session,
                             size_t session_size, const char* from, size_t from_size, const char* to, size_t to_size,
                             const sbk_tree_limits* limits) {
    return guarded(__func__, operation, [&] {
        auto read = read_tree_limits(limits);
        if (!read)
            return capi::submit_to(operation, capi::object(client).queue, tag,
                                   [&](const auto& pending) { pending->fail(read.error()); });
        return submit(operation, client, tag,
                      [session = text(session, session_size), from = std::string(text(from, from_size)),
                       to = std::string(text(to, to_size)), &read](Engine& engine, const Principal& who) {
                          return engine.download_tree(who, session, from, to, *read);
                      });
    });
}
