// SPDX-License-Identifier: Apache-2.0
// On a daemon of its own, which dies when it is told to.
#include "conformance/subject.hpp"

#include "async/blocking.hpp"
#include "providers/docker/docker_provider.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxkit::test {
namespace {

namespace fs = std::filesystem;

struct Said {
    int code = -1;
    std::string text;
};

Said dockerd(const std::string& arguments) {
    Said said;
    FILE* pipe = ::popen(("'" SANDBOXKIT_TEST_DOCKERD "' " + arguments + " 2>&1").c_str(), "re");
    if (pipe == nullptr) return said;
    std::array<char, 4096> piece{};
    while (const auto n = std::fread(piece.data(), 1, piece.size(), pipe)) said.text.append(piece.data(), n);
    const int status = ::pclose(pipe);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    while (said.text.ends_with('\n')) said.text.pop_back();
    said.text = said.text.substr(said.text.rfind('\n') + 1);
    return said;
}

class DockerSubject final : public Subject {
public:
    explicit DockerSubject(const fs::path& directory) : directory_(directory) {}
    ~DockerSubject() override {
        provider_.reset();
        work_.reset();
        context_.stop();
        thread_.join();
        pool_.join();
        if (started_ && dockerd("stop '" + daemon().string() + "'").code != 0) std::printf("the daemon was not ended\n");
    }
    DockerSubject(const DockerSubject&) = delete;
    DockerSubject& operator=(const DockerSubject&) = delete;

    // Empty: it is there.
    std::string start() {
        started_ = true;
        const auto said = dockerd("start '" + daemon().string() + "'");
        if (said.code == 77) return said.text.substr(said.text.find(' ') + 1);
        if (said.code != 0) return "the daemon does not start: " + said.text;
        docker::DockerOptions options;
        options.endpoint = said.text;
        options.state_directory = directory_ / "state";
        options.guest = SANDBOXKIT_GUEST_PROGRAM;
        auto made = docker::make_docker_provider(options, context_.get_executor(), pool_);
        if (!made) return made.error().message;
        provider_ = *made;
        return {};
    }

    [[nodiscard]] std::shared_ptr<Provider> provider() const override { return provider_; }
    std::function<void()> interrupt() override {
        return [this] {
            std::ifstream file(daemon() / "pid");
            pid_t pid = 0;
            if (!(file >> pid) || pid < 2) throw std::runtime_error("the daemon has no process");
            const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
            ::kill(pid, SIGKILL);
            pollfd ended{handle, POLLIN, 0};
            ::poll(&ended, 1, 10'000);
            ::close(handle);
            // Its containerd dies with it. Where nobody reaps them, the next daemon would take them for living ones.
            fs::remove(daemon() / "pid");
            fs::remove(daemon() / "exec/containerd/containerd.pid");
        };
    }
    std::function<void()> restore() override {
        return [this] {
            if (const auto said = dockerd("start '" + daemon().string() + "'"); said.code != 0)
                throw std::runtime_error("the daemon does not come back: " + said.text);
        };
    }
    void end_compute(const std::string& sandbox_id) override {
        const auto command =
            "docker -H 'unix://" + (daemon() / "docker.sock").string() + "' kill '" + sandbox_id + "' > /dev/null 2>&1";
        if (std::system(command.c_str()) != 0) std::printf("docker kill failed\n");
    }

private:
    [[nodiscard]] fs::path daemon() const { return directory_ / "daemon"; }

    fs::path directory_;
    bool started_ = false;
    async::Pool pool_{4};
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
    std::thread thread_{[this] { context_.run(); }};
    std::shared_ptr<Provider> provider_;
};

} // namespace

std::unique_ptr<Subject> make_docker_subject(const fs::path& directory, std::string& why) {
    auto subject = std::make_unique<DockerSubject>(directory);
    why = subject->start();
    if (!why.empty()) return nullptr;
    return subject;
}

} // namespace sandboxkit::test
