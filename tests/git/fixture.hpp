// SPDX-License-Identifier: Apache-2.0
// Real git servers on loopback, and repositories made by the git program, all gone when the test ends.
#pragma once

#include "git/clone.hpp"

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sandboxkit::git::test {

namespace fs = std::filesystem;

class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }
    [[nodiscard]] fs::path operator/(const fs::path& name) const { return path_ / name; }

private:
    fs::path path_;
};

// A program that ends with this test, however that ends. Its standard input and output are pipes.
class Child {
public:
    Child() = default;
    explicit Child(const std::vector<std::string>& argv, int socket = -1); // with a socket: as its input and output
    ~Child();
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;

    [[nodiscard]] pid_t pid() const { return pid_; }
    std::string read_line(); // without its newline; empty at the end
    std::string read_all();
    void write(const std::string& bytes); // then closes its standard input
    void kill(int signal);
    int wait(); // the exit code; 128 + n after a signal

private:
    pid_t pid_ = -1;
    int in_ = -1, out_ = -1;
};

// Runs a program, checks that it succeeds, returns its output without the last newline.
std::string run(const std::vector<std::string>& argv, const std::string& input = "");
std::string git(const fs::path& repository, std::vector<std::string> arguments, const std::string& input = "");
[[nodiscard]] bool have(const std::string& program);

void write_file(const fs::path& path, const std::string& text);
[[nodiscard]] std::string read_file(const fs::path& path);

// A bare repository with the branches main (3 commits, 4 files, one of them a symlink, one executable) and dev (one
// commit more), the tags v1 (annotated) and v2.
void make_repository(const fs::path& bare);
// Adds a commit with a file to a branch of a bare repository.
std::string add_commit(const fs::path& bare, const std::string& branch, const std::string& file, const std::string& text);

class HttpServer {
public:
    explicit HttpServer(const fs::path& root);
    // Over TLS.
    HttpServer(const fs::path& root, const fs::path& certificate, const fs::path& key);
    [[nodiscard]] const std::string& port() const { return port_; }
    [[nodiscard]] std::string url(const std::string& path) const { return "http://127.0.0.1:" + port_ + path; }

private:
    explicit HttpServer(const std::vector<std::string>& argv);
    Child child_;
    std::string port_;
};

// Listens, and answers nothing.
class SilentServer {
public:
    SilentServer();
    ~SilentServer();
    SilentServer(const SilentServer&) = delete;
    SilentServer& operator=(const SilentServer&) = delete;
    [[nodiscard]] std::uint16_t port() const { return port_; }

protected:
    int socket_ = -1;
    std::uint16_t port_ = 0;
};

// sshd, one for each connection, with a host key and a user key of its own.
class SshServer : public SilentServer {
public:
    explicit SshServer(const fs::path& directory);
    ~SshServer();
    [[nodiscard]] std::string url(const std::string& path) const;
    [[nodiscard]] fs::path key() const { return directory_ / "user_key"; }
    [[nodiscard]] fs::path known_hosts() const { return directory_ / "known_hosts"; }

private:
    void serve();
    fs::path directory_;
    int wake_ = -1;
    bool made_run_directory_ = false;
    std::vector<Child> children_;
    std::thread thread_;
};

} // namespace sandboxkit::git::test
