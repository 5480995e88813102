// SPDX-License-Identifier: Apache-2.0
// A connection to a daemon behind ssh: the ssh of this machine runs `docker system dial-stdio` on the other one, as the docker
// command does. An unknown or changed host key is refused, and nothing is asked at a terminal.
#pragma once

#include "providers/docker/daemon_endpoint.hpp"

#include <sandboxkit/provider.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace sandboxkit::docker {

struct SshOptions {
    std::filesystem::path identity, known_hosts; // empty: ssh's own
};

// The arguments of ssh, without its own name.
[[nodiscard]] std::vector<std::string> ssh_arguments(const DaemonEndpoint& endpoint, const SshOptions& options);

// What an ssh that ended said. Permission "docker_ssh_host_key" and "docker_ssh_login"; unsupported "docker_ssh_no_docker";
// unavailable "docker_name_not_found", "docker_refused", "docker_unreachable" or "docker_ssh_failed".
[[nodiscard]] Error ssh_failure(std::string_view said, int exit_code, const std::string& daemon);

// A stream socket, the caller's, on which the daemon has answered already. Closing it ends ssh.
Task<int> dial_ssh(boost::asio::any_io_executor executor, DaemonEndpoint endpoint, SshOptions options,
                   std::chrono::milliseconds limit);

} // namespace sandboxkit::docker
