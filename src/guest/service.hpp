// SPDX-License-Identifier: Apache-2.0
// The routes: who may call what, and which part answers.
#pragma once

#include "guest/accounts.hpp"
#include "guest/connection.hpp"
#include "guest/messages.hpp"
#include "guest/metrics.hpp"
#include "guest/process_table.hpp"
#include "guest/tunnels.hpp"
#include "guest/watcher.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

// The version of the public server whose wire this is.
inline constexpr std::string_view wire_version = "0.6.13";

using Query = std::map<std::string, std::string>;
// Nothing when an escape is broken. The first of several values of a name counts.
[[nodiscard]] std::optional<Query> parse_query(std::string_view query);
[[nodiscard]] std::string value_of(const Query& query, const std::string& name); // empty when there is none

// The user named by `Authorization: Basic`; empty when there is none.
[[nodiscard]] Answer<std::string> basic_auth_user(std::string_view authorization);

// What POST /init sets.
struct Settings {
    std::string access_token; // empty: everybody who reaches the socket may do everything
    Environment environment;
    std::string default_user = "root";
    std::string default_workdir; // empty: the user's home
};

class Service : public RequestHandler {
public:
    // The base: what processes have before anybody sets anything.
    Service(boost::asio::any_io_executor executor, ProcessTable& processes, std::string default_workdir, Environment base);
    std::unique_ptr<BodySink> begin(const std::shared_ptr<Connection>& connection, const RequestHead& head) override;

private:
    using Shared = std::shared_ptr<Connection>;

    std::unique_ptr<BodySink> begin_rpc(const Shared& connection, const RequestHead& head);
    std::unique_ptr<BodySink> begin_files(const Shared& connection, const RequestHead& head);
    std::unique_ptr<BodySink> begin_compose(const Shared& connection);
    void compose(const Shared& connection, std::string_view body);
    std::unique_ptr<BodySink> begin_tree(const Shared& connection, const RequestHead& head);
    std::unique_ptr<BodySink> begin_tunnel(const Shared& connection);
    // Why a request for /files may not be answered; nothing when it may.
    [[nodiscard]] std::optional<std::string> files_refusal(const RequestHead& head, const Query& query) const;

    [[nodiscard]] Answer<Identity> user_of(const RequestHead& head) const;

    // Unary methods: the body of the response, or nothing when it is sent later.
    Answer<std::optional<std::string>> call(const Shared& connection, std::string_view method, const Identity& user,
                                            std::string_view body);
    Answer<std::string> list_processes(std::string_view body) const;
    Answer<std::shared_ptr<Process>> running(const Selector& selector) const;
    void init(const Shared& connection, const RequestHead& head, std::string_view body);

    void start(const Shared& connection, const RequestHead& head, const Identity& user, std::string_view body);
    void connect(const Shared& connection, const RequestHead& head, std::string_view body);
    void watch(const Shared& connection, const RequestHead& head, const Identity& user, std::string_view body);

    // Watches of directories: as a stream, and for clients that come to ask.
    void watch(const Shared& connection, const WatchRequest& request, const Identity& user, std::chrono::seconds keepalive,
               std::optional<std::chrono::milliseconds> stream_time);
    Answer<std::shared_ptr<Watcher>> make_watcher(const Shared& connection, const WatchRequest& request,
                                                  const Identity& user) const;
    Answer<std::optional<std::string>> call_watcher(const Shared& connection, std::string_view method, const Identity& user,
                                                    std::string_view body);

    struct PolledWatcher {
        std::shared_ptr<Watcher> watcher;
        std::chrono::steady_clock::time_point asked; // last
    };

    ProcessTable& processes_;
    std::map<std::string, PolledWatcher, std::less<>> watchers_;
    const Environment base_;
    Settings settings_;
    Metrics metrics_;
    Tunnels tunnels_;
};

} // namespace sandboxkit::guest
