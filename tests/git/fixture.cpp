// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace sandboxkit::git::test {

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "sandboxkit-git-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code error;
    fs::remove_all(path_, error);
}

Child::Child(const std::vector<std::string>& argv, int socket) {
    std::array<int, 2> in{-1, -1}, out{-1, -1};
    if (socket < 0 && (::pipe2(in.data(), O_CLOEXEC) < 0 || ::pipe2(out.data(), O_CLOEXEC) < 0)) throw std::runtime_error("pipe");
    std::vector<char*> pointers;
    for (const auto& a : argv) pointers.push_back(const_cast<char*>(a.c_str()));
    pointers.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        ::dup2(socket < 0 ? in[0] : socket, 0);
        ::dup2(socket < 0 ? out[1] : socket, 1);
        if (socket >= 0) ::dup2(::open("/dev/null", O_WRONLY), 2);
        ::execvp(pointers[0], pointers.data());
        ::_exit(127);
    }
    if (socket >= 0) return;
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), in_(std::exchange(other.in_, -1)), out_(std::exchange(other.out_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(in_, other.in_);
    std::swap(out_, other.out_);
    return *this;
}

Child::~Child() {
    if (in_ >= 0) ::close(in_);
    if (out_ >= 0) ::close(out_);
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string Child::read_line() {
    std::string line;
    for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
}

std::string Child::read_all() {
    std::string text;
    std::array<char, 65536> buffer{};
    for (ssize_t n = 0; (n = ::read(out_, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
}

void Child::write(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
        const auto n = ::write(in_, bytes.data() + done, bytes.size() - done);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    ::close(std::exchange(in_, -1));
}

void Child::kill(int signal) {
    ::kill(pid_, signal);
}

int Child::wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string run(const std::vector<std::string>& argv, const std::string& input) {
    Child child(argv);
    child.write(input); // everything here reads its input before it writes more than a pipe holds
    auto text = child.read_all();
    if (const int code = child.wait(); code != 0) {
        std::string line;
        for (const auto& a : argv) line += a + ' ';
        throw std::runtime_error(line + "ended with " + std::to_string(code));
    }
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

std::string git(const fs::path& repository, std::vector<std::string> arguments, const std::string& input) {
    std::vector<std::string> argv{"git",
                                  "-C",
                                  repository.string(),
                                  "-c",
                                  "user.name=Test",
                                  "-c",
                                  "user.email=test@example.org",
                                  "-c",
                                  "init.defaultBranch=main",
                                  "-c",
                                  "gc.auto=0"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run(argv, input);
}

bool have(const std::string& program) {
    std::stringstream path(std::string(std::getenv("PATH") ? std::getenv("PATH") : "") + ":/usr/sbin");
    for (std::string directory; std::getline(path, directory, ':');)
        if (::access((fs::path(directory) / program).c_str(), X_OK) == 0) return true;
    return false;
}

void write_file(const fs::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

namespace {

// Enough of it, and not to be compressed, that half of a pack is in the middle of something.
std::string noise(unsigned seed, std::size_t size) {
    std::string text(size, '\0');
    std::uint64_t x = 88172645463325252ULL + seed;
    for (auto& c : text) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = static_cast<char>(x);
    }
    return text;
}

} // namespace

void make_repository(const fs::path& bare) {
    const fs::path work = bare.string() + ".work";
    fs::create_directories(work);
    git(work, {"init", "-q"});
    write_file(work / "README", "first\n");
    git(work, {"add", "."});
    git(work, {"commit", "-q", "-m", "first"});
    git(work, {"tag", "-a", "-m", "one", "v1"});
    fs::create_directories(work / "src");
    write_file(work / "src/noise.bin", noise(1, 300'000));
    write_file(work / "src/run.sh", "#!/bin/sh\necho hello\n");
    fs::permissions(work / "src/run.sh", fs::perms::owner_exec, fs::perm_options::add);
    fs::create_symlink("src/run.sh", work / "run");
    git(work, {"add", "."});
    git(work, {"commit", "-q", "-m", "second"});
    write_file(work / "README", "third\n");
    git(work, {"commit", "-q", "-a", "-m", "third"});
    git(work, {"tag", "v2"});
    git(work, {"checkout", "-q", "-b", "dev"});
    write_file(work / "dev.txt", "dev\n");
    git(work, {"add", "."});
    git(work, {"commit", "-q", "-m", "dev"});
    git(work, {"checkout", "-q", "main"});
    run({"git", "clone", "-q", "--bare", work.string(), bare.string()});
    fs::remove_all(work);
}

std::string add_commit(const fs::path& bare, const std::string& branch, const std::string& file, const std::string& text) {
    const auto blob = git(bare, {"hash-object", "-w", "--stdin"}, text);
    const auto tree = git(bare, {"mktree"}, git(bare, {"ls-tree", branch}) + "\n100644 blob " + blob + "\t" + file + "\n");
    const auto commit = git(bare, {"commit-tree", tree, "-p", branch, "-m", "more"});
    git(bare, {"update-ref", "refs/heads/" + branch, commit});
    return commit;
}

HttpServer::HttpServer(const fs::path& root)
    : HttpServer(std::vector<std::string>{"python3", SANDBOXKIT_TEST_HTTP_SERVER, root.string()}) {}

HttpServer::HttpServer(const fs::path& root, const fs::path& certificate, const fs::path& key)
    : HttpServer(
          std::vector<std::string>{"python3", SANDBOXKIT_TEST_HTTP_SERVER, root.string(), certificate.string(), key.string()}) {}

HttpServer::HttpServer(const std::vector<std::string>& argv) : child_(argv) {
    port_ = child_.read_line();
    if (port_.empty()) throw std::runtime_error("the HTTP server did not start");
}

SilentServer::SilentServer() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) < 0 || ::listen(socket_, 16) < 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) < 0)
        throw std::runtime_error("listen");
    port_ = ntohs(address.sin_port);
}

SilentServer::~SilentServer() {
    ::close(socket_);
}

SshServer::SshServer(const fs::path& directory) : directory_(directory) {
    fs::create_directories(directory_);
    run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", (directory_ / "host_key").string()});
    run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key().string()});
    fs::copy_file(directory_ / "user_key.pub", directory_ / "authorized_keys");
    write_file(directory_ / "sshd_config",
               "HostKey " + (directory_ / "host_key").string() + "\nAuthorizedKeysFile " +
                   (directory_ / "authorized_keys").string() +
                   "\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
                   "KbdInteractiveAuthentication no\nUseDNS no\nPidFile none\n");
    write_file(known_hosts(), "[127.0.0.1]:" + std::to_string(port_) + " " + read_file(directory_ / "host_key.pub"));
    made_run_directory_ = ::geteuid() == 0 && fs::create_directory("/run/sshd"); // sshd as root insists on it
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { serve(); });
}

SshServer::~SshServer() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
    children_.clear();
    std::error_code error;
    if (made_run_directory_) fs::remove("/run/sshd", error);
}

void SshServer::serve() {
    for (;;) {
        std::array<pollfd, 2> fds{{{socket_, POLLIN, 0}, {wake_, POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0) continue;
        if (fds[1].revents != 0) return;
        const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection < 0) continue;
        children_.emplace_back(std::vector<std::string>{"/usr/sbin/sshd", "-i", "-f", (directory_ / "sshd_config").string()},
                               connection);
        ::close(connection);
    }
}

std::string SshServer::url(const std::string& path) const {
    const passwd* user = ::getpwuid(::geteuid());
    return "ssh://" + std::string(user ? user->pw_name : "root") + "@127.0.0.1:" + std::to_string(port_) + path;
}

} // namespace sandboxkit::git::test
