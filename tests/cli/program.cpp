// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace sandboxkit::cli::test {

namespace fs = std::filesystem;

std::string Outcome::line() const {
    return out.substr(0, out.find('\n'));
}

boost::json::value Outcome::json() const {
    return boost::json::parse(out);
}

Running::Running(std::vector<std::string> argv, const std::map<std::string, std::string>& environment) {
    std::array<std::array<int, 2>, 3> pipes{};
    for (auto& ends : pipes)
        if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) variables.push_back(name + '=' + value);
    std::vector<char*> arguments, envp;
    for (auto& a : argv) arguments.push_back(a.data());
    for (auto& v : variables) envp.push_back(v.data());
    arguments.push_back(nullptr);
    envp.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(pipes[0][0], 0);
        ::dup2(pipes[1][1], 1);
        ::dup2(pipes[2][1], 2);
        ::execve(arguments[0], arguments.data(), envp.data());
        ::_exit(126);
    }
    ::close(pipes[0][0]);
    ::close(pipes[1][1]);
    ::close(pipes[2][1]);
    in_ = pipes[0][1];
    out_ = pipes[1][0];
    err_ = pipes[2][0];
    ::fcntl(in_, F_SETFL, O_NONBLOCK);
}

Running::~Running() {
    for (const int fd : {in_, out_, err_})
        if (fd >= 0) ::close(fd);
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool Running::read_some() {
    std::array<pollfd, 2> fds{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
    if (out_ < 0 && err_ < 0) return false;
    ::poll(fds.data(), fds.size(), -1);
    std::array<char, 65536> buffer{};
    const auto take = [&](const pollfd& fd, int& ours, std::string& text) {
        if (fd.revents == 0) return;
        const auto n = ::read(ours, buffer.data(), buffer.size());
        if (n > 0)
            text.append(buffer.data(), static_cast<std::size_t>(n));
        else
            ::close(std::exchange(ours, -1));
    };
    take(fds[0], out_, so_far_.out);
    take(fds[1], err_, so_far_.err);
    return true;
}

void Running::write(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) { // reading meanwhile, or both would wait for each other
        const auto n = ::write(in_, bytes.data() + done, bytes.size() - done);
        if (n > 0)
            done += static_cast<std::size_t>(n);
        else if (errno == EAGAIN) {
            std::array<pollfd, 3> fds{{{in_, POLLOUT, 0}, {out_, POLLIN, 0}, {err_, POLLIN, 0}}};
            ::poll(fds.data(), fds.size(), -1);
            if (fds[0].revents == 0 && !read_some()) return;
        } else
            return;
    }
}

void Running::close_input() {
    if (in_ >= 0) ::close(std::exchange(in_, -1));
}

void Running::wait_for(const std::string& text) {
    while (so_far_.out.find(text) == std::string::npos && so_far_.err.find(text) == std::string::npos)
        if (!read_some()) throw std::runtime_error("ended without saying '" + text + "': " + so_far_.out + so_far_.err);
}

void Running::signal(int number) const {
    ::kill(pid_, number);
}

Outcome Running::finish() {
    close_input();
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    so_far_.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return so_far_;
}

Outcome run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
            const std::string& input) {
    Running running(arguments, environment);
    running.write(input);
    return running.finish();
}

Sandbox::Sandbox() {
    ::signal(SIGPIPE, SIG_IGN); // a program that does not read its input is no reason to end
    std::string name = (fs::temp_directory_path() / "sandboxkit-cli-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    directory_ = name;
}

Sandbox::~Sandbox() {
    try {
        const auto listed = (*this)({"--json", "session", "list"});
        if (listed.code == 0) {
            const auto sessions = listed.json();
            for (const auto& session : sessions.as_array()) (*this)({"session", "rm", std::string(session.at("id").as_string())});
        }
    } catch (const std::exception&) {
        // The directory is still removed, as far as it goes.
    }
    std::error_code error;
    fs::remove_all(directory_, error);
}

std::string Sandbox::file(const std::string& name, const std::string& text) const {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
}

std::map<std::string, std::string> Sandbox::environment() const {
    std::map<std::string, std::string> variables{{"SANDBOXKIT_STORE", (directory_ / "store.db").string()}, {"USER", "tester"}};
    for (const auto* name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
        if (const char* value = std::getenv(name)) variables[name] = value;
    return variables;
}

std::unique_ptr<Running> Sandbox::on_a_terminal(std::vector<std::string> arguments,
                                                const std::map<std::string, std::string>& variables) const {
    std::string line = "exec";
    for (const auto& word : command(std::move(arguments))) line += " '" + word + "'";
    auto all = environment();
    all["SHELL"] = "/bin/sh";
    all["TERM"] = "xterm";
    for (const auto& [name, value] : variables) all[name] = value;
    return std::make_unique<Running>(std::vector<std::string>{"/usr/bin/script", "-qec", line, "/dev/null"}, all);
}

std::vector<std::string> Sandbox::command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SANDBOXKIT_CLI);
    return arguments;
}

Outcome Sandbox::operator()(std::vector<std::string> arguments, const std::string& input) const {
    return run(command(std::move(arguments)), environment(), input);
}

Outcome Sandbox::redirected(const std::string& redirections, std::vector<std::string> arguments, const std::string& input) const {
    arguments = command(std::move(arguments));
    arguments.insert(arguments.begin(), {"/bin/sh", "-c", "exec \"$0\" \"$@\" " + redirections});
    return run(arguments, environment(), input);
}

std::string why_no_sandboxes() {
    const Sandbox sandbox;
    const auto doctor = sandbox({"--json", "doctor"});
    if (doctor.code == 0) return "";
    std::string reason;
    const auto answer = doctor.json();
    for (const auto& check : answer.at("checks").as_array())
        if (check.at("status") == "missing")
            reason += std::string(check.at("name").as_string()) + ": " + check.at("message").as_string().c_str() + "; ";
    return reason.empty() ? "the doctor ended with " + std::to_string(doctor.code) : reason;
}

} // namespace sandboxkit::cli::test
