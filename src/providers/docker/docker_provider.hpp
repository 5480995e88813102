// SPDX-License-Identifier: Apache-2.0
// Containers of a Docker daemon, here or on another machine, over the Engine API.
#pragma once

#include <sandboxkit/provider.hpp>

#include "async/blocking.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace sandboxkit::docker {

struct DockerOptions {
    // As DOCKER_HOST: unix:///path, tcp://host:port or ssh://[user@]host[:port]. Empty: what the docker command would use.
    std::string endpoint;
    bool tls = false; // tcp only; with the files below (PEM). With an empty endpoint: from the environment or the context
    std::filesystem::path tls_ca, tls_certificate, tls_key; // empty: the system's authorities; no client certificate
    std::filesystem::path ssh_identity, ssh_known_hosts;    // empty: ssh's own
    std::filesystem::path state_directory;                  // mode 0700, for the sockets of sandboxes; made when missing
    std::filesystem::path guest;                            // the static guest program
};

// The provider does its I/O on `executor`, which must never run two handlers at once; its operations may be awaited on any
// executor. `pool` and the executor's context outlive the provider. Does not talk to the daemon yet: one that is down makes the
// operations fail with unavailable, and they work again when it comes back.
// Errors: invalid "docker_endpoint", "docker_context", "docker_config"; what the state directory or the guest lacks.
Result<std::shared_ptr<Provider>> make_docker_provider(DockerOptions options, boost::asio::any_io_executor executor,
                                                       async::Pool& pool);

} // namespace sandboxkit::docker
