// SPDX-License-Identifier: Apache-2.0
// A real ssh server on 127.0.0.1 whose users' docker command has a given daemon.
#pragma once

#include "docker/fixture.hpp"

#include <filesystem>
#include <string>

#include <sys/types.h>

namespace sandboxkit::test {

// A port of this machine that nobody listens on now.
unsigned free_port();

class SshServer {
public:
    SshServer(std::filesystem::path directory, const std::string& docker_host);
    SshServer(const SshServer&) = delete;
    SshServer& operator=(const SshServer&) = delete;
    ~SshServer();

    [[nodiscard]] unsigned port() const { return port_; }
    [[nodiscard]] std::filesystem::path identity() const { return directory_ / "user_key"; }
    [[nodiscard]] std::filesystem::path stranger() const { return directory_ / "stranger_key"; }
    [[nodiscard]] std::filesystem::path known_hosts() const { return directory_ / "known_hosts"; }
    [[nodiscard]] std::filesystem::path wrong_known_hosts() const { return directory_ / "wrong_known_hosts"; }

private:
    std::filesystem::path directory_;
    unsigned port_ = free_port();
    pid_t pid_ = -1;
};

} // namespace sandboxkit::test
