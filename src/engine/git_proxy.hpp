// SPDX-License-Identifier: Apache-2.0
// Answers the git of one session: decides what it may, and asks the real server with a credential that stays on this side.
#pragma once

#include "engine/context.hpp"
#include "git/session_access.hpp"
#include "git/url.hpp"
#include "net/http_served.hpp"

#include <sandboxkit/credentials.hpp>
#include <sandboxkit/profile.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::engine {

// Only on the io thread. Bodies go through in pieces, both ways. Requests are answered a few at once and then one a second, so
// that what is kept about them grows slowly, whatever the sandbox does.
class GitProxy : public std::enable_shared_from_this<GitProxy> {
public:
    // Of the session: its id, profile, version and state are used. The context outlives it.
    GitProxy(Context& context, const store::Session& session, const Recipe& recipe);
    ~GitProxy();
    GitProxy(const GitProxy&) = delete;
    GitProxy& operator=(const GitProxy&) = delete;

    // The repositories that it is asked about: those with a URL of http, https or ssh. The last are refused by name.
    [[nodiscard]] static std::vector<Repository> repositories_of(const Recipe& recipe);

    // Answers one request, whatever it is. An error: the client is gone, or its answer was cut off.
    static Task<void> serve(std::shared_ptr<GitProxy> self, net::HttpServed& client, net::HttpRequestHead head);

private:
    struct Place; // a repository and its server
    struct Held;  // a credential in use
    struct Asked; // a request that is allowed

    [[nodiscard]] Place* find(const std::string& identifier);
    static Task<void> refuse(net::HttpServed& client, const Error& why);
    Task<void> forward(net::HttpServed& client, Asked asked);
    Task<net::HttpStream> send(net::HttpServed& client, const Asked& asked, const std::string& authorization);
    Task<net::HttpStream> send_with_credential(net::HttpServed& client, const Asked& asked, Held& held);
    Task<std::string> authorization(const Asked& asked, Held& held);
    static Task<void> answer(net::HttpServed& client, const Asked& asked, net::HttpStream stream);
    static Task<void> read_push(net::HttpServed& client, Asked& asked);
    Task<void> wait_for_turn();
    // In the activity log.
    void record(const Place& place, git::GitService service, const std::vector<git::PushCommand>& commands,
                std::string_view outcome, std::string_view code);

    Context& context_;
    const std::string session_, profile_;
    const std::uint32_t version_;
    const std::optional<std::string> connection_;
    std::map<std::string, std::unique_ptr<Place>, std::less<>> places_;
    std::chrono::steady_clock::time_point turn_; // of the last request: the further back, the more are saved up
};

} // namespace sandboxkit::engine
