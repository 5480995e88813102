// SPDX-License-Identifier: Apache-2.0
// The way of a session's git to its servers, while this engine looks after the session: a few connections that wait in the
// sandbox for git to come, each answered here (git_proxy.hpp). Everything is on the io thread.
#pragma once

#include "engine/git_proxy.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sandboxkit::engine {

class GitAccess : public std::enable_shared_from_this<GitAccess> {
public:
    static constexpr std::size_t waiting_tunnels = 2, tunnels_limit = 32; // of a session

    // The context outlives it, and so does what the client talks to.
    GitAccess(Context& context, const store::Session& session, const Recipe& recipe, std::shared_ptr<envd::Client> client);

    // For a session that is being started: the first tunnel. The port, on the sandbox's loopback, that git is sent to; none where
    // the sandbox brings no connections, which the log is told.
    static Task<std::optional<std::uint16_t>> open(std::shared_ptr<GitAccess> self);

    // Git is answered from now on, until stop(), the engine's end, or the session is found not to be running.
    void start();
    // Cuts off what is under way, at once.
    void stop();

private:
    static Task<void> work(std::shared_ptr<GitAccess> self, std::optional<envd::Tunnel> tunnel, std::uint64_t key);
    static Task<void> serve(std::shared_ptr<GitAccess> self, std::optional<envd::Tunnel> tunnel, bool& used);
    Task<void> pause();
    void fill();
    void log_unavailable(const Error& why) const;

    Context& context_;
    const std::string session_;
    const std::shared_ptr<envd::Client> client_;
    const std::shared_ptr<GitProxy> proxy_;
    std::optional<envd::Tunnel> first_;
    std::map<std::uint64_t, Operation<void>> workers_;
    std::uint64_t last_worker_ = 0;
    std::size_t waiting_ = 0;
    bool ended_ = false;
};

// Of a running session whose engine is this one or dead: answered from now on, if it has repositories that git can reach and is
// not answered yet.
Task<void> adopt_git_access(Context& context, store::Session session);

// Ends what this engine does for the git of a session, if anything.
void stop_git_access(Context& context, const std::string& session);

} // namespace sandboxkit::engine
