// SPDX-License-Identifier: Apache-2.0
#include "docker/ssh_server.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxkit::test {

namespace fs = std::filesystem;

namespace {

int loopback_socket(unsigned port, bool connect) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if ((connect ? ::connect(fd, generic, sizeof address) : ::bind(fd, generic, sizeof address)) == 0) return fd;
    ::close(fd);
    return -1;
}

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

unsigned free_port() {
    const int fd = loopback_socket(0, false);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(fd);
    return ntohs(address.sin_port);
}

SshServer::SshServer(fs::path directory, const std::string& docker_host) : directory_(std::move(directory)) {
    fs::create_directories(directory_);
    for (const char* name : {"host_key", "other_key", "user_key", "stranger_key"})
        command({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", (directory_ / name).string()});
    fs::copy_file(directory_ / "user_key.pub", directory_ / "authorized_keys");
    const std::string name = "[127.0.0.1]:" + std::to_string(port_) + " ";
    std::ofstream(known_hosts()) << name << text_of(directory_ / "host_key.pub");
    std::ofstream(wrong_known_hosts()) << name << text_of(directory_ / "other_key.pub");
    std::ofstream(directory_ / "sshd_config")
        << "ListenAddress 127.0.0.1\nPort " << port_ << "\nHostKey " << (directory_ / "host_key").string()
        << "\nAuthorizedKeysFile " << (directory_ / "authorized_keys").string()
        << "\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
           "KbdInteractiveAuthentication no\nUseDNS no\nPidFile none\nSetEnv DOCKER_HOST="
        << docker_host << "\n";
    fs::create_directories("/run/sshd"); // sshd as root insists on it
    const std::string config = (directory_ / "sshd_config").string(), log = (directory_ / "log").string();
    const auto program = command({"sh", "-c", "PATH=$PATH:/usr/sbin command -v sshd"});
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        ::execl(program.text.c_str(), program.text.c_str(), "-D", "-f", config.c_str(), "-E", log.c_str(), nullptr);
        ::_exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (int fd = -1; (fd = loopback_socket(port_, true)) < 0;) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("sshd does not start: " + text_of(log));
        std::this_thread::sleep_for(std::chrono::milliseconds(10)); // it offers nothing to wait on
    }
}

SshServer::~SshServer() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
}

} // namespace sandboxkit::test
