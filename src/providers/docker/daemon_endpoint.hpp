// SPDX-License-Identifier: Apache-2.0
// Where a Docker daemon answers, as the docker command reads it: an address, the environment, a context.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace sandboxkit::docker {

struct DaemonEndpoint {
    enum class Kind : std::uint8_t { unix_socket, tcp, ssh };

    Kind kind = Kind::unix_socket;
    std::filesystem::path path;                             // of the socket
    std::string host;                                       // of tcp and ssh; an IPv6 address without brackets
    std::uint16_t port = 0;                                 // of tcp 1..65535; of ssh 0: ssh's own
    std::string user;                                       // of ssh; empty: ssh's own
    bool tls = false;                                       // of tcp; the daemon's certificate is always verified
    std::filesystem::path tls_ca, tls_certificate, tls_key; // empty: the system's authorities; no client certificate

    friend bool operator==(const DaemonEndpoint&, const DaemonEndpoint&) = default;
};

// unix:///path, tcp://host[:port] (2376 with TLS, else 2375) or ssh://[user@]host[:port]. Errors: invalid "docker_endpoint".
[[nodiscard]] Result<DaemonEndpoint> parse_endpoint(std::string_view text, bool tls);

// As messages name it, without what a user name may give away.
[[nodiscard]] std::string to_string(const DaemonEndpoint& endpoint);

// What the docker command would use: DOCKER_HOST with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, else DOCKER_CONTEXT, else the
// current context of config.json in DOCKER_CONFIG (or ~/.docker), else unix:///var/run/docker.sock. A daemon over TLS whose
// certificate is not to be verified is refused. Reads files and nothing else. Errors: invalid "docker_endpoint", "docker_context"
// and "docker_config".
[[nodiscard]] Result<DaemonEndpoint> endpoint_of(const std::map<std::string, std::string>& environment,
                                                 const std::filesystem::path& home);

} // namespace sandboxkit::docker
