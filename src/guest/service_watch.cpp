// SPDX-License-Identifier: Apache-2.0
// WatchDir, and the watchers that clients come and ask.
#include "guest/body_sinks.hpp"
#include "guest/encoding.hpp"
#include "guest/paths.hpp"
#include "guest/service.hpp"
#include "guest/watch_stream.hpp"

#include <linux/magic.h>
#include <sys/random.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace sandboxkit::guest {
namespace {

using namespace std::chrono_literals;

// After that a watcher that nobody asked makes room for a new one: its client may have forgotten it.
constexpr auto forgotten_time = 10min;
constexpr std::size_t answer_size = 2 << 20; // bytes of the events of one answer
constexpr long cifs_magic = 0xff534d42;      // as in the kernel's own fs/smb/client

bool is_network_mount(const std::string& path) {
    struct statfs file_system {};
    if (::statfs(path.c_str(), &file_system) != 0) return false;
    const auto type = static_cast<unsigned long>(file_system.f_type) & 0xffffffffUL;
    return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == SMB2_SUPER_MAGIC || type == cifs_magic;
}

std::string new_id() {
    std::array<unsigned char, 12> bytes{};
    // Also when the kernel has no randomness yet: an id is a name, and not a secret.
    (void)::getrandom(bytes.data(), bytes.size(), GRND_NONBLOCK);
    static std::uint64_t count = 0;
    std::string id = "w" + std::to_string(++count) + "x";
    for (const unsigned char byte : bytes) {
        std::array<char, 3> text{};
        std::snprintf(text.data(), text.size(), "%02x", byte);
        id += text.data();
    }
    return id;
}

RpcError no_such_watcher(std::string_view id) {
    return {Code::not_found, "watcher with id " + std::string(id.substr(0, 256)) + " not found"};
}

} // namespace

Answer<std::shared_ptr<Watcher>> Service::make_watcher(const Shared& connection, const WatchRequest& request,
                                                       const Identity& user) const {
    auto path = resolve_path(request.path, user, settings_.default_workdir);
    if (!path) return path.error();
    if (!request.network_mounts) {
        const ActingAs acting(user);
        if (acting.error() == 0 && is_network_mount(*path))
            return RpcError{Code::invalid_argument, "cannot watch path on network filesystem: " + *path};
    }
    return std::make_shared<Watcher>(connection->executor(), std::move(*path), user, request.recursive, request.with_entries);
}

void Service::watch(const Shared& connection, const WatchRequest& request, const Identity& user, std::chrono::seconds keepalive,
                    std::optional<std::chrono::milliseconds> stream_time) {
    auto watcher = make_watcher(connection, request, user);
    if (!watcher) return connection->respond(stream_error(watcher.error()));
    Watcher& started = **watcher;
    started.start([connection, watcher = std::move(*watcher), keepalive, stream_time](const Answer<void>& ready) {
        if (!ready) return connection->respond(stream_error(ready.error()));
        WatchStream::respond(connection, watcher, keepalive, stream_time);
    });
}

Answer<std::optional<std::string>> Service::call_watcher(const Shared& connection, std::string_view method, const Identity& user,
                                                         std::string_view body) {
    const auto now = std::chrono::steady_clock::now();
    if (method == "CreateWatcher") {
        const auto request = decode_watch(body);
        if (!request) return request.error();
        std::erase_if(watchers_, [&](const auto& entry) { return now - entry.second.asked > forgotten_time; });
        auto watcher = make_watcher(connection, *request, user);
        if (!watcher) return watcher.error();
        Watcher& started = **watcher;
        started.start([this, connection, now, watcher = std::move(*watcher)](const Answer<void>& ready) {
            if (!ready) return connection->respond(rpc_error(ready.error()));
            const std::string id = new_id();
            watchers_.emplace(id, PolledWatcher{watcher, now});
            connection->respond({200, "application/json", "{\"watcherId\":\"" + id + "\"}", {}});
        });
        return std::optional<std::string>();
    }
    const auto id = decode_watcher_id(body);
    if (!id) return id.error();
    const auto it = watchers_.find(*id);
    if (it == watchers_.end()) return no_such_watcher(*id);
    if (method == "RemoveWatcher") {
        watchers_.erase(it);
        return std::optional(std::string("{}"));
    }
    it->second.asked = now;
    Watcher& watcher = *it->second.watcher;
    std::string events;
    while (events.size() < answer_size) {
        const auto event = watcher.take();
        if (!event) break;
        events += events.empty() ? R"({"events":[)" : ",";
        events += *event;
    }
    if (!events.empty()) return std::optional(events + "]}");
    if (watcher.failure()) return *watcher.failure();
    return std::optional(std::string("{}"));
}

} // namespace sandboxkit::guest
